//! What whoever runs the tests may say, by variables of the environment: all of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Checks the values of all variables but `MIRAKURU_TRACE`, which can be any path.
///
/// # Errors
///
/// The first invalid one: its name, what is accepted, and the value.
pub(crate) fn validate() -> Result<(), String> {
    log_choice()?;
    keep_choice()?;
    timeout_scale()?;
    cache()?;
    queue_timeout().map(drop)
}

/// Where data directories of ready-made services are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    /// In the user's directory of caches.
    OfUser,
    At(PathBuf),
    Off,
}

/// `MIRAKURU_CACHE=off`, or a directory.
///
/// # Errors
///
/// The value is no absolute path.
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
            "an absolute path, on or off",
            &path,
        )),
    }
}

const OFF: [&str; 4] = ["0", "false", "no", "off"];
const ON: [&str; 4] = ["1", "true", "yes", "on"];

/// What is printed to standard error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    Nothing,
    Steps,
    /// Each line that a service prints, too.
    Output,
}

/// `MIRAKURU_LOG=1` or `output`: a line on standard error for each step.
pub(crate) fn log() -> bool {
    log_choice().is_ok_and(|log| log != Log::Nothing)
}

/// `MIRAKURU_LOG=output`: each line that a service prints, too.
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
    keep_choice().unwrap_or(Keep::Nobodys)
}

fn keep_choice() -> Result<Keep, String> {
    choice(
        "MIRAKURU_KEEP",
        [Keep::Nobodys, Keep::All],
        ("failed", Keep::OfFailures),
    )
}

/// `MIRAKURU_TRACE=file.json`: where the timeline of every service goes.
pub(crate) fn trace() -> Option<PathBuf> {
    let file = std::env::var_os("MIRAKURU_TRACE").filter(|file| !file.is_empty())?;
    std::path::absolute(file).ok()
}

/// The mistake that this file cannot be written.
pub(crate) fn not_a_trace(file: &Path) -> String {
    mistake("MIRAKURU_TRACE", "a file that can be written", file)
}

/// `MIRAKURU_TIMEOUT_SCALE=3`: how much longer than written everything may take.
///
/// # Errors
///
/// That it is no such number.
pub(crate) fn timeout_scale() -> Result<f64, String> {
    let is_positive = |scale: &f64| scale.is_finite() && *scale > 0.0;
    let parse = |reported: &str| reported.parse().ok().filter(is_positive);
    value("MIRAKURU_TIMEOUT_SCALE", "a positive number", 1.0, parse)
}

/// `MIRAKURU_QUEUE_TIMEOUT=600`: how many seconds a port, or a lock, is queued for.
///
/// # Errors
///
/// That it is no such number.
pub(crate) fn queue_timeout() -> Result<Duration, String> {
    let (name, form) = ("MIRAKURU_QUEUE_TIMEOUT", "a whole number of seconds");
    value(name, form, 600, |reported| reported.parse().ok()).map(Duration::from_secs)
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
    let Some(reported) = std::env::var_os(name).filter(|reported| !reported.is_empty()) else {
        return Ok(default);
    };
    let value = reported.to_str().and_then(parse);
    value.ok_or_else(|| mistake(name, form, Path::new(&reported)))
}

fn mistake(name: &str, form: &str, reported: &Path) -> String {
    format!("{name} must be {form}, and is {}", reported.display())
}

/// Parses a variable that is off, on, or one more word.
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
