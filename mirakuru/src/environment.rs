//! What whoever runs the tests may say, by variables of the environment: all of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// `MIRAKURU_LOG=1` or `output`: a line on standard error for each step.
pub(crate) fn log() -> bool {
    is_on("MIRAKURU_LOG")
}

/// `MIRAKURU_LOG=output`: each line that a service prints, too.
pub(crate) fn log_output() -> bool {
    std::env::var_os("MIRAKURU_LOG").is_some_and(|value| value == "output")
}

/// Whose files stay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Nobodys,
    /// Those of services that did not start, or whose test failed.
    OfFailures,
    All,
}

/// `MIRAKURU_KEEP=1` or `failed`: the output and the private directory of each service stay, or of each
/// where something failed.
pub(crate) fn keep() -> Keep {
    let name = "MIRAKURU_KEEP";
    match std::env::var_os(name) {
        Some(told) if told == "failed" => Keep::OfFailures,
        _ if is_on(name) => Keep::All,
        _ => Keep::Nobodys,
    }
}

/// `MIRAKURU_TRACE=file.json`: where the timeline of every service goes.
pub(crate) fn trace() -> Option<PathBuf> {
    let file = std::env::var_os("MIRAKURU_TRACE").filter(|file| !file.is_empty())?;
    std::path::absolute(file).ok()
}

/// `MIRAKURU_TIMEOUT_SCALE=3`: how much longer than written everything may take.
///
/// # Errors
///
/// That it is no such number.
pub(crate) fn timeout_scale() -> Result<f64, String> {
    let is_positive = |scale: &f64| scale.is_finite() && *scale > 0.0;
    let parse = |told: &str| told.parse().ok().filter(is_positive);
    value("MIRAKURU_TIMEOUT_SCALE", "a positive number", 1.0, parse)
}

/// `MIRAKURU_QUEUE_TIMEOUT=600`: how many seconds a port, or a lock, is queued for.
///
/// # Errors
///
/// That it is no such number.
pub(crate) fn queue_timeout() -> Result<Duration, String> {
    let (name, form) = ("MIRAKURU_QUEUE_TIMEOUT", "a whole number of seconds");
    value(name, form, 600, |told| told.parse().ok()).map(Duration::from_secs)
}

/// The same. Each start reports a value that is no number.
pub(crate) fn queue_bound() -> Duration {
    queue_timeout().unwrap_or(Duration::from_secs(600))
}

/// Parses the variable; an empty one counts as none.
fn value<T>(
    name: &str,
    form: &str,
    default: T,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, String> {
    let Some(told) = std::env::var_os(name).filter(|told| !told.is_empty()) else {
        return Ok(default);
    };
    let value = told.to_str().and_then(parse);
    value.ok_or_else(|| {
        let told = Path::new(&told).display();
        format!("{name} must be {form}, and is {told}")
    })
}

fn is_on(name: &str) -> bool {
    let off = ["", "0", "false", "no", "off"];
    std::env::var_os(name)
        .is_some_and(|told| !off.iter().any(|word| told.eq_ignore_ascii_case(word)))
}
