//! Lists the links of this process that live, and counts the starts that are under way. The exit takes all links; from
//! then on no start is permitted.
//!
//! A start counts itself before it reads whether the process exits. The exit sets its flag before it reads the count.
//! Therefore either the start is refused, or the exit waits for it.

use super::sync::{AtomicBool, AtomicUsize, Mutex, SeqCst, lock, lock_at_exit, pause};
use crate::wait::Deadline;

/// A list of live links.
pub(super) struct Live<T> {
    pub(super) links: Mutex<Vec<T>>,
    /// Set when the process exits, and never reset.
    pub(super) exiting: AtomicBool,
    /// The number of starts that are permitted and not yet registered.
    pub(super) starting: AtomicUsize,
}

/// The right to start one supervisor and register it.
pub(crate) struct Permit<'a>(&'a AtomicUsize);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl<T> Live<T> {
    /// Returns a permit to start, or `None` if this process is exiting.
    pub(super) fn ask(&self) -> Option<Permit<'_>> {
        self.starting.fetch_add(1, SeqCst);
        let permit = Permit(&self.starting);
        (!self.exiting.load(SeqCst)).then_some(permit)
    }

    /// Adds a link to the list. `is_inherited` returns whether this process inherited the list by a fork. If so, the
    /// links on it are the parent's, and must not even be closed.
    pub(super) fn register(
        &self,
        permit: Permit<'_>,
        link: T,
        is_inherited: impl FnOnce() -> bool,
    ) {
        let mut links = lock(&self.links);
        if is_inherited() {
            std::mem::forget(std::mem::take(&mut *links));
        }
        links.push(link);
        // Dropped last: when a start no longer counts, its link must be on the list.
        drop(permit);
    }

    /// Removes a link from the list. Must be called only after it has ended, or an exit in between would not wait for
    /// it.
    pub(super) fn unregister(&self, is_it: impl Fn(&T) -> bool) {
        lock(&self.links).retain(|link| !is_it(link));
    }

    /// Refuses new starts, and takes every link off the list, including those of starts that are under way. Passes each
    /// link to `hang_up` at once.
    pub(super) fn take_all(&self, bound: Deadline, hang_up: impl Fn(&T)) -> Vec<T> {
        self.exiting.store(true, SeqCst);
        let mut all = Vec::new();
        loop {
            // The count is read before the list: when a start no longer counts, its link is on the list. An addition,
            // unlike a load, comes before or after that of a start. If it comes before, the start sees that the process
            // exits.
            let starting = self.starting.fetch_add(0, SeqCst);
            let links = lock_at_exit(&self.links);
            let taken = links.map(|mut links| std::mem::take(&mut *links));
            taken.iter().flatten().for_each(&hang_up);
            let complete = taken.is_some() && starting == 0;
            all.extend(taken.into_iter().flatten());
            if complete || bound.has_passed() {
                return all;
            }
            pause();
        }
    }
}
