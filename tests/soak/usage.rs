//! The resources of a process: memory, descriptors, threads and children.

use std::{
    fmt::{self, Display, Formatter},
    fs,
};

/// The resources of a process at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    kib: u64,
    descriptors: usize,
    threads: u64,
    children: usize,
}

impl Usage {
    /// Reads the current resources of a process. Returns `None` if it has ended.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line?.split_whitespace().next()?.parse().ok()
        };
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let children = tasks.flatten().map(|task| {
            // Zombies count.
            let children = fs::read_to_string(task.path().join("children"));
            children.unwrap_or_default().split_whitespace().count()
        });
        Some(Self {
            kib: number("VmRSS:")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count(),
            threads: number("Threads:")?,
            children: children.sum(),
        })
    }

    /// Prints both, and returns whether `after` has more of any resource (for memory: more than one and a half times).
    pub(crate) fn is_less_than(&self, after: &Self) -> bool {
        println!("at first: {self}\nat last:  {after}");
        after.kib > self.kib + self.kib / 2
            || after.descriptors > self.descriptors
            || after.threads > self.threads
            || after.children > self.children
    }
}

impl Display for Usage {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            kib,
            descriptors,
            threads,
            children,
        } = self;
        write!(
            formatter,
            "{kib} KiB, {descriptors} descriptors, {threads} threads, {children} children"
        )
    }
}
