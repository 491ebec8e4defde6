//! The processes that can make a check pass. If none of them is left, the check can no longer pass.

/// The processes that can make a check pass. Once the main process has exited with code 0, a start fails as soon as
/// none of them is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Origin {
    /// Any process can make it pass, even one outside the service's process tree.
    Outside,
    /// Only a process of the service's tree can make it pass.
    Tree,
    /// No process can make it pass: the input that the check reads has ended.
    Nowhere,
}

impl Origin {
    /// Returns the origin for a listener that must, or need not, be a process of the tree.
    pub(super) fn of_listener(in_tree: bool) -> Self {
        if in_tree { Self::Tree } else { Self::Outside }
    }
}
