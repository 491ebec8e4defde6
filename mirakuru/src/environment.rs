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
    let name = "MIRAKURU_TIMEOUT_SCALE";
    let Some(told) = std::env::var_os(name).filter(|told| !told.is_empty()) else {
        return Ok(1.0);
    };
    let scale = told.to_str().and_then(|told| told.parse().ok());
    scale
        .filter(|scale: &f64| scale.is_finite() && *scale > 0.0)
        .ok_or_else(|| {
            format!(
                "{name} is to be a positive number, and is {}",
                Path::new(&told).display()
            )
        })
}

/// `MIRAKURU_QUEUE_TIMEOUT=600`: how many seconds a port, or a lock, is queued for.
pub(crate) fn queue_bound() -> Duration {
    let told = std::env::var("MIRAKURU_QUEUE_TIMEOUT").ok();
    let seconds = told.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(600))
}

fn is_on(name: &str) -> bool {
    let off = ["", "0", "false", "no", "off"];
    std::env::var_os(name)
        .is_some_and(|told| !off.iter().any(|word| told.eq_ignore_ascii_case(word)))
}
