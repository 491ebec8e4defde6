//! Tests of the PostgreSQL service: its options, its stop, its errors and its versions.

use std::time::{Duration, Instant};

use mirakuru::{ErrorKind, Shared, services};
use postgres::{Client, NoTls};

use super::Outcome;

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn answers_a_query_and_takes_options() -> Outcome {
    let postgres = services::postgres()
        .config("max_connections", 17)
        .args(["-c", "application_name=of a test"])
        .started()?;
    let mut client = Client::connect(&postgres.url(), NoTls)?;
    let row = client.query_one("SELECT current_setting('max_connections')", &[])?;
    assert_eq!(row.get::<_, String>(0), "17");
    let fsync = client.query_one("SELECT current_setting('fsync')", &[])?;
    assert_eq!(fsync.get::<_, String>(0), "off");
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", postgres.port());
    assert_eq!(postgres.url(), url);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn stops_at_once_with_a_connected_client() -> Outcome {
    let postgres = services::postgres().started()?;
    let mut client = Client::connect(&postgres.url(), NoTls)?;
    client.batch_execute("CREATE TABLE t (n int); BEGIN; INSERT INTO t VALUES (1)")?;
    let begin = Instant::now();
    postgres.stop()?;
    // A stop by SIGTERM would wait for the client until the deadline of ten seconds.
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(postgres.exit_code(), Some(0));
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn leaves_neither_shared_memory_nor_files() -> Outcome {
    let postgres = services::postgres().started()?;
    let directory = postgres.tmpdir();
    let pid = postgres.pid().ok_or("the server is not running")?;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let segments: Vec<_> = maps
        .lines()
        .filter(|line| line.contains("/SYSV"))
        .filter_map(|line| line.split_whitespace().nth(4).map(str::to_owned))
        .collect();
    assert!(!maps.contains(" /dev/shm/PostgreSQL"), "{maps}");
    postgres.stop()?;
    drop(postgres);
    assert!(!directory.exists());
    let table = std::fs::read_to_string("/proc/sysvipc/shm")?;
    let mut numbers = table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    assert!(
        !numbers.any(|number| segments.iter().any(|own| own == number)),
        "{table}"
    );
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn the_error_of_a_wrong_option_quotes_the_server() {
    let postgres = services::postgres().config("max_connections", "many");
    let error = postgres.start().expect_err("the value is not a number");
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    let text = error.to_string();
    let complaint = "invalid value for parameter \"max_connections\": \"many\"";
    assert!(text.contains(complaint), "{text}");
    assert!(!text.contains("initdb"), "{text}");
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn a_version_is_selected_or_reported_as_missing() -> Outcome {
    let error = services::postgres()
        .version("7")
        .start()
        .expect_err("version 7 is too old");
    assert_eq!(error.kind(), ErrorKind::Spawn);
    let text = error.to_string();
    for part in [
        "PostgreSQL 7 is not installed",
        "apt-get install",
        "dnf",
        "brew",
        "docker run",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let newest = services::postgres().started()?;
    let mut client = Client::connect(&newest.url(), NoTls)?;
    let version: String = client.query_one("SHOW server_version", &[])?.get(0);
    let major = version.split('.').next().unwrap_or_default().to_owned();
    services::postgres().version(major).started()?.stop()?;
    Ok(())
}

#[test]
fn the_error_names_a_missing_program() {
    let postgres = services::postgres().program("/no/such/postgres");
    let error = postgres.start().expect_err("the program is missing");
    assert_eq!(error.kind(), ErrorKind::Spawn);
    let text = error.to_string();
    assert!(
        text.contains("the program /no/such/postgres, which the option `program` selects for PostgreSQL, was not found"),
        "{text}"
    );
    assert!(text.contains("apt-get install postgresql"), "{text}");
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn data_outlives_a_restart() -> Outcome {
    let postgres = services::postgres().started()?;
    Client::connect(&postgres.url(), NoTls)?.batch_execute("CREATE TABLE kept (n int)")?;
    postgres.restart()?;
    Client::connect(&postgres.url(), NoTls)?.batch_execute("SELECT n FROM kept")?;
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn a_shared_server_gives_each_thread_a_database() -> Outcome {
    static POSTGRES: Shared<services::PostgresExecutor> =
        Shared::per_run("postgres of the services", services::postgres);
    let names = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| -> mirakuru::Result<String> {
                    let database = POSTGRES.get()?.database()?;
                    let mut client = Client::connect(&database.url(), NoTls)
                        .expect("the server accepts clients");
                    client
                        .batch_execute("CREATE TABLE own (n int)")
                        .expect("the database is empty");
                    Ok(database.name().to_owned())
                })
            })
            .collect();
        let names = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        names.collect::<Result<std::collections::BTreeSet<_>, _>>()
    })?;
    assert_eq!(names.len(), 4);
    Ok(())
}
