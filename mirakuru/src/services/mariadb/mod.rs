//! MariaDB and MySQL: a cached data directory, a template that `prepared` fills, and copies of it.

mod copy;
mod session;

use std::error::Error as StdError;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::data_directory::Recipe;
use super::database::{Database, Prepare, Sessions, TEMPLATE, unique_name};
use super::kind::{Kind, Service, Setting};
use super::program::{Server, tool};
use crate::error::Result;
use crate::executor::{Executor, Site, Unfurnished};
use crate::readiness::{self, Context, NotReady, Readiness, tcp_address};
use session::Session;

/// A MariaDB or MySQL server. See [`mariadb`].
pub type MariadbExecutor = Executor<Service<Mariadb>>;

/// The user who needs no password.
const USER: &str = "root";

/// The database that is there while the template is complete.
const COMPLETE: &str = "mirakuru_complete";

/// The kind of [`MariadbExecutor`].
#[derive(Clone)]
pub struct Mariadb {
    check: readiness::Mysql,
    prepare: Option<Prepare>,
    sessions: Arc<Sessions<Session>>,
}

/// Creates an executor for a MariaDB server, or a MySQL server if that is what is installed.
///
/// The server listens on `127.0.0.1`. The user `root` needs no password, and `url()` returns
/// `mysql://root@127.0.0.1:PORT/mysql`. The data directory is a copy from the cache; see [`services`](super). The server
/// does not call fsync. Use [`database`](MariadbExecutor::database) for a database of each test.
///
/// The executor waits until the server greets a client; see [`readiness::Mysql`]. A stop sends `SIGTERM`. As root, the
/// server runs as the user `mysql`, or else as `nobody`.
///
/// ```no_run
/// use mirakuru::services;
///
/// # fn main() -> mirakuru::Result<()> {
/// let mariadb = services::mariadb().config("max_connections", 20).started()?;
/// println!("{}", mariadb.url()); // mysql://root@127.0.0.1:24816/mysql
/// # Ok(())
/// # }
/// ```
pub fn mariadb() -> MariadbExecutor {
    let words = [
        "--no-defaults",
        "--datadir={tmpdir}/data",
        "--tmpdir={tmpdir}",
        "--pid-file={tmpdir}/server.pid",
        "--socket={socket}",
        "--port={port}",
        "--bind-address={host}",
        "--skip-log-bin",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-flush-method=nosync",
        // As it was made: the log would be resized.
        "--loose-innodb-log-file-size=4M",
        "--loose-innodb-doublewrite=0",
        // The kernel has a limit on all requests of all servers.
        "--innodb-use-native-aio=0",
        // It has a port of its own, which is the same for every server.
        "--loose-mysqlx=OFF",
    ];
    let kind = Mariadb {
        check: readiness::Mysql::new("127.0.0.1", 0),
        prepare: None,
        sessions: Arc::default(),
    };
    let executor = Service::executor("MariadbExecutor", kind, words).cwd("{tmpdir}");
    executor.user_if_root(super::user_of(&["mysql"]))
}

impl MariadbExecutor {
    /// Prepares the databases that [`database`](Self::database) returns: calls `prepare` once per started server, with
    /// the URL of an empty database, before the start returns. Each database is a copy of the result.
    ///
    /// An error of `prepare` is the error of the start. The executor's own [`url`](Executor::url) names another database.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn migrate(url: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> { Ok(()) }
    /// # fn main() -> mirakuru::Result<()> {
    /// let mariadb = services::mariadb().prepared(|url| migrate(url)).started()?;
    /// let database = mariadb.database()?; // It has the tables that `migrate` made.
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
    /// The copy has the tables, rows, sequences, views, routines and triggers of the prepared database, and no events or
    /// privileges.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let mariadb = services::mariadb().started()?;
    /// let database = mariadb.database()?;
    /// println!("{}", database.url()); // mysql://root@127.0.0.1:24816/test_5f0e…
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
            let _ = sessions.with(|| Session::open(&address), drop_it);
        }))
    }
}

impl Kind for Mariadb {
    const SERVER: Server = Server {
        title: "MariaDB",
        programs: &["mariadbd", "mysqld"],
        directories: &[
            "/usr/libexec",
            "/opt/homebrew/opt/mariadb*/bin",
            "/opt/homebrew/opt/mysql*/bin",
            "/usr/local/opt/mariadb*/bin",
            "/usr/local/opt/mysql*/bin",
            "/usr/local/mysql/bin",
        ],
        beside: None,
        version: &["--version"],
        packages: ["mariadb-server", "mariadb-server", "mariadb"],
        container: "docker run --rm -e MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1 -p 127.0.0.1:{port}:3306 mariadb",
    };
    const URL: &'static str = "mysql://root@{host}:{port}/mysql";

    fn check(&self) -> &dyn Readiness {
        &self.check
    }

    fn setting(key: &str, value: &str) -> Setting {
        Setting::Words(vec![format!("--{key}={value}")])
    }

    fn furnish(&self, program: &Path, site: &Site<'_>) -> Result<(), Unfurnished> {
        recipe(program).furnish(program, site)
    }

    fn complete(&self, cx: &Context) -> Result<(), NotReady> {
        let Some(prepare) = &self.prepare else {
            return Ok(());
        };
        let address = tcp_address(cx.host(), cx.port());
        let prepared = make_template(&address, prepare);
        prepared.map_err(|error| NotReady::hopeless(format!("`prepared` failed: {error}")))
    }
}

/// Returns how this server makes its data directory: MariaDB by a program, MySQL itself.
fn recipe(server: &Path) -> Recipe {
    let install = ["mariadb-install-db", "mysql_install_db"];
    let real = fs::canonicalize(server).unwrap_or_else(|_| server.to_owned());
    let is_mysql = real.file_name().is_some_and(|name| name == "mysqld");
    let install = install.iter().find_map(|name| tool(server, name));
    match install {
        Some(program) if !is_mysql || program.with_file_name("mariadb").exists() => Recipe {
            name: "mariadb",
            program,
            arguments: [
                "--no-defaults",
                "--datadir={tmpdir}/data",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=4M",
                "--innodb-flush-method=nosync",
            ]
            .map(Into::into)
            .into(),
        },
        _ => Recipe {
            name: "mysql",
            program: server.to_owned(),
            arguments: [
                "--no-defaults",
                "--initialize-insecure",
                "--datadir={tmpdir}/data",
                "--innodb-use-native-aio=0",
            ]
            .map(Into::into)
            .into(),
        },
    }
}

impl Mariadb {
    fn create_database(&self, address: &str) -> io::Result<String> {
        let create = |session: &mut Session| {
            let name = unique_name();
            match self.prepare {
                Some(_) => {
                    let made = session.query(&format!("SHOW CREATE DATABASE {TEMPLATE}"))?;
                    // It has the character set.
                    let made = made.first().and_then(|row| row.get(1));
                    let made = made.map_or(String::new(), |made| made.replacen(TEMPLATE, &name, 1));
                    session.query(&made)?;
                    copy::copy(session, TEMPLATE, &name)?;
                }
                None => drop(session.query(&format!("CREATE DATABASE {name}"))?),
            }
            Ok(name)
        };
        self.sessions.with(|| Session::open(address), create)
    }
}

/// Makes the template, unless a former process of this server has completed it.
fn make_template(
    address: &str,
    prepare: &Prepare,
) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let mut session = Session::open(address)?;
    if !session.query(&format!("SHOW DATABASES LIKE '{COMPLETE}'"))?.is_empty() {
        return Ok(());
    }
    drop_database(&mut session, TEMPLATE)?;
    session.query(&format!("CREATE DATABASE {TEMPLATE}"))?;
    prepare(&url_of(address, TEMPLATE))?;
    session.query(&format!("CREATE DATABASE {COMPLETE}"))?;
    Ok(())
}

/// Removes a database, if it is there. Ends its sessions first, as a transaction of one of them would keep its tables.
fn drop_database(session: &mut Session, name: &str) -> io::Result<()> {
    let sessions = format!("SELECT id FROM information_schema.processlist WHERE db = '{name}'");
    for row in session.query(&sessions)? {
        // One that has ended meanwhile is an error.
        let _ = session.query(&format!("KILL {}", row.concat()));
    }
    session.query(&format!("DROP DATABASE IF EXISTS {name}"))?;
    Ok(())
}

fn url_of(address: &str, database: &str) -> String {
    format!("mysql://{USER}@{address}/{database}")
}
