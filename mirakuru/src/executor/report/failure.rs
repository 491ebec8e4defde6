//! Creates the errors of a failed start and of a failed wait. `ending.rs` creates those about the end of a service,
//! `conflict.rs` those about conflicts over ports, and `advice.rs` writes the advice. No function here stops a process:
//! the caller does that before it creates the error.

use std::io;

use super::advice;
use super::ending::{is_captured, no_output_note, with_parts};
use crate::command::Place;
use crate::error::{Error, ErrorKind, Scene};
use crate::executor::core::Core;
use crate::executor::elsewhere::Elsewhere;
use crate::executor::run::{Run, listed};
use crate::executor::wait::{FailedWait, Why};
use crate::output::Excerpt;
use crate::protocol::{Failure, Gone};
use crate::readiness::Context;
use crate::run::Failures;
use crate::sys;
use crate::wait::Deadline;

/// The number of first lines that an error shows if the service ended before it was ready. A program often prints its
/// mistake first, and a usage text after it.
const FIRST_LINES: usize = 3;

impl Core {
    /// Begins an error with the command and the name of the executor.
    pub(crate) fn scene(&self) -> Scene {
        let mut scene = Scene::new(self.command().as_ref());
        scene.name = self.given_name().map(str::to_owned);
        let fixture = self.state(|state| state.fixture_name());
        scene.notes.extend(match (self.given_name(), fixture) {
            (Some(name), Some(fixture)) => Some(format!(
                "this is {name:?} of the shared fixture {fixture:?}"
            )),
            (Some(name), None) => Some(format!("this is the executor named {name:?}")),
            (None, Some(fixture)) => Some(format!("this is the shared fixture {fixture:?}")),
            (None, None) => None,
        });
        scene
    }

    /// Returns the error for a start that ended because another executor of its group failed.
    pub(crate) fn called_off(&self) -> Error {
        let mut scene = self.scene();
        scene.headline =
            "was stopped, because another executor that starts together with it failed".into();
        scene.is_consequence = true;
        scene.into_error(ErrorKind::Io)
    }

    /// Returns the error for a mistake in the configuration.
    pub(crate) fn invalid(&self, mistake: String) -> Error {
        self.scene()
            .reason(mistake)
            .into_error(ErrorKind::InvalidConfig)
    }

    /// Returns the error for a mistake in a call, outside the configuration of a start. The headline states what is
    /// impossible.
    pub(crate) fn invalid_call(&self, headline: &'static str, mistake: &str) -> Error {
        let mut scene = self.scene().reason(mistake);
        scene.headline = headline.into();
        scene.into_error(ErrorKind::InvalidConfig)
    }

    /// Returns the error for an operation that the system or a server refused. `what` is the operation, as in "lease a
    /// port".
    pub(crate) fn refused(&self, what: &str, error: io::Error) -> Error {
        let mut scene = self.scene().reason(format!("failed to {what}: {error}"));
        let kind = if error.kind() == io::ErrorKind::TimedOut {
            scene.headline = "failed: the time limit was reached".into();
            ErrorKind::TimeoutExpired
        } else {
            ErrorKind::Io
        };
        let advice = error.raw_os_error().and_then(sys::advice_for);
        scene.advice = advice.unwrap_or_default();
        scene.source = Some(error);
        scene.into_error(kind)
    }

    /// Returns the error for a check that passed before the spawn.
    pub(crate) fn already_running(&self, context: &Context) -> Error {
        let mut scene = self.scene().reason(format!(
            "another process made it pass; the check waits for {}",
            self.check.describe(context)
        ));
        let port = Some(context.port_of(&self.check.target())).filter(|port| *port != 0);
        scene.held_by = port.and_then(sys::holder_of_port).unwrap_or_default();
        scene.advice = advice::already_there(context);
        scene.into_error(ErrorKind::AlreadyRunning)
    }

    /// Returns the error for a check that did not answer before the spawn.
    pub(crate) fn no_answer_before_start(&self, context: &Context, deadline: Deadline) -> Error {
        let reason = "the check runs once before the start, to find a service that runs already";
        let mut scene = self.scene().reason(reason);
        scene.headline = "was not started: its readiness check did not return in time".into();
        scene.waited_for = self.check.describe(context);
        scene.waited(deadline);
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    /// Returns the error for a failed spawn.
    pub(crate) fn not_spawned(&self, failure: &Failure, place: &Place) -> Error {
        let mut scene = self.scene().reason(failure.to_string());
        let advice = self
            .shell_advice()
            .or_else(|| self.spawn_advice(failure, place));
        scene.advice = advice.unwrap_or_default();
        scene.source = Some(failure.error());
        scene.into_error(ErrorKind::Spawn)
    }

    /// Returns the error for a private directory that could not be created.
    pub(crate) fn no_directory(&self, failure: &Failure) -> Error {
        let mut scene = self.scene().reason(failure.to_string());
        let parent = self.config.parent_of_tmpdir();
        scene.advice = format!("is there room in {}?", parent.display());
        scene.source = Some(failure.error());
        scene.into_error(ErrorKind::Io)
    }

    /// Returns the error for a supervisor that has not reported a process before the deadline.
    pub(crate) fn not_spawned_in_time(&self, deadline: Deadline) -> Error {
        let mut scene = self.scene().reason("the program was not running in time");
        scene.waited(deadline);
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    /// Returns the error for a failed start, or for a failed wait for another condition, which `awaited` describes.
    /// `gone` is the result of the kill that followed, if there was one.
    pub(in crate::executor) fn wait_failed(
        &self,
        run: &Run,
        failed: FailedWait,
        awaited: Option<&str>,
        gone: Option<Gone>,
    ) -> Error {
        let first = match failed.why {
            Why::Ended => FIRST_LINES,
            _ => 0,
        };
        let parts = failed.printed.map(|until| Excerpt {
            from: 0,
            until,
            first,
        });
        let mut scene = with_parts(self.scene(), run, parts);
        scene.exit_code = failed.exit;
        scene.waited(failed.deadline);
        let readiness = || self.check.describe(&run.context);
        scene.waited_for = awaited.map_or_else(readiness, str::to_owned);
        scene.last_check = failed.last_check.unwrap_or_default();
        if let Some(gone) = gone.filter(|gone| !gone.survivors.is_empty()) {
            let survivors = listed(&gone.survivors);
            scene
                .notes
                .push(format!("could not be killed: {survivors}"));
        }
        match failed.why {
            Why::Lost => self.lost(run.link.swept()),
            Why::CalledOff => self.called_off(),
            Why::Ended => {
                if awaited.is_some() {
                    scene.headline = "ended during the wait".into();
                }
                scene.advice = self.shell_advice().unwrap_or_default();
                scene.into_error(ErrorKind::ProcessExitedWithError)
            }
            Why::Hopeless => {
                scene.headline = "cannot become ready".into();
                scene.into_error(ErrorKind::Io)
            }
            Why::Taken { holder } => {
                scene.headline = "was not ready: another process answers at its address".into();
                scene.held_by = holder;
                scene.advice = advice::another_listener(&run.context);
                scene.into_error(ErrorKind::AlreadyRunning)
            }
            Why::Overdue { elsewhere, prompts } => {
                if awaited.is_some() {
                    scene.headline = "timed out".into();
                }
                if failed.exit == Some(0) {
                    let left = if failed.empty {
                        "no process of its tree was left"
                    } else {
                        "other processes of its tree were still running"
                    };
                    scene.notes.push(format!(
                        "exit code 0 alone is not a failure, as the service may have daemonized; {left}"
                    ));
                }
                // In a wait after the start, a question about the ports does not help: the service was ready before, so it
                // knows its ports.
                let elsewhere = elsewhere.filter(|it| awaited.is_none() || !it.found.is_empty());
                self.overdue(scene, run, elsewhere, prompts)
            }
        }
    }

    /// Returns the error for a wait that reached its deadline.
    fn overdue(
        &self,
        mut scene: Scene,
        run: &Run,
        elsewhere: Option<Elsewhere>,
        prompts: bool,
    ) -> Error {
        let silent = scene.is_silent();
        if let Some(elsewhere) = elsewhere {
            let found = match &*elsewhere.found {
                "" if silent => no_output_note(is_captured(run)).to_owned(),
                _ => elsewhere.found,
            };
            scene
                .notes
                .extend(Some(found).filter(|found| !found.is_empty()));
            scene.advice = elsewhere.advice;
        } else {
            let captured = is_captured(run);
            let manner = self.check.manner(&run.context);
            if prompts {
                scene.advice = advice::PROMPTS.into();
            } else if silent && captured && manner.on_output && manner.keeps_time {
                scene.advice = advice::UNBUFFER.into();
            }
            if silent && scene.advice != advice::UNBUFFER {
                scene.notes.push(no_output_note(captured).to_owned());
            }
        }
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    /// Returns the error for a supervisor that was killed from outside. `swept` lists the processes that its service
    /// left, and that are killed now.
    pub(crate) fn lost(&self, swept: &[(u32, String)]) -> Error {
        let mut scene = self
            .scene()
            .reason("its supervisor was killed from outside");
        if !swept.is_empty() {
            scene.notes.push(format!(
                "left by the service, and killed now: {}",
                listed(swept)
            ));
        }
        scene.headline = "was lost".into();
        scene.into_error(ErrorKind::Io)
    }

    /// Returns the error for a shared fixture whose start failed too often.
    pub(crate) fn not_tried_again(&self, failures: &Failures) -> Error {
        let mut scene = self.scene().reason(&failures.why);
        scene.headline = format!(
            "was not started again: {} earlier starts failed",
            failures.count
        );
        scene.advice = "see the tests that failed first for the full errors".into();
        scene.into_error(ErrorKind::Io)
    }

    /// Returns the error for a lock on a shared fixture that the test could not get.
    pub(crate) fn not_locked(&self, why: &str, queue: Deadline) -> Error {
        let mut scene = self.scene().reason(why);
        scene.headline = "cannot be locked".into();
        scene.waited(queue);
        scene.into_error(ErrorKind::Io)
    }
}
