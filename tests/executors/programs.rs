//! The helper programs, by path.

pub(crate) const BINDS_UNIX: &str = env!("CARGO_BIN_EXE_binds_unix");
pub(crate) const BLACKHOLE: &str = env!("CARGO_BIN_EXE_blackhole");
pub(crate) const DIES: &str = env!("CARGO_BIN_EXE_dies");
pub(crate) const EXITS: &str = env!("CARGO_BIN_EXE_exits");
pub(crate) const FLOODS: &str = env!("CARGO_BIN_EXE_floods");
pub(crate) const HTTP_SERVICE: &str = env!("CARGO_BIN_EXE_http_service");
pub(crate) const IGNORES_STOP: &str = env!("CARGO_BIN_EXE_ignores_stop");
pub(crate) const LISTENS_LATE: &str = env!("CARGO_BIN_EXE_listens_late");
pub(crate) const MAIN_THREAD_ENDS: &str = env!("CARGO_BIN_EXE_main_thread_ends");
pub(crate) const PRINTS: &str = env!("CARGO_BIN_EXE_prints");
pub(crate) const REOPENS_OUTPUT: &str = env!("CARGO_BIN_EXE_reopens_output");
pub(crate) const SHOWS_ENVIRONMENT: &str = env!("CARGO_BIN_EXE_shows_environment");
pub(crate) const STOPS_ITSELF: &str = env!("CARGO_BIN_EXE_stops_itself");
pub(crate) const WRITES_PID: &str = env!("CARGO_BIN_EXE_writes_pid");
