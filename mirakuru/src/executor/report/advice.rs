//! Writes the advice of an error, which is its last line: what the user can do.

use std::io::ErrorKind;
use std::path::Path;

use super::program::Found;
use crate::command::Place;
use crate::executor::core::Core;
use crate::protocol::Failure;
use crate::readiness::Context;
use crate::signal::Signal;
use crate::sys;

impl Core {
    /// Returns the advice for a command that no shell runs, and that contains a word with a meaning only for a shell.
    pub(super) fn shell_advice(&self) -> Option<String> {
        let operators = ["&&", "||", "|", ";", "&", ">", ">>", "<", "2>", "2>&1"];
        let shown = self.state(|state| state.shown.clone())?;
        let words = &shown.words;
        let program = words.first().map(Path::new).and_then(Path::file_name)?;
        // If the command itself starts a shell, its words are text for that shell.
        let has_shell = SHELLS.iter().any(|shell| program == *shell);
        let expands = |word: &str| {
            let variable = word.strip_prefix('$').unwrap_or_default();
            variable.starts_with(|c: char| c.is_ascii_uppercase() || "({".contains(c))
                || word.starts_with("~/")
        };
        let found = words
            .iter()
            .find(|word| operators.contains(&word.as_str()) || (!has_shell && expands(word)))?;
        (!self.config.shape.shell).then(|| {
            format!("no shell runs it, so `{found}` is a word like any other: use `shell(true)`, or `shell = true` in the attribute")
        })
    }

    /// Returns the advice for a service that could not be spawned. Looks the program up as the spawn did.
    pub(super) fn spawn_advice(&self, failure: &Failure, place: &Place) -> Option<String> {
        let prepared = self.prepared(place).ok()?;
        let program = &prepared.words.first()?.to_string_lossy().into_owned();
        let found = Found::look_up(&prepared);
        Some(match (failure.step.as_str(), failure.error().kind()) {
            ("run the program", ErrorKind::NotFound) if is_assignment(program) => {
                "set a variable with `env`, or run a shell (`shell(true)`, or `shell = true` in the attribute)".to_owned()
            }
            ("run the program", ErrorKind::NotFound | ErrorKind::NotADirectory) => found.missing(program),
            ("run the program", ErrorKind::PermissionDenied) if failure.code == sys::NO_ACCESS => {
                found.refused(program)
            }
            ("run the program", ErrorKind::ExecutableFileBusy) => {
                format!("{program} is still open for writing: close it before the start")
            }
            (step, _) if step.starts_with("enter the working directory") => {
                "the directory must exist, and the service's user must have access to it".to_owned()
            }
            (step, ErrorKind::PermissionDenied) if step.starts_with("switch to") => {
                "only root may start a service as another user".to_owned()
            }
            _ => return sys::advice_for(failure.code),
        })
    }
}

/// Returns whether a shell would set a variable because of this word, as in `NAME=value`.
fn is_assignment(word: &str) -> bool {
    let part_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name.bytes().all(part_of_name)
            && !name.starts_with(|c: char| c.is_ascii_digit())
    })
}

const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ksh", "zsh"];

/// Returns the advice if another process answers at the address of the service.
pub(super) fn another_listener(context: &Context) -> String {
    let own = if context.port() == 0 {
        "`{socket}`"
    } else {
        "`{port}`"
    };
    format!(
        "stop that process, or use {own}, which is unique; if another program listens for \
         the service (a container's proxy), use `any_listener()` (in the attribute: `executor = …` with `.any_listener()`)"
    )
}

/// The advice if the check waits for a banner and the service printed nothing.
pub(super) const UNBUFFER: &str = "it printed nothing: many programs buffer their output if it does not go to a terminal; \
     try `stdbuf -oL PROGRAM`, or PYTHONUNBUFFERED=1 for Python";

/// The advice if a process reads its standard input, or has printed an incomplete line, as a prompt does.
pub(super) const PROMPTS: &str = "it may wait for an answer at its standard input, which stays open: try \
     `stdin(Stdio::null())`, or `stdin = null` in the attribute";

/// Returns the advice if a process ends with an unexpected exit code after the stop signal.
pub(super) fn another_signal(sent: Signal) -> String {
    let other = if sent == Signal::INT { "TERM" } else { "INT" };
    format!(
        "; if the service stops cleanly on another signal, set that: `stop_signal = SIG{other}` in the attribute, \
         `.stop_signal(Signal::{other})` by hand"
    )
}

/// Returns the advice if the check passes before the start.
pub(super) fn already_there(context: &Context) -> String {
    let file = context.start.place.pidfile.as_deref();
    match file.filter(|file| file.exists()) {
        Some(file) => format!(
            "stop the program that wrote {}; if none runs, remove the file",
            file.display()
        ),
        None if context.port() != 0 => "stop that process, use its service (`OnConflict::Reuse`), or write `{port}` for a free port".to_owned(),
        None => "stop that process, or use another path: `{tmpdir}` is a private directory".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_follow_the_rules_of_the_attribute() {
        for (word, is_variable) in include!("../../../../tests/rules/assignments.rs") {
            assert_eq!(is_assignment(word), is_variable, "{word:?}");
        }
    }
}
