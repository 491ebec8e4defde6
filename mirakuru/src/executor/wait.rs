//! The wait loop. It waits for readiness after a spawn, and for a condition that the user gives (`condition.rs`).
//! Each round asks the check, and then sleeps until the next event or the next poll.

use std::cell::OnceCell;
use std::time::Duration;

use super::core::Core;
use super::elsewhere::Elsewhere;
use super::run::{Printed, Run};
use super::together::is_called_off;
use crate::error::{Result, seconds};
use crate::events::Step;
use crate::link::State;
use crate::output::Output;
use crate::protocol::Stream;
use crate::readiness::probe::{Answer, Probe, Question};
use crate::readiness::{NotReady, Origin, Readiness};
use crate::sys;
use crate::wait::{Deadline, Pace};

/// The age at which a start, or a queue before it, is reported as slow.
pub(super) const SLOW: Duration = Duration::from_secs(5);

/// How long a start continues after the failure of another start that began together with it. A start that fails in
/// this time too may have its own fault, and the error then shows it.
pub(super) const AFTERMATH: Duration = Duration::from_millis(500);

impl Core {
    /// Waits for readiness. The caller brings the tree down if the wait fails.
    pub(super) fn await_ready(
        &self,
        run: &Run,
        probe: &Probe,
        deadline: Deadline,
    ) -> Result<(), Box<FailedWait>> {
        let context = &run.context;
        let manner = self.check.manner(context);
        // An exit with 0 is tolerated as long as another process can make the check pass: the service may have
        // daemonized.
        let died = |state: &State, origin| {
            let is_over = match origin {
                Origin::Outside => false,
                Origin::Tree => state.empty,
                Origin::Nowhere => true,
            };
            state.exit.filter(|code| *code != 0 || is_over)
        };
        let failed = |state: &State| died(state, Origin::Outside).is_some();
        let cannot_come = || run.link.current(|state| state.lost || failed(state));
        // The spawn alone makes the first question of such a check pass, even if the process has ended since.
        let mut at_spawn = manner.at_spawn;
        let mut next_note = SLOW;
        // The service may ask for more time.
        let extended = || run.link.cached(|state| state.extended);
        let own_bound = || extended().map_or(deadline, |extended| deadline.later(extended));
        let called_off = OnceCell::new();
        let bound = || {
            let end = is_called_off().then(|| Deadline::after(AFTERMATH));
            let end = end.map(|end| *called_off.get_or_init(|| end));
            end.map_or_else(own_bound, |end| own_bound().earlier(end))
        };
        let is_pointless = || cannot_come() || bound().has_passed();
        let mut ask = || {
            if let Some(path) = &manner.on_path {
                run.link.watch_path(path);
            }
            let at_spawn = std::mem::take(&mut at_spawn);
            let answer = probe.ask(Question::AfterStart, context, bound(), &is_pointless);
            match answer {
                // The exit code decides, and the supervisor is about to report it.
                Some(Ok(())) if !at_spawn && run.has_just_ended() => {
                    let ended = "the check passed, and the process has ended";
                    Some(Err(NotReady::new(ended)))
                }
                Some(Ok(())) if !at_spawn && cannot_come() => {
                    let another = "the check passed, but another process made it pass";
                    Some(Err(NotReady::new(another)))
                }
                Some(Ok(())) if context.has_lost_listener() => {
                    let ended = "the process that listened has ended";
                    Some(Err(NotReady::new(ended)))
                }
                Some(Err(why)) => {
                    self.emit_if_slow(run, &mut next_note, deadline.elapsed(), &why);
                    Some(Err(why))
                }
                answer => answer,
            }
        };
        let origin = || self.check.origin(context);
        let ended = Ended {
            origin: &origin,
            code: &died,
        };
        let ready = self.wait_until(run, &bound, manner.on_output, &ended, &mut ask);
        if manner.on_path.is_some() {
            run.link.forget_path();
        }
        ready.map_err(|mut failed| {
            let is_overdue = matches!(failed.why, Why::Overdue { .. });
            if is_overdue && called_off.get().is_some() && !own_bound().has_passed() {
                failed.why = Why::CalledOff;
            }
            failed
        })
    }

    /// Returns whether a process of the tree may prompt: it reads its standard input, which is open by default, or
    /// has printed an incomplete line.
    fn prompts(&self, run: &Run) -> bool {
        let tree = run.context.tree();
        let waits = || tree.is_some_and(|(_, supervisor)| sys::waits_for_input(supervisor));
        let begins_line = |stream| {
            let capture = run.context.captured_stream(stream);
            capture.is_some_and(|capture| capture.is_within_a_line())
        };
        self.config.shape.streams.stdin.is_held()
            && (waits() || begins_line(Stream::Stdout) || begins_line(Stream::Stderr))
    }

    /// Emits why a start takes long: at the age of [`SLOW`], and again each time that the age has doubled.
    fn emit_if_slow(&self, run: &Run, next_note: &mut Duration, elapsed: Duration, why: &NotReady) {
        if elapsed < *next_note {
            return;
        }
        *next_note = elapsed * 2;
        let last_line = |output: Output| Some(output.tail(1)).filter(|line| !line.is_empty());
        let last_line =
            last_line(run.context.output()).or_else(|| last_line(run.context.err_output()));
        let printed = last_line.map_or_else(
            || "printed nothing".to_owned(),
            |line| format!("printed last: {line}"),
        );
        let (age, awaited) = (seconds(elapsed), self.check.describe(&run.context));
        run.emit(Step {
            elapsed: Some(elapsed),
            always_shown: true,
            ..Step::info(format!(
                "is not ready after {age}: waits for {awaited}; last check: {why}; {printed}"
            ))
        });
    }

    /// Waits until the check passes, or can no longer pass. Each round looks up whether the service has ended, asks the
    /// check, and sleeps until news arrives or the next poll is due. Because the lookup comes first, the check is asked
    /// once more after the end.
    pub(super) fn wait_until(
        &self,
        run: &Run,
        bound: &dyn Fn() -> Deadline,
        on_output: bool,
        ended: &Ended,
        ask: &mut dyn FnMut() -> Answer,
    ) -> Result<(), Box<FailedWait>> {
        let link = &run.link;
        let mut last_check = None;
        let mut pace = Pace::new(self.config.poll_interval);
        // The check is asked for its origin only after an exit, because a check may have to look the answer up.
        let origin = || match link.cached(|state| state.exit) {
            Some(_) => (ended.origin)(),
            None => Origin::Outside,
        };
        let why = loop {
            let possible = origin();
            // The previous wait has applied all messages that had arrived.
            let (end, news) = link.cached(|state| ((ended.code)(state, possible), News::of(state)));
            if on_output {
                watch_output(run);
            }
            // Near the deadline a check fails for lack of time. The earlier reason is then more useful.
            let hurried = bound().remaining() < Pace::LONGEST * 4;
            match ask() {
                Some(Ok(())) => return Ok(()),
                Some(Err(NotReady {
                    holder: Some(holder),
                    ..
                })) => {
                    last_check = None;
                    break Why::Taken { holder };
                }
                Some(Err(why)) if why.hopeless => {
                    last_check = Some(why.reason);
                    break Why::Hopeless;
                }
                Some(Err(_)) if hurried && last_check.is_some() => {}
                Some(Err(why)) => last_check = Some(why.reason),
                None => {
                    last_check.get_or_insert("the check did not answer in time".to_owned());
                }
            }
            // After the loss of the supervisor no later check can pass.
            if link.cached(|state| state.lost) {
                break Why::Lost;
            }
            // One part of the check may have passed now. The wait is then over if the other part cannot pass.
            let possible = origin();
            let is_over = |state: &State| (ended.code)(state, possible).is_some();
            if end.is_some() && link.cached(is_over) {
                break Why::Ended;
            }
            if bound().has_passed() {
                // Both are looked up before the tree is killed.
                let elsewhere = self.listens_elsewhere(run);
                let prompts = self.prompts(run);
                break Why::Overdue { elsewhere, prompts };
            }
            let next_look = Deadline::after(pace.interval());
            let path_changed = loop {
                // The bound may move closer during the wait.
                let slice = bound().or_sooner(next_look.remaining().min(Pace::LONGEST));
                let path_changed = link.wait(slice, |state| {
                    let is_new = is_over(state) || News::of(state) != news;
                    is_new.then_some(news.has_older_path(state))
                });
                let is_over = next_look.has_passed() || bound().has_passed();
                // A lost supervisor sends no news, and the wait for them returns at once.
                if path_changed.is_some() || is_over || link.cached(|state| state.lost) {
                    break path_changed;
                }
            };
            if let Some(true) = path_changed {
                pace.begin_again();
            }
        };
        let printed = match &why {
            Why::Overdue { .. } => run.printed(),
            _ => [u64::MAX; 3],
        };
        let (exit, empty) = link.current(|state| (state.exit_of(run.number), state.empty));
        Err(Box::new(FailedWait {
            why,
            deadline: bound(),
            last_check,
            exit,
            empty,
            printed,
        }))
    }
}

/// A wait that failed, and the process as it was before anything was killed.
pub(super) struct FailedWait {
    pub(super) why: Why,
    pub(super) deadline: Deadline,
    pub(super) last_check: Option<String>,
    /// The exit code of the main process, if it had ended.
    pub(super) exit: Option<i32>,
    /// Whether no process of the tree was left.
    pub(super) empty: bool,
    /// How much the service had printed before it was stopped.
    pub(super) printed: Printed,
}

/// The reason why a wait failed.
pub(super) enum Why {
    /// The process ended.
    Ended,
    /// The deadline passed.
    Overdue {
        elsewhere: Option<Elsewhere>,
        /// Whether the service may have asked for an answer at its standard input.
        prompts: bool,
    },
    /// Another process answers at the port or socket of the service.
    Taken { holder: String },
    /// The check reported that it can never pass.
    Hopeless,
    /// The supervisor was killed from outside.
    Lost,
    /// Another executor that starts together with this one failed.
    CalledOff,
}

/// The rules by which the end of a process ends a wait.
pub(super) struct Ended<'a> {
    /// Returns which processes can still make the check pass.
    pub(super) origin: &'a dyn Fn() -> Origin,
    /// Returns the exit code, if the wait is over because of it.
    pub(super) code: &'a dyn Fn(&State, Origin) -> Option<i32>,
}

/// The counters of the events after which a check may pass, or can no longer pass.
#[derive(Clone, Copy, PartialEq, Eq)]
struct News {
    output: [u64; 2],
    path: u64,
    notices: u64,
    exited: bool,
    closed: [bool; 2],
}

impl News {
    fn of(state: &State) -> Self {
        Self {
            output: [Stream::Stdout, Stream::Stderr].map(|stream| state.output_news(stream)),
            path: state.path_news,
            notices: state.notices,
            exited: state.exit.is_some(),
            closed: state.output_closed,
        }
    }

    /// Returns whether a path has changed since. Then the pause between two looks begins again at its shortest.
    fn has_older_path(&self, state: &State) -> bool {
        state.path_news != self.path
    }
}

/// Watches for more output. The caller asks the check afterwards, so output that is printed meanwhile counts as news.
fn watch_output(run: &Run) {
    for stream in [Stream::Stdout, Stream::Stderr] {
        if let Some(capture) = run.context.captured_stream(stream) {
            run.link.watch_output(stream, capture.len());
        }
    }
}
