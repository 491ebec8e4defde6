//! Fuzz target for command lines. A command line without expansions must be split as a shell splits it.
#![cfg(unix)]

use std::process::Command;

use super::{CommandLine, OsString, quote};
use crate::rounds::{rounds, text};

const LETTERS: [&str; 20] = [
    "a", "b", "'", "'", "\"", "\"", "\\", "\\", " ", " ", "\t", "\n", "#", "#", "\r", "é", "-",
    "x=", "\u{a0}", "%",
];

/// Returns the words that a shell finds in a text, or `None` if the shell reports an error. A text with several lines
/// goes into a list of bash, in which the end of a line separates words and does not end a command.
fn words_of_a_shell(text: &str) -> Option<Vec<String>> {
    let (shell, script) = if text.contains('\n') {
        (
            "bash",
            format!("all=({text}\n); printf '%s\\0' x \"${{all[@]}}\""),
        )
    } else {
        ("sh", format!("printf '%s\\0' x {text}"))
    };
    let output = Command::new(shell).args(["-c", &script]).output();
    let output = output.expect("a shell");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let words = printed.strip_suffix('\0')?.split('\0').map(str::to_owned);
    output.status.success().then(|| words.skip(1).collect())
}

fn words(text: &str) -> Option<Vec<String>> {
    let words = CommandLine::from(text).words().ok()?;
    let words = words.into_iter().map(OsString::into_string);
    Some(words.map(|word| word.expect("UTF-8")).collect())
}

#[test]
fn words_are_split_as_a_shell_splits_them() {
    let has_bash = Command::new("bash").arg("--version").output().is_ok();
    rounds("words", |rng| {
        for _ in 0..5 {
            let text = text(rng, &LETTERS, 14);
            // A backslash at the end of the text would escape the newline that follows it in the list.
            if text.contains('\n') && (!has_bash || text.ends_with('\\')) {
                continue;
            }
            assert_eq!(words(&text), words_of_a_shell(&text), "{text:?}");
        }
    });
}

#[test]
fn quoted_words_are_split_again_by_any_shell() {
    let all = [
        &LETTERS[..],
        &["$", "`", "*", "~", "{port}", ";", "&", "!", "(", ">"],
    ]
    .concat();
    rounds("words", |rng| {
        let words: Vec<_> = (0..4).map(|_| text(rng, &all, 6)).collect();
        let quoted: Vec<OsString> = words.iter().map(Into::into).collect();
        let quoted = quote(&quoted);
        assert_eq!(self::words(&quoted).as_ref(), Some(&words), "{quoted}");
        let script = format!("printf '%s\\0' {quoted}");
        let output = Command::new("sh").args(["-c", &script]).output();
        let printed = output.expect("a shell").stdout;
        let expected = words.join("\0") + "\0";
        assert_eq!(String::from_utf8_lossy(&printed), expected, "{quoted}");
    });
}
