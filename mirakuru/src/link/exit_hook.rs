//! A normal exit of the test process: main returned, or `process::exit`.
//!
//! Statics are never dropped and forgotten executors neither, so here every supervisor that is
//! left is told to bring its tree down, all at once, and waited for within a bound: the next test
//! binary finds the ports free.
//!
//! Rules for the hook. Other threads still run, stopped at any point: it takes no lock that one of
//! them may hold (it tries, and goes without), touches no half-made static of a user, prints
//! nothing, and cannot panic. In a forked child it does nothing.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::Link;
use super::sync::lock;
use crate::locks::lock_unless_lost;
use crate::protocol::KILL_BOUND;
use crate::wait::{Deadline, pause};

/// How long an exit waits for starts that are under way: they take milliseconds, and only a machine in
/// trouble gets there. A supervisor that comes up later finds its test process gone, and ends.
const STARTING_BOUND: Duration = Duration::from_secs(1);
/// What the hook told, which alone comes here. Never dropped: a thread that is dropping its executor right
/// now uses them still. Nor lost: what looks for leaked memory at the exit, such as `LeakSanitizer`, finds them.
static TOLD: OnceLock<Vec<Arc<Link>>> = OnceLock::new();

/// Every supervisor that was started by this process and has not ended.
static LIVE: Mutex<Vec<Arc<Link>>> = Mutex::new(Vec::new());
/// The process that the list belongs to; 0 while it is empty.
static OWNER: AtomicU32 = AtomicU32::new(0);
/// Set for ever once the hook runs.
static EXITING: AtomicBool = AtomicBool::new(false);
/// Starts between their permission and their registration.
static STARTING: AtomicUsize = AtomicUsize::new(0);

/// The right to start one supervisor and register it.
pub(crate) struct Permit(());

impl Permit {
    /// `None` once the process exits. Counted before the flag is read, while the hook sets the
    /// flag before it reads the count: so either this start is refused or the hook waits for it.
    pub(crate) fn ask() -> Option<Self> {
        STARTING.fetch_add(1, Ordering::SeqCst);
        let permit = Self(());
        (!EXITING.load(Ordering::SeqCst)).then_some(permit)
    }

    pub(crate) fn register(self, link: &Arc<Link>) {
        let own = std::process::id();
        let mut live = lock(&LIVE);
        if OWNER.swap(own, Ordering::SeqCst) != own {
            // A forked child starts one of its own: the list it inherited is its parent's, whose
            // links must not even be closed.
            std::mem::forget(std::mem::take(&mut *live));
        }
        live.push(Arc::clone(link));
        // Only now: what is counted no more is on the list already.
        drop(self);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        STARTING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Takes a supervisor off the list; only once it has ended, or an exit in between would not wait.
pub(crate) fn unregister(link: &Arc<Link>) {
    let mut live = lock(&LIVE);
    live.retain(|one| !Arc::ptr_eq(one, link));
}

#[dtor::dtor(unsafe)]
fn at_exit() {
    if OWNER.load(Ordering::SeqCst) != std::process::id() {
        return;
    }
    EXITING.store(true, Ordering::SeqCst);
    let links = TOLD.get_or_init(hang_up_on_all);
    let longest = links.iter().map(|link| link.patience()).max();
    let bound = Deadline::after(longest.unwrap_or_default().saturating_add(KILL_BOUND));
    for link in links {
        link.await_end(bound);
    }
}

/// Tells every supervisor, those of starts that are under way included.
fn hang_up_on_all() -> Vec<Arc<Link>> {
    let bound = Deadline::after(STARTING_BOUND);
    let mut told = Vec::new();
    loop {
        // Before the list is read: what is counted no more is on the list already.
        let starting = STARTING.load(Ordering::SeqCst);
        let live = lock_unless_lost(&LIVE, true);
        let taken = live.map(|mut live| std::mem::take(&mut *live));
        for link in taken.iter().flatten() {
            link.hang_up();
        }
        let complete = taken.is_some() && starting == 0;
        told.extend(taken.into_iter().flatten());
        if complete || bound.has_passed() {
            return told;
        }
        pause(Duration::from_micros(100));
    }
}
