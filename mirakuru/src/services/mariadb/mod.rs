//! The ready-made MariaDB or MySQL server: its command, its data directory and its readiness check.

mod copy;
mod session;

use std::path::{Path, PathBuf};

use super::data_directory::Recipe;
use super::databases::{Databases, HasDatabases};
use super::kind::{Kind, Service, Setting};
use super::program::{Server, real, tool, tool_of_package};
use crate::executor::{Executor, Site, Unfurnished};
use crate::readiness::{self, Context, NotReady, Readiness};
use session::Session;

/// A MariaDB or MySQL server. See [`mariadb`].
pub type MariadbExecutor = Executor<Service<Mariadb>>;

/// The database user that needs no password.
const USER: &str = "root";

/// The kind of [`MariadbExecutor`].
#[derive(Clone, Debug)]
pub struct Mariadb {
    check: readiness::Mysql,
    databases: Databases<Session>,
}

/// Creates an executor for a MariaDB server, or for a MySQL server if MariaDB is not installed.
///
/// The server listens on `127.0.0.1`. The user `root` needs no password, and `url()` returns
/// `mysql://root@127.0.0.1:PORT/mysql`. The data directory is a copy from the cache; see [`services`](super). The
/// server does not call fsync. Call [`database`](Executor::database) to give each test a database of its own.
///
/// The executor waits until the server greets a client; see [`readiness::Mysql`]. A stop sends `SIGTERM`. As root, the
/// server runs as the user `mysql`, or else as `nobody`.
///
/// ```no_run
/// use mirakuru::services;
///
/// # fn main() -> mirakuru::Result<()> {
/// let mariadb = services::mariadb().config("innodb-buffer-pool-size", "64M").started()?;
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
        // The data directory was made with this size. The server would resize a log of another size.
        "--loose-innodb-log-file-size=4M",
        "--loose-innodb-doublewrite=0",
        // The kernel limits the asynchronous requests of all servers together.
        "--innodb-use-native-aio=0",
        // The X plugin of MySQL listens on a port of its own, which would be the same for every server.
        "--loose-mysqlx=OFF",
    ];
    let kind = Mariadb {
        check: readiness::Mysql::new("127.0.0.1", 0),
        databases: Databases::default(),
    };
    let executor = Service::executor("MariadbExecutor", kind, words).cwd("{tmpdir}");
    executor.user_if_root(super::user_of(&["mysql"]))
}

impl HasDatabases for Mariadb {
    type Session = Session;

    fn databases(&self) -> &Databases<Session> {
        &self.databases
    }

    fn databases_mut(&mut self) -> &mut Databases<Session> {
        &mut self.databases
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
        companion: None,
        versioned_by: None,
        version: &["--version"],
        packages: ["mariadb-server", "mariadb-server", "mariadb"],
        container: "docker run --rm -e MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1 -p 127.0.0.1:{port}:3306 mariadb",
    };
    const URL: &'static str = "mysql://root@{host}:{port}/mysql";

    fn check(&self) -> &dyn Readiness {
        &self.check
    }

    /// Returns `false` for MySQL: Ubuntu's security profile (`apparmor(7)`) lets MySQL write only to the temporary
    /// directory.
    fn may_lie_in_memory(find: impl FnOnce() -> Option<PathBuf>) -> bool {
        find().is_none_or(|program| !is_mysqld(&program))
    }

    fn setting(key: &str, value: &str) -> Setting {
        Setting::Words(vec![format!("--{key}={value}")])
    }

    fn furnish(&self, program: &Path, site: &Site<'_>) -> Result<(), Unfurnished> {
        recipe(program).furnish(program, site)
    }

    fn complete(&self, cx: &Context) -> Result<(), NotReady> {
        self.databases.complete(cx)
    }
}

/// Returns the recipe for the data directory. MariaDB has a program for it, and the MySQL server makes it itself.
fn recipe(server: &Path) -> Recipe {
    let find = if is_mysqld(server) {
        tool_of_package
    } else {
        tool
    };
    let install = ["mariadb-install-db", "mysql_install_db"];
    let install = install.iter().find_map(|name| find(server, name));
    match install {
        Some(program) => Recipe {
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
        None => Recipe {
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

/// Returns whether the server's program is called `mysqld`. Old versions of MariaDB have this name too.
fn is_mysqld(server: &Path) -> bool {
    real(server)
        .file_name()
        .is_some_and(|name| name == "mysqld")
}
