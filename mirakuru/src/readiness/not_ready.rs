//! How a check failed.

use std::fmt;

/// How a check failed.
#[derive(Clone, PartialEq, Eq)]
pub struct NotReady(Reason);

#[derive(Clone, PartialEq, Eq)]
enum Reason {
    NotYet(String),
    /// Another process has the place, so the service never becomes ready there.
    TakenBy(String),
}

impl NotReady {
    /// With the reason, in a few words: "connection refused".
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self(Reason::NotYet(reason.into()))
    }

    /// Another process answers at the service's place.
    pub(crate) fn taken_by(holder: String) -> Self {
        Self(Reason::TakenBy(holder))
    }

    /// The process that has the service's place.
    pub(crate) fn holder(&self) -> Option<&str> {
        match &self.0 {
            Reason::NotYet(_) => None,
            Reason::TakenBy(holder) => Some(holder),
        }
    }

    fn reason(&self) -> &str {
        match &self.0 {
            Reason::NotYet(reason) => reason,
            Reason::TakenBy(_) => "somebody else answers there",
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl fmt::Debug for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotReady({:?})", self.reason())
    }
}

impl std::error::Error for NotReady {}

impl From<std::io::Error> for NotReady {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
