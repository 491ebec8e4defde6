//! The conversions of a [`CommandLine`]: from text, paths, words and a `std::process::Command`, and to text.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process;
use std::str::FromStr;

use super::line::CommandLine;

impl From<&str> for CommandLine {
    fn from(text: &str) -> Self {
        Self::of_text(text)
    }
}

impl From<String> for CommandLine {
    fn from(text: String) -> Self {
        Self::of_text(&text)
    }
}

impl From<&String> for CommandLine {
    fn from(text: &String) -> Self {
        Self::of_text(text)
    }
}

/// Takes the path as one word: the program, without arguments.
impl From<&Path> for CommandLine {
    fn from(program: &Path) -> Self {
        Self::of_words([program])
    }
}

impl From<PathBuf> for CommandLine {
    fn from(program: PathBuf) -> Self {
        Self::of_words([program])
    }
}

/// Parses the text as the `From` conversion does. It never fails: a start reports a mistake in the quoting.
impl FromStr for CommandLine {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::of_text(text))
    }
}

/// Writes the command as [`Executor::command`](crate::Executor::command) returns it before the first start.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shell_text())
    }
}

impl<S: AsRef<OsStr>> From<&[S]> for CommandLine {
    fn from(words: &[S]) -> Self {
        Self::of_words(words)
    }
}

impl<S: AsRef<OsStr>, const N: usize> From<[S; N]> for CommandLine {
    fn from(words: [S; N]) -> Self {
        Self::of_words(words)
    }
}

impl<S: AsRef<OsStr>, const N: usize> From<&[S; N]> for CommandLine {
    fn from(words: &[S; N]) -> Self {
        Self::of_words(words)
    }
}

impl<S: AsRef<OsStr>> From<Vec<S>> for CommandLine {
    fn from(words: Vec<S>) -> Self {
        Self::of_words(words)
    }
}

impl<S: AsRef<OsStr>> From<&Vec<S>> for CommandLine {
    fn from(words: &Vec<S>) -> Self {
        Self::of_words(words)
    }
}

impl From<&process::Command> for CommandLine {
    fn from(command: &process::Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let env = command.get_envs();
        Self {
            env: env
                .map(|(name, value)| (name.to_owned(), value.map(OsStr::to_owned)))
                .collect(),
            cwd: command.get_current_dir().map(Path::to_owned),
            ..Self::of_words(words)
        }
    }
}

impl From<&mut process::Command> for CommandLine {
    fn from(command: &mut process::Command) -> Self {
        Self::from(&*command)
    }
}

impl From<process::Command> for CommandLine {
    fn from(command: process::Command) -> Self {
        Self::from(&command)
    }
}
