//! A database for one test: a guard with a unique name, which drops the database.

use std::fmt;

use crate::locks::Owner;

/// A database that belongs to one test. A drop removes it, with the sessions that are connected to it.
///
/// `database()` of [`PostgresExecutor`](super::PostgresExecutor), [`MariadbExecutor`](super::MariadbExecutor) and
/// [`RedisExecutor`](super::RedisExecutor) returns one. An annotated test takes it as a parameter.
///
/// # Drop
///
/// The drop removes the database, also during a panic. It reports no error: if the server has stopped, the database
/// has gone with it. If drop does not run (`process::exit`, a kill), the database stays until its server stops. In a
/// forked child of the test process, drop does nothing.
#[must_use = "a drop removes the database"]
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

    /// Returns the URL of the database, as clients accept it.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Returns the name of the database. For Redis, this is its number.
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
