//! The texts of errors, with placeholders for the parts that differ between runs.

use std::{env, path::Path, sync::LazyLock};

use mirakuru::Error;
use regex::{Captures, Regex};

/// Returns the whole text of an error, without the directory of the services' program. `PID` replaces each pid, and
/// `TIME` each time.
#[must_use]
pub fn error_text(error: &Error) -> String {
    static PIDS: LazyLock<Regex> = LazyLock::new(|| regex(r"\bpid \d+"));
    static PROGRAMS: LazyLock<Regex> = LazyLock::new(|| regex(r"(/[^\s:`']*/)programs\b"));
    static TIMES: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?m)how long:    [\d.]+ m?s( of [\d.]+ m?s allowed)?$"));
    let text = error.to_string();
    assert_eq!(text, format!("{error:?}"), "`Display` and `Debug` differ");
    let text = PROGRAMS.replace_all(&text, |found: &Captures| {
        let is_ours = is_directory_of_programs(Path::new(&found[1]));
        if is_ours { "programs" } else { &found[0] }.to_owned()
    });
    let text = PIDS.replace_all(&text, "pid PID");
    TIMES.replace_all(&text, "how long:    TIME").into_owned()
}

/// Compares an error's text line by line. An expected line that ends with `*` matches any line with that beginning.
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
        "got:\n{reported}\n\nexpected:\n{}",
        expected_text.join("\n")
    );
}

/// Returns the error of an outcome, and panics if there is none.
#[track_caller]
pub fn error_of<T>(outcome: mirakuru::Result<T>) -> Error {
    match outcome {
        Ok(_) => panic!("no error"),
        Err(error) => error,
    }
}

/// Returns whether this directory contains the program of the services: the parent of the test binary's directory.
fn is_directory_of_programs(directory: &Path) -> bool {
    let own = env::current_exe().expect("this binary");
    // The path of the binary contains no links; the path of the directory may contain some.
    let directory = directory.canonicalize();
    directory.is_ok_and(|directory| own.ancestors().nth(2) == Some(&directory))
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid expression")
}
