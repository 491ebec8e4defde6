//! A command: one string that is split into words as a shell would, or the words.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use super::placeholder::Template;

/// A command: a string, split into words as a POSIX shell would (quotes and backslashes, no
/// expansion), or a list of words that are taken as they are.
///
/// ```
/// use mirakuru::SimpleExecutor;
///
/// let one = SimpleExecutor::new("printf '%s %s' hello 'wide world'");
/// let two = SimpleExecutor::new(["printf", "%s %s", "hello", "wide world"]);
/// assert_eq!(one.command_parts(), two.command_parts());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The words, or what is wrong with the quoting.
    words: Result<Vec<OsString>, String>,
    /// The text that a shell is given: as written, or the words quoted.
    text: String,
}

/// A command cut into words, and these at their placeholders: once, when the executor is made.
#[derive(Debug)]
pub(crate) struct Command {
    /// As the user wrote it.
    pub(crate) shown: Arc<Shown>,
    /// The words, or what is wrong with the quoting.
    pub(super) words: Result<Vec<Template>, String>,
    pub(super) text: Template,
}

/// A command for people: what `command()` and `command_parts()` return, and what errors show.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) line: Arc<str>,
    pub(crate) words: Vec<String>,
}

impl Shown {
    pub(crate) fn of(words: &[OsString]) -> Self {
        let text = words.iter().map(|word| word.to_string_lossy().into_owned());
        Self {
            line: quote(words).into(),
            words: text.collect(),
        }
    }
}

impl From<CommandLine> for Command {
    fn from(CommandLine { words, text }: CommandLine) -> Self {
        let shown = match &words {
            Ok(words) => Shown::of(words),
            Err(_) => Shown {
                line: text.as_str().into(),
                words: vec![text.clone()],
            },
        };
        Self {
            shown: Arc::new(shown),
            words: words.map(|words| words.iter().map(Template::parse).collect()),
            text: Template::parse(text),
        }
    }
}

fn quote(words: &[OsString]) -> String {
    shell_words::join(words.iter().map(|word| word.to_string_lossy()))
}

impl From<&str> for CommandLine {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for CommandLine {
    fn from(text: String) -> Self {
        let words = shell_words::split(&text);
        let words = words.map(|words| words.into_iter().map(OsString::from).collect());
        Self {
            words: words.map_err(|_| "a quote is opened and never closed".to_owned()),
            text,
        }
    }
}

impl From<&String> for CommandLine {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

/// A path is one word: the program, without arguments.
impl From<&Path> for CommandLine {
    fn from(program: &Path) -> Self {
        [program].into()
    }
}

impl<S: AsRef<OsStr>> From<&[S]> for CommandLine {
    fn from(words: &[S]) -> Self {
        let words: Vec<_> = words.iter().map(|word| word.as_ref().to_owned()).collect();
        Self {
            text: quote(&words),
            words: Ok(words),
        }
    }
}

impl<S: AsRef<OsStr>, const N: usize> From<[S; N]> for CommandLine {
    fn from(words: [S; N]) -> Self {
        words.as_slice().into()
    }
}

impl<S: AsRef<OsStr>, const N: usize> From<&[S; N]> for CommandLine {
    fn from(words: &[S; N]) -> Self {
        words.as_slice().into()
    }
}

impl<S: AsRef<OsStr>> From<Vec<S>> for CommandLine {
    fn from(words: Vec<S>) -> Self {
        words.as_slice().into()
    }
}

impl<S: AsRef<OsStr>> From<&Vec<S>> for CommandLine {
    fn from(words: &Vec<S>) -> Self {
        words.as_slice().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: impl Into<CommandLine>) -> Vec<String> {
        let words = command.into().words.expect("the quoting is balanced");
        words
            .into_iter()
            .map(|word| word.into_string().expect("UTF-8"))
            .collect()
    }

    #[test]
    fn a_string_is_split_as_a_shell_would_without_expansion() {
        assert_eq!(
            words("a 'b c' \"d $e\" f\\ g ''"),
            ["a", "b c", "d $e", "f g", ""]
        );
    }

    #[test]
    fn every_list_of_strings_is_taken_as_it_is() {
        let list = vec!["a".to_owned(), "b c".to_owned()];
        assert_eq!(words(&list), ["a", "b c"]);
        assert_eq!(words(list.as_slice()), ["a", "b c"]);
        assert_eq!(words(["a", "b c"]), ["a", "b c"]);
        let (array, text) = (&["a", "b c"], "a b".to_owned());
        assert_eq!(words(array), ["a", "b c"]);
        assert_eq!(words(list), ["a", "b c"]);
        assert_eq!(words(&text), ["a", "b"]);
    }

    #[test]
    fn an_open_quote_is_told_and_still_shown() {
        let broken = CommandLine::from("echo 'open");
        assert_eq!(
            broken.clone().words,
            Err("a quote is opened and never closed".to_owned())
        );
        let shown = Arc::clone(&Command::from(broken).shown);
        assert_eq!(*shown.line, *"echo 'open");
        assert_eq!(shown.words, ["echo 'open"]);
    }

    #[test]
    fn words_are_quoted_so_that_they_split_the_same_again() {
        let command = Command::from(CommandLine::from(["echo", "it's", "a b", ""]));
        assert_eq!(words(&*command.shown.line), ["echo", "it's", "a b", ""]);
    }
}
