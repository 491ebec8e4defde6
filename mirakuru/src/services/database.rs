//! A database for one test: a guard with a unique name, which drops the database.

use std::fmt;

use crate::locks::Owner;

/// A database that belongs to one test. Dropping it removes the database and ends the sessions that are connected to
/// it.
///
/// In Redis, the drop empties the database and releases its number instead.
///
/// `database()` of [`PostgresExecutor`](super::PostgresExecutor), [`MariadbExecutor`](super::MariadbExecutor) and
/// [`RedisExecutor`](super::RedisExecutor) returns one. An annotated test takes it as a parameter.
///
/// # Drop
///
/// The drop removes the database, even during a panic. It reports no error: if the server has stopped, the database no
/// longer exists. If drop does not run (`process::exit`, a kill), the database stays until its server stops. In a
/// forked child of the test process, drop does nothing.
#[must_use = "dropping the guard removes the database: bind it to a variable"]
pub struct Database {
    url: String,
    name: String,
    remove: Option<Box<dyn FnOnce() + Send + Sync>>,
    owner: Owner,
}

impl Database {
    pub(super) fn new(
        url: String,
        name: String,
        remove: impl FnOnce() + Send + Sync + 'static,
    ) -> Self {
        Self {
            url,
            name,
            remove: Some(Box::new(remove)),
            owner: Owner::this_process(),
        }
    }

    /// Returns the URL of the database, in the form that clients accept.
    ///
    /// ```no_run
    /// use mirakuru::services;
    /// use std::process::Command;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let postgres = services::postgres().started()?;
    /// let database = postgres.database()?;
    /// let mut migrate = Command::new("sqlx");
    /// migrate.args(["migrate", "run"]).env("DATABASE_URL", database.url());
    /// assert!(migrate.status()?.success());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Returns the name of the database. For Redis, this is its number.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let mariadb = services::mariadb().started()?;
    /// let (first, second) = (mariadb.database()?, mariadb.database()?);
    /// assert_ne!(first.name(), second.name());
    /// assert!(first.url().ends_with(first.name()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(remove) = self.remove.take().filter(|_| self.owner.is_this_process()) {
            remove();
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl std::panic::UnwindSafe for Database {}
impl std::panic::RefUnwindSafe for Database {}
