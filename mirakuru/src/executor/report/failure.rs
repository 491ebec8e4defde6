//! Describes why a start or a wait of an executor failed, as errors. `ending.rs` describes how a service ended,
//! `conflict.rs` conflicts over ports, and `advice.rs` what to do. No function here stops anything: the caller does,
//! before it asks for the error.

use std::io;

use super::advice;
use super::ending::{is_captured, nothing_said, with_parts};
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

/// How many of the first lines an error shows of a service that ended before it was ready: usage text often follows
/// the mistake.
const FIRST_LINES: usize = 3;

impl Core {
    /// The beginning of every error: the command, and the executor's name.
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

    /// The start ended because another executor failed that starts together with this one.
    pub(crate) fn called_off(&self) -> Error {
        let mut scene = self.scene();
        scene.headline = "was stopped, because another executor that starts with it failed".into();
        scene.is_aftermath = true;
        scene.into_error(ErrorKind::Io)
    }

    pub(crate) fn invalid(&self, mistake: String) -> Error {
        self.scene()
            .reason(mistake)
            .into_error(ErrorKind::InvalidConfig)
    }

    pub(crate) fn refused(&self, what: &str, error: io::Error) -> Error {
        let mut scene = self.scene().reason(format!("failed to {what}: {error}"));
        let kind = if error.kind() == io::ErrorKind::TimedOut {
            ErrorKind::TimeoutExpired
        } else {
            ErrorKind::Io
        };
        let advice = error.raw_os_error().and_then(sys::advice_for);
        scene.advice = advice.unwrap_or_default();
        scene.source = Some(error);
        scene.into_error(kind)
    }

    pub(crate) fn already_running(&self, context: &Context) -> Error {
        let mut scene = self.scene().reason(format!(
            "what it would wait for was there before the start: {}",
            self.check.describe(context)
        ));
        let port = Some(context.port_of(&self.check.target())).filter(|port| *port != 0);
        scene.held_by = port.and_then(sys::holder_of_port).unwrap_or_default();
        scene.advice = advice::what_is_there(context);
        scene.into_error(ErrorKind::AlreadyRunning)
    }

    pub(crate) fn no_answer_before_start(&self, context: &Context, deadline: Deadline) -> Error {
        let mut scene = self
            .scene()
            .reason("the check that nothing is there yet did not answer in time");
        scene.waited_for = self.check.describe(context);
        scene.waited(deadline);
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    pub(crate) fn not_spawned(&self, failure: &Failure, place: &Place) -> Error {
        let mut scene = self.scene().reason(failure.to_string());
        let advice = self
            .shell_advice()
            .or_else(|| self.spawn_advice(failure, place));
        scene.advice = advice.unwrap_or_default();
        scene.source = Some(failure.error());
        scene.into_error(ErrorKind::Spawn)
    }

    pub(crate) fn no_directory(&self, failure: &Failure) -> Error {
        let mut scene = self.scene().reason(failure.to_string());
        let parent = self.config.parent_of_tmpdir();
        scene.advice = format!("is there room in {}?", parent.display());
        scene.source = Some(failure.error());
        scene.into_error(ErrorKind::Io)
    }

    /// The supervisor has not reported a process before the deadline.
    pub(crate) fn not_spawned_in_time(&self, deadline: Deadline) -> Error {
        let mut scene = self.scene().reason("the program was not running in time");
        scene.waited(deadline);
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    /// A start that failed, or a wait for something else that was `awaited`. `gone` tells how the kill after
    /// it went, if there was one.
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
                    scene.headline = "ended while it was waited for".into();
                }
                scene.advice = self.shell_advice().unwrap_or_default();
                scene.into_error(ErrorKind::ProcessExitedWithError)
            }
            Why::Hopeless => {
                scene.headline = "cannot become ready".into();
                scene.into_error(ErrorKind::Io)
            }
            Why::Taken { holder } => {
                scene.headline = "was not ready: somebody else answers there".into();
                scene.held_by = holder;
                scene.advice = advice::another_listener(&run.context);
                scene.into_error(ErrorKind::AlreadyRunning)
            }
            Why::Overdue { elsewhere, prompts } => {
                if failed.exit == Some(0) {
                    let left = if failed.empty {
                        "nothing of its tree was left"
                    } else {
                        "others of its tree were still running"
                    };
                    scene.notes.push(format!(
                        "the exit with 0 is tolerated, as it may have daemonized; {left}"
                    ));
                }
                // A service that was ready before knows its ports.
                let elsewhere = elsewhere.filter(|it| awaited.is_none() || !it.found.is_empty());
                self.overdue(scene, run, elsewhere, prompts)
            }
        }
    }

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
                "" if silent => nothing_said(is_captured(run)).to_owned(),
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
                scene.notes.push(nothing_said(captured).to_owned());
            }
        }
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    /// The supervisor was killed from outside, and these processes of its tree were swept.
    pub(crate) fn lost(&self, swept: &[(u32, String)]) -> Error {
        let reason =
            "its supervisor was killed from outside, and the kernel killed the service with it";
        let mut scene = self.scene().reason(reason);
        if !swept.is_empty() {
            scene.notes.push(format!(
                "of the tree was left, and is killed now: {}",
                listed(swept)
            ));
        }
        scene.headline = "was lost".into();
        scene.into_error(ErrorKind::Io)
    }

    /// A shared fixture whose start failed too often.
    pub(crate) fn not_tried_again(&self, failures: &Failures) -> Error {
        let mut scene = self.scene().reason(&failures.why);
        scene.headline = format!("is not started again: that failed {} times", failures.count);
        scene.advice = "the tests that came first were reported why, each in full".into();
        scene.into_error(ErrorKind::Io)
    }

    /// A lock on a shared fixture that the test does not get.
    pub(crate) fn not_locked(&self, why: &str, queue: Deadline) -> Error {
        let mut scene = self.scene().reason(why);
        scene.headline = "cannot be locked".into();
        scene.waited(queue);
        scene.into_error(ErrorKind::Io)
    }
}
