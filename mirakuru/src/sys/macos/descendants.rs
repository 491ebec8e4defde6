//! Finds the processes of the tree below this process, even after a parent has ended and init has adopted its children.
//!
//! A process is missed only if its parent was born and ended between two looks at the process list.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::processes::{children_of, kin, proc_stat, processes};
use crate::sys::xnu::lineage::{Kin, below};
use crate::sys::{Descendant, Pid};

/// The unique ids of this process and of all processes that were seen below it.
static SEEN: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// Returns the children of this process that were not reaped.
pub(crate) fn children() -> Vec<Pid> {
    children_of(Pid::this())
}

/// Returns all processes below this one, parents first.
pub(crate) fn descendants() -> Vec<Descendant> {
    let found = look().into_iter();
    found
        .filter_map(|Kin { pid, .. }| {
            let parent = proc_stat(pid)?.parent;
            Some(Descendant { pid, parent })
        })
        .collect()
}

/// Lists the processes that are below this one now.
pub(super) fn look() -> Vec<Kin> {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.extend(kin(Pid::this()).map(|this| this.own));
    below(processes().into_iter().filter_map(kin).collect(), &mut seen)
}

/// Returns how many processes were seen so far.
pub(super) fn seen() -> usize {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.len()
}

/// Returns whether the process that has the listed pid now belongs to the tree.
pub(in crate::sys) fn is_still(listed: Descendant) -> bool {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    kin(listed.pid).is_some_and(|kin| seen.contains(&kin.parent))
}

/// Returns whether any process of the tree lives. It is called when this process has no child.
///
/// A process that is forked while the processes are listed may be missed, so they are listed twice. When no process is
/// left, the unique ids are forgotten.
pub(in crate::sys) fn has_strays() -> bool {
    let lives = |kin: Kin| proc_stat(kin.pid).is_some_and(|stat| !stat.zombie);
    let has_any = (0..2).any(|_| look().into_iter().any(lives));
    if !has_any {
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
    has_any
}
