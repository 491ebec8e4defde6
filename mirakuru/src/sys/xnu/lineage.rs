//! Determines the descent of processes by their unique ids.
//!
//! `fork` gives each process an id that is unique in this boot. It also records the id of the parent, which stays the
//! same when the parent ends (`p_uniqueid` and `p_puniqueid` in XNU's `bsd/sys/proc_internal.h`). The ids grow, so a
//! child's id is greater than its parent's.

use std::collections::{BTreeMap, BTreeSet};

use crate::sys::Pid;

/// A process with its own id and that of the process that forked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sys) struct Kin {
    pub(in crate::sys) pid: Pid,
    pub(in crate::sys) own: u64,
    pub(in crate::sys) parent: u64,
}

/// Returns the processes that descend from a seen one, parents first, and adds their ids to `seen`.
pub(in crate::sys) fn below(mut all: Vec<Kin>, seen: &mut BTreeSet<u64>) -> Vec<Kin> {
    all.sort_unstable_by_key(|kin| kin.own);
    all.retain(|kin| {
        let is_below = seen.contains(&kin.parent);
        if is_below {
            seen.insert(kin.own);
        }
        is_below
    });
    all
}

/// The origin of a process, as seen from a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sys) enum Origin {
    /// The process descends from the process at the top of the tree.
    Below,
    /// The process does not descend from the top.
    Elsewhere,
    /// An ancestor of the process has ended.
    Unknown,
}

/// Returns whether a process descends from the one at the top of a tree. A process whose ancestors lead to this process
/// or to init, without the top, does not belong to the tree.
pub(in crate::sys) fn origin(all: &[Kin], process: Pid, top: Pid, this: Pid) -> Origin {
    let by_id: BTreeMap<_, _> = all.iter().map(|kin| (kin.own, kin)).collect();
    let mut next = all.iter().find(|kin| kin.pid == process);
    while let Some(kin) = next {
        if kin.pid == top {
            return Origin::Below;
        }
        if kin.pid == this || kin.pid.as_raw() == 1 {
            return Origin::Elsewhere;
        }
        // A parent's id must be smaller than the child's. Otherwise the search ends.
        next = by_id
            .get(&kin.parent)
            .copied()
            .filter(|parent| parent.own < kin.own);
    }
    Origin::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kin(own: u64, parent: u64) -> Kin {
        let pid = Pid::from_raw(i32::try_from(1000 - own).expect("a small number"));
        Kin { pid, own, parent }
    }

    #[test]
    fn all_generations_are_found_in_any_order_of_the_list() {
        let all = vec![kin(9, 7), kin(4, 1), kin(7, 5), kin(3, 1), kin(5, 3)];
        let mut seen = BTreeSet::from([3]);
        assert_eq!(below(all, &mut seen), [kin(5, 3), kin(7, 5), kin(9, 7)]);
        assert_eq!(seen, BTreeSet::from([3, 5, 7, 9]));
    }

    #[test]
    fn an_orphan_is_found_if_its_parent_was_seen() {
        let mut seen = BTreeSet::from([3]);
        below(vec![kin(3, 1), kin(5, 3)], &mut seen);
        let later = vec![kin(3, 1), kin(8, 5), kin(9, 6)];
        assert_eq!(below(later, &mut seen), [kin(8, 5)]);
    }

    #[test]
    fn ancestors_lead_to_the_top_past_it_or_to_an_ended_process() {
        let init = Kin {
            pid: Pid::from_raw(1),
            own: 1,
            parent: 0,
        };
        let (this, top) = (kin(4, 1), kin(5, 4));
        let rest = [kin(6, 5), kin(7, 6), kin(8, 4), kin(9, 1), kin(12, 10)];
        let all = [&[init, this, top], &rest[..]].concat();
        let from = |kin: Kin| origin(&all, kin.pid, top.pid, this.pid);
        let (below, elsewhere) = (Origin::Below, Origin::Elsewhere);
        let expected = [below, below, elsewhere, elsewhere, Origin::Unknown];
        assert_eq!(rest.map(from), expected);
        assert_eq!(from(kin(11, 10)), Origin::Unknown);
    }
}
