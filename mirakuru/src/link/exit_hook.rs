//! A normal exit of the test process: main returned, or `process::exit`.
//!
//! Statics are never dropped and forgotten executors neither, so here every supervisor that is
//! left is told to bring its tree down, all at once, and waited for within a bound: the next test
//! binary finds the ports free.
//!
//! Rules for the hook. Other threads still run, stopped at any point: it takes no lock that one of
//! them may hold (it tries, and goes without), touches no half-made static of a user, prints
//! nothing but what it could not remove, and cannot panic. In a forked child it does nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Link;
use super::live::{Live, Permit};
use super::sync::{AtomicBool, AtomicUsize, Mutex};
use crate::events;
use crate::protocol::KILL_BOUND;
use crate::wait::Deadline;

/// How long an exit waits for starts that are under way: they take milliseconds, and only a machine in
/// trouble gets there. A supervisor that comes up later finds its test process gone, and ends.
const STARTING_BOUND: Duration = Duration::from_secs(1);
/// What the hook told, which alone comes here. Never dropped: a thread that is dropping its executor right
/// now uses them still. Nor lost: what looks for leaked memory at the exit, such as `LeakSanitizer`, finds them.
static TOLD: OnceLock<Vec<Arc<Link>>> = OnceLock::new();

/// Every supervisor that was started by this process and has not ended.
static LIVE: Live<Arc<Link>> = Live {
    links: Mutex::new(Vec::new()),
    exiting: AtomicBool::new(false),
    starting: AtomicUsize::new(0),
};
/// The process that the list belongs to; 0 while it is empty.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Returns `None` once the process exits.
pub(crate) fn ask() -> Option<Permit<'static>> {
    LIVE.ask()
}

pub(crate) fn register(permit: Permit<'_>, link: &Arc<Link>) {
    let own = std::process::id();
    let is_inherited = || OWNER.swap(own, Ordering::SeqCst) != own;
    LIVE.register(permit, Arc::clone(link), is_inherited);
}

/// Takes a supervisor off the list; only once it has ended.
pub(crate) fn unregister(link: &Arc<Link>) {
    LIVE.unregister(|one| Arc::ptr_eq(one, link));
}

#[dtor::dtor(unsafe)]
fn at_exit() {
    if OWNER.load(Ordering::SeqCst) != std::process::id() {
        return;
    }
    let links = TOLD.get_or_init(|| {
        let bound = Deadline::after(STARTING_BOUND);
        LIVE.take_all(bound, |link| link.hang_up())
    });
    let longest = links.iter().map(|link| link.patience()).max();
    let bound = Deadline::after(longest.unwrap_or_default().saturating_add(KILL_BOUND));
    for link in links {
        link.await_end(bound);
        if let Err(left) = link.clean_up() {
            events::print_uncaptured(&format!("mirakuru: left {left}"));
        }
    }
}
