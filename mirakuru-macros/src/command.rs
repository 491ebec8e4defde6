//! Checks a literal command at compile time.
//!
//! A command must have a program. A comment is a mistake, because the program does not get it. So is a `NAME=value`
//! prefix, because only a shell reads it.

pub(crate) const EMPTY: &str = "the command is empty";

/// Checks a command in one string, which is split into words unless a shell runs it. `shell` is `None` if no shell can
/// run it.
pub(crate) fn line(text: &str, shell: Option<bool>) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err(EMPTY.to_owned());
    }
    if shell == Some(true) {
        return Ok(());
    }
    if has_comment(text) {
        return Err("`#` at the start of a word begins a comment, which the program does not get: write `'#'` for the character itself".to_owned());
    }
    match shell_words::split(text) {
        Err(_) => Err("the quotes of this command are not balanced".to_owned()),
        Ok(words) if words.first().is_none_or(String::is_empty) => Err(EMPTY.to_owned()),
        Ok(_) => match variable(text.trim_start()) {
            Some(name) => {
                let alternative = shell.map_or(
                    "begin with `sh -c` (`exec` runs without a shell)",
                    |_| "`shell = true`",
                );
                Err(format!("{}, or {alternative}", no_variable(name)))
            }
            None => Ok(()),
        },
    }
}

/// Returns whether a comment begins in a text.
///
/// A `#` begins a comment if a letter in its place would begin a word.
fn has_comment(text: &str) -> bool {
    text.match_indices('#').any(|(at, _)| {
        let before = &text[..at];
        let words = shell_words::split(&format!("{before}x"));
        (before.is_empty() || before.ends_with([' ', '\t', '\n']))
            && words.is_ok_and(|words| words.last().is_some_and(|last| last == "x"))
    })
}

/// Checks the program of a command that is a list of words.
///
/// A shell gets each word in quotes, so the message does not suggest a shell.
pub(crate) fn program(word: &str, shell: bool) -> Result<(), String> {
    match variable(word) {
        _ if word.is_empty() => Err(EMPTY.to_owned()),
        Some(name) if !shell => Err(no_variable(name)),
        _ => Ok(()),
    }
}

/// Returns the name if a text begins with `NAME=`, unquoted, as a shell would read it.
fn variable(text: &str) -> Option<&str> {
    let (name, _) = text.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(name)
}

fn no_variable(name: &str) -> String {
    format!(
        "a command must begin with its program, and only a shell reads `{name}=…`: write `env = {{ {name} = \"…\" }}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_as_a_shell_finds_them() {
        let reported =
            |text| line(text, Some(false)).is_err_and(|reported| reported.contains("`env = { "));
        for wrong in ["A=b c", " _A1='b c' d", "A= b", "a=b"] {
            assert!(reported(wrong), "{wrong}");
            assert_eq!(line(wrong, Some(true)), Ok(()), "{wrong}");
            let of_a_check = line(wrong, None).unwrap_err();
            assert!(!of_a_check.contains("shell = true"), "{of_a_check}");
        }
        for right in [
            "a A=b",
            "'A=b' c",
            "'A'=b c",
            "./A=b",
            "1A=b",
            "=b",
            "env A=b c",
        ] {
            assert!(!reported(right), "{right}");
        }
    }

    #[test]
    fn comments_are_found_as_the_runtime_finds_them() {
        for (text, _, is_dropped) in include!("../../tests/rules/comments.rs") {
            assert_eq!(has_comment(text), is_dropped, "{text:?}");
            assert_eq!(
                line(&format!("x\n{text}"), Some(false)).is_err(),
                is_dropped
            );
        }
    }

    #[test]
    fn assignments_are_found_as_the_runtime_finds_them() {
        for (word, is_variable) in include!("../../tests/rules/assignments.rs") {
            assert_eq!(variable(word).is_some(), is_variable, "{word:?}");
        }
    }
}
