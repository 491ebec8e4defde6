//! How a check failed.

use std::fmt;

/// How a check failed.
#[derive(Clone, PartialEq, Eq)]
pub struct NotReady {
    reason: String,
    /// Who has the place that the process was to have: it never will be ready there.
    taken_by: Option<String>,
}

impl NotReady {
    /// With the reason, in a few words: "connection refused".
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            taken_by: None,
        }
    }

    /// Somebody else answers where the process was to.
    pub(crate) fn taken_by(holder: String) -> Self {
        Self {
            reason: "somebody else answers there".to_owned(),
            taken_by: Some(holder),
        }
    }

    pub(crate) fn into_holder(self) -> Result<String, Self> {
        self.taken_by.clone().ok_or(self)
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

impl From<std::io::Error> for NotReady {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
