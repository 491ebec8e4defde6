//! The links of this process that live, and those that are about to. The exit takes them all, and from then on none
//! comes.
//!
//! A start counts itself before it reads whether the process exits; the exit says so before it reads the count. So
//! either the start is refused, or the exit waits for it.

use super::sync::{AtomicBool, AtomicUsize, Mutex, SeqCst, lock, lock_at_exit, pause};
use crate::wait::Deadline;

/// A list of what lives.
pub(super) struct Live<T> {
    pub(super) links: Mutex<Vec<T>>,
    /// Set for ever once the process exits.
    pub(super) exiting: AtomicBool,
    /// Starts between their permission and their registration.
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
    /// Returns `None` once the process exits.
    pub(super) fn ask(&self) -> Option<Permit<'_>> {
        self.starting.fetch_add(1, SeqCst);
        let permit = Permit(&self.starting);
        (!self.exiting.load(SeqCst)).then_some(permit)
    }

    /// Puts a link on the list. `is_inherited` says whether this process has the list from the one that forked it:
    /// then the links on it are its parent's, and must not even be closed.
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
        // Only now: what is counted no more is on the list already.
        drop(permit);
    }

    /// Takes a link off the list; only once it has ended, or an exit in between would not wait.
    pub(super) fn unregister(&self, is_it: impl Fn(&T) -> bool) {
        lock(&self.links).retain(|link| !is_it(link));
    }

    /// Refuses new starts, and takes every link off the list, those of starts that are under way included. Each is passed
    /// to `hang_up` at once.
    pub(super) fn take_all(&self, bound: Deadline, hang_up: impl Fn(&T)) -> Vec<T> {
        self.exiting.store(true, SeqCst);
        let mut all = Vec::new();
        loop {
            // Before the list is read: what is counted no more is on the list already. An addition, unlike a load, comes
            // before or after that of a start: one before it makes the start see that the process exits.
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
