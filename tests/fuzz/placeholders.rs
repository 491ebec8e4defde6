//! Fuzz target for placeholders. The parser must find the same placeholders as a regular expression of their grammar.

use regex::Regex;

use super::names_of;
use crate::rounds::{rounds, text};

const LETTERS: [&str; 24] = [
    "{", "{", "{", "}", "}", "}", "$", ".", ":", "port", "port:", "db.port", "host", "a", "Z", "_",
    "-", "1", "é", " ", "{port}", "{{port}}", "${port}", "\n",
];

#[test]
fn placeholders_match_their_grammar() {
    let word = "[a-z][a-z0-9_]*";
    let name = format!(r"(?:{word}(?:\.{word})?|(?:{word}\.)?port:[A-Za-z][A-Za-z0-9_-]*)");
    let grammar = format!(r"\{{\{{{name}\}}\}}|\$\{{{name}\}}|\{{(?<name>{name})\}}");
    let grammar = Regex::new(&grammar).expect("valid");
    rounds("placeholders", |rng| {
        for _ in 0..200 {
            let text = text(rng, &LETTERS, 12);
            let expected = grammar.captures_iter(&text);
            let expected =
                expected.filter_map(|found| Some(found.name("name")?.as_str().to_owned()));
            assert_eq!(names_of(&text), expected.collect::<Vec<_>>(), "{text:?}");
        }
    });
}
