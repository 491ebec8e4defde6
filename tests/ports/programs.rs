//! The helper programs, by path.

pub(crate) const LISTENS_LATE: &str = env!("CARGO_BIN_EXE_listens_late");
pub(crate) const PRINTS: &str = env!("CARGO_BIN_EXE_prints");
