//! Which processes can make a check pass, and so when it can no longer pass.

/// Which processes can make a check pass. Once the main process has exited with code 0, a start fails as soon as
/// none of these is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Origin {
    /// Any process can, also one outside the service's process tree.
    Outside,
    /// Only a process of the tree can.
    Tree,
    /// No process can: what the check reads has come to its end.
    Nowhere,
}

impl Origin {
    /// For a listener that must, or need not, be a process of the tree.
    pub(super) fn of_listener(in_tree: bool) -> Self {
        if in_tree { Self::Tree } else { Self::Outside }
    }
}
