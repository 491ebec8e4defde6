//! Fuzz target for the attribute. Its input is valid, nearly valid or random tokens. It must not panic, and must expand
//! to items that the compiler can parse. Its checks of literals must agree with the parsers of the runtime.

use proc_macro2::{Delimiter, Group, Literal, TokenStream, TokenTree};
use quote::ToTokens;
use url::Url;

use crate::rounds::{Rng, one, rounds, text};

const ARGS: [&str; 18] = [
    r#"tcp = "redis-server --port {port}""#,
    r#"tcp = ["a", "b", WORD], port = 6379, host = "localhost", bind = db"#,
    r#"http = "x", url = "http://127.0.0.1:{port}/", status = 204, headers = { A = "b", "c-d" = e() }, body = "x""#,
    r#"http = "x", url = "http://{db.addr}/", method = "GET", payload = { a = "b" }, certificate = "{tmpdir}/c""#,
    r#"output = "x", banner = r"port (?<port>\d+)", stream = stdout, times = 2, log_file = "{tmpdir}/log""#,
    r#"unix = "x", socket = "{socket}", cwd = ".", shell = true"#,
    r#"pid = "x", filename = "{pidfile}", expected_returncode = -15, user = 0, user_if_root = "nobody""#,
    r#"simple = "x", env = { A = "{port}", B = format!("{}", 1), C = if a { "b" } else { "c" } }"#,
    r#"notify = "x", timeout = "10s", stop_timeout = 1.5, poll_interval = 2, together = true"#,
    r#"executor = Executor::when("x", |cx| cx.tmpdir().exists()), stop_signal = SIGINT, kill_signal = "SIGKILL""#,
    r"shared = path::DATABASE, lock = true",
    r#"simple = "x", exec = "pg_isready -p {port}", on_conflict = wait, name = "x", stdin = null"#,
    r#"simple = "a # b", crate = other::name"#,
    r#"postgres, version = "16", program = "postgres", args = ["-c", "a={port}"], config = { a = 20, "b" = "c" }, bind = db, database = true"#,
    r"redis, database = true, together = true, timeout = 2",
    r"shared = path::DATABASE, lock = true, database = true",
    r#"webdriver, program = "chromedriver""#,
    "",
];

const TOKENS: [&str; 56] = [
    "=",
    ",",
    ",",
    "::",
    ".",
    "#",
    "!",
    "&",
    "-1",
    "0",
    "65536",
    "1.5",
    "1e999",
    "'a'",
    "'static",
    "b\"x\"",
    "c\"x\"",
    "\"{port}\"",
    "\"{prot}\"",
    "\"'\"",
    "\"\"",
    "\"#\"",
    "r#\"a\"#",
    "{}",
    "{ a = 1 }",
    "[]",
    "[\"a\"]",
    "()",
    "(a, b)",
    "|x| x",
    "true",
    "tcp",
    "http",
    "postgres",
    "mariadb",
    "redis",
    "memcached",
    "nats",
    "database",
    "config",
    "Database",
    "url",
    "shared",
    "env",
    "bind",
    "together",
    "crate",
    "self",
    "_",
    "async",
    "r#type",
    "null",
    "if",
    "match x {}",
    "é",
    "..",
];

const ITEMS: [&str; 17] = [
    "#[test] fn test() {}",
    "#[test] fn test(redis: &TcpExecutor) -> io::Result<()> { Ok(()) }",
    "#[with_process(mosquitto)] #[with_process(mariadb, database = true)] #[test] fn test(db: &Database, m: &M, n: &a::Database) {}",
    "#[tokio::test] async fn test(a: &A, mut b: &mut B) -> Result<(), Box<dyn Error>> { a.b().await?; Ok(()) }",
    "#[rstest] #[case(1)] #[case::two(2)] fn test(#[case] n: u8, a: &A) {}",
    "#[test_case(1; \"one\")] #[test_case(2)] pub(crate) fn test(n: u8) -> impl Sized { n }",
    "#[test] #[should_panic(expected = \"x\")] fn test() -> ! { panic!() }",
    "#[serial] #[with_process(shared = A)] #[mirakuru::with_process(tcp = \"a {db.port}\", port = 1, bind = db)] #[test] fn t(a: &A, b: &B) {}",
    "#[with_process] #[with_process = 1] #[with_process()] fn test() {}",
    "/// Doc\n#[ignore] unsafe extern \"C\" fn test<'a, T: ?Sized>(_: &'a T, (a, b): (u8, u8)) where T: Sized { #![allow(x)] }",
    "const fn test(self: &Self) {}",
    "#[test] fn test(a: impl Fn() -> u8, ...) {}",
    "fn test(&self, a: A) { loop {} }",
    "struct A;",
    "mod a { fn b() {} }",
    "impl A { fn b(&self) {} }",
    "use a::b;",
];

fn tokens(text: &str) -> Vec<TokenTree> {
    let stream: TokenStream = text.parse().expect("tokens");
    stream.into_iter().collect()
}

/// Inserts, removes or changes some tokens, including those within groups and literals.
fn mutate(rng: &mut Rng, mut tokens: Vec<TokenTree>, depth: usize) -> Vec<TokenTree> {
    for _ in 0..rng.usize(..3) {
        let at = rng.usize(..=tokens.len());
        let Some(token) = tokens.get(at).cloned() else {
            tokens.extend(self::tokens(one(rng, &TOKENS)));
            continue;
        };
        match rng.u8(..6) {
            0 => drop(tokens.remove(at)),
            1 => tokens.insert(at, token),
            2 => tokens.swap(at, 0),
            3 => drop(tokens.splice(at..=at, self::tokens(one(rng, &TOKENS)))),
            4 => drop(tokens.splice(at..at, self::tokens(one(rng, &TOKENS)))),
            _ => tokens[at] = changed(rng, token, depth),
        }
    }
    tokens
}

fn changed(rng: &mut Rng, token: TokenTree, depth: usize) -> TokenTree {
    match token {
        TokenTree::Group(group) if depth < 5 => {
            let content = mutate(rng, group.stream().into_iter().collect(), depth + 1);
            let delimiters = [
                Delimiter::None,
                Delimiter::Brace,
                Delimiter::Bracket,
                group.delimiter(),
            ];
            Group::new(delimiters[rng.usize(..4)], content.into_iter().collect()).into()
        }
        TokenTree::Literal(_) => Literal::string(&literal(rng)).into(),
        other => other,
    }
}

fn literal(rng: &mut Rng) -> String {
    let letters = [
        "{port}",
        "{",
        "}",
        "db.port",
        "'",
        "\"",
        "\\",
        "#",
        " ",
        "=",
        "A",
        "http://",
        "localhost",
        ":",
        "0",
        "1",
        "/",
        "@",
        "(",
        ")",
        "*",
        "[",
        "?",
        "\n",
        "\0",
        "é",
        "10s",
        "ms",
        "SIG",
        "TERM",
        "-",
        ".",
    ];
    text(rng, &letters, 6)
}

#[test]
fn every_attribute_expands_to_items_and_compile_errors() {
    rounds("attribute", |rng| {
        for _ in 0..10 {
            let (args, item) = (tokens(one(rng, &ARGS)), tokens(one(rng, &ITEMS)));
            let args: TokenStream = mutate(rng, args, 0).into_iter().collect();
            let mutated: TokenStream = mutate(rng, item.clone(), 0).into_iter().collect();
            // The compiler passes only items that it could parse to an attribute.
            let is_item = syn::parse2::<syn::Item>(mutated.clone()).is_ok();
            let item = if is_item {
                mutated
            } else {
                item.into_iter().collect()
            };
            let expansion = super::attribute(args.clone(), &item, rng.bool());
            let shown = || format!("{args}\n{item}\n{expansion}");
            let file = syn::parse2::<syn::File>(expansion.clone());
            let file = file.unwrap_or_else(|error| panic!("{error}: {}", shown()));
            let mut mistakes = 0;
            let is_left = file.items.iter().filter(|item| {
                let is_mistake = item.to_token_stream().to_string().contains("compile_error");
                mistakes += usize::from(is_mistake);
                !is_mistake
            });
            assert!(is_left.count() > 0 || mistakes > 0, "{}", shown());
        }
    });
}

/// Returns whether the runtime accepts a URL: its parser must accept it, and must read it as the user does.
fn is_accepted(url: &str) -> bool {
    let written = url.trim_matches(|c| c <= ' ');
    let authority = written.split_once("://").map_or("", |(_, rest)| rest);
    let parsed = Url::parse(url).ok();
    let parsed =
        parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.port() != Some(0));
    let host = parsed.as_ref().and_then(Url::host_str).unwrap_or_default();
    !host.is_empty()
        && !host.contains(['{', '}'])
        && !written.contains(['\t', '\n', '\r'])
        && !authority.is_empty()
        && !authority.starts_with(['/', '\\', ':', '?', '#'])
}

#[test]
fn a_url_refused_by_the_attribute_is_refused_by_the_start() {
    rounds("attribute", |rng| {
        for _ in 0..300 {
            let mut url = one(rng, &["http://", "https://", "http:", ""]).to_owned();
            let letters = [
                "localhost",
                "127.0.0.1",
                "a",
                "Z",
                ".",
                ":",
                "80",
                "0",
                "/",
                "\\",
                "?",
                "#",
                "@",
                "[",
                "]",
                "::1",
                "%41",
                " ",
                "\t",
                "\n",
                "é",
                "\u{a0}",
                "+",
                "-",
                "\u{1}",
                "\u{7f}",
                "|",
                "<",
                "^",
            ];
            url += &text(rng, &letters, 7);
            let is_right = crate::check::url(&url).is_ok();
            assert!(is_right || !is_accepted(&url), "{url:?}");
            // The attribute must refuse literals that two parsers could read differently, and an invalid port.
            let port = Url::parse(&url).ok().and_then(|url| url.port());
            let is_ambiguous = url.trim_matches(|c| c <= ' ').contains(['\t', '\n', '\r']);
            assert!(!is_right || !is_ambiguous && port != Some(0), "{url:?}");
        }
    });
}
