//! Defines the paths, programs and numbers that have a meaning for the system.

use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind};
use std::os::windows::ffi::OsStringExt;
use std::path::PathBuf;

use windows_sys::Win32::Foundation as numbers;

use super::process::number;

/// The device that reads as empty and discards everything written.
pub(crate) const NULL_DEVICE: &str = "NUL";

/// The directory for temporary files if no variable names one.
pub(crate) const SHORT_DIRECTORY: &str = r"C:\Windows\Temp";

/// The directories in which a program without `PATH` is looked up.
pub(crate) const DEFAULT_PATH: &str = r"C:\Windows\System32;C:\Windows";

/// Returns the directory for temporary files of this process.
pub(crate) fn temporary() -> PathBuf {
    std::path::absolute(std::env::temp_dir()).unwrap_or_else(|_| SHORT_DIRECTORY.into())
}

/// The options of a shell before its script: the shell runs no command from the registry, and removes only the outer
/// quotes.
pub(super) const SHELL_OPTIONS: [&str; 3] = ["/d", "/s", "/c"];

/// Returns the words of a command that runs this script in a shell. The script is the last word.
///
/// # Errors
///
/// The script has several lines, of which the shell would run only the first one.
pub(crate) fn shell(script: OsString) -> Result<Vec<OsString>, String> {
    if script.to_string_lossy().trim_end().contains(['\r', '\n']) {
        return Err("cmd.exe runs only the first line: join the lines by `&` or `&&`".to_owned());
    }
    let shell = std::env::var_os("ComSpec").unwrap_or_else(|| "cmd.exe".into());
    let options = SHELL_OPTIONS.map(OsString::from);
    Ok([shell].into_iter().chain(options).chain([script]).collect())
}

/// Quotes a word for the script of a shell, as std quotes an argument of a batch file.
pub(crate) fn quoted_for_shell(word: &OsStr) -> OsString {
    /// An empty part of a variable. It separates two percent signs, so that the shell finds no variable between them.
    const NOTHING: &str = "%%cd:~,";
    let word = word.to_string_lossy();
    let is_bare = |char: char| {
        char.is_ascii_alphanumeric() || r"#$*+-./:?@\_".contains(char) || char > '\u{9F}'
    };
    let is_quoted = word.is_empty() || word.ends_with('\\') || !word.chars().all(is_bare);
    let (mut quoted, mut backslashes) = (String::new(), 0);
    quoted.extend(is_quoted.then_some('"'));
    for char in word.chars() {
        match char {
            '\\' => backslashes += 1,
            // A doubled quote does not end the quoted part, neither for the shell nor for the C runtime.
            '"' => quoted.extend(std::iter::repeat_n('\\', backslashes).chain(['"'])),
            '%' => quoted.push_str(NOTHING),
            _ => {}
        }
        if char != '\\' {
            backslashes = 0;
        }
        quoted.push(char);
    }
    if is_quoted {
        quoted.extend(std::iter::repeat_n('\\', backslashes).chain(['"']));
    }
    quoted.into()
}

/// Returns a text that no other process can guess.
pub(super) fn secret() -> String {
    use std::hash::{BuildHasher, RandomState};
    let half = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", half(), half())
}

/// Returns whether two names are those of one environment variable. Their case does not matter.
pub(crate) fn is_same_variable(one: &OsStr, other: &OsStr) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// The characters that separate words. A string may have several lines.
const SEPARATORS: [char; 4] = [' ', '\t', '\r', '\n'];

/// Splits a command into words as the system's C runtime does. Double quotes join words, and a backslash has a meaning
/// only before a double quote.
/// (<https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments>)
pub(crate) fn words_of(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        let is_separator = |char: &char| SEPARATORS.contains(char);
        while chars.next_if(is_separator).is_some() {}
        if chars.peek().is_none() {
            return Ok(words);
        }
        let (mut word, mut is_quoted) = (String::new(), false);
        while let Some(char) = chars.next_if(|char| is_quoted || !is_separator(char)) {
            match char {
                '"' if is_quoted && chars.next_if_eq(&'"').is_some() => word.push('"'),
                '"' => is_quoted = !is_quoted,
                '\\' => {
                    let mut count = 1;
                    while chars.next_if_eq(&'\\').is_some() {
                        count += 1;
                    }
                    let is_before_quote = chars.peek() == Some(&'"');
                    let kept = if is_before_quote { count / 2 } else { count };
                    word.extend(std::iter::repeat_n('\\', kept));
                    if is_before_quote && count % 2 == 1 {
                        word.extend(chars.next());
                    }
                }
                char => word.push(char),
            }
        }
        if is_quoted {
            return Err("a double quote is not closed".to_owned());
        }
        words.push(word);
    }
}

/// Joins words to one line that [`words_of`] splits into the same words.
pub(crate) fn line_of<'a>(words: impl Iterator<Item = std::borrow::Cow<'a, str>>) -> String {
    let quoted = words.map(|word| {
        if !word.is_empty() && !word.contains(SEPARATORS) && !word.contains('"') {
            return word.into_owned();
        }
        let mut quoted = String::from('"');
        let mut backslashes = 0;
        for char in word.chars() {
            match char {
                '\\' => backslashes += 1,
                '"' => {
                    quoted.extend(std::iter::repeat_n('\\', backslashes + 1));
                    backslashes = 0;
                }
                _ => backslashes = 0,
            }
            quoted.push(char);
        }
        quoted.extend(std::iter::repeat_n('\\', backslashes));
        quoted.push('"');
        quoted
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Returns the text with these encoded bytes, or `None` if no text has them. The encoding is WTF-8: UTF-8, and halves
/// of surrogate pairs, which file names may contain on Windows.
pub(crate) fn text_of(bytes: Vec<u8>) -> Option<OsString> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Some(text.into()),
        Err(error) => error.into_bytes(),
    };
    let (mut wide, mut left) = (Vec::new(), &bytes[..]);
    while !left.is_empty() {
        let valid = match std::str::from_utf8(left) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let (text, rest) = left.split_at(valid);
        wide.extend(String::from_utf8_lossy(text).encode_utf16());
        left = rest;
        if let [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, rest @ ..] = rest {
            wide.push(0xD000 | u16::from(*second & 0x3F) << 6 | u16::from(*third & 0x3F));
            left = rest;
        } else if !rest.is_empty() {
            return None;
        }
    }
    Some(OsString::from_wide(&wide))
}

/// The error number for an error without a number.
pub(crate) const INVALID: i32 = number(numbers::ERROR_INVALID_PARAMETER);
pub(crate) const BUSY: i32 = number(numbers::ERROR_BUSY);
pub(crate) const NO_ACCESS: i32 = number(numbers::ERROR_ACCESS_DENIED);
pub(crate) const NO_SUCH_PROCESS: i32 = number(numbers::ERROR_NOT_FOUND);
pub(crate) const TOO_LONG: i32 = number(numbers::ERROR_FILENAME_EXCED_RANGE);
pub(crate) const TOO_MANY_FILES: i32 = number(numbers::ERROR_TOO_MANY_OPEN_FILES);

/// Returns advice on the most frequent cause of the error with this number.
pub(crate) fn advice_for(code: i32) -> Option<String> {
    Some(match Error::from_raw_os_error(code).kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            let directory = std::env::temp_dir();
            format!("{} has no room left", directory.display())
        }
        ErrorKind::OutOfMemory => "the system is out of memory".to_owned(),
        _ if code == number(numbers::ERROR_BAD_EXE_FORMAT) => {
            "the program is not made for this system".to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_after_a_join_and_a_split() {
        let words = [
            "", "a b", "\t", "\r", "\n", "a\u{a0}b", "\u{2003}", "\u{b}", "\"", r"\",
        ];
        let line = line_of(words.into_iter().map(Into::into));
        assert_eq!(
            words_of(&line).as_deref(),
            Ok(words.map(str::to_owned).as_slice())
        );
    }

    #[test]
    fn a_script_of_several_lines_is_refused() {
        shell("one & two\n".into()).expect("it has one line");
        for script in ["one\ntwo", "\none", "one\rtwo"] {
            shell(script.into()).expect_err("it has two lines");
        }
    }
}
