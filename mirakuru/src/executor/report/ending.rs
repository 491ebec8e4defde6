//! Describes how a service ended that was ready, and what it printed and how it ended for every other error.

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
    pub(in crate::executor) fn survivors(&self, run: &Run, gone: &Gone) -> Error {
        let mut scene = with_run(self.scene(), run);
        scene.reason = format!("still there: {}", listed(&gone.survivors));
        scene.advice =
            "a process in uninterruptible sleep, or of another user, cannot be killed from here"
                .into();
        scene.into_error(ErrorKind::Survivors)
    }

    /// It ended otherwise than expected. It was `asked` to stop, or had ended before.
    pub(in crate::executor) fn finished_with_error(
        &self,
        run: &Run,
        expected: &Expected,
        asked: bool,
    ) -> Error {
        let mut scene = with_run(self.scene(), run);
        scene.notes.push(format!("expected: {expected}"));
        scene.advice = "if this code is right for it, say so with `expected_returncode`".into();
        let sent = if asked {
            scene.advice += &advice::another_signal(expected.signal);
            format!("the stop sent {}", expected.signal)
        } else {
            "it had ended before the stop".to_owned()
        };
        scene.notes.push(sent);
        scene.into_error(ErrorKind::ProcessFinishedWithError)
    }

    /// What the latest start printed and how it ended, for a test that failed. Only what it
    /// printed since the test `found` it counts. An `error` of its stop is a part of the story.
    #[cfg(feature = "macros")]
    pub(crate) fn story_of_the_test(
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
            scene.headline += " ended otherwise than expected";
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
                .push(format!("{}{during}", nothing_said(is_captured(&run))));
        }
        Some(scene.into_error(ErrorKind::Io).to_string())
    }

    /// The service does not run, so it cannot be `what`.
    pub(crate) fn not_running(&self, what: &str) -> Error {
        let mut scene = self.scene();
        scene.headline = format!("cannot be {what}: it is not running");
        scene.exit_code = self.exit_code();
        scene.into_error(ErrorKind::Io)
    }
}

pub(super) fn is_captured(run: &Run) -> bool {
    let streams = [Stream::Stdout, Stream::Stderr];
    streams
        .iter()
        .any(|stream| run.context.captured_stream(*stream).is_some())
}

/// The note if there are no last lines.
pub(super) fn nothing_said(captured: bool) -> &'static str {
    if captured {
        "it printed nothing"
    } else {
        "its output is not captured"
    }
}

/// Adds the end of the process, and the last lines that it printed.
fn with_run(scene: Scene, run: &Run) -> Scene {
    since_then(scene, run, Printed::default())
}

/// Does the same with the lines that it printed after these places.
fn since_then(scene: Scene, run: &Run, printed: Printed) -> Scene {
    let (until, first) = (u64::MAX, 0);
    let parts = printed.map(|from| Excerpt { from, until, first });
    with_parts(scene, run, parts)
}

/// Does the same with these parts of what it printed.
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
