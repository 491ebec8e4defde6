//! The helper programs, by path.

pub(crate) const BINDS_UNIX: &str = env!("CARGO_BIN_EXE_binds_unix");
pub(crate) const EXITS: &str = env!("CARGO_BIN_EXE_exits");
pub(crate) const HOLDS: &str = env!("CARGO_BIN_EXE_holds");
pub(crate) const HTTP_SERVICE: &str = env!("CARGO_BIN_EXE_http_service");
pub(crate) const IGNORES_STOP: &str = env!("CARGO_BIN_EXE_ignores_stop");
pub(crate) const LISTENS_LATE: &str = env!("CARGO_BIN_EXE_listens_late");
pub(crate) const PRINTS: &str = env!("CARGO_BIN_EXE_prints");
pub(crate) const WRITES_PID: &str = env!("CARGO_BIN_EXE_writes_pid");
