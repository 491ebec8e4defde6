//! Placeholders: `{port}` and its like in commands, environment values, URLs and paths.
//!
//! A placeholder is a lower-case name in braces, not after `$`. `{{name}}` writes `{name}`; every
//! other brace (`${HOME}`, `{1..9}`, JSON, `{{.ID}}`) is left as it is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The names that stand for something.
const NAMES: &str = "{port}, {host}, {tmpdir}, {socket} and {pidfile}";

/// What the placeholders stand for in one executor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) host: String,
    /// 0 where there is none.
    pub(crate) port: u16,
    pub(crate) tmpdir: Option<PathBuf>,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) pidfile: Option<PathBuf>,
    /// What `{name.port}` and its like stand for.
    pub(crate) bindings: BTreeMap<String, String>,
}

impl Place {
    /// The text with its placeholders filled in, or why one of them cannot be.
    pub(crate) fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Name(name) => filled.push_str(&self.value(name)?),
            }
        }
        Ok(filled)
    }

    /// The same for what need not be UTF-8; such text holds no placeholder.
    pub(crate) fn fill_os(&self, text: &OsStr) -> Result<OsString, String> {
        text.to_str().map_or_else(
            || Ok(text.to_owned()),
            |text| self.fill(text).map(Into::into),
        )
    }

    pub(crate) fn fill_path(&self, path: &Path) -> Result<PathBuf, String> {
        self.fill_os(path.as_os_str()).map(Into::into)
    }

    fn value(&self, name: &str) -> Result<String, String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        match name {
            "host" => Some(self.host.clone()),
            "port" => Some(self.port.to_string()),
            "tmpdir" => path(&self.tmpdir),
            "socket" => path(&self.socket),
            "pidfile" => path(&self.pidfile),
            name if self.bindings.contains_key(name) => self.bindings.get(name).cloned(),
            _ => {
                return Err(format!(
                    "{{{name}}} is no placeholder: there are {NAMES}; write {{{{{name}}}}} for the text itself"
                ));
            }
        }
        .ok_or_else(|| format!("{{{name}}} has no value here"))
    }
}

/// Whether the text holds this placeholder.
pub(crate) fn uses(text: &OsStr, name: &str) -> bool {
    text.to_str()
        .is_some_and(|text| pieces(text).any(|piece| piece == Piece::Name(name)))
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// Cuts the text at its placeholders.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    let mut after_dollar = false;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let open = rest.find('{').unwrap_or(rest.len());
        if open > 0 {
            let (before, tail) = rest.split_at(open);
            (rest, after_dollar) = (tail, before.ends_with('$'));
            return Some(Piece::Text(before));
        }
        let (piece, taken) = brace(rest, after_dollar);
        (rest, after_dollar) = (&rest[taken..], false);
        Some(piece)
    })
}

/// What stands at an opening brace, and how many bytes it takes.
fn brace(rest: &str, after_dollar: bool) -> (Piece<'_>, usize) {
    if let Some(name) = rest
        .strip_prefix("{{")
        .and_then(|tail| name_until(tail, "}}"))
    {
        let len = name.len();
        // `{name}` out of `{{name}}`: the text between the outer braces.
        return (Piece::Text(&rest[1..len + 3]), len + 4);
    }
    match rest
        .strip_prefix('{')
        .and_then(|tail| name_until(tail, "}"))
    {
        Some(name) if !after_dollar => (Piece::Name(name), name.len() + 2),
        _ => (Piece::Text(&rest[..1]), 1),
    }
}

/// The lower-case name in front of `end`; a dot may join two of them.
fn name_until<'a>(tail: &'a str, end: &str) -> Option<&'a str> {
    let name = &tail[..tail.find('}')?];
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let well_formed = name.split('.').count() <= 2 && name.split('.').all(is_word);
    (well_formed && tail[name.len()..].starts_with(end)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            host: "127.0.0.1".into(),
            port: 6379,
            tmpdir: Some("/t".into()),
            ..Place::default()
        }
    }

    #[test]
    fn names_in_braces_are_filled_in() {
        assert_eq!(
            place().fill("-h {host} -p {port} {tmpdir}/x").unwrap(),
            "-h 127.0.0.1 -p 6379 /t/x"
        );
    }

    #[test]
    fn doubled_braces_write_the_name_itself() {
        assert_eq!(
            place().fill("{{port}} {{print}}").unwrap(),
            "{port} {print}"
        );
    }

    #[test]
    fn every_other_brace_is_left_as_it_is() {
        for text in [
            "${HOME} ${port}",
            "{1..9}",
            r#"{"a":{"b":1}}"#,
            "{{.ID}}",
            "{}",
            "{Port}",
            "{",
            "a{,b}",
            "é{é}",
        ] {
            assert_eq!(place().fill(text).unwrap(), text);
        }
    }

    #[test]
    fn an_unknown_name_is_told_with_the_known_ones() {
        assert_eq!(
            place().fill("awk {print}").unwrap_err(),
            "{print} is no placeholder: there are {port}, {host}, {tmpdir}, {socket} and {pidfile}; write {{print}} for the text itself"
        );
        assert!(place().fill("{db.port}").is_err());
    }

    #[test]
    fn uses_sees_placeholders_only() {
        assert!(uses("a{port}".as_ref(), "port"));
        assert!(!uses("${port} {{port}} port".as_ref(), "port"));
    }

    #[test]
    fn placeholders_are_those_that_the_attribute_finds() {
        for (text, names) in include!("../../../tests/rules/placeholders.rs") {
            let found: Vec<_> = pieces(text)
                .filter_map(|piece| match piece {
                    Piece::Name(name) => Some(name),
                    Piece::Text(_) => None,
                })
                .collect();
            assert_eq!(found.join(" "), names, "{text}");
        }
    }

    #[test]
    fn known_names_are_those_that_the_attribute_knows() {
        let place = Place {
            socket: Some("/t/s".into()),
            pidfile: Some("/t/p".into()),
            ..place()
        };
        for (name, is_known) in include!("../../../tests/rules/names.rs") {
            let filled = place.fill(&format!("{{{name}}}"));
            assert_eq!(filled.is_ok(), is_known, "{name}");
        }
    }
}
