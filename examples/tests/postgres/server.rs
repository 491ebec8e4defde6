//! A server by hand, for what the ready-made service leaves out: a Unix socket, and shared memory in files.

use mirakuru::readiness::Readiness;
use mirakuru::{Executor, OutputExecutor, Signal};

/// A cluster without passwords and without the care for power cuts that a test does not need. Its
/// programs are where the build script found them. A restart finds the cluster made.
pub(crate) const COMMAND: &str = concat!(
    "PATH='",
    env!("POSTGRES_BIN"),
    "':$PATH; ",
    "test -d {tmpdir}/data || ",
    "initdb --no-sync --auth=trust --username=postgres --encoding=UTF8 --locale=C {tmpdir}/data && ",
    "exec postgres -D {tmpdir}/data -F -h {host} -p {port} -k {tmpdir}",
);

/// Adds the options that PostgreSQL needs. It refuses to run as root; its user then owns the private
/// directory. On SIGTERM it would wait until all clients have gone.
pub(crate) fn configured<R: Readiness>(postgres: Executor<R>) -> Executor<R> {
    let postgres = postgres.stop_signal(Signal::INT);
    if cfg!(root) {
        postgres.user("postgres")
    } else {
        postgres
    }
}

/// Ready when it says so; then it takes queries over TCP.
pub(crate) fn server() -> OutputExecutor {
    let banner = "database system is ready to accept connections";
    configured(OutputExecutor::new(COMMAND, banner).shell(true))
}
