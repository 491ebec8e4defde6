//! Finds and checks placeholders: names in braces that the runtime replaces by values.
//!
//! A placeholder is a lower-case name in braces, not after `$`. `{{name}}` is the text `{name}`. Every other brace is
//! text. The runtime has the same rules, and both are tested with `tests/rules/placeholders.rs`.

use crate::bindings::Binding;
use crate::check::guess;

/// The placeholders that every text may contain.
const PLACEHOLDERS: [&str; 5] = ["port", "host", "tmpdir", "socket", "pidfile"];
/// The parts of a bound process that the placeholders of others may name.
const BOUND: [&str; 7] = ["host", "port", "addr", "url", "socket", "pidfile", "tmpdir"];

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// Splits a text at its placeholders.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut after_dollar) = (text, false);
    while let Some(open) = rest.find('{') {
        if open > 0 {
            after_dollar = rest[..open].ends_with('$');
            pieces.push(Piece::Text(&rest[..open]));
            rest = &rest[open..];
        }
        let doubled = rest
            .strip_prefix("{{")
            .and_then(|tail| name_until(tail, "}}"));
        let (piece, taken) = match (doubled, name_until(&rest[1..], "}")) {
            // The text between the outer braces.
            (Some(name), _) => (Piece::Text(&rest[1..name.len() + 3]), name.len() + 4),
            (None, Some(name)) if !after_dollar => (Piece::Name(name), name.len() + 2),
            _ => (Piece::Text(&rest[..1]), 1),
        };
        pieces.push(piece);
        (rest, after_dollar) = (&rest[taken..], false);
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Returns the name before `end`: a lower-case word, or two that are joined by a dot. After `port`, a colon and the
/// name of a port may follow.
fn name_until<'a>(tail: &'a str, end: &str) -> Option<&'a str> {
    let name = &tail[..tail.find('}')?];
    let (words, port) = name.split_once(':').unwrap_or((name, "a"));
    let well_formed = words.split('.').count() <= 2 && words.split('.').all(is_word);
    // `{port:3000}` is text, as `3000` is not a word. A word that is not the name of a port is a mistake.
    let may_have_port = words.len() == name.len() || words.rsplit('.').next() == Some("port");
    let is_name = well_formed && may_have_port && is_label(port);
    (is_name && tail[name.len()..].starts_with(end)).then_some(name)
}

/// Returns whether this looks like the name of a port, even if it is an invalid name.
fn is_label(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Returns whether this can be the name of a placeholder.
pub(crate) fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Returns the names of the placeholders in a text.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Name(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// Replaces the placeholders of a text.
pub(crate) fn fill(text: &str, value: impl Fn(&str) -> &'static str) -> String {
    let pieces = pieces(text).into_iter().map(|piece| match piece {
        Piece::Text(text) => text,
        Piece::Name(name) => value(name),
    });
    pieces.collect()
}

/// Returns the ports that a text names: `port`, and `port:NAME`.
pub(crate) fn ports(text: &str) -> impl Iterator<Item = &str> {
    placeholders(text).filter(|name| *name == "port" || name.starts_with("port:"))
}

/// Returns the mistakes in the placeholders of a text. `bindings` are the processes that it may name.
pub(crate) fn text(text: &str, bindings: &[&Binding]) -> Vec<String> {
    placeholders(text)
        .filter_map(|name| placeholder(name, bindings).err())
        .collect()
}

fn placeholder(name: &str, bindings: &[&Binding]) -> Result<(), String> {
    let instead = format!(" (write `{{{{{name}}}}}` for the text itself)");
    let (words, label) = match name.split_once(':') {
        Some((words, label)) => (words, Some(label)),
        None => (name, None),
    };
    if let Some(label) = label.filter(|label| !is_word(label)) {
        return Err(format!(
            "`{label}` cannot be the name of a port: write lower-case letters, digits and `_`, as in `{{port:monitor}}`{instead}"
        ));
    }
    let Some((binding, part)) = words.split_once('.') else {
        if PLACEHOLDERS.contains(&words) {
            return Ok(());
        }
        let [port, others @ ..] = PLACEHOLDERS;
        let known = [port, "port:NAME"].into_iter().chain(others);
        let guess = guess(words, known, |name| format!("`{{{name}}}`"));
        return Err(format!("unknown placeholder `{{{words}}}`{guess}{instead}"));
    };
    let Some(bound) = bindings.iter().find(|known| known.name == binding) else {
        let known = bindings.iter().map(|known| known.name.as_str());
        let guess = guess(binding, known, |name| format!("`{{{name}.{part}}}`"));
        return Err(format!(
            "no attribute before this one, and none that starts together with it, has `bind = {binding}`{guess}{instead}"
        ));
    };
    if !BOUND.contains(&part) {
        let guess = guess(part, BOUND, |part| format!("`{{{binding}.{part}}}`"));
        return Err(format!("`{{{words}}}`: a process has no `{part}`{guess}"));
    }
    match (label, &bound.ports) {
        (Some(label), Some(ports)) if !ports.iter().any(|port| port == label) => {
            let known = ports.iter().map(String::as_str);
            let guess = guess(label, known, |port| format!("`{{{binding}.port:{port}}}`"));
            Err(format!(
                "`{{{name}}}`: `{binding}` has no port `{label}`{guess}"
            ))
        }
        _ => Ok(()),
    }
}

/// Returns whether a text contains `{port}`, or an unknown placeholder, which may be a misspelt `{port}`.
pub(crate) fn may_name_port(text: &str) -> bool {
    let is_another = |name: &str| name.contains(['.', ':']) || PLACEHOLDERS.contains(&name);
    placeholders(text).any(|name| name == "port" || !is_another(name))
}

/// Returns the names of all placeholders in a text.
#[cfg(test)]
fn names_of(text: &str) -> Vec<String> {
    placeholders(text).map(str::to_owned).collect()
}

#[cfg(test)]
#[path = "../../tests/fuzz/placeholders.rs"]
mod fuzz_placeholders;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_as_the_runtime_finds_them() {
        for (text, names) in include!("../../tests/rules/placeholders.rs") {
            assert_eq!(names_of(text).join(" "), names, "{text}");
        }
    }

    #[test]
    fn known_names_are_those_of_the_runtime() {
        for (name, is_known) in include!("../../tests/rules/names.rs") {
            let mistakes = super::text(&format!("{{{name}}}"), &[]);
            assert_eq!(mistakes.is_empty(), is_known, "{name}");
        }
    }
}
