//! How a check failed.

use std::{fmt, io};

/// The reason if no process listens: the kernel knows of no listener, or refuses a connection.
pub(super) const REFUSED: &str = "connection refused: nobody listens there";

/// How a check failed.
#[derive(Clone, PartialEq, Eq)]
pub struct NotReady {
    pub(crate) reason: String,
    /// The process that has the service's place, so that the service never becomes ready there.
    pub(crate) holder: Option<String>,
    /// No later look can pass.
    pub(crate) hopeless: bool,
}

impl NotReady {
    /// With the reason, in a few words: "connection refused".
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            holder: None,
            hopeless: false,
        }
    }

    /// With the reason why no later look can pass, so that the start fails at once.
    #[cfg(feature = "services")]
    pub(crate) fn hopeless(reason: impl Into<String>) -> Self {
        Self {
            hopeless: true,
            ..Self::new(reason)
        }
    }

    /// Another process answers at the service's place.
    pub(crate) fn taken_by(holder: String) -> Self {
        Self {
            holder: Some(holder),
            ..Self::new("somebody else answers there")
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
