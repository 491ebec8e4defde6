//! Ends the supervisors on a normal exit of the test process: `main` returned, or `process::exit` was called.
//!
//! Rust never drops statics, nor executors that were forgotten. This hook asks all remaining supervisors at once to
//! stop their trees, and waits for them within a bound. The next test binary then finds the ports free.
//!
//! Rules for the hook: the exit may have stopped other threads at any point. The hook therefore takes no lock that one
//! of them may hold (it tries the lock, and goes on without), and touches no half-made static of a user. It prints only
//! what it could not remove, and cannot panic. In a forked child it does nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Link;
use super::live::{Live, Permit};
use super::sync::{AtomicBool, AtomicUsize, Mutex};
use crate::events;
use crate::protocol::KILL_BOUND;
use crate::wait::Deadline;

/// The longest wait of an exit for starts that are under way. A start takes milliseconds; only a machine in trouble
/// reaches the bound. A supervisor that comes up later finds its test process gone, and ends.
const STARTING_BOUND: Duration = Duration::from_secs(1);
/// The links that the hook hung up; only the hook uses them. They are never dropped, as another thread may be dropping
/// its executor and still use them. A static keeps them reachable for checks for leaked memory at the exit, such as
/// `LeakSanitizer`.
static HUNG_UP: OnceLock<Vec<Arc<Link>>> = OnceLock::new();

/// Every supervisor that this process started and that has not ended.
static LIVE: Live<Arc<Link>> = Live {
    links: Mutex::new(Vec::new()),
    exiting: AtomicBool::new(false),
    starting: AtomicUsize::new(0),
};
/// The process that the list belongs to; 0 while the list is empty.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Returns a permit to start a supervisor, or `None` if this process is exiting.
pub(crate) fn ask() -> Option<Permit<'static>> {
    LIVE.ask()
}

pub(crate) fn register(permit: Permit<'_>, link: &Arc<Link>) {
    let own = std::process::id();
    let is_inherited = || OWNER.swap(own, Ordering::SeqCst) != own;
    LIVE.register(permit, Arc::clone(link), is_inherited);
}

/// Removes a supervisor from the list. Must be called only after it has ended.
pub(crate) fn unregister(link: &Arc<Link>) {
    LIVE.unregister(|one| Arc::ptr_eq(one, link));
}

#[dtor::dtor(unsafe)]
fn at_exit() {
    if OWNER.load(Ordering::SeqCst) != std::process::id() {
        return;
    }
    let links = HUNG_UP.get_or_init(|| {
        let bound = Deadline::after(STARTING_BOUND);
        LIVE.take_all(bound, |link| link.hang_up())
    });
    let longest = links.iter().map(|link| link.patience()).max();
    let bound = Deadline::after(longest.unwrap_or_default().saturating_add(KILL_BOUND));
    for link in links {
        // The run cleans up after its own supervisor.
        if !link.await_end(bound) {
            continue;
        }
        if let Err(left) = link.clean_up() {
            events::print_uncaptured(&format!("mirakuru: left {left}"));
        }
    }
}
