//! Fuzz target for URLs. The host and the port of a template must be those that the client's parser finds after the
//! placeholders are filled in, or the check must refuse the URL.

use super::{Place, Url, check, host_and_port};
use crate::rounds::{Rng, one, rounds, text};

const LETTERS: [&str; 32] = [
    "a",
    "Z",
    "0",
    "80",
    "1.",
    "127.0.0.1",
    ":",
    ":",
    "/",
    "\\",
    "@",
    "?",
    "#",
    "[",
    "]",
    "::1",
    "%",
    "%41",
    "%00",
    " ",
    "\t",
    "\n",
    "é",
    "\u{ff11}",
    "\u{3002}",
    "{port}",
    "{host}",
    "{{port}}",
    "{db.addr}",
    "{db.host}",
    "${a}",
    "|",
];

/// Returns a URL that is valid or nearly valid.
pub(crate) fn url(rng: &mut Rng) -> String {
    let scheme = one(
        rng,
        &[
            "http", "http", "HTTP", "https", " http", "ht\ttp", "ftp", "",
        ],
    );
    let slashes = one(
        rng,
        &["://", "://", "://", ":", ":/", ":///", ":\\\\", "://\\"],
    );
    let user = one(rng, &["", "", "", "u@", "u:p@", "u:{port}@", "a@b:1@", "@"]);
    let host = [
        "localhost",
        "127.0.0.1",
        "{host}",
        "{db.host}",
        "[{db.six}]",
        "LocalHost",
        "[::1]",
        "[0:0::1]",
        "127.1",
        "0x7f.1",
        "2130706433",
        "%6cocalhost",
        "bücher.example",
        "a.{db.host}.b",
        "{db.addr}",
        "",
        "256.1.1.1",
        "::1",
        "localhost.",
    ];
    let host = one(rng, &host);
    let port = [
        "",
        "",
        ":",
        ":81",
        ":0",
        ":00080",
        ":65536",
        ":{port}",
        ":{port}",
        ":{port:b}",
        ":{db.port}",
        ":0{port}",
        ":1{port}",
        ":-1",
        ": 1",
        ":{db.port:c}",
        ":{port}{port:b}",
        ":8\n0",
    ];
    let port = one(rng, &port);
    let path = [
        "",
        "/",
        "/a b",
        "\\a",
        "?a@b:1",
        "#:2",
        "/{port}",
        "\\@other:1",
        " ",
        "/{{port}}",
    ];
    let path = one(rng, &path);
    let mut url = format!("{scheme}{slashes}{user}{host}{port}{path}");
    if rng.u8(..4) == 0 {
        let at = rng.usize(..=url.len());
        if url.is_char_boundary(at) {
            url.insert_str(at, &text(rng, &LETTERS, 3));
        }
    }
    url
}

#[test]
fn host_and_port_are_those_of_the_connection() {
    let bindings = [
        ("db.host", "db.example"),
        ("db.six", "fd00::7"),
        ("db.port", "12345"),
        ("db.port:c", "12346"),
        ("db.addr", "db.example:12345"),
    ];
    let place = Place {
        host: "127.0.0.1".into(),
        ports: [(String::new(), 15_000), ("b".to_owned(), 16_000)].into(),
        bindings: bindings
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        ..Place::default()
    };
    rounds("urls", |rng| {
        for _ in 0..400 {
            let template = url(rng);
            let Ok(filled) = place.fill_text(&template) else {
                continue;
            };
            let Ok(url) = check(&template, &filled) else {
                continue;
            };
            assert_eq!(Url::parse(&filled).as_ref(), Ok(&url), "{template:?}");
            let (host, port, label) = host_and_port(&template).expect("it was checked");
            let asked = url.host_str().map(|host| host.trim_matches(['[', ']']));
            let is_bound = template.contains("{db.");
            if let Some(host) = host.or((!is_bound).then(|| place.host.clone())) {
                let host = place.fill_text(&host).expect("it was filled in");
                // A template may put a digit before an address. That gives another address, which the parser
                // normalizes.
                let same = Url::parse(&format!("http://{host}")).ok();
                let same = same.as_ref().and_then(Url::host_str).unwrap_or(&host);
                assert_eq!(Some(same), asked, "{template:?}");
            }
            let port = match (port, label) {
                (Some(0), _) => Some(place.port()),
                (port, label) => port.or(label.map(|label| place.ports[&label])),
            };
            if port.is_some() || !is_bound {
                assert_eq!(port, url.port_or_known_default(), "{template:?}");
            }
        }
    });
}
