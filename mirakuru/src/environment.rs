//! Reads all environment variables by which the user configures a test run.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Checks the values of all variables except `MIRAKURU_TRACE`, whose value can be any path.
///
/// # Errors
///
/// A message about the first invalid variable: its name, the accepted values, and its value.
pub(crate) fn validate() -> Result<(), String> {
    log_choice()?;
    keep_choice()?;
    timeout_scale()?;
    cache()?;
    queue_timeout().map(drop)
}

/// The place where the data directories of ready-made services are cached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    /// The user's cache directory.
    OfUser,
    At(PathBuf),
    Off,
}

/// Returns the value of `MIRAKURU_CACHE`: `off`, `on`, or a directory.
///
/// # Errors
///
/// The value is not an absolute path.
pub(crate) fn cache() -> Result<Cache, String> {
    let Some(given) = std::env::var_os("MIRAKURU_CACHE").filter(|given| !given.is_empty()) else {
        return Ok(Cache::OfUser);
    };
    let path = PathBuf::from(given);
    let is = |words: [&str; 4]| {
        let text = path.to_string_lossy();
        words.iter().any(|word| text.eq_ignore_ascii_case(word))
    };
    match path {
        _ if is(OFF) => Ok(Cache::Off),
        _ if is(ON) => Ok(Cache::OfUser),
        path if path.is_absolute() => Ok(Cache::At(path)),
        path => Err(mistake(
            "MIRAKURU_CACHE",
            "`on`, `off` or an absolute path",
            &path,
        )),
    }
}

const OFF: [&str; 4] = ["0", "false", "no", "off"];
const ON: [&str; 4] = ["1", "true", "yes", "on"];

/// The lines that are printed to standard error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    Nothing,
    Steps,
    /// The steps, and each line that a service prints.
    Output,
}

/// Returns whether each step is printed to standard error (`MIRAKURU_LOG=1` or `output`).
pub(crate) fn log() -> bool {
    log_choice().is_ok_and(|log| log != Log::Nothing)
}

/// Returns whether each line that a service prints is printed, too (`MIRAKURU_LOG=output`).
pub(crate) fn log_output() -> bool {
    log_choice() == Ok(Log::Output)
}

fn log_choice() -> Result<Log, String> {
    choice(
        "MIRAKURU_LOG",
        [Log::Nothing, Log::Steps],
        ("output", Log::Output),
    )
}

/// The services whose files stay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    /// The files of services that did not start, or whose test failed.
    OfFailures,
    All,
}

/// Returns the value of `MIRAKURU_KEEP`, which selects the services whose output and private directory stay.
///
/// With `1` the files of all services stay, and with `failed` those of services that failed or whose test failed.
pub(crate) fn keep() -> Keep {
    keep_choice().unwrap_or(Keep::Nothing)
}

fn keep_choice() -> Result<Keep, String> {
    choice(
        "MIRAKURU_KEEP",
        [Keep::Nothing, Keep::All],
        ("failed", Keep::OfFailures),
    )
}

/// Returns the file of `MIRAKURU_TRACE`, which receives the timeline of all services.
pub(crate) fn trace() -> Option<PathBuf> {
    let file = std::env::var_os("MIRAKURU_TRACE").filter(|file| !file.is_empty())?;
    std::path::absolute(file).ok()
}

/// Returns the message that this file cannot be written.
pub(crate) fn not_a_trace(file: &Path) -> String {
    mistake("MIRAKURU_TRACE", "a file that can be written", file)
}

/// Returns the value of `MIRAKURU_TIMEOUT_SCALE`, a factor for all timeouts. For example, 3 triples them.
///
/// # Errors
///
/// The value is not a positive number.
pub(crate) fn timeout_scale() -> Result<f64, String> {
    let is_positive = |scale: &f64| scale.is_finite() && *scale > 0.0;
    let parse = |reported: &str| reported.parse().ok().filter(is_positive);
    value("MIRAKURU_TIMEOUT_SCALE", "a positive number", 1.0, parse)
}

/// Returns the value of `MIRAKURU_QUEUE_TIMEOUT`: the longest wait for a port or a lock, in seconds.
///
/// # Errors
///
/// The value is not a whole number.
pub(crate) fn queue_timeout() -> Result<Duration, String> {
    let (name, form) = ("MIRAKURU_QUEUE_TIMEOUT", "a whole number of seconds");
    value(name, form, 600, |reported| reported.parse().ok()).map(Duration::from_secs)
}

/// Returns the longest wait for a port or a lock. An invalid value counts as the default, as each start reports it.
pub(crate) fn queue_bound() -> Duration {
    queue_timeout().unwrap_or(Duration::from_secs(600))
}

/// Parses the variable. An empty variable counts as not set.
fn value<T>(
    name: &str,
    form: &str,
    default: T,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, String> {
    let Some(reported) = std::env::var_os(name).filter(|reported| !reported.is_empty()) else {
        return Ok(default);
    };
    let value = reported.to_str().and_then(parse);
    value.ok_or_else(|| mistake(name, form, Path::new(&reported)))
}

fn mistake(name: &str, form: &str, reported: &Path) -> String {
    format!("{name} must be {form}, got `{}`", reported.display())
}

/// Parses a variable whose values are off, on, and one more word.
fn choice<T: Copy>(name: &str, [off, on]: [T; 2], further: (&str, T)) -> Result<T, String> {
    let words = |words: [&'static str; 4], value| words.map(|word| (word, value));
    let (offs, ons) = (words(OFF, off), words(ON, on));
    let parse = |reported: &str| {
        let mut all = offs.iter().chain(&ons).chain([&further]);
        let found = all.find(|(word, _)| reported.eq_ignore_ascii_case(word));
        found.map(|(_, value)| *value)
    };
    value(name, &format!("1, {} or 0", further.0), off, parse)
}
