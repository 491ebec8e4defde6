//! Bringing a tree down, step by step: ask, insist, kill until the kernel says that nothing is
//! left. Nothing here waits; the supervisor's loop comes by again when something happened or the
//! next step is due.

use std::time::{Duration, Instant};

use crate::protocol::{GRACE, Gone, KILL_BOUND, SUPERVISOR, StopPlan};
use crate::sys::Stoppable;
use crate::sys::signals::{CONT, KILL};

/// How often a tree is looked at whose end wakes nobody: members of the service's group that are
/// not our children yet.
const LOOK: Duration = Duration::from_millis(5);
/// How long what left the service's group may take to follow it by itself.
const SETTLE: Duration = Duration::from_millis(50);
/// How often what was killed is looked for again; short, as it may fork faster than it dies.
const CHASE: Duration = Duration::from_micros(500);

/// A stop that is under way.
pub(super) struct Stopping {
    plan: StopPlan,
    phase: Phase,
    deadline: Instant,
    /// When even supervisors of the service's own are killed.
    settled_by: Instant,
    /// The main process lived when the stop began. If not, what it left behind is the service.
    main_is_service: bool,
    gone: Gone,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The stop signal was sent.
    Asked,
    /// The kill signal was sent, and is not SIGKILL.
    Insisted,
    /// The service ended; what left its group may be ending too.
    Settling,
    Killing,
}

impl Stopping {
    /// Sends the first signal.
    pub(super) fn begin(plan: StopPlan, tree: &impl Stoppable, now: Instant) -> Self {
        let main_is_service = tree.main_is_alive() && !plan.whole_tree;
        let mut stopping = Self {
            plan,
            phase: Phase::Asked,
            deadline: now + plan.patience,
            settled_by: now,
            main_is_service,
            gone: Gone::default(),
        };
        if plan.signal == KILL {
            stopping.kill(now);
        } else {
            stopping.send(plan.signal, tree);
        }
        stopping
    }

    /// Gives the tree no longer than this, for want of anybody who would wait.
    pub(super) fn hurry(&mut self, patience: Duration, now: Instant) {
        self.plan.patience = self.plan.patience.min(patience);
        self.plan.kill_signal = KILL;
        // A killing that is under way keeps its time: nobody else is left to try again.
        if self.phase != Phase::Killing {
            self.deadline = self.deadline.min(now + patience);
        }
    }

    /// Takes the next step if it is due; the outcome once there is one.
    pub(super) fn advance(&mut self, tree: &impl Stoppable, now: Instant) -> Option<Gone> {
        if tree.is_empty() {
            return Some(std::mem::take(&mut self.gone));
        }
        if matches!(self.phase, Phase::Asked | Phase::Insisted) {
            if self.service_ended(tree) {
                // What is left now left the service's group of its own accord: no signal of ours
                // means anything to it. It may follow the service by itself, as the supervisors of
                // a service that has some of its own do.
                self.phase = Phase::Settling;
                self.settled_by = now + GRACE * 2;
                self.deadline = self.deadline.min(now + SETTLE);
            } else if now >= self.deadline {
                self.gone.forced = true;
                self.insist(tree, now);
            }
        }
        if self.phase == Phase::Settling && now >= self.deadline {
            // A supervisor of the service's own cleans up as we do, within its own grace.
            let has_supervisor = || tree.living().iter().any(|(_, name)| name == SUPERVISOR);
            if now < self.settled_by && has_supervisor() {
                self.deadline = now + SETTLE;
            } else {
                self.kill(now);
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
    pub(super) fn next_look(&self, tree: &impl Stoppable, now: Instant) -> Duration {
        let until_deadline = self.deadline.saturating_duration_since(now);
        match self.phase {
            Phase::Killing => CHASE,
            _ if tree.main_is_alive() => until_deadline,
            _ => until_deadline.min(LOOK),
        }
    }

    fn service_ended(&self, tree: &impl Stoppable) -> bool {
        self.main_is_service && !tree.main_is_alive() && !tree.group_is_alive()
    }

    fn insist(&mut self, tree: &impl Stoppable, now: Instant) {
        if self.phase == Phase::Asked && self.plan.kill_signal != KILL {
            self.phase = Phase::Insisted;
            self.deadline = now + self.plan.patience;
            self.send(self.plan.kill_signal, tree);
        } else {
            self.kill(now);
        }
    }

    fn kill(&mut self, now: Instant) {
        self.phase = Phase::Killing;
        self.deadline = now + KILL_BOUND;
    }

    /// A frozen process takes no signal but SIGKILL: it must be thawed to hear this one.
    fn send(&self, signal: i32, tree: &impl Stoppable) {
        for signal in [signal, CONT] {
            if self.plan.whole_tree {
                tree.signal_all(signal);
            } else {
                tree.signal_service(signal);
            }
        }
    }
}

#[cfg(test)]
mod tests;
