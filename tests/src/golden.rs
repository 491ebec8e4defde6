//! Golden files, each with the whole text of an error. `MIRAKURU_GOLDEN=write` rewrites them.

use std::{env, fs, sync::LazyLock};

use mirakuru::Error;
use regex::Regex;

use crate::{cargo::package, error_text::error_text};

/// Compares an error's text with the golden file of this name. Placeholders replace the parts that differ between runs.
#[track_caller]
pub fn assert_golden(name: &str, error: &Error) {
    let file = package().join(format!("executors/golden/{name}.txt"));
    let text = masked(&error_text(error)) + "\n";
    if env::var_os("MIRAKURU_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&file, &text).expect("own file");
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, expected, "it differs from {}", file.display());
}

fn masked(text: &str) -> String {
    static MASKS: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
        let temporary = regex::escape(&env::temp_dir().display().to_string());
        [
            (format!(r"{temporary}/[\w.-]+"), "DIRECTORY"),
            (r"pid PID \(.*\)".to_owned(), "pid PID (TEST)"),
            (r"\bport \d+|127\.0\.0\.1:\d+".to_owned(), "PORT"),
        ]
        .map(|(pattern, mask)| (Regex::new(&pattern).expect("a valid expression"), mask))
    });
    let mask = |text: String, (pattern, mask): &(Regex, &str)| {
        pattern.replace_all(&text, *mask).into_owned()
    };
    MASKS.iter().fold(text.to_owned(), mask)
}
