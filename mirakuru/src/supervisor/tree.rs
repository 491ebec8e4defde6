//! The tree below a supervisor: who is left of it, and how it is signalled.
//!
//! No pid is signalled after it was reaped. Direct children are ours to reap, so theirs and their
//! groups' numbers cannot have been given to anybody else; whatever is deeper is named by a process
//! descriptor, and its parent looked at again, before it is signalled.

use std::collections::BTreeSet;

use nix::libc;
use nix::unistd::{Pid, getpgrp};

use crate::sys::{self, ChildState};

/// The service and everything that it started.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The main process, until it is reaped.
    main: Option<Pid>,
    /// Its process group, which outlives it as long as it has a member.
    group: Option<Pid>,
    /// Whether the kernel may still have children of ours.
    populated: bool,
}

/// What a look at the children brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reaped {
    /// The main process ended, with this code; negative for a signal's number.
    pub(super) exit: Option<i32>,
    /// The last process of the tree went.
    pub(super) emptied: bool,
}

impl Tree {
    pub(super) fn new(main: Pid) -> Self {
        Self {
            main: Some(main),
            group: Some(main),
            populated: true,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.populated
    }

    pub(super) fn main_is_alive(&self) -> bool {
        self.main.is_some()
    }

    /// Reaps every child that has ended. Everything orphaned below us becomes a child of ours
    /// first, so `ECHILD` is the kernel's word that nothing is left.
    pub(super) fn reap(&mut self) -> Reaped {
        let mut reaped = Reaped::default();
        while self.populated {
            match sys::reap_any_child() {
                ChildState::Ended(pid, code) if Some(pid) == self.main => {
                    self.main = None;
                    reaped.exit = Some(code);
                }
                ChildState::Ended(..) => {}
                ChildState::AllAlive => break,
                ChildState::NoneLeft => {
                    self.populated = false;
                    reaped.emptied = true;
                }
            }
        }
        reaped
    }

    /// Signals the service: the main process's group, or once that has ended the groups of what it
    /// left behind, which then are the service.
    pub(super) fn signal_service(&self, signal: i32) {
        match self.main {
            Some(main) => drop(sys::send_signal_to_group(main, signal)),
            None => drop(signal_groups_of_children(signal)),
        }
    }

    /// Signals every process of the tree once.
    pub(super) fn signal_all(&self, signal: i32) {
        let signalled = signal_groups_of_children(signal);
        for deeper in sys::descendants()
            .into_iter()
            .filter(|one| one.parent != Pid::this())
        {
            let group = sys::standing(deeper.pid).map(|standing| standing.group);
            if group.is_none_or(|group| !signalled.contains(&group)) {
                signal_deeper(deeper, signal);
            }
        }
        // Where the platform lists no children, the group is all that is known.
        if let Some(main) = self.main.filter(|main| !signalled.contains(main)) {
            let _ = sys::send_signal_to_group(main, signal);
        }
    }

    /// One pass of SIGKILL over everything that can be found. The nearest first and one by one: a
    /// process that forks and ends in a tenth of a millisecond must be met while it lives. Its
    /// group next, which the kernel kills as one, children being forked included.
    pub(super) fn kill_pass(&self) {
        if let Some(main) = self.main {
            let _ = sys::send_signal_to_group(main, libc::SIGKILL);
        }
        for child in sys::children() {
            let _ = sys::send_signal(child, libc::SIGKILL);
            if let Some(group) = group_below_us(child) {
                let _ = sys::send_signal_to_group(group, libc::SIGKILL);
            }
        }
        for deeper in sys::descendants()
            .into_iter()
            .filter(|one| one.parent != Pid::this())
        {
            signal_deeper(deeper, libc::SIGKILL);
        }
    }

    /// Whether the main process's group still has a living member.
    pub(super) fn group_is_alive(&self) -> bool {
        sys::descendants().into_iter().any(|one| {
            sys::standing(one.pid)
                .is_some_and(|standing| !standing.zombie && Some(standing.group) == self.group)
        })
    }
}

/// What lives below us, for people.
pub(super) fn living() -> Vec<(u32, String)> {
    sys::descendants()
        .into_iter()
        .filter(|one| sys::standing(one.pid).is_some_and(|standing| !standing.zombie))
        .map(|one| (one.pid.as_raw().unsigned_abs(), sys::command_line(one.pid)))
        .collect()
}

/// Signals the group of each direct child once; gives the groups.
fn signal_groups_of_children(signal: i32) -> BTreeSet<Pid> {
    let groups: BTreeSet<Pid> = sys::children()
        .into_iter()
        .filter_map(group_below_us)
        .collect();
    for group in &groups {
        let _ = sys::send_signal_to_group(*group, signal);
    }
    groups
}

/// The group of a direct child. Every group in the tree is made by it, as the service begins with a
/// session of its own; a child that is on the way there is still in ours, which is never signalled.
fn group_below_us(child: Pid) -> Option<Pid> {
    sys::standing(child)
        .map(|standing| standing.group)
        .filter(|group| *group != getpgrp())
}

/// Signals what is not ours to reap. Between the listing and the opening its pid may have been
/// given to another: then that one's parent is another too.
fn signal_deeper(deeper: sys::Descendant, signal: i32) {
    let Ok(process) = sys::ProcessFd::open(deeper.pid) else {
        return;
    };
    let parent = sys::standing(deeper.pid).map(|standing| standing.parent);
    // Orphaned since, it is a child of ours, and its pid reserved.
    if parent == Some(deeper.parent) || parent == Some(Pid::this()) {
        let _ = process.signal(signal);
    }
}
