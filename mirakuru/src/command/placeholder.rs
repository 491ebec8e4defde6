//! Fills in placeholders such as `{port}` in commands, environment values, URLs and paths.
//!
//! A placeholder is a lower-case name in braces, not after `$`. `{{name}}` stands for the text `{name}`. Every other
//! brace (`${HOME}`, `{1..9}`, JSON, `{{.ID}}`) is left as it is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The known placeholders, as errors list them.
const NAMES: &str = "{port}, {port:NAME}, {host}, {tmpdir}, {socket} and {pidfile}";

/// The values of the placeholders of one executor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) host: String,
    /// The ports by their names. The name of `{port}` is empty.
    pub(crate) ports: BTreeMap<String, u16>,
    pub(crate) tmpdir: Option<PathBuf>,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) log_file: Option<PathBuf>,
    /// The values of `{name.port}` and the similar placeholders that name another executor.
    pub(crate) bindings: BTreeMap<String, String>,
}

impl Place {
    /// Returns the value of `{port}`, or 0 if there is none.
    pub(crate) fn port(&self) -> u16 {
        self.ports.get("").copied().unwrap_or_default()
    }

    /// Returns the text with its placeholders filled in.
    ///
    /// # Errors
    ///
    /// A message about the first placeholder that is unknown or has no value.
    pub(crate) fn fill(&self, template: &Template) -> Result<OsString, String> {
        self.fill_with_port(template, self.port())
    }

    /// Returns the text with its placeholders filled in, and with a `{port}` that the service itself reported.
    pub(crate) fn fill_with_port(
        &self,
        template: &Template,
        port: u16,
    ) -> Result<OsString, String> {
        let mut filled = OsString::new();
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => filled.push(text),
                Piece::Name(name) if name == "port" => filled.push(port.to_string()),
                Piece::Name(name) => filled.push(self.value(name)?),
            }
        }
        Ok(filled)
    }

    pub(crate) fn fill_text(&self, text: &str) -> Result<String, String> {
        let filled = self.fill(&Template::parse(text))?;
        Ok(filled.to_string_lossy().into_owned())
    }

    pub(crate) fn fill_path(&self, path: &Path) -> Result<PathBuf, String> {
        self.fill(&Template::parse(path)).map(Into::into)
    }

    fn value(&self, name: &str) -> Result<String, String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        if let Some(label) = name.strip_prefix("port:") {
            return match self.ports.get(label) {
                Some(port) => Ok(port.to_string()),
                None if is_word(label) => Err(format!("{{{name}}} has no value here")),
                None => Err(format!(
                    "{{{name}}} does not name a port: write lower-case letters, digits and `_`, as in {{port:monitor}}, or {{{{{name}}}}} for the text itself"
                )),
            };
        }
        match name {
            "host" => Some(self.host.clone()),
            "tmpdir" => path(&self.tmpdir),
            "socket" => path(&self.socket),
            "pidfile" => path(&self.pidfile),
            name if self.bindings.contains_key(name) => self.bindings.get(name).cloned(),
            _ => {
                return Err(format!(
                    "unknown placeholder {{{name}}}: expected one of {NAMES}; write {{{{{name}}}}} for the text itself"
                ));
            }
        }
        .ok_or_else(|| format!("{{{name}}} has no value here"))
    }
}

/// A text that was split at its placeholders when the user wrote it. Text that is not UTF-8 contains no placeholder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(OsString),
    Name(String),
}

impl Template {
    pub(crate) fn parse(text: impl AsRef<OsStr>) -> Self {
        let text = text.as_ref();
        Self(text.to_str().map_or_else(
            || vec![Piece::Text(text.to_owned())],
            |text| pieces(text).collect(),
        ))
    }

    /// Returns the placeholders in the text.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.names().any(|found| found == name)
    }
}

fn pieces(text: &str) -> impl Iterator<Item = Piece> {
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
            return Some(Piece::Text(before.into()));
        }
        let (piece, taken) = brace(rest, after_dollar);
        (rest, after_dollar) = (&rest[taken..], false);
        Some(piece)
    })
}

/// Returns the piece that begins at an opening brace, and its length in bytes.
fn brace(rest: &str, after_dollar: bool) -> (Piece, usize) {
    if let Some(name) = rest
        .strip_prefix("{{")
        .and_then(|tail| name_until(tail, "}}"))
    {
        let len = name.len();
        // `{name}` out of `{{name}}`: the text between the outer braces.
        return (Piece::Text(rest[1..len + 3].into()), len + 4);
    }
    match rest
        .strip_prefix('{')
        .and_then(|tail| name_until(tail, "}"))
    {
        Some(name) if !after_dollar => (Piece::Name(name.to_owned()), name.len() + 2),
        _ => (Piece::Text(rest[..1].into()), 1),
    }
}

/// Returns the name before `end`: a lower-case word, or two words joined by a dot. After `port`, a colon and the name
/// of a port may follow.
fn name_until<'a>(tail: &'a str, end: &str) -> Option<&'a str> {
    let name = &tail[..tail.find('}')?];
    let (words, port) = name.split_once(':').unwrap_or((name, "a"));
    let well_formed = words.split('.').count() <= 2 && words.split('.').all(is_word);
    // `{port:3000}` is plain text. A word that cannot be the name of a port is a mistake.
    let may_have_port = words.len() == name.len() || words.rsplit('.').next() == Some("port");
    let is_name = well_formed && may_have_port && is_label(port);
    (is_name && tail[name.len()..].starts_with(end)).then_some(name)
}

/// Returns whether this is a lower-case word.
pub(crate) fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Returns whether this looks like the name of a port, even if it is not a valid one.
fn is_label(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Returns the names of all placeholders in a text.
#[cfg(test)]
fn names_of(text: &str) -> Vec<String> {
    Template::parse(text).names().map(str::to_owned).collect()
}

#[cfg(test)]
#[path = "../../../tests/fuzz/placeholders.rs"]
mod fuzz_placeholders;
#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            host: "127.0.0.1".into(),
            ports: [(String::new(), 6379)].into(),
            tmpdir: Some("/t".into()),
            ..Place::default()
        }
    }

    #[test]
    fn names_in_braces_are_filled_in() {
        assert_eq!(
            place().fill_text("-h {host} -p {port} {tmpdir}/x").unwrap(),
            "-h 127.0.0.1 -p 6379 /t/x"
        );
    }

    #[test]
    fn doubled_braces_stand_for_a_name_in_braces() {
        assert_eq!(
            place().fill_text("{{port}} {{print}}").unwrap(),
            "{port} {print}"
        );
    }

    #[test]
    fn other_braces_are_left_as_they_are() {
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
            assert_eq!(place().fill_text(text).unwrap(), text);
        }
    }

    #[test]
    fn the_error_of_an_unknown_name_lists_the_known_ones() {
        assert_eq!(
            place().fill_text("awk {print}").unwrap_err(),
            "unknown placeholder {print}: expected one of {port}, {port:NAME}, {host}, {tmpdir}, {socket} and {pidfile}; write {{print}} for the text itself"
        );
        assert!(place().fill_text("{db.port}").is_err());
    }

    #[test]
    fn only_a_placeholder_is_a_mention() {
        assert!(Template::parse("a{port}").mentions("port"));
        assert!(!Template::parse("${port} {{port}} port").mentions("port"));
    }

    #[test]
    fn the_executor_and_the_attribute_find_the_same_placeholders() {
        for (text, names) in include!("../../../tests/rules/placeholders.rs") {
            assert_eq!(names_of(text).join(" "), names, "{text}");
        }
    }

    #[test]
    fn the_executor_and_the_attribute_know_the_same_names() {
        let place = Place {
            ports: [(String::new(), 1), ("monitor".into(), 2), ("a_1".into(), 3)].into(),
            socket: Some("/t/s".into()),
            pidfile: Some("/t/p".into()),
            ..place()
        };
        for (name, is_known) in include!("../../../tests/rules/names.rs") {
            let filled = place.fill_text(&format!("{{{name}}}"));
            assert_eq!(filled.is_ok(), is_known, "{name}");
        }
    }
}
