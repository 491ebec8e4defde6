//! Defines the paths, programs and error numbers that have a meaning on the system.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use nix::libc;

/// The file that is always empty, and that discards all that is written to it.
pub(crate) const NULL_DEVICE: &str = "/dev/null";

/// A directory for temporary files whose path is short enough for any socket in it.
pub(crate) const SHORT_DIRECTORY: &str = "/tmp";

/// The directories that are searched for a program that is started without `PATH` (`execvp(3)`).
pub(crate) const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Returns the directory for temporary files of this process. An empty `TMPDIR` counts as unset.
pub(crate) fn temporary() -> PathBuf {
    std::path::absolute(std::env::temp_dir()).unwrap_or_else(|_| SHORT_DIRECTORY.into())
}

/// Returns the words of a command that runs this script in a shell.
pub(crate) fn shell(script: OsString) -> Result<Vec<OsString>, String> {
    Ok(vec!["/bin/sh".into(), "-c".into(), script])
}

/// Quotes a word for the script of a shell.
pub(crate) fn quoted_for_shell(word: &OsStr) -> OsString {
    if let Some(text) = word.to_str() {
        return shell_words::quote(text).as_ref().into();
    }
    // A path from a placeholder may be no text.
    let parts: Vec<_> = word.as_bytes().split(|byte| *byte == b'\'').collect();
    OsString::from_vec([b"'", &*parts.join(&b"'\\''"[..]), b"'"].concat())
}

/// Returns the text with these encoded bytes, or `None` if they are not a valid text.
pub(crate) fn text_of(bytes: Vec<u8>) -> Option<OsString> {
    Some(OsString::from_vec(bytes))
}

/// The error number to use for an error that has none.
pub(crate) const INVALID: i32 = libc::EINVAL;
pub(crate) const BUSY: i32 = libc::EBUSY;
pub(crate) const NO_ACCESS: i32 = libc::EACCES;
pub(crate) const NO_SUCH_PROCESS: i32 = libc::ESRCH;
pub(crate) const TOO_LONG: i32 = libc::E2BIG;
pub(crate) const TOO_MANY_FILES: i32 = libc::EMFILE;

/// Returns advice on the most frequent cause of the error with this number.
pub(crate) fn advice_for(code: i32) -> Option<String> {
    Some(match Error::from_raw_os_error(code).kind() {
        ErrorKind::WouldBlock => {
            "the limit on processes may be reached: see `ulimit -u` (RLIMIT_NPROC)".to_owned()
        }
        _ if code == TOO_MANY_FILES => {
            "the limit on open files is reached: see `ulimit -n` (RLIMIT_NOFILE)".to_owned()
        }
        _ if code == libc::ENFILE => "the system's limit on open files is reached".to_owned(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            let directory = std::env::temp_dir();
            format!("{} has no room left", directory.display())
        }
        ErrorKind::OutOfMemory => "the system is out of memory".to_owned(),
        _ => return None,
    })
}

/// Returns whether two names mean the same environment variable.
pub(crate) fn is_same_variable(one: &OsStr, other: &OsStr) -> bool {
    one == other
}

/// Splits a command into words as a POSIX shell would.
pub(crate) fn words_of(line: &str) -> Result<Vec<String>, shell_words::ParseError> {
    shell_words::split(line)
}

/// Joins words to one line that a shell would split into the same words.
pub(crate) fn line_of<'a>(words: impl Iterator<Item = Cow<'a, str>>) -> String {
    shell_words::join(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_text_is_quoted_for_a_shell() {
        let quoted = quoted_for_shell(OsStr::from_bytes(b"it's \xff"));
        assert_eq!(quoted.as_bytes(), b"'it'\\''s \xff'");
        assert_eq!(quoted_for_shell(OsStr::new("a b")), "'a b'");
    }
}
