//! A PostgreSQL server that a shell command starts. The ready-made service has neither a Unix socket nor shared memory
//! in files.

use mirakuru::readiness::Readiness;
use mirakuru::{Executor, OutputExecutor, Signal};

/// The command that makes a cluster, if it does not exist yet, and starts the server. The cluster has no passwords and
/// no protection against power cuts, which a test does not need. The build script found the directory of the programs.
pub(crate) const COMMAND: &str = concat!(
    "PATH='",
    env!("POSTGRES_BIN"),
    "':$PATH; ",
    "test -d {tmpdir}/data || ",
    "initdb --no-sync --auth=trust --username=postgres --encoding=UTF8 --locale=C {tmpdir}/data && ",
    "exec postgres -D {tmpdir}/data -F -h {host} -p {port} -k {tmpdir}",
);

/// Adds the options that PostgreSQL needs. The server refuses to run as root, so its user then owns the private
/// directory. On SIGTERM the server would wait until all clients have disconnected.
pub(crate) fn configured<R: Readiness>(postgres: Executor<R>) -> Executor<R> {
    let postgres = postgres.stop_signal(Signal::INT);
    if cfg!(root) {
        postgres.user("postgres")
    } else {
        postgres
    }
}

/// Returns a server that is ready when it logs that it accepts connections. It then answers queries over TCP.
pub(crate) fn server() -> OutputExecutor {
    let banner = "database system is ready to accept connections";
    configured(OutputExecutor::new(COMMAND, banner).shell(true))
}
