//! Who shares a fixture.

/// Which tests have it in common.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    Process,
    /// By this name.
    Run(&'static str),
}
