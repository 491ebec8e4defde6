//! Bringing a tree down, step by step: ask, insist, kill until the kernel says that nothing is
//! left. Nothing here waits; the supervisor's loop comes by again when something happened or the
//! next step is due.

use std::time::{Duration, Instant};

use super::tree::Stoppable;
use crate::protocol::{GRACE, Gone, KILL_BOUND, SUPERVISOR, StopPlan};
use crate::signal::Signal;

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
        let gone = Gone {
            found: tree.living().len().try_into().unwrap_or(u32::MAX),
            ..Gone::default()
        };
        let main_is_service = tree.main_is_alive() && !plan.whole_tree;
        let mut stopping = Self {
            plan,
            phase: Phase::Asked,
            deadline: now + plan.patience,
            settled_by: now,
            main_is_service,
            gone,
        };
        if Signal::from_raw(plan.signal) == Signal::KILL {
            stopping.kill(now);
        } else {
            stopping.send(Signal::from_raw(plan.signal), tree);
        }
        stopping
    }

    /// Gives the tree no longer than this, for want of anybody who would wait.
    pub(super) fn hurry(&mut self, patience: Duration, now: Instant) {
        self.plan.patience = self.plan.patience.min(patience);
        self.plan.kill_signal = Signal::KILL.as_raw();
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
            if now < self.settled_by
                && tree
                    .living()
                    .iter()
                    .any(|(_, command)| command == SUPERVISOR)
            {
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
        let kill_signal = Signal::from_raw(self.plan.kill_signal);
        if self.phase == Phase::Asked && kill_signal != Signal::KILL {
            self.phase = Phase::Insisted;
            self.deadline = now + self.plan.patience;
            self.send(kill_signal, tree);
        } else {
            self.kill(now);
        }
    }

    fn kill(&mut self, now: Instant) {
        self.phase = Phase::Killing;
        self.deadline = now + KILL_BOUND;
    }

    /// A frozen process takes no signal but SIGKILL: it must be thawed to hear this one.
    fn send(&self, signal: Signal, tree: &impl Stoppable) {
        for signal in [signal, Signal::CONT] {
            if self.plan.whole_tree {
                tree.ask_all(signal);
            } else {
                tree.ask_service(signal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// A tree of which each test says what is left, and which notes what is done to it.
    struct Fake {
        empty: Cell<bool>,
        main: Cell<bool>,
        group: Cell<bool>,
        living: RefCell<Vec<(u32, String)>>,
        done: RefCell<Vec<String>>,
    }

    impl Fake {
        fn new() -> Self {
            Self {
                empty: Cell::new(false),
                main: Cell::new(true),
                group: Cell::new(true),
                living: RefCell::new(vec![(7, "server".to_owned())]),
                done: RefCell::default(),
            }
        }

        fn note(&self, what: impl Into<String>) {
            self.done.borrow_mut().push(what.into());
        }

        /// What was done since the last call.
        fn done(&self) -> String {
            self.done.take().join(", ")
        }

        /// The main process ends, and what is left has another group.
        fn leave_only(&self, command: &str) {
            self.main.set(false);
            self.group.set(false);
            self.living.replace(vec![(8, command.to_owned())]);
        }
    }

    impl Stoppable for Fake {
        fn is_empty(&self) -> bool {
            self.empty.get()
        }

        fn main_is_alive(&self) -> bool {
            self.main.get()
        }

        fn group_is_alive(&self) -> bool {
            self.group.get()
        }

        fn living(&self) -> Vec<(u32, String)> {
            self.living.borrow().clone()
        }

        fn ask_service(&self, signal: Signal) {
            self.note(format!("service {signal}"));
        }

        fn ask_all(&self, signal: Signal) {
            self.note(format!("all {signal}"));
        }

        fn kill_pass(&self) {
            self.note("kill");
        }
    }

    const PATIENCE: Duration = Duration::from_secs(5);
    const MOMENT: Duration = Duration::from_millis(1);

    fn just_before(due: Instant) -> Instant {
        due.checked_sub(MOMENT).expect("it lies after the start")
    }

    fn plan(kill_signal: Signal) -> StopPlan {
        StopPlan {
            signal: Signal::TERM.as_raw(),
            whole_tree: false,
            kill_signal: kill_signal.as_raw(),
            patience: PATIENCE,
        }
    }

    #[test]
    fn the_service_is_asked_first_and_thawed() {
        let (tree, now) = (Fake::new(), Instant::now());
        let mut stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
        assert_eq!(tree.done(), "service SIGTERM, service SIGCONT");
        assert_eq!(stopping.advance(&tree, just_before(now + PATIENCE)), None);
        assert_eq!(tree.done(), "");
        assert_eq!(stopping.next_look(&tree, now), PATIENCE);
    }

    #[test]
    fn the_whole_tree_is_asked_if_the_plan_says_so() {
        let (tree, now) = (Fake::new(), Instant::now());
        let plan = StopPlan {
            whole_tree: true,
            ..plan(Signal::KILL)
        };
        let mut stopping = Stopping::begin(plan, &tree, now);
        assert_eq!(tree.done(), "all SIGTERM, all SIGCONT");
        // What left the group of the main process was asked too, so it has the whole patience.
        tree.leave_only("daemon");
        assert_eq!(stopping.advance(&tree, just_before(now + PATIENCE)), None);
        assert_eq!(tree.done(), "");
    }

    #[test]
    fn the_kill_signal_follows_the_patience_then_sigkill() {
        let (tree, now) = (Fake::new(), Instant::now());
        let mut stopping = Stopping::begin(plan(Signal::QUIT), &tree, now);
        tree.done();
        assert_eq!(stopping.advance(&tree, now + PATIENCE), None);
        assert_eq!(tree.done(), "service SIGQUIT, service SIGCONT");
        assert_eq!(
            stopping.advance(&tree, just_before(now + PATIENCE * 2)),
            None
        );
        assert_eq!(tree.done(), "");
        assert_eq!(stopping.advance(&tree, now + PATIENCE * 2), None);
        assert_eq!(tree.done(), "kill");
        tree.empty.set(true);
        let gone = stopping.advance(&tree, now + PATIENCE * 2);
        assert!(gone.expect("nothing is left").forced);
    }

    #[test]
    fn sigkill_as_the_kill_signal_is_sent_once_patience_ends() {
        let (tree, now) = (Fake::new(), Instant::now());
        let mut stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
        tree.done();
        assert_eq!(stopping.advance(&tree, now + PATIENCE), None);
        assert_eq!(stopping.advance(&tree, now + PATIENCE + MOMENT), None);
        assert_eq!(tree.done(), "kill, kill");
        assert_eq!(stopping.next_look(&tree, now + PATIENCE), CHASE);
    }

    #[test]
    fn survivors_are_listed_ten_seconds_after_sigkill() {
        let (tree, now) = (Fake::new(), Instant::now());
        let mut stopping = Stopping::begin(StopPlan::ABRUPT, &tree, now);
        assert_eq!(stopping.advance(&tree, just_before(now + KILL_BOUND)), None);
        let gone = stopping.advance(&tree, now + KILL_BOUND);
        assert_eq!(tree.done(), "kill, kill");
        let gone = gone.expect("the time is over");
        assert_eq!(gone.survivors, [(7, "server".to_owned())]);
        assert!(
            !gone.forced,
            "nothing was asked that could have been enough"
        );
    }

    #[test]
    fn what_left_the_group_of_an_ended_service_may_follow_it() {
        let (tree, now) = (Fake::new(), Instant::now());
        let mut stopping = Stopping::begin(plan(Signal::QUIT), &tree, now);
        tree.done();
        tree.leave_only("daemon");
        assert_eq!(stopping.advance(&tree, now), None);
        assert_eq!(stopping.advance(&tree, just_before(now + SETTLE)), None);
        assert_eq!(tree.done(), "");
        assert_eq!(stopping.advance(&tree, now + SETTLE), None);
        assert_eq!(tree.done(), "kill");
        tree.empty.set(true);
        let gone = stopping.advance(&tree, now + SETTLE);
        assert!(!gone.expect("nothing is left").forced);
    }

    #[test]
    fn a_group_that_outlives_its_main_process_keeps_the_patience() {
        let (tree, now) = (Fake::new(), Instant::now());
        let mut stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
        tree.done();
        tree.main.set(false);
        assert_eq!(stopping.advance(&tree, just_before(now + PATIENCE)), None);
        assert_eq!(stopping.next_look(&tree, now), LOOK);
        assert_eq!(tree.done(), "");
        assert_eq!(stopping.advance(&tree, now + PATIENCE), None);
        assert_eq!(tree.done(), "kill");
    }

    #[test]
    fn a_supervisor_of_the_service_has_time_to_clean_up() {
        let (tree, now) = (Fake::new(), Instant::now());
        let mut stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
        tree.done();
        tree.leave_only(SUPERVISOR);
        assert_eq!(stopping.advance(&tree, now), None);
        assert_eq!(stopping.advance(&tree, just_before(now + GRACE * 2)), None);
        assert_eq!(tree.done(), "");
        assert_eq!(stopping.advance(&tree, now + GRACE * 2 + SETTLE), None);
        assert_eq!(tree.done(), "kill");
    }

    #[test]
    fn an_empty_tree_ends_a_stop_in_every_phase() {
        let later = [Duration::ZERO, PATIENCE, PATIENCE * 2];
        for steps in 0..=later.len() {
            let (tree, now) = (Fake::new(), Instant::now());
            let mut stopping = Stopping::begin(plan(Signal::QUIT), &tree, now);
            for time in &later[..steps] {
                assert_eq!(stopping.advance(&tree, now + *time), None, "{steps}");
            }
            tree.empty.set(true);
            let expected = Gone {
                forced: steps > 1,
                found: 1,
                survivors: Vec::new(),
            };
            assert_eq!(stopping.advance(&tree, now), Some(expected), "{steps}");
        }
    }

    #[test]
    fn a_hurried_stop_skips_the_kill_signal() {
        let (tree, now) = (Fake::new(), Instant::now());
        let mut stopping = Stopping::begin(plan(Signal::QUIT), &tree, now);
        tree.done();
        stopping.hurry(GRACE, now);
        assert_eq!(stopping.advance(&tree, just_before(now + GRACE)), None);
        assert_eq!(tree.done(), "");
        assert_eq!(stopping.advance(&tree, now + GRACE), None);
        assert_eq!(tree.done(), "kill");
    }
}
