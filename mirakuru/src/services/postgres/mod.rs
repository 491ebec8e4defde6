//! The ready-made PostgreSQL server: its command, its data directory and its readiness check.

mod session;

use std::io::Read;
use std::path::{Path, PathBuf};

use super::data_directory::Recipe;
use super::databases::{Databases, HasDatabases};
use super::kind::{Kind, Service, Setting};
use super::program::{Server, real};
use crate::executor::{Executor, Site, Unfurnished};
use crate::readiness::{self, Context, NotReady, Readiness};
use crate::signal::Signal;
use crate::sys;
use session::Session;

/// A PostgreSQL server. See [`postgres`].
pub type PostgresExecutor = Executor<Service<Postgres>>;

/// The database user that needs no password.
const USER: &str = "postgres";

/// The kind of [`PostgresExecutor`].
#[derive(Clone, Debug)]
pub struct Postgres {
    check: readiness::Postgres,
    databases: Databases<Session>,
}

/// Creates an executor for a PostgreSQL server, with the newest version that is installed.
///
/// The server listens on `127.0.0.1`. The user `postgres` needs no password, and `url()` returns
/// `postgres://postgres@127.0.0.1:PORT/postgres`. The data directory is a copy from the cache; see
/// [`services`](super). The server neither calls fsync nor keeps shared memory in files. Call
/// [`database`](Executor::database) to give each test a database of its own.
///
/// The executor waits until the server reports in `postmaster.pid` that it is ready, and answers a startup message; see
/// [`readiness::Postgres`]. A stop sends `SIGINT`, which makes the server end the sessions of clients
/// ([Shutting Down the Server](https://www.postgresql.org/docs/current/server-shutdown.html)). As root, the server runs
/// as the user `postgres`, or else as `nobody`.
///
/// ```no_run
/// use mirakuru::services;
///
/// # fn main() -> mirakuru::Result<()> {
/// let postgres = services::postgres().config("max_connections", 20).started()?;
/// println!("{}", postgres.url()); // postgres://postgres@127.0.0.1:24816/postgres
/// # Ok(())
/// # }
/// ```
pub fn postgres() -> PostgresExecutor {
    let words = [
        "-D",
        "{tmpdir}/data",
        "-F",
        "-p",
        "{port}",
        "-c",
        "listen_addresses={host}",
        "-c",
        "unix_socket_directories=",
        "-c",
        "synchronous_commit=off",
        "-c",
        "full_page_writes=off",
        "-c",
        "dynamic_shared_memory_type=mmap",
    ];
    let kind = Postgres {
        check: readiness::Postgres::new("127.0.0.1", 0),
        databases: Databases::default(),
    };
    let executor = Service::executor("PostgresExecutor", kind, words);
    let executor = executor.stop_signal(Signal::INT).cwd("{tmpdir}");
    executor.user_if_root(super::user_of(&["postgres"]))
}

impl HasDatabases for Postgres {
    type Session = Session;

    fn databases(&self) -> &Databases<Session> {
        &self.databases
    }

    fn databases_mut(&mut self) -> &mut Databases<Session> {
        &mut self.databases
    }
}

impl Kind for Postgres {
    const SERVER: Server = Server {
        title: "PostgreSQL",
        programs: &["postgres"],
        directories: &[
            "/usr/lib/postgresql/*/bin",
            "/usr/pgsql-*/bin",
            "/opt/homebrew/opt/postgresql@*/bin",
            "/opt/homebrew/opt/postgresql/bin",
            "/usr/local/opt/postgresql@*/bin",
            "/usr/local/opt/postgresql/bin",
            "/usr/local/pgsql/bin",
            "/Applications/Postgres.app/Contents/Versions/*/bin",
        ],
        companion: Some("initdb"),
        versioned_by: None,
        version: &["--version"],
        packages: ["postgresql", "postgresql-server", "postgresql@17"],
        container: "docker run --rm -e POSTGRES_HOST_AUTH_METHOD=trust -p 127.0.0.1:{port}:5432 postgres",
    };
    const URL: &'static str = "postgres://postgres@{host}:{port}/postgres";

    fn check(&self) -> &dyn Readiness {
        &self.check
    }

    fn setting(key: &str, value: &str) -> Setting {
        Setting::Words(vec!["-c".to_owned(), format!("{key}={value}")])
    }

    fn furnish(&self, program: &Path, site: &Site<'_>) -> Result<(), Unfurnished> {
        let arguments = [
            "--pgdata={tmpdir}/data",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--wal-segsize=1",
        ];
        let recipe = Recipe {
            name: "postgres",
            program: real(program).with_file_name("initdb"),
            arguments: arguments.map(Into::into).into(),
        };
        recipe.furnish(program, site)
    }

    fn complete(&self, cx: &Context) -> Result<(), NotReady> {
        self.databases.complete(cx)
    }

    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        let Some(path) = self.file(cx) else {
            return Ok(());
        };
        let user = cx
            .start
            .user
            .as_ref()
            .map(crate::protocol::Identity::as_other);
        let mut text = String::new();
        // Since version 10, the eighth and last line is the state of the server.
        let file = sys::open_regular_file(&path, user);
        let read = file.and_then(|file| file.take(4096).read_to_string(&mut text));
        match (read, text.lines().nth(7).map(str::trim)) {
            (Ok(_), Some("ready")) => Ok(()),
            (Ok(_), Some(state)) if !state.is_empty() => Err(NotReady::new(format!(
                "its state in postmaster.pid is {state:?}"
            ))),
            // The server makes the file before it listens, so the check of the port decides.
            _ => Ok(()),
        }
    }

    fn file(&self, cx: &Context) -> Option<PathBuf> {
        let tmpdir = cx.start.place.tmpdir.as_ref()?;
        Some(tmpdir.join("data/postmaster.pid"))
    }
}
