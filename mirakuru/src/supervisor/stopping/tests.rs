//! Tests of the steps of a stop, with a simulated clock and a tree that has no processes.

use std::cell::{Cell, RefCell};

use super::*;
use crate::signal::Signal;
use crate::sys;

/// A fake tree. Each test sets its state, and it notes the calls that it gets.
struct Fake {
    empty: Cell<bool>,
    main: Cell<bool>,
    living: RefCell<Vec<(u32, String)>>,
    /// Each group: its number, its name, and whether it has a living parent in the tree that asks it.
    groups: RefCell<Vec<(u32, &'static str, bool)>>,
    done: RefCell<Vec<String>>,
}

impl Fake {
    /// Returns a tree of a main process and its worker in another group.
    fn new() -> Self {
        Self {
            empty: Cell::new(false),
            main: Cell::new(true),
            living: RefCell::new(vec![(7, "server".to_owned())]),
            groups: RefCell::new(vec![(7, "main", false), (8, "worker", true)]),
            done: RefCell::default(),
        }
    }

    fn alone() -> Self {
        let tree = Self::new();
        tree.groups.borrow_mut().truncate(1);
        tree
    }

    fn note(&self, what: impl Into<String>) {
        self.done.borrow_mut().push(what.into());
    }

    /// Returns the calls since the last `done`.
    fn done(&self) -> String {
        self.done.take().join(", ")
    }

    /// Ends the main process, and leaves the worker.
    fn leave_only(&self, command: &str) {
        self.main.set(false);
        self.groups.replace(vec![(8, "worker", false)]);
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

    fn living(&self) -> Vec<(u32, String)> {
        self.living.borrow().clone()
    }

    fn ask(&self, signal: i32, asked: &mut BTreeSet<Pid>, all: bool) -> bool {
        let before = asked.len();
        for (number, name, has_parent) in self.groups.borrow().iter() {
            let group = sys::process_of(*number).expect("a small number");
            if (all || !has_parent) && asked.insert(group) {
                self.note(format!("{name} {}", Signal::from_raw(signal)));
            }
        }
        asked.len() > before
    }

    fn kill_pass(&self) {
        self.note("kill");
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const KILL_PATIENCE: Duration = Duration::from_secs(8);
const LATE: Duration = Duration::from_secs(1);
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
        kill_patience: KILL_PATIENCE,
    }
}

#[test]
fn a_group_is_left_to_its_parent_while_that_lives() {
    let (tree, now) = (Fake::new(), Instant::now());
    let mut stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
    assert_eq!(tree.done(), "main SIGTERM");
    assert_eq!(stopping.advance(&tree, just_before(now + PATIENCE)), None);
    assert_eq!(tree.done(), "");
    // The main process may have asked the worker, or not: the worker has the rest of the time.
    tree.leave_only("worker");
    assert_eq!(stopping.advance(&tree, just_before(now + PATIENCE)), None);
    assert_eq!(stopping.advance(&tree, just_before(now + PATIENCE)), None);
    assert_eq!(tree.done(), "worker SIGTERM", "once");
    assert_eq!(stopping.advance(&tree, now + PATIENCE), None);
    assert_eq!(tree.done(), "kill");
}

#[test]
fn a_group_that_was_not_asked_has_a_second_more() {
    let (tree, now) = (Fake::new(), Instant::now());
    let mut stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
    tree.done();
    assert_eq!(stopping.advance(&tree, now + PATIENCE), None);
    assert_eq!(tree.done(), "worker SIGTERM");
    let end = now + PATIENCE + LATE;
    assert_eq!(stopping.advance(&tree, just_before(end)), None);
    assert_eq!(tree.done(), "");
    assert_eq!(stopping.advance(&tree, end), None);
    assert_eq!(tree.done(), "kill");
}

#[test]
fn a_late_group_has_the_stop_timeout_at_most() {
    let (tree, now) = (Fake::new(), Instant::now());
    let patience = Duration::from_millis(200);
    let plan = StopPlan {
        patience,
        ..plan(Signal::KILL)
    };
    let mut stopping = Stopping::begin(plan, &tree, now);
    assert_eq!(stopping.advance(&tree, now + patience), None);
    assert_eq!(stopping.advance(&tree, now + patience * 2), None);
    assert_eq!(tree.done(), "main SIGTERM, worker SIGTERM, kill");
}

#[test]
fn the_whole_tree_is_asked_if_the_plan_requests_it() {
    let (tree, now) = (Fake::new(), Instant::now());
    let plan = StopPlan {
        whole_tree: true,
        ..plan(Signal::KILL)
    };
    let mut stopping = Stopping::begin(plan, &tree, now);
    assert_eq!(tree.done(), "main SIGTERM, worker SIGTERM");
    tree.leave_only("daemon");
    assert_eq!(stopping.advance(&tree, just_before(now + PATIENCE)), None);
    assert_eq!(tree.done(), "");
}

#[test]
fn the_kill_signal_follows_the_patience_then_sigkill() {
    // Holds if both signals are equal, too.
    for (kill_signal, name) in [(Signal::QUIT, "SIGQUIT"), (Signal::TERM, "SIGTERM")] {
        let (tree, now) = (Fake::alone(), Instant::now());
        let mut stopping = Stopping::begin(plan(kill_signal), &tree, now);
        tree.done();
        assert_eq!(stopping.advance(&tree, now + PATIENCE), None);
        assert_eq!(tree.done(), format!("main {name}"));
        let end = now + PATIENCE + KILL_PATIENCE;
        assert_eq!(stopping.advance(&tree, just_before(end)), None);
        assert_eq!(tree.done(), "");
        assert_eq!(stopping.advance(&tree, end), None);
        assert_eq!(tree.done(), "kill");
        tree.empty.set(true);
        let gone = stopping.advance(&tree, end);
        assert!(gone.expect("nothing is left").forced);
    }
}

#[test]
fn a_second_stop_sends_no_second_signal() {
    let (tree, now) = (Fake::new(), Instant::now());
    let mut stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
    let later = now + PATIENCE / 2;
    stopping.join(plan(Signal::KILL), &tree, later);
    assert_eq!(tree.done(), "main SIGTERM");
    // The second stop does not give the tree more time.
    stopping.advance(&tree, now + PATIENCE);
    stopping.advance(&tree, now + PATIENCE + LATE);
    assert_eq!(tree.done(), "worker SIGTERM, kill");
    stopping.join(plan(Signal::KILL), &tree, now + PATIENCE + LATE);
    assert_eq!(tree.done(), "", "the killing goes on");
}

#[test]
fn a_second_stop_with_another_signal_sends_it() {
    let (tree, now) = (Fake::alone(), Instant::now());
    let mut stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
    let signal = Signal::QUIT.as_raw();
    let other = StopPlan {
        signal,
        ..plan(Signal::KILL)
    };
    stopping.join(other, &tree, now + PATIENCE / 2);
    assert_eq!(tree.done(), "main SIGTERM, main SIGQUIT");
    stopping.join(StopPlan::ABRUPT, &tree, now + PATIENCE / 2);
    stopping.advance(&tree, now + PATIENCE / 2);
    assert_eq!(tree.done(), "kill");
}

#[test]
fn a_second_stop_does_not_repeat_the_kill_signal() {
    let (tree, now) = (Fake::alone(), Instant::now());
    let mut stopping = Stopping::begin(plan(Signal::QUIT), &tree, now);
    let insisted = now + PATIENCE;
    assert_eq!(stopping.advance(&tree, insisted), None);
    assert_eq!(tree.done(), "main SIGTERM, main SIGQUIT");
    // The second stop has less patience than the first one has left.
    stopping.join(plan(Signal::QUIT), &tree, insisted);
    let end = insisted + PATIENCE;
    assert_eq!(stopping.advance(&tree, just_before(end)), None);
    assert_eq!(tree.done(), "");
    assert_eq!(stopping.advance(&tree, end), None);
    assert_eq!(tree.done(), "kill");
}

#[test]
fn sigkill_as_the_kill_signal_is_sent_once_patience_ends() {
    let (tree, now) = (Fake::alone(), Instant::now());
    let mut stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
    tree.done();
    assert_eq!(stopping.advance(&tree, now + PATIENCE), None);
    assert_eq!(stopping.advance(&tree, now + PATIENCE + MOMENT), None);
    assert_eq!(tree.done(), "kill, kill");
    assert_eq!(stopping.next_look(now + PATIENCE), KILL_INTERVAL);
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
fn a_stop_that_goes_on_after_its_end_kills_once_a_second() {
    let (tree, now) = (Fake::new(), Instant::now());
    let mut stopping = Stopping::begin(StopPlan::ABRUPT, &tree, now);
    let end = now + KILL_BOUND;
    assert!(stopping.advance(&tree, end).is_some());
    stopping.persist(end);
    tree.done();
    assert_eq!(stopping.next_look(end), LATER_INTERVAL);
    assert_eq!(stopping.advance(&tree, end + LATER_INTERVAL), None);
    assert_eq!(tree.done(), "kill");
    assert!(stopping.advance(&tree, end + KILL_BOUND).is_some());
}

#[test]
fn a_supervisor_of_the_service_has_time_to_clean_up() {
    let (tree, now) = (Fake::new(), Instant::now());
    let mut stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
    tree.leave_only(SUPERVISOR);
    let end = now + PATIENCE + GRACE * 2;
    assert_eq!(stopping.advance(&tree, now + PATIENCE), None);
    assert_eq!(stopping.advance(&tree, just_before(end)), None);
    assert_eq!(stopping.next_look(just_before(end)), LOOK);
    assert_eq!(tree.done(), "main SIGTERM, worker SIGTERM");
    assert_eq!(stopping.advance(&tree, end + LOOK), None);
    assert_eq!(tree.done(), "kill");
}

#[test]
fn an_empty_tree_ends_a_stop_in_every_phase() {
    let later = [Duration::ZERO, PATIENCE, PATIENCE + KILL_PATIENCE];
    for steps in 0..=later.len() {
        let (tree, now) = (Fake::alone(), Instant::now());
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
    let (tree, now) = (Fake::alone(), Instant::now());
    let mut stopping = Stopping::begin(plan(Signal::QUIT), &tree, now);
    tree.done();
    stopping.hurry(GRACE, now);
    assert_eq!(stopping.advance(&tree, just_before(now + GRACE)), None);
    assert_eq!(tree.done(), "");
    assert_eq!(stopping.advance(&tree, now + GRACE), None);
    assert_eq!(tree.done(), "kill");
}

#[test]
fn looks_become_rare_in_a_long_stop() {
    let (tree, now) = (Fake::new(), Instant::now());
    let stopping = Stopping::begin(plan(Signal::KILL), &tree, now);
    assert_eq!(stopping.next_look(now), LOOK);
    assert_eq!(stopping.next_look(now + LOOK * 48), LOOK * 3);
    assert_eq!(stopping.next_look(now + Duration::from_secs(4)), LOOK * 20);
    assert_eq!(stopping.next_look(just_before(now + PATIENCE)), MOMENT);
}
