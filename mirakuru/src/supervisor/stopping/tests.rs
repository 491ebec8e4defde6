//! Drives the steps of a stop through time, with a tree that has no processes.

use std::cell::{Cell, RefCell};

use super::*;
use crate::signal::Signal;

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

    fn signal_service(&self, signal: i32) {
        self.note(format!("service {}", Signal::from_raw(signal)));
    }

    fn signal_all(&self, signal: i32) {
        self.note(format!("all {}", Signal::from_raw(signal)));
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
