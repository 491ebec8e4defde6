//! A database for one test: a guard with a unique name, which drops the database.

use std::collections::hash_map::RandomState;
use std::error::Error as StdError;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::locks::Owner;

/// A database that belongs to one test. A drop removes it, with the sessions that are connected to it.
///
/// `database()` of [`PostgresExecutor`](super::PostgresExecutor::database),
/// [`MariadbExecutor`](super::MariadbExecutor::database) and [`RedisExecutor`](super::RedisExecutor::database) returns
/// one. An annotated test takes it as a parameter.
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

/// Returns a name that no other process of any machine uses.
pub(super) fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Each state has random keys.
    let random = RandomState::new().build_hasher().finish();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test_{random:016x}_{count}")
}

/// What fills the database of which the others are copies.
pub(super) type Prepare =
    Arc<dyn Fn(&str) -> Result<(), Box<dyn StdError + Send + Sync>> + Send + Sync>;

/// The template, once it is complete.
pub(super) const TEMPLATE: &str = "mirakuru_prepared";

/// Does something with a session that was kept, or else with a new one, which is kept then.
pub(super) struct Sessions<S>(std::sync::Mutex<Vec<S>>);

impl<S> Default for Sessions<S> {
    fn default() -> Self {
        Self(std::sync::Mutex::default())
    }
}

impl<S> Sessions<S> {
    /// Calls `act` with a session. A kept session may be one of a server that has stopped since: then `act` is called
    /// again with a new one.
    pub(super) fn with<T>(
        &self,
        open: impl FnOnce() -> io::Result<S>,
        mut act: impl FnMut(&mut S) -> io::Result<T>,
    ) -> io::Result<T> {
        let kept = self.lock().pop();
        if let Some(mut session) = kept {
            match act(&mut session) {
                Err(error) if !is_answer(&error) => {}
                done => {
                    self.lock().push(session);
                    return done;
                }
            }
        }
        let mut session = open()?;
        let done = act(&mut session);
        if done.as_ref().err().is_none_or(is_answer) {
            self.lock().push(session);
        }
        done
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<S>> {
        let lock = self.0.lock();
        lock.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The error that stands for an error which the server reports, so that the session can be used further.
pub(super) fn reported(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn is_answer(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_session_is_replaced_once() {
        let sessions = Sessions::default();
        let dead = |session: &mut u32| match session {
            0 => Err(io::ErrorKind::BrokenPipe.into()),
            session => Ok(*session),
        };
        assert!(sessions.with(|| Ok(0), dead).is_err());
        assert_eq!(sessions.with(|| Ok(1), dead).expect("it is new"), 1);
        assert_eq!(sessions.with(|| Ok(2), dead).expect("it was kept"), 1);
        let fails = |_: &mut u32| Err::<(), _>(reported("no".to_owned()));
        assert!(sessions.with(|| Ok(3), fails).is_err());
        assert_eq!(sessions.with(|| Ok(4), dead).expect("it was kept"), 1);
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = (0..100).map(|_| unique_name()).collect();
        assert_eq!(names.len(), 100);
    }
}
