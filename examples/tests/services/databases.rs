//! Tests of `database` and `prepared`: each database is a copy of the prepared one, and its guard removes it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
    mpsc,
};

use mirakuru::{ErrorKind, services};
use postgres::{Client, NoTls};
use redis::Commands;

use super::Outcome;

const TABLES: &str = "CREATE TABLE guests (id serial PRIMARY KEY, name text NOT NULL);
    INSERT INTO guests (name) VALUES ('Aoi');
    CREATE VIEW names AS SELECT name FROM guests;";

fn prepared() -> services::PostgresExecutor {
    let prepare = |url: &str| Ok(Client::connect(url, NoTls)?.batch_execute(TABLES)?);
    // The choice of a program copies the kind of the service.
    services::postgres().prepared(prepare).program("postgres")
}

fn databases_of(postgres: &services::PostgresExecutor) -> Outcome<Vec<String>> {
    let mut client = Client::connect(&postgres.url(), NoTls)?;
    let found = client.query(
        "SELECT datname FROM pg_database WHERE datname LIKE 'test_%'",
        &[],
    )?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn each_database_is_a_copy_of_the_prepared_one() -> Outcome {
    let postgres = prepared().started()?;
    let (one, two) = (postgres.database()?, postgres.database()?);
    assert_ne!(one.name(), two.name());
    let mut first = Client::connect(&one.url(), NoTls)?;
    first.batch_execute("INSERT INTO guests (name) VALUES ('Bo')")?;
    let mut second = Client::connect(&two.url(), NoTls)?;
    let names = second.query("SELECT name FROM names", &[])?;
    assert_eq!(names.len(), 1);
    assert_eq!(first.query("SELECT name FROM names", &[])?.len(), 2);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn dropping_the_guard_removes_a_database_in_use() -> Outcome {
    let postgres = prepared().started()?;
    let database = postgres.database()?;
    let mut client = Client::connect(&database.url(), NoTls)?;
    client.batch_execute("BEGIN; INSERT INTO guests (name) VALUES ('Bo')")?;
    drop(database);
    assert_eq!(databases_of(&postgres)?, [""; 0]);
    let panicking = AssertUnwindSafe(|| {
        let _database = postgres.database().expect("the server runs");
        std::panic::resume_unwind(Box::new("no message"));
    });
    catch_unwind(panicking).expect_err("the body panics");
    assert_eq!(databases_of(&postgres)?, [""; 0]);
    // After the server has stopped, the guard has nothing to remove.
    let late = postgres.database()?;
    postgres.stop()?;
    drop(late);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn the_prepared_database_outlives_a_restart() -> Outcome {
    let times = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&times);
    let postgres = services::postgres().prepared(move |url| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Client::connect(url, NoTls)?.batch_execute(TABLES)?)
    });
    let postgres = postgres.started()?;
    drop(postgres.database()?);
    postgres.restart()?;
    assert_eq!(times.load(Ordering::Relaxed), 1);
    let database = postgres.database()?;
    let names = Client::connect(&database.url(), NoTls)?.query("SELECT name FROM names", &[])?;
    assert_eq!(names.len(), 1);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn an_error_of_the_preparation_fails_the_start() {
    let postgres = services::postgres().prepared(|_| Err("no migrations here".into()));
    let error = postgres.start().expect_err("the preparation fails");
    assert_eq!(error.kind(), ErrorKind::Io);
    let text = error.to_string();
    assert!(
        text.contains("`prepared` failed: no migrations here"),
        "{text}"
    );
    assert!(!postgres.running());
    // The client's own error text is only "db error". The source of the error has the server's text.
    let wrong = services::postgres()
        .prepared(|url| Ok(Client::connect(url, NoTls)?.batch_execute("CREATE TABEL guests ()")?));
    let text = wrong.start().expect_err("the SQL is wrong").to_string();
    assert!(text.contains("syntax error at or near \"TABEL\""), "{text}");
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn a_stopped_server_returns_an_error_for_a_database() -> Outcome {
    let postgres = services::postgres().started()?;
    postgres.stop()?;
    let error = postgres.database().expect_err("the server has stopped");
    assert_eq!(error.kind(), ErrorKind::Io);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn a_session_that_prepared_left_does_not_prevent_copies() -> Outcome {
    let (send, left) = mpsc::channel();
    let postgres = services::postgres().prepared(move |url| {
        let mut client = Client::connect(url, NoTls)?;
        client.batch_execute(TABLES)?;
        send.send(client).expect("the test receives it");
        Ok(())
    });
    let postgres = postgres.started()?;
    let _client = left.recv()?;
    let database = postgres.database()?;
    let names = Client::connect(&database.url(), NoTls)?.query("SELECT name FROM names", &[])?;
    assert_eq!(names.len(), 1);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn the_error_of_a_refused_database_quotes_the_server() -> Outcome {
    let postgres = prepared().started()?;
    let rename = "ALTER DATABASE mirakuru_prepared RENAME TO another";
    Client::connect(&postgres.url(), NoTls)?.batch_execute(rename)?;
    let error = postgres.database().expect_err("nothing can be copied");
    assert_eq!(error.kind(), ErrorKind::Io);
    let text = error.to_string();
    let refusal = "template database \"mirakuru_prepared\" does not exist (SQLSTATE 3D000)";
    assert!(text.contains(refusal), "{text}");
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn postgres_uses_the_fastest_statements_of_its_version() -> Outcome {
    let postgres = services::postgres().config("log_statement", "ddl");
    let postgres = postgres.started()?;
    let mut client = Client::connect(&postgres.url(), NoTls)?;
    let version: String = client.query_one("SHOW server_version_num", &[])?.get(0);
    let major = version.parse::<u32>()? / 10_000;
    let database = postgres.database()?;
    let name = database.name().to_owned();
    drop(database);
    for (keyword, ending, since) in [
        ("CREATE DATABASE", " STRATEGY FILE_COPY", 15),
        ("DROP DATABASE", " WITH (FORCE)", 13),
    ] {
        let line = postgres
            .err_output()
            .wait_for(format!("{keyword}.* {name}.*"))?;
        assert_eq!(line.ends_with(ending), major >= since, "{line}");
    }
    Ok(())
}

/// Sends statements with the server's own client program, and returns the output.
fn mariadb(url: &str, statements: &str) -> Outcome<String> {
    let place = url
        .strip_prefix("mysql://root@127.0.0.1:")
        .ok_or("an unexpected URL")?;
    let (port, database) = place.split_once('/').ok_or("no database")?;
    let output = Command::new("mariadb")
        .args([
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--user=root",
        ])
        .args(["--host=127.0.0.1", &format!("--port={port}"), database])
        .args(["--execute", statements])
        .output()?;
    let reported = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{reported}");
    Ok(String::from_utf8(output.stdout)?)
}

const MARIADB_TABLES: &str = "CREATE TABLE guests (id int AUTO_INCREMENT PRIMARY KEY, name varchar(40) NOT NULL,
        length int AS (char_length(name)) STORED, UNIQUE (name)) CHARACTER SET utf8mb4;
    CREATE TABLE `a visit` (guest int, note text, FOREIGN KEY (guest) REFERENCES guests (id) ON DELETE CASCADE);
    CREATE SEQUENCE tickets START WITH 100;
    CREATE TABLE numbered (id bigint DEFAULT nextval(tickets), name text);
    CREATE TABLE versioned (name text) WITH SYSTEM VERSIONING;
    INSERT INTO versioned VALUES ('kept');
    CREATE FUNCTION greeting(name text) RETURNS text RETURN concat('Hello, ', name);
    CREATE VIEW a_view AS SELECT name FROM b_view;
    CREATE TRIGGER visits AFTER INSERT ON guests FOR EACH ROW INSERT INTO `a visit` VALUES (NEW.id, greeting(NEW.name));
    INSERT INTO guests (name) VALUES ('Aoi'), ('Bo');
    SELECT nextval(tickets);";

#[test]
#[cfg_attr(
    not(has_mariadb),
    ignore = "mariadbd is not in PATH: apt-get install mariadb-server"
)]
fn a_copy_in_mariadb_has_all_parts_of_the_prepared_one() -> Outcome {
    let server = services::mariadb().prepared(|url| {
        let tables = MARIADB_TABLES.replace(
            "CREATE VIEW a_view",
            "CREATE VIEW b_view AS SELECT * FROM guests; CREATE VIEW a_view",
        );
        mariadb(url, &tables)
            .map(drop)
            .map_err(|error| error.to_string().into())
    });
    let server = server.started()?;
    let (one, two) = (server.database()?, server.database()?);
    assert_ne!(one.name(), two.name());
    let url = one.url();
    assert_eq!(
        mariadb(&url, "SELECT name, length FROM guests")?,
        "Aoi\t3\nBo\t2\n"
    );
    assert_eq!(
        mariadb(&url, "SELECT note FROM `a visit`")?,
        "Hello, Aoi\nHello, Bo\n"
    );
    assert_eq!(mariadb(&url, "SELECT * FROM a_view")?, "Aoi\nBo\n");
    // Triggers and foreign keys work in the copy, and its changes do not reach the other copy.
    mariadb(&url, "INSERT INTO guests (name) VALUES ('Chi')")?;
    assert_eq!(mariadb(&url, "SELECT count(*) FROM `a visit`")?, "3\n");
    assert_eq!(
        mariadb(&url, "DELETE FROM guests; SELECT count(*) FROM `a visit`")?,
        "0\n"
    );
    assert_eq!(mariadb(&two.url(), "SELECT max(id) FROM guests")?, "2\n");
    // Each copy has a sequence of its own.
    let number = "INSERT INTO numbered (name) VALUES ('x'); SELECT max(id) FROM numbered";
    assert_eq!(mariadb(&url, number)?, mariadb(&two.url(), number)?);
    assert_eq!(mariadb(&url, "SELECT name FROM versioned")?, "kept\n");
    drop(one);
    let left = mariadb(&server.url(), "SHOW DATABASES LIKE 'test_%'")?;
    assert_eq!(left, format!("{}\n", two.name()));
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_mariadb),
    ignore = "mariadbd is not in PATH: apt-get install mariadb-server"
)]
fn a_view_without_its_table_fails_the_copy_in_mariadb() -> Outcome {
    let server = services::mariadb().prepared(|url| {
        let views = "CREATE TABLE guests (name text); CREATE VIEW names AS SELECT name FROM guests;
            DROP TABLE guests";
        let made = mariadb(url, views);
        made.map(drop).map_err(|error| error.to_string().into())
    });
    let server = server.started()?;
    let error = server.database().expect_err("the view cannot be copied");
    let text = error.to_string();
    assert!(text.contains("guests' doesn't exist"), "{text}");
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_mariadb),
    ignore = "mariadbd is not in PATH: apt-get install mariadb-server"
)]
fn mariadb_takes_options_and_outlives_a_restart() -> Outcome {
    let server = services::mariadb()
        .config("max_connections", 33)
        .config("sql-mode", "ANSI");
    let server = server.prepared(|url| {
        let made = mariadb(url, "CREATE TABLE guests (name text)");
        made.map(drop).map_err(|error| error.to_string().into())
    });
    let server = server.started()?;
    assert_eq!(mariadb(&server.url(), "SELECT @@max_connections")?, "33\n");
    server.restart()?;
    let database = server.database()?;
    assert_eq!(mariadb(&database.url(), "SHOW TABLES")?, "guests\n");
    server.stop()?;
    let wrong = services::mariadb().config("innodb-page-size", "13k");
    let text = wrong
        .start()
        .expect_err("13k is not a valid page size")
        .to_string();
    assert!(
        text.contains("innodb-page-size") || text.contains("innodb_page_size"),
        "{text}"
    );
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn numbers_of_redis_are_reserved_and_emptied() -> Outcome {
    let server = services::redis().started()?;
    let databases: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| server.database())).collect();
        let databases = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        databases.collect::<Result<_, _>>()
    })?;
    let names: std::collections::BTreeSet<_> =
        databases.iter().map(services::Database::name).collect();
    assert_eq!(names.len(), 8);
    assert!(!names.contains("0"));
    let url = databases[0].url();
    let mut client = redis::Client::open(url.as_str())?.get_connection()?;
    let _: () = client.set("answer", 42)?;
    drop(databases);
    let found: Option<i32> = client.get("answer")?;
    assert_eq!(found, None);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn a_server_that_ends_idle_clients_keeps_reservations() -> Outcome {
    let redis = services::redis().config("timeout", 1).started()?;
    let first = redis.database()?;
    // The server ends this idle connection.
    let mut idle = std::net::TcpStream::connect(redis.addr())?;
    assert_eq!(std::io::Read::read(&mut idle, &mut [0])?, 0);
    let second = redis.database()?;
    assert_ne!(first.url(), second.url());
    let mut client = redis::Client::open(first.url())?.get_connection()?;
    let _: () = client.set("key", 1)?;
    let address = first.url();
    drop(first);
    let mut client = redis::Client::open(address)?.get_connection()?;
    assert!(!client.exists::<_, bool>("key")?);
    redis.stop()?;
    Ok(())
}
