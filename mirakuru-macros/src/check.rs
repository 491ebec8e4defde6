//! What can be said of a literal before anything runs. Each function tells what is wrong and what to
//! write instead.

use std::time::Duration;

/// The names that stand for something in every text.
pub(crate) const PLACEHOLDERS: [&str; 5] = ["port", "host", "tmpdir", "socket", "pidfile"];
/// What a bound process has for later ones.
pub(crate) const BOUND: [&str; 7] = ["host", "port", "addr", "url", "socket", "pidfile", "tmpdir"];

/// The placeholders of a text, by the rules of the runtime: a lower-case name in braces, not after
/// `$`; `{{name}}` is text.
pub(crate) fn placeholders(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut after_dollar = false;
    while let Some(open) = rest.find('{') {
        after_dollar = if open == 0 {
            after_dollar
        } else {
            rest[..open].ends_with('$')
        };
        rest = &rest[open..];
        let doubled = rest
            .strip_prefix("{{")
            .and_then(|tail| name_until(tail, "}}"));
        let taken = match (doubled, name_until(&rest[1..], "}")) {
            (Some(name), _) => name.len() + 4,
            (None, Some(name)) if !after_dollar => {
                found.push(name);
                name.len() + 2
            }
            _ => 1,
        };
        (rest, after_dollar) = (&rest[taken..], false);
    }
    found
}

fn name_until<'a>(tail: &'a str, end: &str) -> Option<&'a str> {
    let name = &tail[..tail.find('}')?];
    let well_formed = name.split('.').count() <= 2 && name.split('.').all(is_word);
    (well_formed && tail[name.len()..].starts_with(end)).then_some(name)
}

/// Whether it can be a placeholder's name.
pub(crate) fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// What is wrong with the placeholders of a text; `bindings` are those of the attributes before.
pub(crate) fn text(text: &str, bindings: &[String]) -> Vec<String> {
    placeholders(text)
        .into_iter()
        .filter_map(|name| placeholder(name, bindings).err())
        .collect()
}

fn placeholder(name: &str, bindings: &[String]) -> Result<(), String> {
    let instead = format!(" (`{{{{{name}}}}}` is the text itself)");
    let Some((binding, part)) = name.split_once('.') else {
        if PLACEHOLDERS.contains(&name) {
            return Ok(());
        }
        let guess = guess(name, PLACEHOLDERS, |name| format!("`{{{name}}}`"));
        return Err(format!("`{{{name}}}` is no placeholder{guess}{instead}"));
    };
    if !bindings.iter().any(|known| known == binding) {
        let known = bindings.iter().map(String::as_str);
        let guess = guess(binding, known, |name| format!("`{{{name}.{part}}}`"));
        return Err(format!(
            "no attribute before this one has `bind = {binding}`{guess}{instead}"
        ));
    }
    if BOUND.contains(&part) {
        return Ok(());
    }
    let guess = guess(part, BOUND, |part| format!("`{{{binding}.{part}}}`"));
    Err(format!("`{{{name}}}`: a process has no `{part}`{guess}"))
}

/// Whether `{port}` stands in a text, or a name that is no placeholder, which is told.
pub(crate) fn may_name_port(text: &str) -> bool {
    let is_another = |name: &str| name.contains('.') || PLACEHOLDERS.contains(&name);
    placeholders(text)
        .into_iter()
        .any(|name| name == "port" || !is_another(name))
}

/// `: did you mean …?` for the nearest name, if one is near; else all of them.
pub(crate) fn guess<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    write: impl Fn(&str) -> String,
) -> String {
    if let Some(nearest) = nearest(name, known.clone()) {
        return format!(": did you mean {}?", write(nearest));
    }
    let all: Vec<_> = known.into_iter().map(write).collect();
    if all.is_empty() {
        String::new()
    } else {
        format!("; there are {}", all.join(", "))
    }
}

/// The name that is meant, if one is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let nearest = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min();
    let (_, nearest) = nearest.filter(|(distance, known)| *distance <= known.len().div_ceil(3))?;
    Some(nearest)
}

pub(crate) fn regex(pattern: &str) -> Result<(), String> {
    regex_syntax::Parser::new()
        .parse(pattern)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The URL once its placeholders are filled in: `{port}` is no port to a parser.
pub(crate) fn url(text: &str) -> Result<(), String> {
    let filled = placeholders(text)
        .into_iter()
        .fold(text.to_owned(), |filled, name| {
            let stands_for = match name.rsplit('.').next() {
                Some("port") => "1",
                Some("addr") => "host:1",
                _ => "host",
            };
            filled.replace(&format!("{{{name}}}"), stands_for)
        });
    let example = "write it as `http://127.0.0.1:{port}/path`";
    let Some((scheme, rest)) = filled.split_once("://") else {
        return Err(format!("this URL has no scheme: {example}"));
    };
    if !matches!(scheme, "http" | "https") {
        return Err(format!(
            "a URL begins with `http://` or `https://`: {example}"
        ));
    }
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host_and_port, None),
    };
    if host.is_empty() {
        return Err(format!("this URL has no host: {example}"));
    }
    match port.map(str::parse::<u16>) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(_)) => Err(format!(
            "the port of this URL is no number up to 65535: {example}"
        )),
    }
}

/// `500ms`, `10s`, `2m`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "`{text}` is no duration: write `\"500ms\"`, `\"10s\"`, `\"2m\"`, or seconds as a number"
        )
    };
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

/// The signals that every Unix has.
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

/// Whether it is none of them, mistyped: of so many letters more than three may differ.
pub(crate) fn is_far_from_signals(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SIGNALS
        .iter()
        .all(|known| strsim::damerau_levenshtein(&name, known) > 3)
}

pub(crate) fn signal(name: &str) -> Result<(), String> {
    if SIGNALS.contains(&name) {
        return Ok(());
    }
    let guess = guess(&name.to_ascii_uppercase(), SIGNALS, |name| {
        format!("`{name}`")
    });
    Err(format!("`{name}` is no signal{guess}"))
}

/// A status is a code, or a regular expression that matches codes.
pub(crate) fn status(code: u64) -> Result<(), String> {
    if (100..=599).contains(&code) {
        Ok(())
    } else {
        Err(format!("{code} is no HTTP status: they go from 100 to 599"))
    }
}

pub(crate) fn method(text: &str) -> Result<(), String> {
    token("HTTP method", text)
}

/// A token, by RFC 9110.
pub(crate) fn token(what: &str, text: &str) -> Result<(), String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !text.is_empty() && text.chars().all(is_token) {
        Ok(())
    } else {
        Err(format!("{text:?} is no {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_as_the_runtime_finds_them() {
        assert_eq!(
            placeholders("{port} ${host} {{tmpdir}} {db.port} {Port} {1..9} {{.ID}} {"),
            ["port", "db.port"]
        );
    }

    #[test]
    fn urls_are_looked_at_with_their_placeholders_filled_in() {
        for right in [
            "http://{host}:{port}/x?y",
            "https://[::1]:80/",
            "http://u:p@localhost",
            "http://[::1]/",
            "http://{db.host}:{db.port}/",
            "http://{db.addr}/x",
        ] {
            assert_eq!(url(right), Ok(()), "{right}");
        }
        for wrong in [
            "localhost:80",
            "ftp://x",
            "http:///x",
            "http://:80",
            "http://x:99999/",
        ] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "10", "s", "-1s", "1h30"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
