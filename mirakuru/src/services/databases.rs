//! The databases of SQL servers: a template that `prepared` fills, copies of the template, and the sessions that make
//! the copies.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::database::Database;
use super::kind::{Kind, Service};
use crate::error::Result;
use crate::executor::Executor;
use crate::link::unique_name;
use crate::readiness::{Context, NotReady, tcp_address};

/// The name of the template.
pub(super) const TEMPLATE: &str = "mirakuru_prepared";

/// The result of the user's closure.
type Prepared = Result<(), Box<dyn StdError + Send + Sync>>;

type Prepare = Arc<dyn Fn(&str) -> Prepared + Send + Sync>;

/// A session with an SQL server, as the database user with all privileges.
pub trait Session: Sized + Send + 'static {
    /// Connects to the server.
    fn open(address: &str) -> io::Result<Self>;

    /// Creates a database: a copy of the template, or an empty one.
    fn create(&mut self, name: &str, is_copy: bool) -> io::Result<()>;

    /// Removes a database, if it exists, and ends its sessions.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Returns whether the template is complete. The answer is the same after a restart of the server.
    fn has_template(&mut self) -> io::Result<bool>;

    /// Marks the template as complete, and protects it.
    fn complete_template(&mut self) -> io::Result<()>;

    /// Returns the URL of a database.
    fn url_of(address: &str, database: &str) -> String;
}

/// A kind of service that has databases.
pub trait HasDatabases: Kind {
    type Session: Session;

    fn databases(&self) -> &Databases<Self::Session>;
    fn databases_mut(&mut self) -> &mut Databases<Self::Session>;
}

/// The maker of one server's databases: the user's closure and the idle sessions.
pub struct Databases<S> {
    prepare: Option<Prepare>,
    sessions: Arc<Sessions<S>>,
}

/// # Databases
impl<K: HasDatabases> Executor<Service<K>> {
    /// Sets the closure that prepares the databases which [`database`](Self::database) returns.
    ///
    /// The start calls `prepare` once per server, with the URL of an empty database, before it returns. Each database
    /// is then a copy of the result. If `prepare` fails, the start fails with the text of its error.
    ///
    /// The executor's own [`url`](Executor::url) names another database.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn migrate(url: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> { Ok(()) }
    /// # fn main() -> mirakuru::Result<()> {
    /// let postgres = services::postgres().prepared(|url| migrate(url)).started()?;
    /// let database = postgres.database()?; // The database has the tables that `migrate` made.
    /// # Ok(())
    /// # }
    /// ```
    pub fn prepared<F>(self, prepare: F) -> Self
    where
        F: Fn(&str) -> Result<(), Box<dyn StdError + Send + Sync>> + Send + Sync + 'static,
    {
        self.with_service(|mut service| {
            service.kind.databases_mut().prepare = Some(Arc::new(prepare));
            service
        })
    }

    /// Creates a database for one test: a copy of the [`prepared`](Self::prepared) one, or otherwise an empty database.
    ///
    /// The name of the database is unique among all processes. Dropping the guard removes the database.
    ///
    /// A copy in PostgreSQL has everything. A copy in MariaDB or MySQL has the tables, rows, sequences, views, routines
    /// and triggers, but no events or privileges.
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
    /// `Io`: the server is not running, or it refused a statement. `TimeoutExpired`: the server did not answer in time.
    pub fn database(&self) -> Result<Database> {
        let Some(service) = self.check().filter(|_| self.core().is_up()) else {
            return Err(self.core().not_running("asked for a database"));
        };
        let address = self.addr();
        let created = service.kind.databases().create(address);
        created.map_err(|error| self.core().refused("create a database", error))
    }
}

impl<S: Session> Databases<S> {
    /// Makes the template before the start returns.
    pub(super) fn complete(&self, cx: &Context) -> Result<(), NotReady> {
        let Some(prepare) = &self.prepare else {
            return Ok(());
        };
        let address = tcp_address(cx.host(), cx.port());
        make_template::<S>(&address, &**prepare)
    }

    fn create(&self, address: String) -> io::Result<Database> {
        // The names of databases that the server may have created without a report of success.
        let mut begun = Vec::new();
        let create = |session: &mut S| {
            let name = format!("test_{}", unique_name());
            begun.push(name.clone());
            session.create(&name, self.prepare.is_some())?;
            begun.pop();
            Ok(name)
        };
        let created = self.sessions.with(|| S::open(&address), create);
        // A server that does not answer would not answer the removal either.
        let is_timeout = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        if created.as_ref().is_err_and(is_timeout) {
            begun.clear();
        }
        for name in begun {
            let remove = |session: &mut S| session.remove(&name);
            let _ = self.sessions.with(|| S::open(&address), remove);
        }
        let name = created?;
        let (sessions, url) = (Arc::clone(&self.sessions), S::url_of(&address, &name));
        let own_name = name.clone();
        Ok(Database::new(url, name, move || {
            // If the server has stopped, the database no longer exists.
            let _ = sessions.with(|| S::open(&address), |session| session.remove(&own_name));
        }))
    }
}

/// Makes the template, unless it was completed before a restart of this server.
fn make_template<S: Session>(
    address: &str,
    prepare: &dyn Fn(&str) -> Prepared,
) -> Result<(), NotReady> {
    let mut session = S::open(address)?;
    if !session.has_template()? {
        session.remove(TEMPLATE)?;
        session.create(TEMPLATE, false)?;
        let prepared = prepare(&S::url_of(address, TEMPLATE));
        prepared.map_err(|error| {
            NotReady::hopeless(format!("`prepared` failed: {}", with_sources(&*error)))
        })?;
        session.complete_template()?;
    }
    Ok(())
}

/// Returns the texts of an error and of its sources, without a text that the ones before it contain.
fn with_sources(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let reported = inner.to_string();
        if !text.contains(&reported) {
            text = format!("{text}: {reported}");
        }
        source = inner.source();
    }
    text
}

impl<S> Default for Databases<S> {
    fn default() -> Self {
        let sessions = Arc::new(Sessions(Mutex::default()));
        Self {
            prepare: None,
            sessions,
        }
    }
}

impl<S> Clone for Databases<S> {
    fn clone(&self) -> Self {
        Self {
            prepare: self.prepare.clone(),
            sessions: Arc::clone(&self.sessions),
        }
    }
}

impl<S> fmt::Debug for Databases<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Databases")
    }
}

/// The idle sessions of this process.
struct Sessions<S>(Mutex<Vec<S>>);

impl<S> Sessions<S> {
    /// Calls `act` with an idle session or a new one. If the server has closed the idle session, `act` is called again
    /// with a new session. A session is not kept if `act` fails.
    fn with<T>(
        &self,
        open: impl FnOnce() -> io::Result<S>,
        mut act: impl FnMut(&mut S) -> io::Result<T>,
    ) -> io::Result<T> {
        let kept = self.idle().pop();
        if let Some(mut session) = kept {
            match act(&mut session) {
                Ok(done) => {
                    self.idle().push(session);
                    return Ok(done);
                }
                Err(error) if is_end(&error) => {}
                failed => return failed,
            }
        }
        let mut session = open()?;
        let done = act(&mut session)?;
        self.idle().push(session);
        Ok(done)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether the other end has closed the connection.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    thread_local! {
        static REFUSAL: Cell<io::ErrorKind> = const { Cell::new(io::ErrorKind::Other) };
        static REMOVED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    /// A session with a server that refuses to create a database.
    struct Refused;

    impl Session for Refused {
        fn open(_: &str) -> io::Result<Self> {
            Ok(Self)
        }

        fn create(&mut self, _: &str, _: bool) -> io::Result<()> {
            Err(REFUSAL.get().into())
        }

        fn remove(&mut self, name: &str) -> io::Result<()> {
            REMOVED.with_borrow_mut(|removed| removed.push(name.to_owned()));
            Ok(())
        }

        fn has_template(&mut self) -> io::Result<bool> {
            Ok(true)
        }

        fn complete_template(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn url_of(address: &str, database: &str) -> String {
            format!("{address}/{database}")
        }
    }

    #[test]
    fn a_failed_creation_is_undone_if_the_server_answers() {
        let databases = Databases::<Refused>::default();
        for (refusal, removals) in [(io::ErrorKind::TimedOut, 0), (io::ErrorKind::Other, 1)] {
            REFUSAL.set(refusal);
            let created = databases.create("server".to_owned());
            assert_eq!(created.err().map(|error| error.kind()), Some(refusal));
            assert_eq!(REMOVED.take().len(), removals, "{refusal:?}");
        }
    }

    #[test]
    fn databases_have_a_debug_text() {
        assert_eq!(
            format!("{:?}", Databases::<Refused>::default()),
            "Databases"
        );
    }

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Layer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_deref().map(|inner| inner as _)
        }
    }

    #[test]
    fn an_error_is_reported_with_each_source_once() {
        let inner = Layer("the table exists", None);
        let middle = Layer("it failed: the table exists", Some(Box::new(inner)));
        let outer = Layer("no migration", Some(Box::new(middle)));
        assert_eq!(
            with_sources(&outer),
            "no migration: it failed: the table exists"
        );
    }

    #[test]
    fn a_dead_session_is_replaced_once() {
        let sessions = Sessions(Mutex::default());
        let dead = |session: &mut u32| match session {
            0 => Err(io::ErrorKind::BrokenPipe.into()),
            session => Ok(*session),
        };
        assert!(sessions.with(|| Ok(0), dead).is_err());
        assert_eq!(
            sessions.with(|| Ok(1), dead).expect("the session is new"),
            1
        );
        assert_eq!(
            sessions.with(|| Ok(2), dead).expect("the session was kept"),
            1
        );
        let fails = |_: &mut u32| Err::<(), _>(io::Error::other("no"));
        let unopened = || unreachable!("an error of a live session is final");
        assert!(sessions.with(unopened, fails).is_err());
        assert_eq!(
            sessions.with(|| Ok(4), dead).expect("the session is new"),
            4
        );
    }
}
