//! Reads URLs, both with placeholders and with their values filled in.
//!
//! The HTTP client's own parser reads both, so that the check asks the same host and port that the executor reports. To
//! find the host and the port of a URL with placeholders, stand-in values take the place of the placeholders.

use std::net::Ipv6Addr;

use reqwest::Url;

use crate::command::{Place, Template};

/// Parses a URL, or returns the mistake in it.
pub(super) fn parse(filled: &str) -> Result<Url, String> {
    let url = read(filled)?;
    if url.scheme() == "https" && !cfg!(feature = "https") {
        return Err(format!("{filled:?} needs the feature `https` of mirakuru"));
    }
    Ok(url)
}

fn read(filled: &str) -> Result<Url, String> {
    // The parser drops spaces and control characters around a URL. It also drops tabs and line breaks within a URL,
    // which no user would expect.
    let written = filled.trim_matches(|c| c <= ' ');
    if written.contains(['\t', '\n', '\r']) {
        return Err(format!("{filled:?} contains a tab or the end of a line"));
    }
    let url =
        Url::parse(written).map_err(|error| format!("{filled:?} is not a valid URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{filled:?} is neither an http nor an https URL"));
    }
    // The parser skips extra slashes, so `http:///path` would have the host `path`. It also reads the text after
    // `http:` as the host, as in `http:8080://host`. Both are mistakes here.
    let after_scheme = written.get(url.scheme().len()..);
    let authority = after_scheme.and_then(|rest| rest.strip_prefix("://"));
    let authority = authority.unwrap_or_default();
    if url.host_str().is_none_or(str::is_empty)
        || authority.is_empty()
        || authority.starts_with(['/', '\\', ':', '?', '#'])
    {
        return Err(format!("{filled:?} has no host"));
    }
    // The parser accepts a brace as a letter. Here, a brace is the rest of a placeholder.
    if let Some(host) = url.host_str().filter(|host| host.contains(['{', '}'])) {
        return Err(format!("{filled:?}: {host:?} cannot be a host"));
    }
    if url.port() == Some(0) {
        return Err(format!(
            "{filled:?} names port 0, and no service listens there: write {{port}} for a free port"
        ));
    }
    Ok(url)
}

/// Parses the URL `filled`, and checks that the placeholders in `written`, the URL as the user wrote it, are in allowed
/// places.
pub(super) fn check(written: &str, filled: &str) -> Result<Url, String> {
    let url = parse(filled)?;
    match host_and_port(written) {
        Some(_) => Ok(url),
        None => Err(format!(
            "{written:?}: a placeholder for the port must be the whole port, and a placeholder in the host must not be next to a non-ASCII letter"
        )),
    }
}

/// Returns the host, the port and the name of a named port of a URL that may contain placeholders.
///
/// The port is 0 if the URL contains `{port}`. The host or the port is `None` if another placeholder stands for it. The
/// result is `None` if the URL contains a mistake.
pub(super) fn host_and_port(
    written: &str,
) -> Option<(Option<String>, Option<u16>, Option<String>)> {
    let template = Template::parse(written);
    let names: Vec<_> = template.names().collect();
    let parsed = |host: fn(usize) -> String, port: u16| {
        let filled = stand_ins(&names, host, port).fill(&template).ok()?;
        read(filled.to_str()?).ok()
    };
    // If the port of the URL changes with the values of the placeholders, a placeholder is the port.
    let (stand_in, url, other) = HOSTS.into_iter().find_map(|host| {
        let [one, other] = [20_000, 40_000].map(|port| parsed(host, port));
        Some((host, one?, other?))
    })?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let mut host = host.to_owned();
    for (index, name) in names.iter().enumerate() {
        host = host.replace(&stand_in(index), &format!("{{{name}}}"));
    }
    // The parser encodes a stand-in that is part of a word in another script, so the replacement above misses it.
    if host.contains(STAND_IN) {
        return None;
    }
    // The parser may have read the number of a named port as a part of an address (`127.{port:a}`).
    if url.host() != other.host() {
        host = written_host(written)?;
    }
    let is_known = host != "{host}" && !host.ends_with(".addr}") && !host.ends_with(".url}");
    let host = is_known.then_some(host);
    let port = url.port_or_known_default()?;
    if url.port() == other.port() {
        return Some((host, Some(port), None));
    }
    match names.get(usize::from(port.checked_sub(20_000)?))? {
        &"port" => Some((host, Some(0), None)),
        name => Some((host, None, name.strip_prefix("port:").map(str::to_owned))),
    }
}

/// Returns the host as the user wrote it, or `None` if `{port}` is a part of it.
fn written_host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let authority = rest[..end].rsplit('@').next()?;
    let host = split_port(authority).map_or(authority, |(host, _)| host);
    (!host.contains("{port}")).then(|| host.to_owned())
}

/// Splits an authority at the last colon outside a placeholder.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    let mut is_inside = false;
    authority.rsplit_once(|c: char| {
        is_inside = c == '}' || (is_inside && c != '{');
        c == ':' && !is_inside
    })
}

/// A part of the stand-in host names. No user writes such a name.
const STAND_IN: &str = ".placeholder-of-mirakuru.";

/// Returns the stand-in for the host of the placeholder with this number: a name, or an address for use within
/// brackets.
const HOSTS: [fn(usize) -> String; 2] = [
    |index| format!("host-{index}{STAND_IN}invalid"),
    |index| {
        let index = u16::try_from(index).unwrap_or_default();
        Ipv6Addr::new(0xfd00, index, 0, 0, 0, 0, 0, 1).to_string()
    },
];

/// Returns stand-in values for these placeholders. The host and the port of each contain its index.
fn stand_ins(names: &[&str], host: fn(usize) -> String, port: u16) -> Place {
    let mut place = Place {
        tmpdir: Some("/".into()),
        socket: Some("/".into()),
        pidfile: Some("/".into()),
        ..Place::default()
    };
    // In reverse order, so that a name that occurs twice gets its first index.
    for (index, name) in names.iter().enumerate().rev() {
        let host = host(index);
        let port = u16::try_from(index).map_or(port, |index| port.saturating_add(index));
        let value = match name.split_once('.').map_or(*name, |(_, field)| field) {
            "addr" => format!("{host}:{port}"),
            "url" => format!("http://{host}:{port}"),
            field if field == "port" || field.starts_with("port:") => port.to_string(),
            _ => host.clone(),
        };
        match name.strip_prefix("port") {
            Some(label) => drop(place.ports.insert(label.replacen(':', "", 1), port)),
            None if *name == "host" => place.host = host,
            None if name.contains('.') => drop(place.bindings.insert((*name).to_owned(), value)),
            None => {}
        }
    }
    place
}

#[cfg(test)]
#[path = "../../../tests/fuzz/urls.rs"]
mod fuzz_urls;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_host_after_its_scheme_is_refused() {
        for url in [
            "http:8080://[::1]:80/",
            "http:host",
            "http:/host",
            "http:///host",
        ] {
            assert_eq!(parse(url), Err(format!("{url:?} has no host")));
        }
    }

    #[test]
    fn host_and_port_are_found_in_urls_with_placeholders() {
        let found = |url: &str| {
            let (host, port, _) = host_and_port(url).unwrap_or_default();
            (host, port)
        };
        let named = "http://[::1]:{port:monitor}/healthz";
        assert_eq!(
            host_and_port(named),
            Some((Some("::1".into()), None, Some("monitor".into())))
        );
        assert_eq!(host_and_port("http://{unknown}:81/"), None);
        assert_eq!(found("http://{host}:{port:x}"), (None, None));
        assert_eq!(
            found("http://127.0.0.1:{port}/a?b"),
            (Some("127.0.0.1".into()), Some(0))
        );
        assert_eq!(found("http://{host}:{port}/"), (None, Some(0)));
        assert_eq!(found("http://{db.addr}/"), (None, None));
        assert_eq!(found("{db.url}/{tmpdir}"), (None, None));
        for path in ["{tmpdir}", "{socket}", "{pidfile}"] {
            let found = found(&format!("http://127.0.0.1:81{path}"));
            assert_eq!(found, (Some("127.0.0.1".into()), Some(81)), "{path}");
        }
        assert_eq!(
            found("http://[{db.host}]:{port}/"),
            (Some("{db.host}".into()), Some(0))
        );
        assert_eq!(
            found("HTTP://{port}@{a.host}.{b.host}.TEST:{a.port}"),
            (Some("{a.host}.{b.host}.test".into()), None)
        );
        assert_eq!(found("http://${port}:81"), (None, None));
        assert_eq!(
            found("http://127.0.0.1:{db.port:monitor}/"),
            (Some("127.0.0.1".into()), None)
        );
        assert_eq!(
            found("http://127.{port:a}/"),
            (Some("127.{port:a}".into()), Some(80))
        );
        assert_eq!(
            found("http://{db.host}:{db.port}/"),
            (Some("{db.host}".into()), None)
        );
        assert_eq!(
            found("http://u:p@example.org:81"),
            (Some("example.org".into()), Some(81))
        );
        assert_eq!(
            found("http://[::1]:8080/"),
            (Some("::1".into()), Some(8080))
        );
        assert_eq!(
            found("https://localhost/x"),
            (Some("localhost".into()), Some(443))
        );
        for url in [
            "http://%6cocalhost:81/",
            "http:\\/localhost:81/",
            "http://LOCALHOST:0081\\@other/",
        ] {
            let expected = url.starts_with("http://");
            let host = expected.then(|| "localhost".to_owned());
            assert_eq!(found(url), (host, expected.then_some(81)), "{url}");
        }
        assert_eq!(
            found("http://127.1:81/"),
            (Some("127.0.0.1".into()), Some(81))
        );
    }

    enum Verdict {
        Right,
        Wrong,
        WrongAtTheStart,
    }

    #[test]
    fn urls_get_the_same_verdict_as_in_the_attribute() {
        use Verdict::{Right, Wrong, WrongAtTheStart};

        let bindings = [
            ("host", "host"),
            ("port", "1"),
            ("port:monitor", "1"),
            ("addr", "host:1"),
            ("url", "http://host:1"),
        ];
        let place = Place {
            host: "host".into(),
            ports: [(String::new(), 1), ("monitor".to_owned(), 1)].into(),
            socket: Some("/t/s".into()),
            bindings: bindings
                .map(|(part, value)| (format!("db.{part}"), value.to_owned()))
                .into(),
            ..Place::default()
        };
        for (text, verdict) in include!("../../../tests/rules/urls.rs") {
            let url = place
                .fill_text(text)
                .and_then(|filled| check(text, &filled));
            let is_https = text.to_ascii_lowercase().starts_with("https:");
            let expected = matches!(verdict, Right) && (!is_https || cfg!(feature = "https"));
            assert_eq!(url.is_ok(), expected, "{text:?}: {url:?}");
            if let Some(url) = url.ok().filter(|_| !text.contains('{')) {
                let host = url
                    .host_str()
                    .map(|host| host.trim_matches(['[', ']']).to_owned());
                let expected = (host, url.port_or_known_default(), None);
                assert_eq!(host_and_port(text), Some(expected), "{text:?}");
            }
        }
    }
}
