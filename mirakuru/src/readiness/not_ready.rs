//! The reason why a check failed.

use std::{fmt, io};

/// The reason if no process listens: the kernel knows of no listener, or refuses a connection.
pub(super) const REFUSED: &str = "connection refused: no process listens there";

/// The reason why a check failed. An error shows the latest reason as the `last check`.
#[derive(Clone, PartialEq, Eq)]
pub struct NotReady {
    pub(crate) reason: String,
    /// Another process that has the service's address, so that the service cannot become ready there.
    pub(crate) holder: Option<String>,
    /// Whether no later attempt can pass.
    pub(crate) hopeless: bool,
}

impl NotReady {
    /// Creates a failure with this reason, in a few words, such as "connection refused".
    ///
    /// ```
    /// use mirakuru::NotReady;
    ///
    /// let reason = NotReady::new("the queue is not empty");
    /// assert_eq!(reason.to_string(), "the queue is not empty");
    /// ```
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            holder: None,
            hopeless: false,
        }
    }

    /// Creates a failure after which no later attempt can pass, so that the start fails at once.
    #[cfg(feature = "services")]
    pub(crate) fn hopeless(reason: impl Into<String>) -> Self {
        Self {
            hopeless: true,
            ..Self::new(reason)
        }
    }

    /// Creates the failure for another process that answers at the service's address.
    pub(crate) fn taken_by(holder: String) -> Self {
        Self {
            holder: Some(holder),
            ..Self::new("another process answered")
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotReady({:?})", self.reason)
    }
}

impl std::error::Error for NotReady {}

impl From<&io::Error> for NotReady {
    fn from(error: &io::Error) -> Self {
        Self::new(match error.kind() {
            io::ErrorKind::ConnectionRefused => REFUSED.to_owned(),
            _ => error.to_string(),
        })
    }
}

impl From<io::Error> for NotReady {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}
