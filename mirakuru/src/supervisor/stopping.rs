//! Brings a tree down, step by step: asks each process group once, insists, and then kills all that is found, again
//! and again, until the kernel says that nothing is left. Nothing here waits; the supervisor's loop comes by again
//! when something happened or the next step is due.
//!
//! The stop signal, followed by `SIGCONT`, goes first to the group of the main process and to those of daemons, then to
//! each group whose parent has ended. At the end of the stop timeout, it goes to the groups that are left, which have
//! one more second. The kill signal follows in the same order, and then `SIGKILL` to every process that is found. A
//! process that lives after ten seconds of that is reported as a survivor.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::protocol::{GRACE, Gone, KILL_BOUND, SUPERVISOR, StopPlan};
use crate::sys::signals::KILL;
use crate::sys::{Pid, Stoppable};

/// How often a tree is looked at first: the end of a process that is no child of ours does not wake the loop, and its
/// children are to be asked then. Later looks are rarer, down to one in twenty times as long.
const LOOK: Duration = Duration::from_millis(5);
/// How often what was killed is looked for again; short, as it may fork faster than it dies.
const CHASE: Duration = Duration::from_micros(500);

/// A stop that is under way.
pub(super) struct Stopping {
    plan: StopPlan,
    phase: Phase,
    begun: Instant,
    deadline: Instant,
    /// The process groups that the signal of this phase was sent to.
    asked: BTreeSet<Pid>,
    /// When even supervisors of the service's own are killed.
    settled_by: Option<Instant>,
    /// The kill signal was sent.
    insisted: bool,
    gone: Gone,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A signal is sent to each group whose parent has ended.
    Asking {
        signal: i32,
        /// The time was over, and the groups that had not been asked were asked.
        late: bool,
    },
    Killing,
}

impl Stopping {
    /// Sends the first signal.
    pub(super) fn begin(plan: StopPlan, tree: &impl Stoppable, now: Instant) -> Self {
        let mut stopping = Self {
            plan,
            phase: Phase::Killing,
            begun: now,
            deadline: now,
            asked: BTreeSet::new(),
            settled_by: None,
            insisted: false,
            gone: Gone::default(),
        };
        stopping.send(plan.signal, plan.patience, tree, now);
        stopping
    }

    /// Gives the tree no longer than this before it is killed, as no process waits for the end.
    pub(super) fn hurry(&mut self, patience: Duration, now: Instant) {
        self.plan.patience = self.plan.patience.min(patience);
        self.plan.kill_signal = KILL;
        // A killing that is under way keeps its time: no other process tries again.
        if self.phase != Phase::Killing {
            self.deadline = self.deadline.min(now + patience);
        }
    }

    /// Meets another request for a stop: many services take a second signal as an order to abort, so each signal goes
    /// to a group once, and the earlier deadline counts.
    pub(super) fn join(&mut self, plan: StopPlan, tree: &impl Stoppable, now: Instant) {
        let Phase::Asking { signal, .. } = self.phase else {
            return;
        };
        if plan.signal == self.plan.signal || plan.signal == signal {
            self.deadline = self.deadline.min(now + plan.patience);
        } else {
            self.plan = plan;
            self.send(plan.signal, plan.patience, tree, now);
        }
    }

    /// Takes the next step if it is due; the outcome once there is one.
    pub(super) fn advance(&mut self, tree: &impl Stoppable, now: Instant) -> Option<Gone> {
        if tree.is_empty() {
            return Some(std::mem::take(&mut self.gone));
        }
        if let Phase::Asking { signal, late } = self.phase {
            // What a process left that has ended.
            tree.ask(signal, &mut self.asked, self.plan.whole_tree);
            if now >= self.deadline {
                self.end_phase(signal, late, tree, now);
            }
        }
        if self.phase == Phase::Killing {
            tree.kill_pass();
            if now >= self.deadline {
                self.gone.survivors = tree.living();
                return Some(std::mem::take(&mut self.gone));
            }
        }
        None
    }

    /// How long the loop may wait before it comes by again.
    pub(super) fn next_look(&self, now: Instant) -> Duration {
        if self.phase == Phase::Killing {
            return CHASE;
        }
        let look = (now.saturating_duration_since(self.begun) / 16).clamp(LOOK, LOOK * 20);
        self.deadline.saturating_duration_since(now).min(look)
    }

    fn end_phase(&mut self, signal: i32, late: bool, tree: &impl Stoppable, now: Instant) {
        if !late && tree.ask(signal, &mut self.asked, true) {
            // Their parents, which live, did not ask them.
            let late = true;
            self.phase = Phase::Asking { signal, late };
            self.deadline = now + self.plan.late();
        } else if self.waits_for_supervisors(tree, now) {
            self.deadline = now + LOOK;
        } else {
            self.gone.forced = true;
            let insisted = std::mem::replace(&mut self.insisted, true);
            let next = if insisted {
                KILL
            } else {
                self.plan.kill_signal
            };
            self.send(next, self.plan.kill_patience, tree, now);
        }
    }

    /// Returns whether a supervisor of the service's own cleans up as this one does, within its own grace.
    fn waits_for_supervisors(&mut self, tree: &impl Stoppable, now: Instant) -> bool {
        let has_any = || tree.living().iter().any(|(_, name)| name == SUPERVISOR);
        !tree.main_is_alive() && now < *self.settled_by.get_or_insert(now + GRACE * 2) && has_any()
    }

    /// Begins to ask by this signal, or to kill.
    fn send(&mut self, signal: i32, patience: Duration, tree: &impl Stoppable, now: Instant) {
        if signal == KILL {
            self.phase = Phase::Killing;
            self.deadline = now + KILL_BOUND;
        } else {
            let late = false;
            self.phase = Phase::Asking { signal, late };
            self.deadline = now + patience;
            self.asked.clear();
            tree.ask(signal, &mut self.asked, self.plan.whole_tree);
        }
    }
}

#[cfg(test)]
mod tests;
