//! From spawned to ready, dead or overdue: the one loop that waits.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Executor;
use super::report::Unready;
use super::run::Run;
use crate::events::Step;
use crate::link::State;
use crate::output::Output;
use crate::protocol::Stream;
use crate::readiness::probe::{Answer, Probe, Question};
use crate::readiness::{NotReady, Readiness};
use crate::sys;
use crate::wait::{Deadline, Pace};

/// When a start, or the queue before it, begins to be slow.
pub(super) const SLOW: Duration = Duration::from_secs(5);

impl<R: Readiness> Executor<R> {
    pub(super) fn await_ready(&self, run: &Run, deadline: Deadline) -> Result<(), Unready> {
        let context = &run.context;
        let manner = self.readiness.manner(context);
        let probe = Probe::new(&self.readiness, context).map_err(Unready::Refused)?;
        // An exit with 0 is tolerated: it may have daemonized.
        let died = |state: &State| state.exit.filter(|code| *code != 0);
        let in_vain = || run.link.look(|state| state.lost || died(state).is_some());
        // The first look comes with the spawn, when nothing can have ended; not so where the answer
        // may take its time.
        let mut at_spawn = matches!(probe, Probe::Here(_));
        let mut next_note = SLOW;
        let ask = || {
            let at_spawn = std::mem::take(&mut at_spawn);
            if let Some(path) = &manner.on_path {
                run.link.watch_path(path);
            }
            let answer = probe.ask(Question::AfterStart, context, deadline, in_vain);
            if let Answer::NotReady(why) = &answer {
                self.tell_if_slow(run, &mut next_note, deadline.elapsed(), why);
            }
            match answer {
                // What answered is somebody else.
                Answer::Ready if !at_spawn && in_vain() => {
                    Answer::NotReady(NotReady::new("the check passed, but not by this process"))
                }
                answer => answer,
            }
        };
        let ready = self.wait_until(run, deadline, manner.on_output, died, ask);
        if manner.on_path.is_some() {
            run.link.forget_path();
        }
        ready
    }

    /// A start that takes long says why: now, and each time that it has taken twice as long.
    fn tell_if_slow(&self, run: &Run, next_note: &mut Duration, elapsed: Duration, why: &NotReady) {
        if elapsed < *next_note {
            return;
        }
        *next_note = elapsed * 2;
        let last_line = |output: Output| Some(output.tail(1)).filter(|line| !line.is_empty());
        run.tell(&Step::StillWaits {
            elapsed,
            awaited: self.readiness.describe(&run.context),
            last_check: &why.to_string(),
            last_line: last_line(run.context.output())
                .or_else(|| last_line(run.context.err_output())),
        });
    }

    /// The one loop: look whether it ended, ask, and wait for news or the next look. An end is
    /// noticed before the asking, so that the asking after it is the last.
    pub(super) fn wait_until(
        &self,
        run: &Run,
        deadline: Deadline,
        on_output: bool,
        ended: impl Fn(&State) -> Option<i32>,
        mut ask: impl FnMut() -> Answer,
    ) -> Result<(), Unready> {
        let link = &run.link;
        let mut pace = Pace::new(self.config.poll_interval);
        let mut last_check = None;
        loop {
            // The wait has just taken in what had arrived.
            let before = link.known(|state| (ended(state), News::of(state)));
            if on_output {
                watch_output(run);
            }
            // What is asked when hardly any time is left fails for want of time: what failed before
            // says more.
            let hurried = deadline.remaining() < Pace::LONGEST * 4;
            let failed = match ask() {
                Answer::Ready => return Ok(()),
                Answer::NotReady(why) if !hurried => Some(why.to_string()),
                Answer::NotReady(why) => last_check.take().or(Some(why.to_string())),
                Answer::Overdue => last_check
                    .take()
                    .or_else(|| Some("the check did not answer in time".to_owned())),
                Answer::Taken(holder) => return Err(Unready::Taken { holder }),
                Answer::Panicked(panic) => return Err(Unready::Panicked(panic)),
            };
            last_check = failed;
            if link.known(|state| state.lost) {
                return Err(Unready::Lost);
            }
            if before.0.is_some() {
                return Err(Unready::Ended { last_check });
            }
            if deadline.has_passed() {
                // Before it is killed.
                let elsewhere = ports_elsewhere(run);
                return Err(Unready::Overdue {
                    last_check,
                    elsewhere,
                });
            }
            let next_look = deadline.or_sooner(pace.interval());
            let woken = link.wait(next_look, |state| {
                (ended(state).is_some() || News::of(state) != before.1)
                    .then_some(state.path_news != before.1.path)
            });
            if woken == Some(true) {
                pace.begin_again();
            }
        }
    }
}

/// What may make a check come true, counted.
#[derive(Clone, Copy, PartialEq, Eq)]
struct News {
    output: [u64; 2],
    path: u64,
    exited: bool,
}

impl News {
    fn of(state: &State) -> Self {
        Self {
            output: [Stream::Stdout, Stream::Stderr].map(|stream| state.output_news(stream)),
            path: state.path_news,
            exited: state.exit.is_some(),
        }
    }
}

/// Where the tree listens, if not where it is asked.
fn ports_elsewhere(run: &Run) -> BTreeSet<u16> {
    let asked = run.context.port();
    let tree = run.context.tree().filter(|_| asked != 0);
    let found = tree.map(|(_, supervisor)| sys::listening(supervisor));
    found
        .filter(|ports| !ports.contains(&asked))
        .unwrap_or_default()
}

/// Before the look, so that what is printed during it is news.
fn watch_output(run: &Run) {
    for stream in [Stream::Stdout, Stream::Stderr] {
        if let Some(capture) = run.context.captured_stream(stream) {
            run.link.watch_output(stream, capture.len());
        }
    }
}
