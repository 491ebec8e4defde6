//! Describes what became of an executor's process, as errors. `conflict.rs` describes conflicts over ports,
//! and `advice.rs` what to do. No function here acts: the caller stops, sweeps and drains before it asks for
//! the error.

use std::collections::BTreeSet;
use std::io;

use super::advice::{self, advice_for};
use crate::error::{Error, ErrorKind, Scene};
use crate::executor::core::Core;
use crate::executor::run::{Run, listed};
use crate::executor::wait::{FailedWait, Why};
use crate::output::{Output, TAIL_LINES};
use crate::protocol::{Failure, Gone, Stream};
use crate::readiness::Context;
use crate::sys;
use crate::wait::Deadline;

impl Core {
    /// The beginning of every error: the command, and the executor's name.
    pub(in crate::executor) fn scene(&self) -> Scene {
        let mut scene = Scene::new(self.command().as_ref());
        let named = self.config.name.as_ref();
        let named = named.map(|name| format!("this is the executor named {name:?}"));
        let fixture = || {
            let name = self.state(|state| state.fixture_name())?;
            Some(format!("this is the shared fixture {name:?}"))
        };
        scene.notes.extend(named.or_else(fixture));
        scene
    }

    /// A mistake in the configuration.
    pub(in crate::executor) fn invalid(&self, mistake: String) -> Error {
        self.scene()
            .reason(mistake)
            .into_error(ErrorKind::InvalidConfig)
    }

    fn scene_of(&self, run: &Run) -> Scene {
        with_run(self.scene(), run)
    }

    pub(in crate::executor) fn refused(&self, what: &str, error: io::Error) -> Error {
        let mut scene = self.scene().reason(format!("failed to {what}: {error}"));
        let kind = if error.kind() == io::ErrorKind::TimedOut {
            ErrorKind::TimeoutExpired
        } else {
            ErrorKind::Io
        };
        scene.advice = advice_for(error.raw_os_error());
        scene.source = Some(error);
        scene.into_error(kind)
    }

    pub(in crate::executor) fn already_running(&self, context: &Context) -> Error {
        let mut scene = self.scene().reason(format!(
            "what it would wait for was there before the start: {}",
            self.check.describe(context)
        ));
        scene.held_by = Some(context.port())
            .filter(|port| *port != 0)
            .and_then(sys::holder_of_port);
        scene.advice = Some(advice::what_is_there(context));
        scene.into_error(ErrorKind::AlreadyRunning)
    }

    pub(in crate::executor) fn no_answer_before_start(
        &self,
        context: &Context,
        deadline: Deadline,
    ) -> Error {
        let mut scene = self
            .scene()
            .reason("the check that nothing is there yet did not answer in time");
        scene.waited_for = Some(self.check.describe(context));
        scene.waited = Some(deadline.elapsed());
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    pub(in crate::executor) fn not_spawned(&self, failure: &Failure) -> Error {
        let mut scene = self.scene().reason(failure.to_string());
        scene.advice = self.shell_advice().or_else(|| self.spawn_advice(failure));
        scene.source = Some(failure.error());
        scene.into_error(ErrorKind::Spawn)
    }

    /// The private directory cannot be made.
    pub(in crate::executor) fn no_directory(&self, failure: &Failure) -> Error {
        let mut scene = self.scene().reason(failure.to_string());
        let parent = self.config.parent_of_tmpdir();
        scene.advice = Some(format!("is there room in {}?", parent.display()));
        scene.source = Some(failure.error());
        scene.into_error(ErrorKind::Io)
    }

    /// The supervisor has not reported a process before the deadline.
    pub(in crate::executor) fn not_spawned_in_time(&self, deadline: Deadline) -> Error {
        let mut scene = self.scene().reason("the program was not running in time");
        scene.waited = Some(deadline.elapsed());
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    /// A start that failed, or a wait for something else.
    pub(in crate::executor) fn wait_failed(&self, run: &Run, failed: FailedWait) -> Error {
        let mut scene = self.scene_of(run);
        (scene.exit_code, scene.waited) = (failed.exit, Some(failed.deadline.elapsed()));
        let readiness = || self.check.describe(&run.context);
        scene.waited_for = Some(failed.awaited.map_or_else(readiness, str::to_owned));
        scene.last_check = failed.last_check;
        let survivors = failed.gone.iter().flat_map(|gone| &gone.survivors);
        let survivors: Vec<_> = survivors.cloned().collect();
        if !survivors.is_empty() {
            let survivors = listed(&survivors);
            scene
                .notes
                .push(format!("could not be killed: {survivors}"));
        }
        match failed.why {
            Why::Lost { swept } => self.lost(&swept),
            Why::Ended => {
                let awaited = failed.awaited;
                scene.headline = awaited.map(|_| "ended while it was waited for".to_owned());
                scene.advice = self.shell_advice();
                scene.into_error(ErrorKind::ProcessExitedWithError)
            }
            Why::Taken { holder } => {
                scene.headline = Some("was not ready: somebody else answers there".to_owned());
                scene.held_by = Some(holder);
                scene.advice = Some(advice::another_listener(&run.context));
                scene.into_error(ErrorKind::AlreadyRunning)
            }
            Why::Overdue { elsewhere } => {
                if failed.exit == Some(0) {
                    scene.notes.push(exit_note(failed.empty));
                }
                self.overdue(scene, run, &elsewhere)
            }
        }
    }

    fn overdue(&self, mut scene: Scene, run: &Run, elsewhere: &BTreeSet<u16>) -> Error {
        if elsewhere.is_empty() {
            let silent = scene.output.is_empty() && scene.err_output.is_empty();
            let captured = is_captured(run);
            let manner = self.check.manner(&run.context);
            let buffers = silent && captured && manner.on_output && manner.keeps_time;
            scene.advice = buffers.then(|| advice::UNBUFFER.to_owned());
            if silent && !buffers {
                scene.notes.push(nothing_said(captured).to_owned());
            }
        } else {
            let ports: Vec<_> = elsewhere.iter().map(u16::to_string).collect();
            let (found, asked) = (ports.join(", "), run.context.port());
            scene
                .notes
                .push(format!("it listens on port {found}, and not on {asked}"));
            scene.advice = Some("does the command contain `{port}`?".to_owned());
        }
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    /// The supervisor was killed from outside, and these processes of its tree were swept.
    pub(in crate::executor) fn lost(&self, swept: &[(u32, String)]) -> Error {
        let mut scene = self.scene().reason(
            "its supervisor was killed from outside, and the kernel killed the service with it",
        );
        if !swept.is_empty() {
            scene.notes.push(format!(
                "of the tree was left, and is killed now: {}",
                listed(swept)
            ));
        }
        scene.headline = Some("was lost".to_owned());
        scene.into_error(ErrorKind::Io)
    }

    pub(in crate::executor) fn survivors(&self, run: &Run, gone: &Gone) -> Error {
        let mut scene = self
            .scene_of(run)
            .reason(format!("still there: {}", listed(&gone.survivors)));
        scene.advice = Some(
            "a process in uninterruptible sleep, or of another user, cannot be killed from here"
                .to_owned(),
        );
        scene.into_error(ErrorKind::Survivors)
    }

    pub(in crate::executor) fn finished_with_error(&self, run: &Run, expected: &str) -> Error {
        let mut scene = self.scene_of(run);
        scene.notes.push(format!("expected was {expected}"));
        scene.advice =
            Some("if this code is right for it, say so with `expected_returncode`".to_owned());
        scene.into_error(ErrorKind::ProcessFinishedWithError)
    }

    /// A shared fixture whose start failed too often.
    pub(crate) fn not_tried_again(&self, failures: u32) -> Error {
        let mut scene = self.scene();
        scene.headline = Some(format!(
            "is not started again: that failed {failures} times"
        ));
        scene.advice = Some("the tests that came first were told why, each in full".to_owned());
        scene.into_error(ErrorKind::Io)
    }

    /// A lock on a shared fixture that the test does not get.
    pub(crate) fn not_locked(&self, why: &str, queue: Deadline) -> Error {
        let mut scene = self.scene().reason(why);
        scene.headline = Some("cannot be locked".to_owned());
        scene.waited = Some(queue.elapsed());
        scene.into_error(ErrorKind::Io)
    }

    /// What the latest start printed and how it ended, for a test that failed. `note` is added to it.
    #[cfg(feature = "macros")]
    pub(crate) fn story_of_the_test(
        &self,
        was_running: bool,
        note: Option<&str>,
    ) -> Option<String> {
        let run = self.run()?;
        let mut scene = with_run(Scene::new(self.command().as_ref()), &run);
        scene.headline = Some(format!("({})", self.title()));
        scene.ended = Some(if was_running {
            "stopped with the test"
        } else {
            "ended before the test did"
        });
        scene.notes.extend(note.map(str::to_owned));
        if scene.output.is_empty() && scene.err_output.is_empty() {
            scene.notes.push(nothing_said(is_captured(&run)).to_owned());
        }
        Some(scene.into_error(ErrorKind::Io).to_string())
    }

    /// The service does not run, so it cannot be `what`.
    pub(in crate::executor) fn not_running(&self, what: &str) -> Error {
        let mut scene = self.scene();
        scene.headline = Some(format!("cannot be {what}: it is not running"));
        scene.exit_code = self.exit_code();
        scene.into_error(ErrorKind::Io)
    }
}

fn is_captured(run: &Run) -> bool {
    let streams = [Stream::Stdout, Stream::Stderr];
    streams
        .iter()
        .any(|stream| run.context.captured_stream(*stream).is_some())
}

/// The note if there are no last lines.
fn nothing_said(captured: bool) -> &'static str {
    if captured {
        "it printed nothing"
    } else {
        "its output is not captured"
    }
}

/// Adds the end of the process, and the last lines that it printed.
fn with_run(mut scene: Scene, run: &Run) -> Scene {
    scene.pid = Some(run.pid);
    scene.output = tail(&run.context.output());
    scene.err_output = tail(&run.context.err_output());
    let (exit, lost) = run
        .link
        .look(|state| (state.exit_of(run.number), state.output_lost.clone()));
    scene.exit_code = exit;
    if let Some(failure) = lost {
        scene.notes.push(format!("output is missing: {failure}"));
    }
    scene
}

fn exit_note(empty: bool) -> String {
    let left = if empty {
        "nothing of its tree was left"
    } else {
        "others of its tree were still running"
    };
    format!("the exit with 0 is tolerated, as it may have daemonized; {left}")
}

fn tail(output: &Output) -> String {
    output.tail_so_far(TAIL_LINES)
}
