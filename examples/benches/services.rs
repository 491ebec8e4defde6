//! Measures the cost of the ready-made services: `cargo bench -p mirakuru-examples --bench services`.
//!
//! The program prints a Markdown table of medians. A bare start works without this library: it copies a data directory,
//! spawns the server, and checks in a loop whether the server is ready.
#![expect(
    clippy::disallowed_methods,
    reason = "the bare loop pauses between its checks"
)]

use std::error::Error;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mirakuru::{Executor, Readiness, readiness, services};
use postgres::{Client, NoTls};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 15;
/// The number of tables, as in a typical application.
const TABLES: u32 = 20;

fn main() -> Outcome {
    println!("| figure (medians of {ROUNDS}) | mirakuru | bare | ratio |");
    println!("|---|---|---|---|");
    if cfg!(has_postgres) {
        let source = services::postgres().started()?;
        let program = format!("{}/postgres", env!("POSTGRES_BIN"));
        let bare = Bare {
            source: source.tmpdir(),
            program: program.into(),
            words: |data, port| {
                let words = [
                    "-F",
                    "-clisten_addresses=127.0.0.1",
                    "-cunix_socket_directories=",
                    // Other types of shared memory outlive a kill.
                    "-cdynamic_shared_memory_type=mmap",
                ];
                let words = words.map(str::to_owned).into_iter();
                words
                    .chain([format!("-D{data}"), format!("-p{port}")])
                    .collect()
            },
            is_ready: |data, _| {
                let noted = fs::read_to_string(data.join("postmaster.pid"));
                noted.is_ok_and(|text| {
                    text.lines()
                        .nth(7)
                        .is_some_and(|line| line.trim() == "ready")
                })
            },
        };
        source.stop()?;
        starts("a ready PostgreSQL", services::postgres, &bare)?;
        databases()?;
    }
    if cfg!(has_mariadb) {
        let source = services::mariadb().started()?;
        let bare = Bare {
            source: source.tmpdir(),
            program: "mariadbd".into(),
            words: |data, port| {
                let words = [
                    "--no-defaults",
                    "--skip-log-bin",
                    "--innodb-flush-method=nosync",
                    "--innodb-log-file-size=4M",
                    "--bind-address=127.0.0.1",
                ];
                let places = [
                    format!("--datadir={data}"),
                    format!("--socket={data}/socket"),
                    format!("--port={port}"),
                ];
                words.map(str::to_owned).into_iter().chain(places).collect()
            },
            is_ready: |_, port| TcpStream::connect(("127.0.0.1", port)).is_ok(),
        };
        source.stop()?;
        starts("a ready MariaDB", services::mariadb, &bare)?;
    }
    if cfg!(has_redis) {
        let by_hand = "redis-server --port {port} --save '' --dir {tmpdir}";
        let check = readiness::Redis::new("127.0.0.1", 0);
        compare_with_plain_executor("Redis", by_hand, &check, services::redis)?;
    }
    if cfg!(has_memcached) {
        let by_hand = "memcached -l {host} -p {port} -u nobody";
        let check = readiness::Memcached::new("127.0.0.1", 0);
        compare_with_plain_executor("memcached", by_hand, &check, services::memcached)?;
    }
    if cfg!(has_nats) {
        let by_hand = "nats-server -a {host} -p {port} -js -sd {tmpdir}";
        let check = readiness::Nats::new("127.0.0.1", 0).jet_stream();
        compare_with_plain_executor("NATS", by_hand, &check, services::nats)?;
    }
    Ok(())
}

/// A server that starts without the library.
struct Bare {
    /// The private directory of a server, which holds a data directory.
    source: PathBuf,
    program: PathBuf,
    words: fn(&str, u16) -> Vec<String>,
    is_ready: fn(&Path, u16) -> bool,
}

impl Bare {
    fn start(&self, round: usize) -> Outcome<Duration> {
        let port = u16::try_from(47_000 + round)?;
        let source = self.source.join("data");
        let owner = fs::metadata(&source)?;
        let (user, group) = (owner.uid(), owner.gid());
        let directory = self
            .source
            .with_file_name(format!("bare-{}", std::process::id()));
        let begun = Instant::now();
        copy(&source, &directory, (user, group))?;
        let data = directory.to_string_lossy();
        let mut command = Command::new(&self.program);
        command
            .args((self.words)(&data, port))
            .current_dir(&directory);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // Only root may name another user.
        if fs::metadata("/proc/self")?.uid() == 0 {
            command.uid(user).gid(group);
        }
        let mut server = command.spawn()?;
        while !(self.is_ready)(&directory, port) {
            assert!(server.try_wait()?.is_none(), "the server exited");
            thread::sleep(Duration::from_micros(500));
        }
        let took = begun.elapsed();
        server.kill()?;
        server.wait()?;
        thread::sleep(Duration::from_millis(50));
        fs::remove_dir_all(directory)?;
        Ok(took)
    }
}

fn copy(from: &Path, to: &Path, owner: (u32, u32)) -> Outcome {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let (from, to) = (entry?.path(), to.to_owned());
        let to = to.join(from.file_name().ok_or("no name")?);
        if from.is_dir() {
            copy(&from, &to, owner)?;
        } else {
            fs::copy(&from, &to)?;
            chown(&to, Some(owner.0), Some(owner.1))?;
        }
    }
    fs::set_permissions(to, fs::Permissions::from_mode(0o700))?;
    chown(to, Some(owner.0), Some(owner.1))?;
    Ok(())
}

fn starts<R: Readiness>(name: &str, service: fn() -> Executor<R>, bare: &Bare) -> Outcome {
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let begun = Instant::now();
        let server = service().started()?;
        own.push(begun.elapsed());
        server.stop()?;
        drop(server);
        other.push(bare.start(round)?);
    }
    row(name, &mut own, Some(&mut other));
    Ok(())
}

fn compare_with_plain_executor<R: Readiness, S: Readiness + Clone>(
    name: &str,
    by_hand: &str,
    check: &S,
    service: fn() -> Executor<R>,
) -> Outcome {
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let server = service().started()?;
        own.push(begun.elapsed());
        drop(server);
        let begun = Instant::now();
        let server = Executor::with_readiness(by_hand, check.clone()).started()?;
        other.push(begun.elapsed());
        drop(server);
    }
    row(
        &format!("a ready {name}, against a plain executor"),
        &mut own,
        Some(&mut other),
    );
    Ok(())
}

/// Creates the tables of an application.
fn migrate(url: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut client = Client::connect(url, NoTls)?;
    for number in 0..TABLES {
        let table = format!("CREATE TABLE t{number} (id serial PRIMARY KEY, name text UNIQUE)");
        client.batch_execute(&table)?;
    }
    Ok(())
}

fn databases() -> Outcome {
    let server = services::postgres().prepared(migrate).started()?;
    let (mut create, mut remove, mut stop) = (Vec::new(), Vec::new(), Vec::new());
    // The bare statements run on a client that stays connected, so the server has no session to end.
    let mut client = Client::connect(&server.url(), NoTls)?;
    let (mut bare_create, mut bare_drop) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        client
            .batch_execute("CREATE DATABASE bare TEMPLATE mirakuru_prepared STRATEGY FILE_COPY")?;
        bare_create.push(begun.elapsed());
        let begun = Instant::now();
        client.batch_execute("DROP DATABASE bare")?;
        bare_drop.push(begun.elapsed());
        let begun = Instant::now();
        let database = server.database()?;
        create.push(begun.elapsed());
        let client = Client::connect(&database.url(), NoTls)?;
        let begun = Instant::now();
        drop(database);
        remove.push(begun.elapsed());
        drop(client);
    }
    row(
        &format!("a database, a copy of {TABLES} tables"),
        &mut create,
        Some(&mut bare_create),
    );
    row(
        "its removal with a client",
        &mut remove,
        Some(&mut bare_drop),
    );
    let mut in_threads = Vec::new();
    for _ in 0..ROUNDS / 3 {
        let begun = Instant::now();
        thread::scope(|scope| {
            let five = || {
                (0..5)
                    .map(|_| server.database())
                    .collect::<Result<Vec<_>, _>>()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(five)).collect();
            let made = threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"));
            made.collect::<Result<Vec<_>, _>>().map(|made| {
                in_threads.push(begun.elapsed());
                drop(made);
            })
        })?;
    }
    row("twenty databases from four threads", &mut in_threads, None);
    drop(server);
    for _ in 0..ROUNDS / 3 {
        let server = services::postgres().started()?;
        let client = Client::connect(&server.url(), NoTls)?;
        let begun = Instant::now();
        server.stop()?;
        stop.push(begun.elapsed());
        drop(client);
    }
    row("a stop with a client", &mut stop, None);
    let begun = Instant::now();
    let server = services::postgres().prepared(migrate).started()?;
    for _ in 0..20 {
        let database = server.database()?;
        let mut client = Client::connect(&database.url(), NoTls)?;
        client.execute("INSERT INTO t7 (name) VALUES ('Aoi')", &[])?;
    }
    server.stop()?;
    row(
        "twenty tests with a database each, and their server",
        &mut vec![begun.elapsed()],
        None,
    );
    Ok(())
}

fn row(name: &str, own: &mut Vec<Duration>, bare: Option<&mut Vec<Duration>>) {
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    let own = median(own);
    match bare.map(median) {
        Some(bare) => println!(
            "| {name} | {own:.1} ms | {bare:.1} ms | {:.2} |",
            own / bare
        ),
        None => println!("| {name} | {own:.1} ms | | |"),
    }
}
