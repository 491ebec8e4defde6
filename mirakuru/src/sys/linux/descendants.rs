//! Who belongs to a tree, from `/proc`.
//!
//! `/proc/PID/task/*/children` names the children of one process at once; kernels built without
//! it are asked for every process's parent instead. Neither is a snapshot: callers ask again until
//! the kernel itself says that nothing is left.

use std::fs;
use std::path::PathBuf;

use nix::unistd::Pid;

use crate::sys::{Descendant, ProcStat};

/// The unreaped children of this process, which has one thread.
pub(crate) fn children() -> Vec<Pid> {
    let own = Pid::this();
    listed_children(own).unwrap_or_else(|| children_among(&all_parents(), own))
}

/// Everything below this process, nearest first.
pub(crate) fn descendants() -> Vec<Descendant> {
    descendants_of(Pid::this())
}

/// Everything below this process, nearest first.
pub(super) fn descendants_of(root: Pid) -> Vec<Descendant> {
    let all = listed_children(root).is_none().then(all_parents);
    let children_of = |parent| match &all {
        None => listed_children(parent).unwrap_or_default(),
        Some(all) => children_among(all, parent),
    };
    let mut found: Vec<Descendant> = Vec::new();
    let mut parent = root;
    // Without recursion: a chain may be a thousand deep.
    for next in 0.. {
        let children = children_of(parent).into_iter();
        found.extend(children.map(|pid| Descendant { pid, parent }));
        let Some(deeper) = found.get(next) else { break };
        parent = deeper.pid;
    }
    found
}

fn children_among(all: &[(Pid, Pid)], own: Pid) -> Vec<Pid> {
    let children = all.iter().filter(|(_, parent)| *parent == own);
    children.map(|(pid, _)| *pid).collect()
}

/// Returns whether the process that has this pid now is the one that was listed: another one has another parent.
pub(in crate::sys) fn is_still(listed: Descendant) -> bool {
    let parent = proc_stat(listed.pid).map(|stat| stat.parent);
    // Orphaned since, it is a child of ours, and its pid reserved.
    parent == Some(listed.parent) || parent == Some(Pid::this())
}

/// Whether a process is below another, by its parents. They change where one of them ends: a walk that
/// leads nowhere is made again.
pub(super) fn is_below(pid: Pid, ancestor: Pid) -> bool {
    (0..WALKS).any(|_| {
        let parents = std::iter::successors(Some(pid), |pid| Some(proc_stat(*pid)?.parent));
        let mut known = parents.skip(1).take_while(|parent| parent.as_raw() > 0);
        known.any(|parent| parent == ancestor)
    })
}

/// More often than the parents of one process change in a moment.
const WALKS: usize = 3;

/// `None` where the kernel lacks the file, or the process is gone.
fn listed_children(parent: Pid) -> Option<Vec<Pid>> {
    let mut found = Vec::new();
    let mut any = false;
    for task in fs::read_dir(format!("/proc/{parent}/task")).ok()?.flatten() {
        if let Ok(listed) = fs::read_to_string(task.path().join("children")) {
            any = true;
            found.extend(listed.split_ascii_whitespace().filter_map(parse_pid));
        }
    }
    any.then_some(found)
}

/// Every process that can be seen, with its parent.
fn all_parents() -> Vec<(Pid, Pid)> {
    processes()
        .filter_map(|pid| Some((pid, proc_stat(pid)?.parent)))
        .collect()
}

pub(super) fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| parse_pid(entry.file_name().to_str()?))
}

fn parse_pid(text: &str) -> Option<Pid> {
    text.parse().ok().map(Pid::from_raw)
}

/// Where a process stands now, by `/proc/PID/stat`; also for a zombie, whose numbers stay reserved
/// until it is reaped.
pub(crate) fn proc_stat(pid: Pid) -> Option<ProcStat> {
    let fields = stat(pid)?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let (parent, group) = (parse_pid(fields.next()?)?, parse_pid(fields.next()?)?);
    // The 20th of all, by `proc_pid_stat(5)`; the group is the fifth. A first thread that has ended reads
    // as a zombie while others of its process go on.
    let threads: usize = fields.nth(14)?.parse().ok()?;
    Some(ProcStat {
        zombie: matches!(state, "Z" | "X") && threads < 2,
        stopped: matches!(state, "T" | "t"),
        parent,
        group,
    })
}

/// When a process started, in the kernel's ticks since the system did: with its pid a name for ever.
pub(crate) fn started_at(pid: Pid) -> Option<u64> {
    // The 22nd of all, by `proc_pid_stat(5)`.
    stat(pid)?.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The fields of `/proc/PID/stat` from the third on. The name before may itself hold spaces and parentheses.
fn stat(pid: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.to_owned())
}

/// The file name of the program that a process runs.
pub(crate) fn program_name(pid: Pid) -> Option<String> {
    Some(program(pid)?.file_name()?.to_string_lossy().into_owned())
}

pub(super) fn program(pid: Pid) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// The command line for people; the name in brackets where there is none.
pub(crate) fn command_line(pid: Pid) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = raw.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
    if !words.is_empty() {
        return words.join(" ");
    }
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("[{}]", name.trim_end())
}

/// The processes whose environment holds `mark` (`NAME=value`), as far as this user may look.
pub(crate) fn marked(mark: &str) -> Vec<Pid> {
    let own = Pid::this();
    processes()
        .filter(|pid| *pid != own && carries(*pid, mark))
        .collect()
}

/// Whether this process's environment holds `mark`.
pub(crate) fn carries(pid: Pid, mark: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|all| {
        all.split(|byte| *byte == 0)
            .any(|entry| entry == mark.as_bytes())
    })
}
