//! A mistake in the configuration of a check.

use std::fmt;

/// A mistake in the configuration of a check, which [`Readiness::validate`](super::Readiness::validate) reports before
/// anything is spawned.
///
/// A text converts into it, so `?` and `into()` work on a `&str` and a `String`.
///
/// ```
/// use mirakuru::readiness::{ConfigError, Context, NotReady, Readiness};
/// use mirakuru::{ErrorKind, Executor};
///
/// struct FileExists(&'static str);
///
/// impl Readiness for FileExists {
///     fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
///         match cx.tmpdir().join(self.0).exists() {
///             true => Ok(()),
///             false => Err(NotReady::new("the file does not exist")),
///         }
///     }
///
///     fn validate(&self, _cx: &Context) -> Result<(), ConfigError> {
///         match self.0 {
///             "" => Err("the name of the file is empty".into()),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// let error = Executor::with_readiness("sleep 60", FileExists("")).start().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidConfig);
/// assert!(error.to_string().contains("the name of the file is empty"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    mistake: String,
}

impl ConfigError {
    /// Creates the error from a description of the mistake: "the host is empty".
    ///
    /// ```
    /// use mirakuru::readiness::ConfigError;
    ///
    /// assert_eq!(ConfigError::new("the host is empty").to_string(), "the host is empty");
    /// ```
    #[must_use]
    pub fn new(mistake: impl Into<String>) -> Self {
        let mistake = mistake.into();
        Self { mistake }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mistake)
    }
}

impl std::error::Error for ConfigError {}

impl From<String> for ConfigError {
    fn from(mistake: String) -> Self {
        Self { mistake }
    }
}

impl From<&str> for ConfigError {
    fn from(mistake: &str) -> Self {
        Self::new(mistake)
    }
}
