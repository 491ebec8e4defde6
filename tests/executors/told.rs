//! What an error tells, with what differs from run to run replaced.

use std::{path::Path, sync::LazyLock};

use mirakuru::Error;
use regex::Regex;

use crate::PROGRAM;

/// The whole text of an error, without the directory of the helper programs: pids are `PID`, times
/// are `TIME`.
pub(crate) fn told(error: &Error) -> String {
    static PIDS: LazyLock<Regex> = LazyLock::new(|| regex(r"\bpid \d+"));
    static TIMES: LazyLock<Regex> = LazyLock::new(|| regex(r"how long:    [\d.]+ m?s\b"));
    let text = error.to_string();
    assert_eq!(text, format!("{error:?}"), "both tell the same story");
    let text = text.replace(&directory_of_programs(), "");
    let text = PIDS.replace_all(&text, "pid PID");
    TIMES.replace_all(&text, "how long:    TIME").into_owned()
}

/// Compares an error's text line by line; a line that ends with `*` stands for any that begins so.
#[track_caller]
pub(crate) fn assert_told<S: AsRef<str>>(error: &Error, expected: &[S]) {
    let told = told(error);
    let same = |(line, expected): (&str, &S)| match expected.as_ref().strip_suffix('*') {
        Some(beginning) => line.starts_with(beginning),
        None => line == expected.as_ref(),
    };
    let expected_text: Vec<_> = expected.iter().map(AsRef::as_ref).collect();
    assert!(
        told.lines().count() == expected.len() && told.lines().zip(expected).all(same),
        "the error tells\n{told}\n\nexpected was\n{}",
        expected_text.join("\n")
    );
}

/// The error of an outcome that has to be one.
#[track_caller]
pub(crate) fn error_of<T>(outcome: mirakuru::Result<T>) -> Error {
    match outcome {
        Ok(_) => panic!("no error"),
        Err(error) => error,
    }
}

fn directory_of_programs() -> String {
    let directory = Path::new(PROGRAM)
        .parent()
        .expect("a path with a directory");
    format!("{}/", directory.display())
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid expression")
}
