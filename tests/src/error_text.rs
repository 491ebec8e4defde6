//! What an error tells, with what differs from run to run replaced.

use std::{env, path::Path, sync::LazyLock};

use mirakuru::Error;
use regex::{Captures, Regex};

/// The whole text of an error, without the directory of the services' program: pids are `PID`, times
/// are `TIME`.
#[must_use]
pub fn error_text(error: &Error) -> String {
    static PIDS: LazyLock<Regex> = LazyLock::new(|| regex(r"\bpid \d+"));
    static PROGRAMS: LazyLock<Regex> = LazyLock::new(|| regex(r"(/[^\s:`']*/)programs\b"));
    static TIMES: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?m)how long:    [\d.]+ m?s( of [\d.]+ m?s allowed)?$"));
    let text = error.to_string();
    assert_eq!(text, format!("{error:?}"), "both tell the same story");
    let text = PROGRAMS.replace_all(&text, |found: &Captures| {
        let is_ours = is_directory_of_programs(Path::new(&found[1]));
        if is_ours { "programs" } else { &found[0] }.to_owned()
    });
    let text = PIDS.replace_all(&text, "pid PID");
    TIMES.replace_all(&text, "how long:    TIME").into_owned()
}

/// Compares an error's text line by line; a line that ends with `*` stands for any that begins so.
#[track_caller]
pub fn assert_error_text<S: AsRef<str>>(error: &Error, expected: &[S]) {
    let reported = error_text(error);
    let same = |(line, expected): (&str, &S)| match expected.as_ref().strip_suffix('*') {
        Some(beginning) => line.starts_with(beginning),
        None => line == expected.as_ref(),
    };
    let expected_text: Vec<_> = expected.iter().map(AsRef::as_ref).collect();
    assert!(
        reported.lines().count() == expected.len() && reported.lines().zip(expected).all(same),
        "the error tells\n{reported}\n\nexpected was\n{}",
        expected_text.join("\n")
    );
}

/// The error of an outcome that has to be one.
#[track_caller]
pub fn error_of<T>(outcome: mirakuru::Result<T>) -> Error {
    match outcome {
        Ok(_) => panic!("no error"),
        Err(error) => error,
    }
}

/// Whether this is the directory where the program of the services lies: that above the test binary.
fn is_directory_of_programs(directory: &Path) -> bool {
    let own = env::current_exe().expect("this binary");
    // The binary's path is without links; the directory may have some.
    let directory = directory.canonicalize();
    directory.is_ok_and(|directory| own.ancestors().nth(2) == Some(&directory))
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid expression")
}
