//! Checks literals at compile time. Each error describes the mistake and what to write instead.

use std::time::Duration;

use crate::placeholder;

/// Returns `: did you mean …?` with the nearest name, or all names if none is near.
pub(crate) fn guess<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    write: impl Fn(&str) -> String,
) -> String {
    if let Some(nearest) = nearest(name, known.clone()) {
        return format!(": did you mean {}?", write(nearest));
    }
    let all: Vec<_> = known.into_iter().map(write).collect();
    match &all[..] {
        [] => String::new(),
        [only] => format!(": expected {only}"),
        all => format!(": expected one of {}", all.join(", ")),
    }
}

/// Returns the known name that the user probably meant, if one is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let nearest = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min();
    let (_, nearest) = nearest.filter(|(distance, known)| *distance <= known.len().div_ceil(3))?;
    Some(nearest)
}

/// Checks a regular expression.
pub(crate) fn regex(pattern: &str) -> Result<(), String> {
    regex_syntax::Parser::new()
        .parse(pattern)
        .map(drop)
        .map_err(|error| error.to_string())
}

const URL: &str = "write the URL as `http://127.0.0.1:{port}/path`";

/// Checks a URL, with values in place of its placeholders.
///
/// The runtime's parser finds more mistakes than this check. This check rejects no URL that the runtime accepts.
pub(crate) fn url(text: &str) -> Result<(), String> {
    let (host, port) = host_and_port(text, "1")?;
    // Fill the port placeholders with two different values. A part that differs contains a placeholder.
    let (other_host, other_port) = host_and_port(text, "2")?;
    if host != other_host || port != other_port && port.trim_start_matches('0') != "1" {
        return Err(format!(
            "a port placeholder must be the whole port of this URL, and the host must not contain a port placeholder: {URL}"
        ));
    }
    match port.parse::<u16>() {
        Ok(0) => Err(format!(
            "a service cannot listen on port 0: {URL} for a free port"
        )),
        Ok(_) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        _ if port.is_empty() => Ok(()),
        _ => Err(format!(
            "the port of this URL must be a number up to 65535: {URL}"
        )),
    }
}

/// Returns the host and the port of a URL, with `port` in place of each port placeholder.
fn host_and_port(text: &str, port: &'static str) -> Result<(String, String), String> {
    let filled = placeholder::fill(text, |name| match name.rsplit('.').next() {
        Some(field) if field == "port" || field.starts_with("port:") => port,
        Some("addr") => "host:1",
        Some("url") => "http://host:1",
        Some("tmpdir" | "socket" | "pidfile") => "/file",
        _ => "host",
    });
    let written = filled.trim_matches(|c| c <= ' ');
    if written.contains(['\t', '\n', '\r']) {
        return Err(format!("this URL contains a tab or a line break: {URL}"));
    }
    let Some((scheme, rest)) = written.split_once("://") else {
        return Err(format!("this URL has no scheme: {URL}"));
    };
    if !["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err(format!(
            "a URL must begin with `http://` or `https://`: {URL}"
        ));
    }
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let host_and_port = rest[..end].rsplit('@').next().unwrap_or_default();
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (host_and_port, ""),
    };
    if host.is_empty() {
        return Err(format!("this URL has no host: {URL}"));
    }
    let is_address = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    let is_refused = |c: char| " <>[]{}^|:".contains(c) || c.is_ascii_control();
    if !is_address && host.contains(is_refused) {
        return Err(format!(
            "`{host_and_port}` cannot be the host and port of a URL: {URL}"
        ));
    }
    Ok((host.to_owned(), port.to_owned()))
}

/// Parses a duration such as `500ms`, `10s` or `2m`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || no_time(&format!("{text:?}"));
    let unit = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit);
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1e3,
        "s" => number,
        "m" | "min" => number * 60.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// Returns the message for a value, as the user wrote it, that is not a duration.
pub(crate) fn no_time(written: &str) -> String {
    format!(
        "`{written}` is not a duration: write `\"500ms\"`, `\"10s\"`, `\"2m\"`, or seconds as a number without quotes"
    )
}

/// The signals that exist on every Unix.
const SIGNALS: [&str; 29] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGWINCH",
    "SIGIO",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGSYS",
];

/// Returns whether this is not a misspelt signal: at least four letters differ from each.
pub(crate) fn is_far_from_signals(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SIGNALS
        .iter()
        .all(|known| strsim::damerau_levenshtein(&name, known) > 3)
}

/// Returns whether this is the name of a signal without its `SIG`.
pub(crate) fn is_short_signal(name: &str) -> bool {
    SIGNALS.iter().any(|known| known[3..] == *name)
}

/// Checks the name of a signal.
pub(crate) fn signal(name: &str) -> Result<(), String> {
    if SIGNALS.contains(&name) {
        return Ok(());
    }
    let upper = name.to_ascii_uppercase();
    let guess = if upper.starts_with("SIG") {
        guess(&upper, SIGNALS, |name| format!("`{name}`"))
    } else {
        let short = SIGNALS.map(|known| &known[3..]);
        guess(&upper, short, |name| format!("`SIG{name}`"))
    };
    Err(format!("unknown signal `{name}`{guess}"))
}

/// Checks the code of an HTTP status.
pub(crate) fn status(code: u64) -> Result<(), String> {
    if (100..=599).contains(&code) {
        Ok(())
    } else {
        Err(format!(
            "{code} is not an HTTP status: expected a code from 100 to 599"
        ))
    }
}

/// Checks an HTTP method.
pub(crate) fn method(text: &str) -> Result<(), String> {
    token("HTTP method", text)
}

/// Checks a token, as RFC 9110 defines it.
pub(crate) fn token(what: &str, text: &str) -> Result<(), String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !text.is_empty() && text.chars().all(is_token) {
        Ok(())
    } else {
        Err(format!("{text:?} is not a valid {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Verdict {
        Right,
        Wrong,
        WrongAtTheStart,
    }

    #[test]
    fn urls_are_accepted_as_the_runtime_accepts_them() {
        use Verdict::{Right, Wrong, WrongAtTheStart};

        for (text, verdict) in include!("../../tests/rules/urls.rs") {
            let passes = matches!(verdict, Right | WrongAtTheStart);
            assert_eq!(url(text).is_ok(), passes, "{text:?}");
        }
    }

    #[test]
    fn signals_are_those_of_the_runtime() {
        let named: Vec<_> = include!("../../tests/rules/signals.rs").into();
        for (name, is_signal) in &named {
            assert_eq!(signal(name).is_ok(), *is_signal, "{name}");
        }
        for known in SIGNALS {
            assert!(
                named.contains(&(known, true)),
                "{known} is not in the table"
            );
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "10", "s", "-1s", "1h30"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
