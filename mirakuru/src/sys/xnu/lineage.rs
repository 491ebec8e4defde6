//! Who descends from whom, by unique ids. `fork` gives a process one that no other process of this boot has, and notes
//! that of the process that forked it, which stays as it is when that one ends (`p_uniqueid` and `p_puniqueid` in XNU's
//! `bsd/sys/proc_internal.h`). The ids grow, so a child's is greater than its parent's.

use std::collections::BTreeSet;

use crate::sys::Pid;

/// A process, and whose child it was born.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sys) struct Kin {
    pub(in crate::sys) pid: Pid,
    pub(in crate::sys) own: u64,
    pub(in crate::sys) parent: u64,
}

/// Returns the processes that descend from one that was seen, parents first, and adds them to the seen ones.
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
}
