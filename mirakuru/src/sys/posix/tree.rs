//! Starts, reaps and signals the process tree of a supervisor.
//!
//! No pid is signalled after it was reaped. Only this process reaps its direct children, so the kernel cannot have
//! given their numbers or those of their groups to another process. Deeper processes are opened by a process
//! descriptor, and their parent is checked again, before they are signalled.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::unistd::getpgrp;

use super::process::{is_below_this, reap_any_child};
use super::signals::{self, send_signal, send_signal_to_group};
use super::spawn::Spawn;
use crate::sys::{self, Pid, ProcStat, Reaped, Stoppable, Stuck};

/// A process of the tree, and its parent at the time of the listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descendant {
    pub(crate) pid: Pid,
    pub(crate) parent: Pid,
}

/// The service and every process that it started.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The main process, until it is reaped. It starts in a session of its own, whose group has its number.
    main: Option<Pid>,
    /// The open main process, if the service has named another process than the one that was started.
    followed: Option<sys::Process>,
    /// The main process has ended, and its parent, another process of the tree, has not reaped it yet.
    is_zombie: bool,
    /// We have no children left, but the tree has other processes.
    has_strays: bool,
    /// The group of the main process that was reaped. It may have members on systems where orphans go to init.
    left: Option<Pid>,
    /// Whether we may still have children.
    populated: bool,
    /// The children that a signal has ended before they could remove what outlives them.
    killed: Vec<(Pid, Duration)>,
}

thread_local! {
    /// Two descriptors of a supervisor that are closed while it lists and signals the processes of its tree. Without
    /// them, a supervisor that has used all its descriptors would find no process to signal.
    static ROOM: RefCell<Option<Vec<OwnedFd>>> = const { RefCell::new(None) };
}

/// Reserves descriptors for [`with_room`]. A supervisor calls it before it opens others: the limit on open files is one
/// on their numbers, and another process may lower it.
pub(super) fn reserve_room() {
    let copy = || io::stderr().as_fd().try_clone_to_owned().ok();
    ROOM.set(Some([copy(), copy()].into_iter().flatten().collect()));
}

/// Calls `list` while the reserved descriptors are closed. A supervisor has one thread, so no other code takes them.
fn with_room<T>(list: impl FnOnce() -> T) -> T {
    let reserved = ROOM.take();
    if reserved.is_none() {
        return list();
    }
    drop(reserved);
    let listed = list();
    reserve_room();
    listed
}

impl Tree {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// Returns the step that failed. No process is left then.
    pub(crate) fn start(spawn: &Spawn<'_>) -> Result<Self, Stuck> {
        let main = sys::spawn(spawn)?;
        Ok(Self {
            main: Some(main),
            populated: true,
            ..Self::default()
        })
    }

    /// Starts a process next to the service, with a session of its own.
    ///
    /// # Errors
    ///
    /// Returns the step that failed. The process was reaped then.
    pub(crate) fn start_beside(&mut self, spawn: &Spawn<'_>) -> Result<Pid, Stuck> {
        let process = sys::spawn(spawn)?;
        self.populated = true;
        Ok(process)
    }

    /// Follows this process as the main process from now on. Returns whether it is in the tree.
    pub(crate) fn follow(&mut self, process: Pid) -> bool {
        // The process is checked after it was opened: the pid may have been given to another process in between.
        let opened = sys::Process::open(process).ok();
        let is_below = process != Pid::this() && is_below_this(process) == Some(true);
        let Some(opened) = opened.filter(|_| is_below) else {
            return false;
        };
        (self.main, self.followed) = (Some(process), Some(opened));
        true
    }

    /// Returns a descriptor that becomes readable when a main process has ended that is not our child.
    pub(crate) fn wakeup(&self) -> Option<sys::Wakeup<'_>> {
        let followed = self.followed.as_ref().filter(|_| !self.is_zombie);
        followed.and_then(sys::Process::wakeup)
    }

    /// Returns the time until the next look at a process whose end causes no wake-up.
    pub(crate) fn next_look(&self) -> Duration {
        match (self.is_zombie, self.has_strays) {
            (true, _) => Duration::from_millis(20),
            (false, true) => Duration::from_millis(100),
            (false, false) => Duration::MAX,
        }
    }

    /// Kills a process that was started next to the service, and its group. The process must not have been reaped.
    pub(crate) fn kill_beside(&self, process: Pid) {
        let _ = send_signal(process, signals::KILL);
        let _ = send_signal_to_group(process, signals::KILL);
    }

    /// Returns the main process's number, for messages, or 0 after it was reaped.
    pub(crate) fn pid(&self) -> u32 {
        self.main.map_or(0, sys::number_of)
    }

    /// Signals the main process, or its group. After the main process has ended, signals the processes that it left.
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

    /// Removes the shared memory that an ended tree, which began at this time, has left. Returns whether a process
    /// still uses it.
    pub(crate) fn remove_shared_memory(&self, since: Duration) -> bool {
        sys::remove_shared_memory(&self.killed, since)
    }

    /// Returns the group of the reaped main process, if it has members that are not our children. As long as it has
    /// members, no other group gets its number.
    fn orphans(&self) -> Option<Pid> {
        self.left.filter(|group| sys::has_orphans(*group))
    }

    /// Returns the group of the process that was started, which some systems list nowhere.
    fn own_group(&self) -> Option<Pid> {
        let started = self.main.filter(|_| self.followed.is_none());
        started.or_else(|| self.orphans())
    }

    /// Reaps every child that has ended. On a system that makes orphans our children first, `ECHILD` proves that no
    /// process is left. On other systems, the group of the main process must be empty too, and no stray be found.
    pub(crate) fn reap(&mut self) -> Reaped {
        let mut reaped = Reaped::default();
        // Checked before the children are reaped: a child that ends after this check is reaped next time.
        let is_over = |main: &sys::Process| main.ended_within(Duration::ZERO);
        let main_is_over = self.followed.as_ref().is_some_and(is_over);
        self.has_strays = false;
        // After the group is empty, another group may get its number.
        self.left = self.orphans();
        while self.populated {
            let child = reap_any_child();
            if let Ok(Some((pid, ..=-1))) = child {
                self.killed.push((pid, sys::wall_clock()));
            }
            match child {
                Ok(Some((pid, code))) => {
                    // The service may have named a process that was started next to it.
                    reaped.children.push((pid, code));
                    if Some(pid) == self.main {
                        (self.main, self.followed) = (None, None);
                        self.left = Some(pid);
                        reaped.exit = Some(code);
                    }
                }
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
        let main = self.main.filter(|_| main_is_over);
        // The process becomes our child if its parent ends first.
        self.is_zombie = main.is_some_and(|main| sys::proc_stat(main).is_some());
        // The parent has taken the exit code, which stays unknown here.
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
        with_room(|| {
            let mut all: Vec<_> = sys::descendants().iter().map(|one| one.pid).collect();
            if all.is_empty() {
                all.extend(self.orphans());
            }
            if all.is_empty() && self.populated {
                return vec![(0, "[a process that the system does not list]".to_owned())];
            }
            let all = all.into_iter().filter(|pid| !sys::has_ended(*pid));
            all.map(|pid| (sys::number_of(pid), sys::command_line(pid)))
                .collect()
        })
    }

    fn ask(&self, signal: i32, asked: &mut BTreeSet<Pid>, all: bool) -> bool {
        with_room(|| self.ask_listed(signal, asked, all))
    }

    /// Kills the nearest processes first and one by one: a process that forks and ends within a tenth of a millisecond
    /// must be hit while it lives. Then kills the group of each, which the kernel kills as one, including children that
    /// are being forked.
    fn kill_pass(&self) {
        if let Some(group) = self.own_group() {
            let _ = send_signal_to_group(group, signals::KILL);
        }
        with_room(|| {
            for child in sys::children() {
                let _ = send_signal(child, signals::KILL);
                if let Some(group) = group_below_us(child) {
                    let _ = send_signal_to_group(group, signals::KILL);
                }
            }
            deeper().for_each(|deeper| signal_deeper(deeper, signals::KILL));
        });
    }
}

impl Tree {
    fn ask_listed(&self, signal: i32, asked: &mut BTreeSet<Pid>, all: bool) -> bool {
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
}

/// Returns the living processes of the tree, and their state.
fn living() -> impl Iterator<Item = (Pid, ProcStat)> {
    let all = sys::descendants().into_iter();
    all.filter_map(|one| Some((one.pid, sys::proc_stat(one.pid).filter(|one| !one.zombie)?)))
}

/// Returns the descendants that are not our children.
fn deeper() -> impl Iterator<Item = Descendant> {
    let all = sys::descendants().into_iter();
    all.filter(|one| one.parent != Pid::this())
}

/// Signals a group as one if a direct child is a member, as its number is reserved then. Otherwise signals each member.
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

/// Returns the group of a direct child. Every such group was made in the tree, as the service begins with a session of
/// its own. A child that has not yet started its session is still in our group, which is never signalled.
fn group_below_us(child: Pid) -> Option<Pid> {
    sys::proc_stat(child)
        .map(|stat| stat.group)
        .filter(|group| *group != getpgrp())
}

/// Signals a process that is not ours to reap. Its pid may have been given to another process between the listing and
/// the opening.
fn signal_deeper(deeper: Descendant, signal: i32) {
    let process = sys::Process::open(deeper.pid).ok();
    if let Some(process) = process.filter(|_| sys::is_still(deeper)) {
        let _ = process.signal(signal);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;
    use crate::rerun::{alone, is_alone};
    use crate::wait;

    fn tree_of(script: &str) -> (Child, Tree) {
        let mut command = Command::new("sh");
        let child = command
            .args(["-c", script])
            .process_group(0)
            .spawn()
            .expect("a shell");
        let tree = Tree {
            main: sys::process_of(child.id()),
            populated: true,
            ..Tree::default()
        };
        (child, tree)
    }

    #[test]
    fn the_living_processes_of_a_tree_are_listed() {
        if !is_alone() {
            let test = "sys::posix::tree::tests::the_living_processes_of_a_tree_are_listed";
            return alone(test, &[], |_| {});
        }
        let (mut child, mut tree) = tree_of("exec sleep 60");
        assert!(tree.main_is_alive() && !Tree::default().main_is_alive());
        wait::until(|| tree.living() == [(child.id(), "sleep 60".to_owned())]);
        child.kill().expect("a child");
        // A zombie does not live.
        wait::until(|| tree.living().is_empty());
        child.wait().expect("a child");
        let unlisted = tree.living();
        assert_eq!(unlisted.len(), 1);
        assert!(unlisted[0].1.contains("does not list"), "{unlisted:?}");
        tree.populated = false;
        assert_eq!(tree.living(), []);
    }

    #[test]
    fn the_end_of_a_followed_process_is_a_wakeup() {
        let (mut child, mut tree) = tree_of("exec sleep 60");
        assert!(tree.wakeup().is_none(), "a signal tells the end of a child");
        assert!(tree.main.is_some_and(|main| tree.follow(main)));
        child.kill().expect("a child");
        let woken = sys::await_readable(tree.wakeup(), Duration::from_secs(30));
        assert!(woken.is_some_and(|woken| woken[0]));
        // A zombie would be a wake-up again and again.
        tree.is_zombie = true;
        assert!(tree.wakeup().is_none());
        child.wait().expect("a child");
    }

    #[test]
    fn a_group_that_another_group_has_started_is_asked_later() {
        if !is_alone() {
            let test =
                "sys::posix::tree::tests::a_group_that_another_group_has_started_is_asked_later";
            return alone(test, &[], |_| {});
        }
        let (mut child, tree) = tree_of("setsid sleep 60 & wait");
        wait::until(|| living().filter(|(pid, one)| *pid == one.group).count() == 2);
        // A signal of the number zero only asks whether the process exists.
        let mut asked = BTreeSet::new();
        assert!(tree.ask(0, &mut asked, false));
        assert_eq!(asked, BTreeSet::from_iter(tree.main));
        assert!(!tree.ask(0, &mut asked, false));
        assert!(tree.ask(0, &mut asked, true));
        assert_eq!(asked.len(), 2);
        deeper().for_each(|one| signal_deeper(one, signals::KILL));
        child.kill().and_then(|()| child.wait()).expect("a child");
    }
}
