//! The PostgreSQL of the whole run. Its URL is in `DATABASE_URL` before any test begins.

use mirakuru::{OutputExecutor, Shared, Signal};

static POSTGRES: Shared<OutputExecutor> = Shared::per_run("postgres", || {
    let command = concat!(
        "PATH='",
        env!("POSTGRES_BIN"),
        "':$PATH; test -d {tmpdir}/data || ",
        "initdb --no-sync --auth=trust --username=postgres --encoding=UTF8 --locale=C {tmpdir}/data && ",
        "exec postgres -D {tmpdir}/data -F -h {host} -p {port} -k {tmpdir}",
    );
    OutputExecutor::new(command, "database system is ready to accept connections")
        .shell(true)
        .cwd("/")
        // The server refuses to run as root.
        .user_if_root("postgres")
        // SIGTERM would wait for the clients.
        .stop_signal(Signal::INT)
});

mirakuru::export! { DATABASE_URL = POSTGRES, |db| format!("postgres://postgres@{}/postgres", db.addr()) }
