//! URLs: with their placeholders filled in, and before that.

use reqwest::Url;

/// The URL, or what is wrong with it.
pub(super) fn parse(filled: &str) -> Result<Url, String> {
    let url = Url::parse(filled).map_err(|error| format!("{filled:?} is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{filled:?} is neither an http nor an https URL"));
    }
    // The parser skips extra slashes (`http:///path` is host `path` to it): a URL without a
    // host is a mistake here.
    let authority = filled.split_once("://").map_or("", |(_, rest)| rest);
    if url.host_str().is_none_or(str::is_empty)
        || authority.is_empty()
        || authority.starts_with(['/', ':', '?', '#'])
    {
        return Err(format!("{filled:?} has no host"));
    }
    if url.scheme() == "https" && !cfg!(feature = "https") {
        return Err(format!("{filled:?} needs the feature `https` of mirakuru"));
    }
    Ok(url)
}

/// What stands in the authority of a URL that may hold placeholders, which no parser would take:
/// the host, and the port, 0 where it is `{port}`. The name of a named port comes third. What another placeholder
/// stands for is not known.
pub(super) fn host_and_port(url: &str) -> (Option<String>, Option<u16>, Option<String>) {
    let Some((scheme, rest)) = url.trim().split_once("://") else {
        return (None, None, None);
    };
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let default = if scheme.eq_ignore_ascii_case("https") {
        443
    } else {
        80
    };
    let label = |port: &str| Some(port.strip_prefix("{port:")?.strip_suffix('}')?.to_owned());
    let split = split_port(authority);
    let (host, port) = match split {
        Some((host, "{port}")) => (host, Some(0)),
        Some((host, "")) => (host, Some(default)),
        Some((host, port)) if port.ends_with('}') => (host, None),
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
        _ if authority.ends_with(".addr}") => (authority, None),
        _ => (authority, Some(default)),
    };
    (
        named_host(host),
        port,
        split.and_then(|(_, port)| label(port)),
    )
}

/// Splits an authority at the last colon that is in no placeholder.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    let mut is_inside = false;
    authority.rsplit_once(|c: char| {
        is_inside = c == '}' || (is_inside && c != '{');
        c == ':' && !is_inside
    })
}

/// The host, if the URL gives one.
fn named_host(host: &str) -> Option<String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let named = !host.is_empty() && host != "{host}" && !host.ends_with(".addr}");
    named.then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Place;

    #[test]
    fn host_and_port_are_found_in_urls_with_placeholders() {
        let found = |url| {
            let (host, port, _) = host_and_port(url);
            (host, port)
        };
        let named = "http://[::1]:{port:monitor}/healthz";
        assert_eq!(
            host_and_port(named),
            (Some("::1".into()), None, Some("monitor".into()))
        );
        assert_eq!(found("http://{host}:{port:x}"), (None, None));
        assert_eq!(
            found("http://127.0.0.1:{port}/a?b"),
            (Some("127.0.0.1".into()), Some(0))
        );
        assert_eq!(found("http://{host}:{port}/"), (None, Some(0)));
        assert_eq!(found("http://{db.addr}/"), (None, None));
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
    }

    enum Verdict {
        Right,
        Wrong,
        WrongAtTheStart,
    }

    #[test]
    fn urls_are_right_where_the_attribute_says_so() {
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
            let url = place.fill_text(text).and_then(|filled| parse(&filled));
            let is_https = text.to_ascii_lowercase().starts_with("https:");
            let expected = matches!(verdict, Right) && (!is_https || cfg!(feature = "https"));
            assert_eq!(url.is_ok(), expected, "{text:?}: {url:?}");
            // The parser writes a name of another script in ASCII.
            let parsed = url.ok();
            if let Some(url) = parsed.filter(|_| text.is_ascii() && !text.contains('{')) {
                let host = url
                    .host_str()
                    .map(|host| host.trim_matches(['[', ']']).to_owned());
                let expected = (host, url.port_or_known_default(), None);
                assert_eq!(host_and_port(text), expected, "{text:?}");
            }
        }
    }
}
