//! Writes the advice: the last line of an error.

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
    /// Points out a word that only a shell would understand, in a command that no shell runs.
    pub(super) fn shell_advice(&self) -> Option<String> {
        let operators = ["&&", "||", "|", ";", "&", ">", ">>", "<", "2>", "2>&1"];
        let shown = self.state(|state| state.shown.clone())?;
        let words = &shown.words;
        let program = words.first().map(Path::new).and_then(Path::file_name)?;
        // The text for a shell that the command starts itself may contain anything.
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
            format!("no shell runs it, so `{found}` is a word like any other: say `shell(true)`, or `shell = true` in the attribute")
        })
    }

    /// The advice if the service could not be spawned: its program is looked up as the service would have.
    pub(super) fn spawn_advice(&self, failure: &Failure, place: &Place) -> Option<String> {
        let prepared = self.prepared(place).ok()?;
        let program = &prepared.words.first()?.to_string_lossy().into_owned();
        let found = Found::look_up(&prepared);
        Some(match (failure.step.as_str(), failure.error().kind()) {
            ("run the program", ErrorKind::NotFound) if is_assignment(program) => {
                "a variable is set by `env`, or by a shell (`shell(true)`, or `shell = true` in the attribute)".to_owned()
            }
            ("run the program", ErrorKind::NotFound | ErrorKind::NotADirectory) => found.missing(program),
            ("run the program", ErrorKind::PermissionDenied) if failure.code == sys::NO_ACCESS => {
                found.refused(program)
            }
            ("run the program", ErrorKind::ExecutableFileBusy) => {
                format!("{program} is still open for writing: close it before the start")
            }
            (step, _) if step.starts_with("enter the working directory") => {
                "the directory must exist and be open to the service's user".to_owned()
            }
            (step, ErrorKind::PermissionDenied) if step.starts_with("take on") => {
                "only root may start a service as another user".to_owned()
            }
            _ => return sys::advice_for(failure.code),
        })
    }
}

/// Returns whether a shell would set a variable by this word, as in `NAME=value`.
fn is_assignment(word: &str) -> bool {
    let part_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name.bytes().all(part_of_name)
            && !name.starts_with(|c: char| c.is_ascii_digit())
    })
}

const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ksh", "zsh"];

/// The advice if another process answers at the service's place.
pub(super) fn another_listener(context: &Context) -> String {
    let own = if context.port() == 0 {
        "`{socket}`"
    } else {
        "`{port}`"
    };
    format!(
        "stop what listens there, or use {own}, which nobody else has; where the service has another \
         program listen for it (a container's proxy), say so with `any_listener()` (in the attribute, by \
         `executor = …`)"
    )
}

/// The advice if a banner was awaited and the service printed nothing.
pub(super) const UNBUFFER: &str = "it printed nothing: many programs buffer their output when it is no terminal; \
     try `stdbuf -oL PROGRAM`, or PYTHONUNBUFFERED=1 for Python";

/// The advice if a process waits for its standard input, or has begun a line as a prompt does.
pub(super) const PROMPTS: &str = "it may wait for an answer at its standard input, which stays open: try \
     `stdin(Stdio::null())`, or `stdin = null` in the attribute";

/// The advice if a process obeys the stop signal with an unexpected exit code.
pub(super) fn another_signal(sent: Signal) -> String {
    let other = if sent == Signal::INT { "TERM" } else { "INT" };
    format!(
        "; if it ends well by another signal, set that: `stop_signal = SIG{other}` in the attribute, \
         `.stop_signal(Signal::{other})` by hand"
    )
}

/// The advice if the check passes before the start.
pub(super) fn what_is_there(context: &Context) -> String {
    let file = context.start.place.pidfile.as_deref();
    match file.filter(|file| file.exists()) {
        Some(file) => format!(
            "stop what runs there; if nothing does, remove {}",
            file.display()
        ),
        None if context.port() != 0 => "stop what runs there, use it as it is (`OnConflict::Reuse`), or write `{port}` for a free port".to_owned(),
        None => "stop what runs there, or use another place: `{tmpdir}` is a private directory".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_variables_where_the_attribute_says_so() {
        for (word, is_variable) in include!("../../../../tests/rules/assignments.rs") {
            assert_eq!(is_assignment(word), is_variable, "{word:?}");
        }
    }
}
