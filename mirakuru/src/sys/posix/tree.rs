//! The tree below a supervisor: starts it, reaps it, and signals it.
//!
//! No pid is signalled after it was reaped. Direct children are ours to reap, so theirs and their
//! groups' numbers cannot have been given to anybody else; whatever is deeper is named by a process
//! descriptor, and its parent looked at again, before it is signalled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nix::unistd::getpgrp;

use super::process::{is_below_this, reap_any_child};
use super::signals::{self, send_signal, send_signal_to_group};
use super::spawn::Spawn;
use crate::sys::{self, Pid, ProcStat, Reaped, Stoppable, Stuck};

/// A process of the tree, and whose child it was when it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descendant {
    pub(crate) pid: Pid,
    pub(crate) parent: Pid,
}

/// The service and everything that it started.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The main process, until it is reaped. It begins with a session of its own, whose group has its number.
    main: Option<Pid>,
    /// The main process, if the service has named another one than the process that was started.
    followed: Option<sys::Process>,
    /// It has ended, and its parent, another process of the tree, has not reaped it yet.
    is_zombie: bool,
    /// No child of ours is left, and other processes of the tree are.
    has_strays: bool,
    /// The group of the main process that was reaped: where orphans go to init, it may have members.
    left: Option<Pid>,
    /// Whether the kernel may still have children of ours.
    populated: bool,
    /// The children that a signal has ended, before they could remove what outlives them.
    killed: Vec<(Pid, Duration)>,
}

impl Tree {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// The step that failed. No process is left then.
    pub(crate) fn start(spawn: &Spawn<'_>) -> Result<Self, Stuck> {
        let main = sys::spawn(spawn)?;
        Ok(Self {
            main: Some(main),
            populated: true,
            ..Self::default()
        })
    }

    /// Starts a process beside the service, with a session of its own.
    ///
    /// # Errors
    ///
    /// The step that failed. The process was reaped.
    pub(crate) fn start_beside(&mut self, spawn: &Spawn<'_>) -> Result<Pid, Stuck> {
        let process = sys::spawn(spawn)?;
        self.populated = true;
        Ok(process)
    }

    /// Takes a process of the tree for the main process from now on. Returns whether it is in the tree.
    pub(crate) fn follow(&mut self, process: Pid) -> bool {
        // The pid is looked at after it was opened: it may have been given to another in between.
        let opened = sys::Process::open(process).ok();
        let is_below = process != Pid::this() && is_below_this(process) == Some(true);
        let Some(opened) = opened.filter(|_| is_below) else {
            return false;
        };
        (self.main, self.followed) = (Some(process), Some(opened));
        true
    }

    /// Becomes readable when a main process has ended that is no child of ours.
    pub(crate) fn wakeup(&self) -> Option<sys::Wakeup<'_>> {
        let followed = self.followed.as_ref().filter(|_| !self.is_zombie);
        followed.and_then(sys::Process::wakeup)
    }

    /// Returns the time until the next look at a process whose end wakes nothing.
    pub(crate) fn next_look(&self) -> Duration {
        match (self.is_zombie, self.has_strays) {
            (true, _) => Duration::from_millis(20),
            (false, true) => Duration::from_millis(100),
            (false, false) => Duration::MAX,
        }
    }

    /// Kills a process that was started beside the service, and its group. The caller has not seen it reaped.
    pub(crate) fn kill_beside(&self, process: Pid) {
        let _ = send_signal(process, signals::KILL);
        let _ = send_signal_to_group(process, signals::KILL);
    }

    /// The main process's number, for messages; 0 once it was reaped.
    pub(crate) fn pid(&self) -> u32 {
        self.main.map_or(0, sys::number_of)
    }

    /// Signals the main process, or its group. Once it has ended, what it left is the service.
    pub(crate) fn signal_service(&self, signal: i32, to_group: bool) {
        if let (Some(main), false) = (&self.followed, to_group) {
            let _ = main.signal(signal);
            return;
        }
        let own_group = self.own_group();
        if let Some(group) = own_group.filter(|_| to_group || self.main.is_none()) {
            let _ = send_signal_to_group(group, signal);
            return;
        }
        let main = self.main.map(|main| vec![main]);
        let service = main.unwrap_or_else(sys::children);
        if to_group {
            let groups: BTreeSet<_> = service.into_iter().filter_map(group_below_us).collect();
            for group in groups {
                signal_members(
                    group,
                    living().filter(|(_, one)| one.group == group),
                    signal,
                );
            }
        } else {
            for one in service {
                let _ = send_signal(one, signal);
            }
        }
    }

    /// Removes the shared memory that is left of the tree, which has ended and began at this time. Returns whether a
    /// process uses it.
    pub(crate) fn remove_shared_memory(&self, since: Duration) -> bool {
        sys::remove_shared_memory(&self.killed, since)
    }

    /// The group of the main process that was reaped, if it has members that are no children of ours. As long as it
    /// has, its number is no other group's.
    fn orphans(&self) -> Option<Pid> {
        self.left.filter(|group| sys::has_orphans(*group))
    }

    /// The group of the process that was started, which is listed nowhere on some systems.
    fn own_group(&self) -> Option<Pid> {
        let started = self.main.filter(|_| self.followed.is_none());
        started.or_else(|| self.orphans())
    }

    /// Reaps every child that has ended. If orphans become children of ours first, `ECHILD` is the kernel's word that
    /// nothing is left; on other systems the group of the main process must be empty too, and no stray be found.
    pub(crate) fn reap(&mut self) -> Reaped {
        let mut reaped = Reaped::default();
        // Looked at before the children are reaped: a child that ends after that look is reaped next time.
        let is_over = |main: &sys::Process| main.ended_within(Duration::ZERO);
        let main_is_over = self.followed.as_ref().is_some_and(is_over);
        self.has_strays = false;
        // Once it is empty, its number may be another group's.
        self.left = self.orphans();
        while self.populated {
            let child = reap_any_child();
            if let Ok(Some((pid, ..=-1))) = child {
                self.killed.push((pid, sys::wall_clock()));
            }
            match child {
                Ok(Some((pid, code))) if Some(pid) == self.main => {
                    (self.main, self.followed) = (None, None);
                    self.left = Some(pid);
                    reaped.exit = Some(code);
                }
                Ok(Some(other)) => reaped.others.push(other),
                Ok(None) => break,
                Err(_) => {
                    self.has_strays = self.orphans().is_some() || sys::has_strays();
                    if self.has_strays {
                        break;
                    }
                    self.left = None;
                    self.populated = false;
                    reaped.emptied = true;
                }
            }
        }
        let main = self
            .main
            .filter(|_| main_is_over && self.followed.is_some());
        // It becomes a child of ours if its parent ends first.
        self.is_zombie = main.is_some_and(|main| sys::proc_stat(main).is_some());
        // Its parent has taken the code, which stays unknown here.
        if main.is_some() && !self.is_zombie {
            (self.main, self.followed) = (None, None);
            reaped.exit = Some(0);
        }
        reaped
    }
}

impl Stoppable for Tree {
    fn is_empty(&self) -> bool {
        !self.populated
    }

    fn main_is_alive(&self) -> bool {
        self.main.is_some()
    }

    fn living(&self) -> Vec<(u32, String)> {
        let mut all: Vec<_> = living().map(|(pid, _)| pid).collect();
        if all.is_empty() {
            all.extend(self.orphans());
        }
        let all = all.into_iter();
        all.map(|pid| (sys::number_of(pid), sys::command_line(pid)))
            .collect()
    }

    fn ask(&self, signal: i32, asked: &mut BTreeSet<Pid>, all: bool) -> bool {
        let before = asked.len();
        if let Some(group) = self.own_group().filter(|group| asked.insert(*group)) {
            let _ = [signal, signals::CONT].map(|signal| send_signal_to_group(group, signal));
        }
        let members: BTreeMap<_, _> = living().collect();
        let of_main = self
            .main
            .and_then(|main| members.get(&main))
            .map(|main| main.group);
        for group in members.values().map(|one| one.group) {
            if asked.contains(&group) || group == getpgrp() {
                continue;
            }
            let of_group = || {
                let of_group = members.iter().filter(|(_, one)| one.group == group);
                of_group.map(|(pid, one)| (*pid, *one))
            };
            let has_parent = of_group().any(|(_, one)| {
                let parent = members.get(&one.parent);
                parent.is_some_and(|parent| parent.group != group)
            });
            if all || !has_parent || Some(group) == of_main {
                asked.insert(group);
                for signal in [signal, signals::CONT] {
                    signal_members(group, of_group(), signal);
                }
            }
        }
        asked.len() > before
    }

    /// The nearest first and one by one: a process that forks and ends in a tenth of a millisecond must be
    /// met while it lives. Its group next, which the kernel kills as one, children being forked included.
    fn kill_pass(&self) {
        if let Some(group) = self.own_group() {
            let _ = send_signal_to_group(group, signals::KILL);
        }
        for child in sys::children() {
            let _ = send_signal(child, signals::KILL);
            if let Some(group) = group_below_us(child) {
                let _ = send_signal_to_group(group, signals::KILL);
            }
        }
        deeper().for_each(|deeper| signal_deeper(deeper, signals::KILL));
    }
}

/// What lives below us, and where it stands.
fn living() -> impl Iterator<Item = (Pid, ProcStat)> {
    let all = sys::descendants().into_iter();
    all.filter_map(|one| Some((one.pid, sys::proc_stat(one.pid).filter(|one| !one.zombie)?)))
}

/// What is below us and no child of ours.
fn deeper() -> impl Iterator<Item = Descendant> {
    let all = sys::descendants().into_iter();
    all.filter(|one| one.parent != Pid::this())
}

/// Signals a group as one if a direct child is among its members, whose number then is reserved; else each of
/// them.
fn signal_members(group: Pid, members: impl Iterator<Item = (Pid, ProcStat)>, signal: i32) {
    let members: Vec<_> = members.collect();
    if members.iter().any(|(_, one)| one.parent == Pid::this()) {
        let _ = send_signal_to_group(group, signal);
        return;
    }
    for (pid, one) in members {
        let parent = one.parent;
        signal_deeper(Descendant { pid, parent }, signal);
    }
}

/// The group of a direct child. Every group in the tree is made by it, as the service begins with a
/// session of its own; a child that is on the way there is still in ours, which is never signalled.
fn group_below_us(child: Pid) -> Option<Pid> {
    sys::proc_stat(child)
        .map(|stat| stat.group)
        .filter(|group| *group != getpgrp())
}

/// Signals what is not ours to reap. Between the listing and the opening its pid may have been given to another.
fn signal_deeper(deeper: Descendant, signal: i32) {
    let process = sys::Process::open(deeper.pid).ok();
    if let Some(process) = process.filter(|_| sys::is_still(deeper)) {
        let _ = process.signal(signal);
    }
}
