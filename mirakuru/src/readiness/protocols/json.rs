//! Looks up one value in a JSON text that may be incomplete. Strings are compared without decoding their escapes.

/// The result of a lookup.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look<'a> {
    /// More bytes decide.
    More,
    /// The text has no value at this path, or is not a JSON object.
    Absent,
    /// The value, as written in the text.
    Value(&'a [u8]),
}

/// Looks up the value at this path of names. If a name occurs twice, the first one counts.
pub(super) fn look<'a>(text: &'a [u8], path: &[&str]) -> Look<'a> {
    let [name, path @ ..] = path else {
        return Look::Value(text);
    };
    let mut rest = text.trim_ascii_start();
    loop {
        // A member begins after `{`, and another one after `,`.
        rest = match rest {
            [] => return Look::More,
            [b'{' | b',', rest @ ..] => rest.trim_ascii_start(),
            _ => return Look::Absent,
        };
        let Some((key, after)) = value(rest) else {
            return Look::More;
        };
        let after = match after.trim_ascii_start() {
            [] if !key.is_empty() => return Look::More,
            [b':', after @ ..] => after.trim_ascii_start(),
            _ => return Look::Absent,
        };
        let Some((found, after)) = value(after) else {
            return Look::More;
        };
        let is_wanted = key
            .strip_prefix(b"\"")
            .and_then(|key| key.strip_suffix(b"\""))
            == Some(name.as_bytes());
        if is_wanted {
            return match look(found, path) {
                // The value that should contain the rest of the path is complete.
                Look::More => Look::Absent,
                look => look,
            };
        }
        rest = after.trim_ascii_start();
    }
}

/// Splits the first value from the rest of the text, if the end of the value has arrived.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        let is_end = if in_text {
            in_text = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            !in_text && depth == 0
        } else {
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => depth += 1,
                // A number or a word ends where its object or list continues or ends.
                b'}' | b']' | b',' | b':' if depth == 0 => return Some(text.split_at(at)),
                b'}' | b']' => depth -= 1,
                byte if depth == 0 && byte.is_ascii_whitespace() => return Some(text.split_at(at)),
                _ => {}
            }
            matches!(byte, b'}' | b']') && depth == 0
        };
        if is_end {
            return Some(text.split_at(at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#" { "a" : "x\"}", "b":[1,{"ready":true}],"value" :
        {"note":{"ready":false},"ready" : true , "n":-1.5e3},"a":"second"} "#;

    #[track_caller]
    fn assert_found(path: &[&str], expected: &str) {
        let found = look(TEXT.as_bytes(), path);
        assert_eq!(found, Look::Value(expected.as_bytes()));
    }

    #[test]
    fn values_are_found_by_their_path() {
        assert_found(&["a"], r#""x\"}""#);
        assert_found(&["value", "ready"], "true");
        assert_found(&["value", "note", "ready"], "false");
        assert_found(&["value", "n"], "-1.5e3");
    }

    #[test]
    fn a_missing_value_is_absent() {
        for path in [
            &["ready"][..],
            &["a", "ready"],
            &["b", "ready"],
            &["value", "a"],
        ] {
            assert_eq!(look(TEXT.as_bytes(), path), Look::Absent, "{path:?}");
        }
        for text in [
            "[1]",
            "true",
            "\"a\"",
            "{}",
            "{]",
            "x{\"a\":1}",
            "{\"a\" 1}",
            "{,}",
            "}",
        ] {
            assert_eq!(look(text.as_bytes(), &["a"]), Look::Absent, "{text}");
        }
    }

    #[test]
    fn a_text_without_the_value_yet_decides_nothing() {
        let end = TEXT.find("true ,").expect("the text contains it") + "true , \"n\":-1.5e3}".len();
        for end in 0..end {
            assert_eq!(
                look(&TEXT.as_bytes()[..end], &["value", "ready"]),
                Look::More,
                "{end}"
            );
        }
    }
}
