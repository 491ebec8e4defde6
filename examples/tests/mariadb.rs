//! MariaDB, made afresh for the test: `mariadb-install-db` into the private directory, then `mariadbd`.

use std::error::Error;
use std::process::Command;

use mirakuru::{OutputExecutor, with_process};

/// Its privileges are not looked at: whoever comes is root. A restart finds the database made.
const COMMAND: &str = "test -d {tmpdir}/data || \
    mariadb-install-db --no-defaults --datadir={tmpdir}/data --skip-test-db >/dev/null && \
    exec mariadbd --no-defaults --datadir={tmpdir}/data --skip-grant-tables --skip-networking=0 \
        --bind-address={host} --port={port} --socket={tmpdir}/socket";

/// MariaDB refuses to run as root. The private directory becomes its user's.
fn mariadb() -> OutputExecutor {
    let mariadb = OutputExecutor::new(COMMAND, "ready for connections").shell(true);
    if cfg!(root) {
        mariadb.user("mysql").env("HOME", "{tmpdir}")
    } else {
        mariadb
    }
}

#[with_process(executor = mariadb())]
#[test]
#[cfg_attr(
    not(has_mariadb),
    ignore = "mariadbd is not in PATH: apt-get install mariadb-server"
)]
fn answers_a_query(mariadb: &OutputExecutor) -> Result<(), Box<dyn Error>> {
    let port = mariadb.port().to_string();
    let client = Command::new("mariadb")
        .args(["--no-defaults", "--batch", "--skip-column-names"])
        .args(["--host", "127.0.0.1", "--port", &port])
        .args(["--execute", "SELECT 6 * 7"])
        .output()?;
    let told = String::from_utf8_lossy(&client.stderr);
    assert_eq!(String::from_utf8_lossy(&client.stdout), "42\n", "{told}");
    Ok(())
}
