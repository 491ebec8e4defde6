//! PostgreSQL: a cached data directory, a template that `prepared` fills, and copies of it.

mod session;

use std::error::Error as StdError;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::data_directory::Recipe;
use super::database::{Database, Prepare, Sessions, TEMPLATE, unique_name};
use super::kind::{Kind, Service, Setting};
use super::program::Server;
use crate::error::Result;
use crate::executor::{Executor, Site, Unfurnished};
use crate::readiness::{self, Context, NotReady, Readiness, tcp_address};
use crate::signal::Signal;
use crate::sys;
use session::Session;

/// A PostgreSQL server. See [`postgres`].
pub type PostgresExecutor = Executor<Service<Postgres>>;

/// The user who needs no password.
const USER: &str = "postgres";

/// The kind of [`PostgresExecutor`].
#[derive(Clone)]
pub struct Postgres {
    check: readiness::Postgres,
    prepare: Option<Prepare>,
    sessions: Arc<Sessions<Session>>,
}

/// Creates an executor for a PostgreSQL server, with the newest version that is installed.
///
/// The server listens on `127.0.0.1`. The user `postgres` needs no password, and `url()` returns
/// `postgres://postgres@127.0.0.1:PORT/postgres`. The data directory is a copy from the cache; see
/// [`services`](super). The server neither calls fsync nor keeps shared memory in files. Use
/// [`database`](PostgresExecutor::database) for a database of each test.
///
/// The executor waits until the server says in `postmaster.pid` that it is ready and answers a startup message; see
/// [`readiness::Postgres`]. A stop sends `SIGINT`, by which the server ends the sessions of clients
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
        prepare: None,
        sessions: Arc::default(),
    };
    let executor = Service::executor("PostgresExecutor", kind, words);
    let executor = executor.stop_signal(Signal::INT).cwd("{tmpdir}");
    executor.user_if_root(super::user_of(&["postgres"]))
}

impl PostgresExecutor {
    /// Prepares the databases that [`database`](Self::database) returns: calls `prepare` once per started server, with
    /// the URL of an empty database, before the start returns. Each database is a copy of the result. The sessions of
    /// `prepare` are ended.
    ///
    /// An error of `prepare` is the error of the start. The executor's own [`url`](Executor::url) names another database,
    /// which stays empty.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn migrate(url: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> { Ok(()) }
    /// # fn main() -> mirakuru::Result<()> {
    /// let postgres = services::postgres().prepared(|url| migrate(url)).started()?;
    /// let database = postgres.database()?; // It has the tables that `migrate` made.
    /// # Ok(())
    /// # }
    /// ```
    pub fn prepared<F>(self, prepare: F) -> Self
    where
        F: Fn(&str) -> Result<(), Box<dyn StdError + Send + Sync>> + Send + Sync + 'static,
    {
        self.with_service(|mut service| {
            service.kind.prepare = Some(Arc::new(prepare));
            service
        })
    }

    /// Creates a database for one test: a copy of what [`prepared`](Self::prepared) made, else an empty one. Its name is
    /// unique among all processes. The drop of the guard removes it.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let postgres = services::postgres().started()?;
    /// let database = postgres.database()?;
    /// println!("{}", database.url()); // postgres://postgres@127.0.0.1:24816/test_5f0e…
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Io`: the server does not run, or it refused a statement.
    pub fn database(&self) -> Result<Database> {
        let Some(service) = self.check().filter(|_| self.running()) else {
            return Err(self.core().not_running("asked for a database"));
        };
        let kind = &service.kind;
        let address = self.addr();
        let created = kind.create_database(&address);
        let name = created.map_err(|error| self.core().refused("create a database", error))?;
        let url = url_of(&address, &name);
        let (sessions, own_name) = (Arc::clone(&kind.sessions), name.clone());
        Ok(Database::new(url, name, move || {
            let drop_it = |session: &mut Session| drop_database(session, &own_name);
            // A server that has stopped has removed it.
            let _ = sessions.with(|| Session::open(&address, USER), drop_it);
        }))
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
        beside: Some("initdb"),
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
        let real = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
        let recipe = Recipe {
            name: "postgres",
            program: real.with_file_name("initdb"),
            arguments: arguments.map(Into::into).into(),
        };
        recipe.furnish(program, site)
    }

    fn complete(&self, cx: &Context) -> Result<(), NotReady> {
        let Some(prepare) = &self.prepare else {
            return Ok(());
        };
        let address = tcp_address(cx.host(), cx.port());
        let prepared = make_template(&address, prepare);
        prepared.map_err(|error| NotReady::hopeless(format!("`prepared` failed: {error}")))
    }

    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        let Some(path) = self.file(cx) else {
            return Ok(());
        };
        let user = cx.start.user.as_ref().map(crate::protocol::Identity::as_other);
        let mut text = String::new();
        // The last line is the state, since version 10.
        let file = sys::open_regular_file(&path, user);
        let read = file.and_then(|file| file.take(4096).read_to_string(&mut text));
        match (read, text.lines().nth(7).map(str::trim)) {
            (Ok(_), Some("ready")) => Ok(()),
            (Ok(_), Some(state)) => Err(NotReady::new(format!("its state is {state:?}"))),
            _ => Err(NotReady::new("it has not noted its state yet")),
        }
    }

    fn file(&self, cx: &Context) -> Option<PathBuf> {
        let tmpdir = cx.start.place.tmpdir.as_ref()?;
        Some(tmpdir.join("data/postmaster.pid"))
    }
}

impl Postgres {
    fn create_database(&self, address: &str) -> io::Result<String> {
        let template = match self.prepare {
            Some(_) => TEMPLATE,
            None => "template1",
        };
        let create = |session: &mut Session| {
            let name = unique_name();
            // Without the write-ahead log, which nothing reads here. Older versions know no other way.
            let strategy = if session.version >= 15 {
                " STRATEGY FILE_COPY"
            } else {
                ""
            };
            session.query(&format!(
                "CREATE DATABASE {name} TEMPLATE {template}{strategy}"
            ))?;
            Ok(name)
        };
        self.sessions.with(|| Session::open(address, USER), create)
    }
}

/// Makes the template, unless a former process of this server has completed it.
fn make_template(
    address: &str,
    prepare: &Prepare,
) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let mut session = Session::open(address, USER)?;
    let complete = format!(
        "SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}' AND NOT datallowconn"
    );
    if !session.query(&complete)?.is_empty() {
        return Ok(());
    }
    drop_database(&mut session, TEMPLATE)?;
    session.query(&format!("CREATE DATABASE {TEMPLATE}"))?;
    prepare(&url_of(address, TEMPLATE))?;
    // No copy is made of a database that has sessions.
    session.query(&format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"))?;
    end_sessions(&mut session, TEMPLATE)?;
    Ok(())
}

/// Removes a database, if it is there, with its sessions. `DROP DATABASE … WITH (FORCE)` would look for their end ten
/// times a second.
fn drop_database(session: &mut Session, name: &str) -> io::Result<()> {
    end_sessions(session, name)?;
    let force = if session.version >= 13 { " WITH (FORCE)" } else { "" };
    session.query(&format!("DROP DATABASE IF EXISTS {name}{force}"))?;
    Ok(())
}

/// Ends the sessions of a database, and waits until they have gone.
fn end_sessions(session: &mut Session, name: &str) -> io::Result<()> {
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    // Each look takes the server about as long as a session takes to end.
    for _ in 0..1000 {
        if session.query(&end)?.is_empty() {
            break;
        }
    }
    Ok(())
}

fn url_of(address: &str, database: &str) -> String {
    format!("postgres://{USER}@{address}/{database}")
}
