//! The pattern of the HTTP statuses that a check accepts.

use std::fmt;

use regex::Regex;

/// A pattern of HTTP statuses: one code, or a regular expression that must match the whole code.
///
/// ```no_run
/// use mirakuru::{HttpExecutor, readiness::StatusPattern};
///
/// # fn main() -> mirakuru::Result<()> {
/// let status = StatusPattern::from("200|5..");
/// let url = "http://127.0.0.1:{port}/";
/// let service = HttpExecutor::new("my-service --port {port}", url).status(status).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StatusPattern {
    pub(super) written: String,
    regex: Result<Regex, String>,
}

impl StatusPattern {
    fn new(written: String) -> Self {
        let regex = Regex::new(&format!("^(?:{written})$")).map_err(|error| {
            format!("the status {written:?} is not a valid regular expression: {error}")
        });
        Self { written, regex }
    }

    pub(super) fn regex(&self) -> Result<&Regex, String> {
        self.regex.as_ref().map_err(Clone::clone)
    }

    pub(super) fn accepts(&self, code: u16) -> Result<bool, String> {
        Ok(self.regex()?.is_match(&code.to_string()))
    }
}

impl Default for StatusPattern {
    fn default() -> Self {
        r"2\d\d".into()
    }
}

/// Writes the pattern as the user wrote it.
impl fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl From<u16> for StatusPattern {
    fn from(code: u16) -> Self {
        Self::new(code.to_string())
    }
}

impl From<&str> for StatusPattern {
    fn from(pattern: &str) -> Self {
        Self::new(pattern.to_owned())
    }
}

impl From<String> for StatusPattern {
    fn from(pattern: String) -> Self {
        Self::new(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_must_match_as_a_whole() {
        let accepts = |status: StatusPattern, code| status.accepts(code).expect("a valid pattern");
        assert!(accepts(StatusPattern::default(), 204));
        assert!(!accepts(StatusPattern::default(), 302));
        assert!(accepts(404.into(), 404));
        assert!(accepts("200|5..".into(), 503));
        assert!(!accepts("20".into(), 200));
    }
}
