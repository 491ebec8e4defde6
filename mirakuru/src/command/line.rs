//! A command: one string, which is split into words as a shell would, or a list of words.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
#[cfg(doc)]
use std::{path::Path, process};

use super::placeholder::{Place, Template};
use crate::paths::absolute;
use crate::protocol::{Directory, Exec};
use crate::sys;

/// A command: a string or a list of words.
///
/// # From text
///
/// A string is split into words as a POSIX shell would, by quotes and backslashes. Nothing is expanded. A `#` at the start
/// of a word begins a comment, also in the middle of a line. The comment ends with the line, and no word of it is part of
/// the command. Quotes or a backslash (`'#'`, `\#`) write the character itself.
///
/// On Windows, a string is split by the rules of the C runtime: double quotes join words, backslashes stay, and a single
/// quote or a `#` is a character like any other.
///
/// ```
/// use mirakuru::SimpleExecutor;
///
/// let one = SimpleExecutor::new("printf '%s %s' hello 'wide world'");
/// let two = SimpleExecutor::new(["printf", "%s %s", "hello", "wide world"]);
/// assert_eq!(one.command_parts(), two.command_parts());
///
/// let colour = SimpleExecutor::new("paint '#ff0000' # the colour");
/// assert_eq!(colour.command_parts(), ["paint", "#ff0000"]);
/// ```
///
/// # From words and paths
///
/// The words of a list are taken as they are. A [`Path`] is one word, the program, so a space in it splits nothing. To
/// split the text of a path, convert it to a `&str`.
///
/// ```
/// use std::path::Path;
///
/// use mirakuru::SimpleExecutor;
///
/// let program = SimpleExecutor::new(Path::new("/opt/my server/bin/serve")).arg("--verbose");
/// assert_eq!(program.command_parts(), ["/opt/my server/bin/serve", "--verbose"]);
/// ```
///
/// # From a `std::process::Command`
///
/// A [`Command`](process::Command), by value or by reference, gives its program, its arguments, its changes to the
/// environment and its working directory. Placeholders in all of them are filled in. The standard library does not
/// reveal `env_clear`, the streams, and the extensions of Unix such as `uid` and `pre_exec`. These are lost.
///
/// ```
/// use std::process::Command;
///
/// use mirakuru::SimpleExecutor;
///
/// let mut command = Command::new("printenv");
/// command.arg("GREETING").env("GREETING", "hello from {host}");
/// let executor = SimpleExecutor::new(&mut command);
/// assert_eq!(executor.command_parts(), ["printenv", "GREETING"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The string, if the command began as one.
    pub(super) text: Option<String>,
    /// Further words, which follow those of the string.
    pub(super) words: Vec<OsString>,
    /// The environment of a `std::process::Command`: `None` removes the variable.
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    pub(crate) cwd: Option<PathBuf>,
}

impl CommandLine {
    /// Appends a word.
    pub(crate) fn push(&mut self, word: &OsStr) {
        self.words.push(word.to_owned());
    }

    /// Returns the words, or the mistake in the quoting.
    fn words(&self) -> Result<Vec<OsString>, String> {
        let split = sys::words_of(self.text.as_deref().unwrap_or_default())
            .map_err(|_| "a quote is opened and never closed".to_owned())?;
        let split = split.into_iter().map(OsString::from);
        Ok(split.chain(self.words.iter().cloned()).collect())
    }

    /// Returns the command as a text: the string as the user wrote it, and the words quoted.
    pub(crate) fn shell_text(&self) -> String {
        let quoted = quote(&self.words);
        match &self.text {
            None => quoted,
            Some(text) if self.words.is_empty() => text.clone(),
            Some(text) => format!("{text} {quoted}"),
        }
    }

    /// Returns every text that may contain placeholders.
    pub(crate) fn texts(&self) -> Vec<String> {
        let values = self.env.iter().filter_map(|(_, value)| value.as_ref());
        let cwd = self.cwd.as_ref().map(|cwd| cwd.as_os_str().to_owned());
        let texts = values.cloned().chain(cwd);
        let texts = texts.map(|text| text.to_string_lossy().into_owned());
        texts.chain([self.shell_text()]).collect()
    }

    /// Returns the command of a check, with its placeholders filled in.
    pub(crate) fn to_exec(&self, place: &Place, limit: Duration) -> Result<Exec, String> {
        let fill = |text: &OsString| place.fill(&Template::parse(text));
        let env = self.env.iter().map(|(name, value)| {
            let value = value.as_ref().map(fill).transpose()?;
            Ok((name.clone(), value))
        });
        let cwd = self
            .cwd
            .as_ref()
            .map(|cwd| place.fill_path(cwd))
            .transpose()?;
        let words = self
            .words()?
            .iter()
            .map(fill)
            .collect::<Result<Vec<_>, _>>()?;
        if words.first().is_none_or(|program| program.is_empty()) {
            return Err("the command of a check is empty".to_owned());
        }
        Ok(Exec {
            words,
            env: env.collect::<Result<_, String>>()?,
            cwd: cwd.map(|cwd| Directory::Given(absolute(&cwd))),
            limit,
        })
    }

    pub(super) fn of_text(text: &str) -> Self {
        Self {
            text: Some(text.to_owned()),
            ..Self::default()
        }
    }

    pub(super) fn of_words<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        Self {
            words: words
                .into_iter()
                .map(|word| word.as_ref().to_owned())
                .collect(),
            ..Self::default()
        }
    }
}

/// A command that was parsed when the user created the executor: words, and the placeholders in each word.
#[derive(Debug)]
pub(crate) struct Command {
    written: CommandLine,
    /// The command as the user wrote it.
    pub(crate) shown: Arc<Shown>,
    /// The words, or the mistake in the quoting.
    pub(super) words: Result<Vec<Template>, String>,
    /// The command as a text.
    pub(super) text: Template,
}

/// The human-readable command, which `command()` and `command_parts()` return and errors show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) line: Arc<str>,
    pub(crate) words: Vec<String>,
}

impl From<CommandLine> for Command {
    fn from(written: CommandLine) -> Self {
        let (words, text) = (written.words(), written.shell_text());
        let shown = words.as_ref().map_or_else(
            |_| vec![text.clone()],
            |words| words.iter().map(text_of).collect(),
        );
        Self {
            shown: Arc::new(Shown {
                line: text.as_str().into(),
                words: shown,
            }),
            words: words.map(|words| words.iter().map(Template::parse).collect()),
            text: Template::parse(text),
            written,
        }
    }
}

impl Command {
    /// Appends a word.
    pub(crate) fn push(&mut self, word: &OsStr) {
        let mut written = std::mem::take(&mut self.written);
        written.push(word);
        *self = written.into();
    }

    /// Returns the script for a shell with its placeholders filled in: the string as the user wrote it, and the words
    /// quoted.
    pub(super) fn script(&self, place: &Place) -> Result<OsString, String> {
        let CommandLine { text, words, .. } = &self.written;
        let text = text.iter().map(|text| place.fill(&Template::parse(text)));
        let words = words.iter().map(|word| {
            let filled = place.fill(&Template::parse(word))?;
            Ok(sys::quoted_for_shell(&filled))
        });
        let parts = text.chain(words).collect::<Result<Vec<_>, String>>()?;
        Ok(parts.join(OsStr::new(" ")))
    }

    /// Returns the human-readable command with its placeholders filled in: a string as the user wrote it, and words
    /// quoted.
    pub(super) fn filled(&self, words: &[OsString], place: &Place) -> Result<Shown, String> {
        let line = match &self.written.text {
            Some(_) => text_of(&place.fill(&self.text)?),
            None => quote(words),
        };
        Ok(Shown {
            line: line.into(),
            words: words.iter().map(text_of).collect(),
        })
    }
}

fn text_of(word: &OsString) -> String {
    word.to_string_lossy().into_owned()
}

/// Joins words to a line that a shell would split into the same words.
fn quote(words: &[OsString]) -> String {
    sys::line_of(words.iter().map(|word| word.to_string_lossy()))
}

#[cfg(test)]
#[path = "../../../tests/fuzz/words.rs"]
mod fuzz_words;
#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: impl Into<CommandLine>) -> Vec<String> {
        let words = command.into().words().expect("the quoting is balanced");
        words
            .into_iter()
            .map(|word| word.into_string().expect("UTF-8"))
            .collect()
    }

    #[cfg(unix)]
    #[test]
    fn a_string_is_split_as_a_shell_would_without_expansion() {
        assert_eq!(
            words("a 'b c' \"d $e\" f\\ g ''"),
            ["a", "b c", "d $e", "f g", ""]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_comment_is_not_part_of_the_command() {
        for (text, expected, _) in include!("../../../tests/rules/comments.rs") {
            assert_eq!(words(text).join("|"), expected, "{text:?}");
        }
    }

    #[test]
    fn the_words_of_every_kind_of_list_stay_as_they_are() {
        let list = vec!["a".to_owned(), "b c".to_owned()];
        assert_eq!(words(&list), ["a", "b c"]);
        assert_eq!(words(list.as_slice()), ["a", "b c"]);
        assert_eq!(words(["a", "b c"]), ["a", "b c"]);
        let (array, text) = (&["a", "b c"], "a b".to_owned());
        assert_eq!(words(array), ["a", "b c"]);
        assert_eq!(words(list), ["a", "b c"]);
        assert_eq!(words(&text), ["a", "b"]);
    }

    #[cfg(unix)]
    #[test]
    fn an_open_quote_is_a_mistake_and_the_text_stays() {
        let broken = CommandLine::from("echo 'open");
        assert_eq!(
            broken.words(),
            Err("a quote is opened and never closed".to_owned())
        );
        let shown = Arc::clone(&Command::from(broken).shown);
        assert_eq!(*shown.line, *"echo 'open");
        assert_eq!(shown.words, ["echo 'open"]);
    }

    #[test]
    fn quoted_words_split_into_the_same_words() {
        let command = Command::from(CommandLine::from(["echo", "it's", "a b", ""]));
        assert_eq!(words(&*command.shown.line), ["echo", "it's", "a b", ""]);
    }
}
