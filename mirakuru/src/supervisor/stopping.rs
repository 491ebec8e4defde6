//! Stops a process tree step by step.
//!
//! A stop asks each process group once, insists with the kill signal, and then kills all that it finds, again and
//! again, until the kernel lists no process of the tree. Nothing here waits: the supervisor's loop calls again when an
//! event arrived or the next step is due.
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

/// The first interval at which a tree is inspected. The end of a process that is not our child does not wake the loop,
/// and its children must be asked then. Later intervals are longer, up to twenty times this one.
const LOOK: Duration = Duration::from_millis(5);
/// The interval between two kill passes. It is short, as the tree may fork faster than it dies.
const KILL_INTERVAL: Duration = Duration::from_micros(500);

/// The interval after the processes that live have been reported.
const LATER_INTERVAL: Duration = Duration::from_secs(1);

/// A stop that is under way.
pub(super) struct Stopping {
    plan: StopPlan,
    phase: Phase,
    begun: Instant,
    deadline: Instant,
    /// The process groups that the signal of this phase was sent to.
    asked: BTreeSet<Pid>,
    /// The time at which even the service's own supervisors are killed.
    supervisors_until: Option<Instant>,
    /// The kill signal has been sent.
    insisted: bool,
    kill_interval: Duration,
    gone: Gone,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A signal goes to each group whose parent has ended.
    Asking {
        signal: i32,
        /// The time is over, and the groups that had not been asked have been asked.
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
            supervisors_until: None,
            insisted: false,
            kill_interval: KILL_INTERVAL,
            gone: Gone::default(),
        };
        stopping.send(plan.signal, plan.patience, tree, now);
        stopping
    }

    /// Limits the time that the tree has before it is killed, as no process waits for the end.
    pub(super) fn hurry(&mut self, patience: Duration, now: Instant) {
        self.plan.patience = self.plan.patience.min(patience);
        self.plan.kill_signal = KILL;
        // A kill phase that is under way keeps its time: no other process will try again.
        if self.phase != Phase::Killing {
            self.deadline = self.deadline.min(now + patience);
        }
    }

    /// Merges another stop request into this one. Many services take a second signal as an order to abort. Therefore
    /// each signal goes to a group once, and the earlier deadline counts.
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

    /// Takes the next step if it is due. Returns the outcome when the stop has ended.
    pub(super) fn advance(&mut self, tree: &impl Stoppable, now: Instant) -> Option<Gone> {
        if tree.is_empty() {
            return Some(std::mem::take(&mut self.gone));
        }
        if let Phase::Asking { signal, late } = self.phase {
            // Asks the groups that a process left when it ended.
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

    /// Goes on killing after some processes have lived too long, at long intervals: no other process will try again.
    pub(super) fn persist(&mut self, now: Instant) {
        self.kill_interval = LATER_INTERVAL;
        self.deadline = now + KILL_BOUND;
    }

    /// Returns how long the loop may wait before it calls `advance` again.
    pub(super) fn next_look(&self, now: Instant) -> Duration {
        if self.phase == Phase::Killing {
            return self.kill_interval;
        }
        let look = (now.saturating_duration_since(self.begun) / 16).clamp(LOOK, LOOK * 20);
        self.deadline.saturating_duration_since(now).min(look)
    }

    fn end_phase(&mut self, signal: i32, late: bool, tree: &impl Stoppable, now: Instant) {
        if !late && tree.ask(signal, &mut self.asked, true) {
            // These groups have a living parent that did not ask them.
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

    /// Returns whether to wait for a supervisor in the service's own tree, which cleans up as this one does, within its
    /// own grace period.
    fn waits_for_supervisors(&mut self, tree: &impl Stoppable, now: Instant) -> bool {
        let has_any = || tree.living().iter().any(|(_, name)| name == SUPERVISOR);
        !tree.main_is_alive()
            && now < *self.supervisors_until.get_or_insert(now + GRACE * 2)
            && has_any()
    }

    /// Starts the phase that asks with this signal, or the kill phase.
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
