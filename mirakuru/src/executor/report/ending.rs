//! Creates the errors about the end of a service that was ready. Adds the output and the exit code of a service to
//! every other error.

use super::advice;
use crate::error::{Error, ErrorKind, Scene};
use crate::executor::core::Core;
#[cfg(feature = "macros")]
use crate::executor::run::Moment;
use crate::executor::run::{Printed, Run, listed};
use crate::executor::verdict::Expected;
use crate::link::State;
use crate::output::{Capture, Excerpt, excerpt};
use crate::protocol::{Gone, Stream};

impl Core {
    /// Returns the error for processes that could not be killed.
    pub(in crate::executor) fn survivors(&self, run: &Run, gone: &Gone) -> Error {
        let mut scene = with_run(self.scene(), run);
        scene.reason = format!("still running: {}", listed(&gone.survivors));
        scene.advice =
            "a process in uninterruptible sleep, or of another user, cannot be killed from here"
                .into();
        scene.into_error(ErrorKind::Survivors)
    }

    /// Returns the error for an unexpected end. With `asked`, the stop sent a signal. Otherwise, the process had ended
    /// before the stop.
    pub(in crate::executor) fn finished_with_error(
        &self,
        run: &Run,
        expected: &Expected,
        asked: bool,
    ) -> Error {
        let mut scene = with_run(self.scene(), run);
        scene.notes.push(format!("expected: {expected}"));
        scene.advice = "if this exit code is a success, set it as `expected_returncode`".into();
        let sent = if asked {
            scene.advice += &advice::another_signal(expected.signal);
            format!("the stop sent {}", expected.signal)
        } else {
            "it had ended before the stop".to_owned()
        };
        scene.notes.push(sent);
        scene.into_error(ErrorKind::ProcessFinishedWithError)
    }

    /// Describes for a failed test how the service ended, and the text that the service printed since the moment
    /// `found`, at which the test began to use it. `error` is an error of the stop.
    #[cfg(feature = "macros")]
    pub(crate) fn summary_of_the_test(
        &self,
        was_running: bool,
        found: Option<&Moment>,
        error: Option<Error>,
    ) -> Option<String> {
        let run = self.run()?;
        run.link.drain();
        let since = found.and_then(|found| found.printed_by(&run));
        let scene = Scene::new(self.command().as_ref());
        let mut scene = since_then(scene, &run, since.unwrap_or_default());
        scene.headline = format!("({})", self.title());
        if let Some(error) = error.map(Error::into_scene) {
            scene.headline += " ended with an unexpected exit code";
            (scene.notes, scene.advice) = (error.notes, error.advice);
        }
        scene.ended = Some(if was_running {
            "stopped with the test"
        } else {
            "ended before the test did"
        });
        if since.is_none() {
            scene
                .notes
                .push("it was started again while this test ran".to_owned());
        }
        if scene.is_silent() {
            let is_all = since.unwrap_or_default() == Printed::default();
            let during = if is_all { "" } else { " during this test" };
            scene
                .notes
                .push(format!("{}{during}", no_output_note(is_captured(&run))));
        }
        Some(scene.into_error(ErrorKind::Io).to_string())
    }

    /// Returns the error for an action on a service that does not run. `what` is the action, as in "signalled".
    pub(crate) fn not_running(&self, what: &str) -> Error {
        let mut scene = self.scene();
        scene.headline = format!("cannot be {what}: it is not running");
        scene.exit_code = self.exit_code();
        scene.into_error(ErrorKind::Io)
    }
}

/// Returns whether at least one of the two output streams is captured.
pub(super) fn is_captured(run: &Run) -> bool {
    let streams = [Stream::Stdout, Stream::Stderr];
    streams
        .iter()
        .any(|stream| run.context.captured_stream(*stream).is_some())
}

/// Returns the note for an error without output of the service.
pub(super) fn no_output_note(captured: bool) -> &'static str {
    if captured {
        "it printed nothing"
    } else {
        "its output is not captured"
    }
}

/// Adds the exit code of the process, and the last lines that it printed.
fn with_run(scene: Scene, run: &Run) -> Scene {
    since_then(scene, run, Printed::default())
}

/// Adds the exit code of the process, and the last lines that it printed after these positions.
fn since_then(scene: Scene, run: &Run, printed: Printed) -> Scene {
    let (until, first) = (u64::MAX, 0);
    let parts = printed.map(|from| Excerpt { from, until, first });
    with_parts(scene, run, parts)
}

/// Adds the exit code of the process, and these parts of its output.
pub(super) fn with_parts(mut scene: Scene, run: &Run, parts: [Excerpt; 3]) -> Scene {
    scene.pid = Some(run.pid);
    if let Some(log) = run.context.log_file() {
        log.describe(&mut scene);
    }
    let [out, err, log] = run.captures();
    let shown = |capture: Option<&Capture>, part| {
        capture.map_or_else(String::new, |capture| excerpt(capture, part))
    };
    scene.output = shown(out, parts[0]);
    scene.err_output = shown(err, parts[1]);
    scene.log = shown(log, parts[2]);
    let facts = |state: &State| (state.exit_of(run.number), state.output_lost.clone());
    let (exit, lost) = run.link.current(facts);
    scene.exit_code = exit;
    let lost = lost.map(|failure| format!("output is missing: {failure}"));
    scene.notes.extend(lost);
    scene
}
