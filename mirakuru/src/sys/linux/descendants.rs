//! Finds the processes of a tree in `/proc`.
//!
//! `/proc/PID/task/*/children` lists the children of one process at once. On kernels built without that file, the
//! parent of every process is read instead. Neither is a snapshot: callers ask again until the kernel reports that no
//! process is left.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use nix::libc;
use nix::unistd::Pid;

use crate::sys::{Descendant, ProcStat};
use crate::wait;

/// Returns the unreaped children of this process, which has one thread.
pub(crate) fn children() -> Vec<Pid> {
    let own = Pid::this();
    listed_children(own).unwrap_or_else(|| children_among(&all_parents(), own))
}

/// Returns all descendants of this process, nearest first.
pub(crate) fn descendants() -> Vec<Descendant> {
    descendants_of(Pid::this())
}

/// Returns all descendants of the process `root`, nearest first.
pub(super) fn descendants_of(root: Pid) -> Vec<Descendant> {
    let all = listed_children(root).is_none().then(all_parents);
    let children_of = |parent| match &all {
        None => listed_children(parent).unwrap_or_default(),
        Some(all) => children_among(all, parent),
    };
    let mut found: Vec<Descendant> = Vec::new();
    let mut parent = root;
    // Without recursion, as a chain may be a thousand processes deep.
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

/// Returns whether the process that has this pid now is the listed one. Another process would have another parent.
pub(in crate::sys) fn is_still(listed: Descendant) -> bool {
    let parent = proc_stat(listed.pid).map(|stat| stat.parent);
    // If it has been orphaned since, it is our child, and its pid is reserved.
    parent == Some(listed.parent) || parent == Some(Pid::this())
}

/// Returns whether a process is a descendant of another. Parents change when one of them ends, so a walk that does not
/// find the ancestor is repeated.
pub(super) fn is_below(pid: Pid, ancestor: Pid) -> bool {
    (0..WALKS).any(|_| {
        let parents = std::iter::successors(Some(pid), |pid| Some(proc_stat(*pid)?.parent));
        parents.skip(1).any(|parent| parent == ancestor)
    })
}

/// The number of walks: more than the parents of one process change in a moment.
const WALKS: usize = 3;

/// Returns the children that the kernel lists. Returns `None` if the kernel lacks the file, or the process is gone.
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

/// Returns every visible process with its parent.
fn all_parents() -> Vec<(Pid, Pid)> {
    processes()
        .filter_map(|pid| Some((pid, proc_stat(pid)?.parent)))
        .collect()
}

pub(super) fn processes() -> impl Iterator<Item = Pid> {
    fs::read_dir("/proc").into_iter().flat_map(processes_in)
}

fn processes_in(entries: fs::ReadDir) -> impl Iterator<Item = Pid> {
    let entries = entries.flatten();
    entries.filter_map(|entry| parse_pid(entry.file_name().to_str()?))
}

fn parse_pid(text: &str) -> Option<Pid> {
    text.parse().ok().map(Pid::from_raw)
}

/// Returns the state of a process, from `/proc/PID/stat`. Works for a zombie too, whose numbers stay reserved until it
/// is reaped.
pub(crate) fn proc_stat(pid: Pid) -> Option<ProcStat> {
    let fields = stat(pid)?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let (parent, group) = (parse_pid(fields.next()?)?, parse_pid(fields.next()?)?);
    // The number of threads is the 20th field, and the group the fifth, by `proc_pid_stat(5)`.
    Some(ProcStat {
        zombie: is_zombie(state, fields.nth(14)?),
        stopped: matches!(state, "T" | "t"),
        parent,
        group,
    })
}

/// Returns the start time of a process, in the kernel's ticks since boot. With its pid it names a process for ever.
pub(crate) fn started_at(pid: Pid) -> Option<u64> {
    // The 22nd field, by `proc_pid_stat(5)`.
    stat(pid)?.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Returns the fields of `/proc/PID/stat` from the third on. The name before them may itself contain spaces and
/// parentheses.
fn stat(pid: Pid) -> Option<String> {
    try_stat(pid).ok()
}

fn try_stat(pid: Pid) -> io::Result<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.to_owned());
    Ok(fields.unwrap_or_default())
}

/// Returns the file name of the program that a process runs.
pub(crate) fn program_name(pid: Pid) -> Option<String> {
    Some(program(pid)?.file_name()?.to_string_lossy().into_owned())
}

pub(super) fn program(pid: Pid) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Returns the human-readable command line, or the name in brackets if there is none.
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

/// Returns the processes whose environment contains `mark` (`NAME=value`), as far as this user may look.
///
/// # Errors
///
/// Returns an error if this process or the system has no descriptor left for a look.
pub(crate) fn marked(mark: &str) -> io::Result<Vec<Pid>> {
    let own = Pid::this();
    let mut found = Vec::new();
    let entries = match fs::read_dir("/proc") {
        Ok(entries) => entries,
        Err(error) => return unless_exhausted(error),
    };
    // Closes the list, so that its descriptor is free for the next look.
    let all: Vec<_> = processes_in(entries).filter(|pid| *pid != own).collect();
    for pid in all {
        match environment_has(pid, mark).or_else(unless_exhausted) {
            Ok(true) => found.push(pid),
            Ok(false) => {}
            Err(error) if found.is_empty() => return Err(error),
            // The caller looks again after it has handled these.
            Err(_) => break,
        }
    }
    Ok(found)
}

/// Returns whether this process's environment contains `mark`.
pub(crate) fn carries(pid: Pid, mark: &str) -> bool {
    environment_has(pid, mark).unwrap_or(false)
}

fn environment_has(pid: Pid, mark: &str) -> io::Result<bool> {
    let all = environment(pid)?;
    let mut entries = all.split(|byte| *byte == 0);
    Ok(entries.any(|entry| entry == mark.as_bytes()))
}

/// Returns the environment that a process began its program with.
///
/// Two moments would hide a marked process. After the first thread has ended, only the other threads show the memory.
/// And `execve` drops the old program's memory before it fills in the new one's. The number of looks is limited, and not
/// the time, as this process may be suspended between two of them.
fn environment(pid: Pid) -> io::Result<Vec<u8>> {
    for _ in 0..LOOKS {
        let of_first = environment_in(&format!("/proc/{pid}"))?;
        if !of_first.is_empty() || has_no_environment(&try_stat(pid).or_else(unless_ended)?) {
            return Ok(of_first);
        }
        let threads = fs::read_dir(format!("/proc/{pid}/task"));
        let threads = threads.map(|threads| processes_in(threads).collect::<Vec<_>>());
        for thread in threads.or_else(unless_ended)? {
            let of_thread = environment_in(&format!("/proc/{pid}/task/{thread}"))?;
            if !of_thread.is_empty() {
                return Ok(of_thread);
            }
        }
        wait::pause(Duration::from_millis(1));
    }
    Ok(Vec::new())
}

/// The number of looks at a process that begins a program.
const LOOKS: u32 = 100;

/// Reads the environment in this directory of a process or thread. Returns an empty one if that has no memory.
fn environment_in(directory: &str) -> io::Result<Vec<u8>> {
    // Within one call, the memory stays. Between two calls, the rest may vanish.
    let read = |room: usize| {
        let mut all = vec![0; room];
        let size = File::open(format!("{directory}/environ"))?.read(&mut all)?;
        all.truncate(size);
        Ok(all)
    };
    let all = match read(USUAL) {
        Ok(all) if all.len() == USUAL => read(LARGEST),
        all => all,
    };
    all.or_else(unless_ended)
}

/// More than nearly all environments have, in bytes.
const USUAL: usize = 65_536;

/// More than the kernel accepts, in bytes (`execve(2)`).
const LARGEST: usize = 8 << 20;

/// Returns whether the process of this line of `/proc/PID/stat` has ended, is a thread of the kernel, or has an
/// environment without entries. During `execve`, the environment has no place in the memory at first, and then an empty
/// one until the kernel knows the place of the code.
fn has_no_environment(line: &str) -> bool {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    // By their numbers in `proc_pid_stat(5)`. The first one here is the third.
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
    let [state, flags, threads, code, start, end] = [3, 9, 20, 27, 50, 51].map(field);
    let is_of_kernel = flags.parse().is_ok_and(|flags: u32| flags & PF_KTHREAD > 0);
    let is_empty = start == end && end != "0" && code != "0";
    is_zombie(state, threads) || is_of_kernel || is_empty
}

/// The flag of a thread of the kernel (`include/linux/sched.h`).
const PF_KTHREAD: u32 = 0x0020_0000;

/// Returns whether all threads have ended. A process whose first thread has ended reads as a zombie while its other
/// threads go on. It has no thread for a moment if one of these takes its place, to begin a program.
fn is_zombie(state: &str, threads: &str) -> bool {
    state == "Z" && threads == "1"
}

/// Returns the default value for an error of a process or thread that has ended.
fn unless_ended<T: Default>(error: io::Error) -> io::Result<T> {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) => Ok(T::default()),
        _ => Err(error),
    }
}

/// Returns the default value for an error of one process, which is hidden or has ended.
fn unless_exhausted<T: Default>(error: io::Error) -> io::Result<T> {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => Err(error),
        _ => Ok(T::default()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;
    use crate::rerun::{alone, is_alone};

    const MARK: &str = "MIRAKURU_TESTS_MARK";

    fn sleeper() -> Command {
        let mut command = Command::new("sleep");
        command.arg("60").env_clear();
        command
    }

    fn pid_of(child: &Child) -> Pid {
        crate::sys::process_of(child.id()).expect("a pid")
    }

    fn end(mut child: Child) {
        child.kill().and_then(|()| child.wait()).expect("a child");
    }

    #[test]
    fn a_process_is_marked_while_it_begins_its_programs() {
        // The shell replaces itself with a shell again and again. The kernel needs longer to copy many entries.
        let script = "exec sh -c \"$0\" \"$0\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, script]).env(MARK, "1");
        shell.envs((0..2000).map(|number| (format!("E{number}"), "")));
        let shell = shell.spawn().expect("a shell");
        assert_always_carries(shell, &format!("{MARK}=1"));
    }

    #[test]
    fn a_process_is_marked_while_a_thread_begins_its_programs() {
        let program = std::env::current_exe().expect("it has a path");
        let test = "sys::linux::descendants::tests::a_process_is_marked_while_a_thread_begins_its_programs";
        let mut again = Command::new(program);
        again.args(["--exact", test]).env(MARK, "4");
        again.stdout(std::process::Stdio::null());
        if std::env::var_os(MARK).is_some() {
            // The program replaces itself again and again, and each time the first thread ends.
            let replaced = std::thread::spawn(move || again.exec());
            panic!("{:?}", replaced.join());
        }
        let program = again.spawn().expect("this program");
        assert_always_carries(program, &format!("{MARK}=4"));
    }

    /// Looks for the mark of a process thousands of times, and ends the process.
    #[track_caller]
    fn assert_always_carries(child: Child, mark: &str) {
        let pid = pid_of(&child);
        // Looks without a pause would keep the process from its next step.
        let pauses = (0..4000).map(|_| wait::pause(Duration::from_micros(100)));
        let seen = pauses.filter(|()| carries(pid, mark)).count();
        end(child);
        assert_eq!(seen, 4000);
    }

    #[test]
    fn a_process_with_a_large_environment_is_marked() {
        let large = "x".repeat(100_000);
        let mut sleeper = sleeper();
        let child = sleeper.env("A", large).env(MARK, "3");
        let child = child.spawn().expect("coreutils");
        let is_marked = carries(pid_of(&child), &format!("{MARK}=3"));
        end(child);
        assert!(is_marked);
    }

    #[test]
    fn a_state_shows_that_a_process_has_no_environment() {
        let (none, some) = (true, false);
        // The columns: state, flags, number of threads, and the places of the code and of the environment.
        for (case, values, expected) in [
            ("it has ended", ["Z", "4194564", "1", "0", "0", "0"], none),
            (
                "another thread goes on",
                ["Z", "4194564", "2", "0", "0", "0"],
                some,
            ),
            (
                "a thread takes its place",
                ["Z", "4228108", "0", "0", "0", "0"],
                some,
            ),
            (
                "it is of the kernel",
                ["S", "2129984", "1", "0", "0", "0"],
                none,
            ),
            ("no entries", ["S", "4194304", "1", "99", "50", "50"], none),
            ("entries", ["S", "4194304", "1", "99", "50", "60"], some),
            (
                "`execve` has dropped the memory",
                ["R", "4194304", "1", "0", "0", "0"],
                some,
            ),
            (
                "`execve` fills it in",
                ["R", "4194304", "1", "0", "50", "50"],
                some,
            ),
        ] {
            let mut fields = vec!["7"; 49];
            for (number, value) in [3, 9, 20, 27, 50, 51].into_iter().zip(values) {
                fields[number - 3] = value;
            }
            assert_eq!(has_no_environment(&fields.join(" ")), expected, "{case}");
        }
        // A process without a line has ended.
        assert!(has_no_environment(""));
    }

    #[test]
    fn a_look_at_a_program_that_has_begun_does_not_wait() {
        let marked = sleeper().env(MARK, "1").spawn().expect("coreutils");
        let empty = sleeper().spawn().expect("coreutils");
        let children = [marked, empty];
        let begun = std::time::Instant::now();
        for _ in 0..50 {
            let seen = children
                .each_ref()
                .map(|child| carries(pid_of(child), &format!("{MARK}=1")));
            assert_eq!(seen, [true, false]);
        }
        let looked = begun.elapsed();
        children.into_iter().for_each(end);
        // Once for each child, the program may still begin.
        assert!(
            looked < Duration::from_millis(LOOKS.into()) * 40,
            "{looked:?}"
        );
    }

    /// The test runs itself again, as the limit is that of a process.
    #[test]
    fn a_look_for_marked_processes_needs_one_descriptor() {
        if !is_alone() {
            let test =
                "sys::linux::descendants::tests::a_look_for_marked_processes_needs_one_descriptor";
            return alone(test, &[], |_| {});
        }
        let child = sleeper().env(MARK, "2").spawn().expect("coreutils");
        let mark = format!("{MARK}=2");
        let lowest_free = File::open("/").expect("a directory").as_raw_fd();
        let limit = format!("--nofile={}:", lowest_free + 1);
        let mut prlimit = Command::new("prlimit");
        let limited = prlimit.args(["--pid", &std::process::id().to_string(), &limit]);
        assert!(limited.status().expect("util-linux").success());
        let with_one = marked(&mark);
        let last = File::open("/").expect("one is free");
        let pid = pid_of(&child);
        let without = marked(&mark);
        let of_one = environment(pid);
        drop(last);
        end(child);
        assert_eq!(with_one.expect("one is enough"), [pid]);
        for without in [without.map(drop), of_one.map(drop)] {
            let code = without.expect_err("no descriptor is free").raw_os_error();
            assert_eq!(code, Some(libc::EMFILE));
        }
    }

    #[test]
    fn a_process_has_its_parent_and_its_children() {
        let child = sleeper().spawn().expect("coreutils");
        let (own, pid, parent) = (Pid::this(), pid_of(&child), crate::sys::parent());
        let [of_child, of_own] =
            [pid, own].map(|pid| move |parent| is_still(Descendant { pid, parent }));
        let is_still = [of_child(own), of_child(parent), of_own(parent), of_own(own)];
        let listed = listed_children(own);
        let all = all_parents();
        end(child);
        // A process whose parent has ended is a child of this one.
        assert_eq!(is_still, [true, true, true, false]);
        assert!(all.contains(&(pid, own)) && all.contains(&(own, parent)));
        let has_lists = fs::exists("/proc/thread-self/children").expect("procfs");
        assert_eq!(
            listed.map(|listed| listed.contains(&pid)),
            has_lists.then_some(true)
        );
    }

    #[test]
    fn children_are_those_with_this_parent() {
        let all = [(5, 1), (6, 5), (7, 1), (8, 6)];
        let all = all.map(|(pid, parent)| (Pid::from_raw(pid), Pid::from_raw(parent)));
        let of = |parent| children_among(&all, Pid::from_raw(parent));
        assert_eq!(of(1), [5, 7].map(Pid::from_raw));
        assert_eq!(of(8), []);
    }
}
