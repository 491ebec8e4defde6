//! What an executor's errors tell of its process: every such scene is put together here. Those of its port
//! stand in `conflict.rs`, and what to do about them in `advice.rs`.

use std::any::Any;
use std::collections::BTreeSet;
use std::io;

use super::advice::{self, advice_for};
use crate::error::{Error, ErrorKind, Scene};
use crate::executor::Executor;
use crate::executor::run::{Run, listed};
use crate::link::Link;
use crate::output::{Output, TAIL_LINES};
use crate::protocol::{Failure, GRACE, Gone, StopPlan, Stream};
use crate::readiness::{Context, Readiness};
use crate::sys;
use crate::wait::Deadline;

/// Why a wait ended without its wish.
pub(in crate::executor) enum Unready {
    /// The process ended before.
    Ended {
        last_check: Option<String>,
    },
    Overdue {
        last_check: Option<String>,
        /// The ports that it listens on, where it was awaited on another.
        elsewhere: BTreeSet<u16>,
    },
    /// Somebody else has the place that it was to have.
    Taken {
        holder: String,
    },
    /// Somebody killed the supervisor.
    Lost,
    Refused(io::Error),
    Panicked(Box<dyn Any + Send>),
}

/// A wait without its wish, and what became of the process.
pub(in crate::executor) struct InVain<'a> {
    pub(in crate::executor) run: &'a Run,
    /// What was awaited, where it was not its readiness.
    pub(in crate::executor) awaited: Option<&'a str>,
    pub(in crate::executor) deadline: Deadline,
    /// How its main process had ended before it was killed for that.
    pub(in crate::executor) exit: Option<i32>,
    /// Nothing of its tree was left then.
    pub(in crate::executor) empty: bool,
    /// How the kill went, where there was one.
    pub(in crate::executor) gone: Option<Gone>,
}

impl<'a> InVain<'a> {
    /// Before anything is killed for it.
    pub(in crate::executor) fn new(
        run: &'a Run,
        awaited: Option<&'a str>,
        deadline: Deadline,
    ) -> Self {
        let (exit, empty) = run.link.look(|state| (state.exit, state.empty));
        Self {
            run,
            awaited,
            deadline,
            exit,
            empty,
            gone: None,
        }
    }
}

impl<R: Readiness> Executor<R> {
    /// The beginning of every story: the command, and what was printed if anything was.
    pub(in crate::executor) fn scene(&self) -> Scene {
        let mut scene = Scene::new(self.command());
        let named = self.config.name.as_ref();
        let named = named
            .map(|name| format!("this is the executor named {name:?}"))
            .or_else(|| {
                self.session
                    .fixture_name()
                    .map(|name| format!("this is the shared fixture {name:?}"))
            });
        scene.notes.extend(named);
        scene
    }

    /// What was written cannot be right.
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
            self.readiness.describe(context)
        ));
        scene.held_by = Some(context.port())
            .filter(|port| *port != 0)
            .and_then(sys::holder_of_port);
        scene.advice = Some(advice::what_is_there(context));
        scene.into_error(ErrorKind::AlreadyRunning)
    }

    pub(in crate::executor) fn overdue_before_start(
        &self,
        context: &Context,
        deadline: Deadline,
    ) -> Error {
        let mut scene = self
            .scene()
            .reason("the check that nothing is there yet did not answer in time");
        scene.waited_for = Some(self.readiness.describe(context));
        scene.waited = Some(deadline.elapsed());
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    pub(in crate::executor) fn not_spawned(&self, failure: &Failure) -> Error {
        let mut scene = self.scene().reason(failure.to_string());
        scene.advice = self.shell_advice().or_else(|| self.spawn_advice(failure));
        scene.source = Some(failure.error());
        scene.into_error(ErrorKind::Spawn)
    }

    /// The supervisor has not said that the service runs: it hangs, or is gone.
    pub(in crate::executor) fn no_answer_to_launch(
        &self,
        link: &Link,
        deadline: Deadline,
    ) -> Error {
        // A supervisor that was killed is seen before the deadline; at the deadline it is one that
        // does not answer, which is given up.
        if !deadline.has_passed() && link.look(|state| state.lost) {
            return self.lost(link);
        }
        link.stop_within(StopPlan::ABRUPT, None, GRACE);
        let mut scene = self.scene().reason("the program was not running in time");
        scene.waited = Some(deadline.elapsed());
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    /// The story of a start that failed, or of the wait for something else.
    pub(in crate::executor) fn unready(&self, unready: Unready, wait: &InVain<'_>) -> Error {
        let mut scene = self.scene_of(wait.run);
        (scene.exit_code, scene.waited) = (wait.exit, Some(wait.deadline.elapsed()));
        let readiness = || self.readiness.describe(&wait.run.context);
        scene.waited_for = Some(wait.awaited.map_or_else(readiness, str::to_owned));
        let survivors = wait.gone.as_ref().map(|gone| gone.survivors.as_slice());
        if let Some(survivors) = survivors.filter(|survivors| !survivors.is_empty()) {
            scene
                .notes
                .push(format!("could not be killed: {}", listed(survivors)));
        }
        match unready {
            Unready::Panicked(panic) => std::panic::resume_unwind(panic),
            Unready::Lost => self.lost(&wait.run.link),
            Unready::Refused(error) => self.refused("start a thread", error),
            Unready::Ended { last_check } => {
                scene.headline = wait
                    .awaited
                    .map(|_| "ended while it was waited for".to_owned());
                scene.last_check = last_check;
                scene.advice = self.shell_advice();
                scene.into_error(ErrorKind::ProcessExitedWithError)
            }
            Unready::Taken { holder } => {
                scene.headline = Some("was not ready: somebody else answers there".to_owned());
                scene.held_by = Some(holder);
                scene.advice = Some(advice::another_listener(&wait.run.context));
                scene.into_error(ErrorKind::AlreadyRunning)
            }
            Unready::Overdue {
                last_check,
                elsewhere,
            } => {
                scene.last_check = last_check;
                self.overdue(scene, wait, &elsewhere)
            }
        }
    }

    fn overdue(&self, mut scene: Scene, wait: &InVain<'_>, elsewhere: &BTreeSet<u16>) -> Error {
        if wait.exit == Some(0) {
            scene.notes.push(exit_note(wait.empty));
        }
        if elsewhere.is_empty() {
            let silent = scene.output.is_empty() && scene.err_output.is_empty();
            let captured = is_captured(wait.run);
            let manner = self.readiness.manner(&wait.run.context);
            let buffers = silent && captured && manner.on_output && manner.keeps_time;
            scene.advice = buffers.then(|| advice::UNBUFFER.to_owned());
            if silent && !buffers {
                scene.notes.push(nothing_said(captured).to_owned());
            }
        } else {
            let ports: Vec<_> = elsewhere.iter().map(u16::to_string).collect();
            let (found, asked) = (ports.join(", "), wait.run.context.port());
            scene
                .notes
                .push(format!("it listens on port {found}, and not on {asked}"));
            scene.advice = Some("does the command contain `{port}`?".to_owned());
        }
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    /// The supervisor was killed from outside.
    pub(in crate::executor) fn lost(&self, link: &Link) -> Error {
        let swept = link.swept();
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

    /// A shared fixture that is not started any more.
    pub(crate) fn not_tried_again(&self, failures: u32) -> Error {
        let mut scene = self.scene();
        scene.headline = Some(format!(
            "is not started again: that failed {failures} times"
        ));
        scene.advice = Some("the tests that came first were told why, each in full".to_owned());
        scene.into_error(ErrorKind::Io)
    }

    /// A lock on a shared fixture that cannot be had.
    pub(crate) fn not_locked(&self, why: &str, queue: Deadline) -> Error {
        let mut scene = self.scene().reason(why);
        scene.headline = Some("cannot be locked".to_owned());
        scene.waited = Some(queue.elapsed());
        scene.into_error(ErrorKind::Io)
    }

    /// The test that it is for failed.
    #[cfg(feature = "macros")]
    pub(crate) fn keep_after_failure(&self) {
        if let Some(run) = self.up() {
            run.keep_after_failure();
        }
    }

    /// What the latest start printed and how it ended, for a test that failed; and what else there is to
    /// say of it.
    #[cfg(feature = "macros")]
    pub(crate) fn story_of_the_test(
        &self,
        was_running: bool,
        note: Option<&str>,
    ) -> Option<String> {
        let run = self.run()?;
        let mut scene = with_run(Scene::new(self.command()), &run);
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

    /// `what` cannot be done to it.
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

/// In place of the last lines.
fn nothing_said(captured: bool) -> &'static str {
    if captured {
        "it printed nothing"
    } else {
        "its output is not captured"
    }
}

/// Adds what became of the process, and what it printed.
fn with_run(mut scene: Scene, run: &Run) -> Scene {
    scene.pid = Some(run.pid);
    scene.output = tail(&run.context.output());
    scene.err_output = tail(&run.context.err_output());
    let (exit, lost) = run
        .link
        .look(|state| (state.exit, state.output_lost.clone()));
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
    output.tail(TAIL_LINES)
}
