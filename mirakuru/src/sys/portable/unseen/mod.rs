//! What no call does or shows that every Unix has.

mod by_tick;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsFd;

use nix::unistd::Pid;

pub(crate) use by_tick::{Process, Wakeups};

use crate::sys::{Descendant, ListenerOwner, ProcStat};

/// Why nothing is known of a process.
pub(crate) const UNSEEN: &str = "cannot be looked at on this system";

/// Not known: nothing is shared by a run.
pub(crate) fn started_at(_pid: Pid) -> Option<u64> {
    None
}

pub(crate) fn program_name(_pid: Pid) -> Option<String> {
    None
}

/// Not asked: the handshake's name decides.
pub(crate) fn peer(_socket: &impl AsFd) -> Option<Pid> {
    Some(nix::unistd::getppid())
}

/// Whether no process has this number any more.
pub(crate) fn has_ended(pid: Pid) -> bool {
    nix::sys::signal::kill(pid, None) == Err(nix::Error::ESRCH)
}

pub(crate) fn children() -> Vec<Pid> {
    Vec::new()
}

pub(crate) fn descendants() -> Vec<Descendant> {
    Vec::new()
}

/// Nothing is listed.
pub(in crate::sys) fn is_still(_listed: Descendant) -> bool {
    false
}

/// Not known: none is found.
pub(in crate::sys) fn has_strays() -> bool {
    false
}

/// The group by `getpgid(2)`; the rest is not known.
pub(crate) fn proc_stat(pid: Pid) -> Option<ProcStat> {
    let group = nix::unistd::getpgid(Some(pid)).ok()?;
    Some(ProcStat {
        zombie: false,
        stopped: false,
        parent: Pid::from_raw(0),
        group,
    })
}

pub(crate) fn command_line(_pid: Pid) -> String {
    String::new()
}

pub(crate) fn marked(_mark: &str) -> Vec<Pid> {
    Vec::new()
}

pub(crate) fn carries(_pid: Pid, _mark: &str) -> bool {
    false
}

/// Not available: output beyond what is kept is not written.
pub(crate) fn forget_range(_file: &File, _range: Range<u64>) -> io::Result<()> {
    Err(nix::Error::EFBIG.into())
}

/// The kernel cannot be asked: connect instead.
#[derive(Debug)]
pub(crate) enum Listeners {}

impl Listeners {
    pub(crate) fn open() -> Option<Self> {
        None
    }

    pub(crate) fn any_at(&self, _addr: SocketAddr) -> Option<bool> {
        match *self {}
    }
}

// What no call tells here is not known: the service alone is.

pub(crate) fn is_unclaimed(_addr: SocketAddr) -> bool {
    false
}

pub(crate) fn owner_of_peer(_stream: &impl AsFd, _supervisor: Pid) -> ListenerOwner {
    ListenerOwner::Unknown
}

pub(crate) fn owner_of_listener(_addr: SocketAddr, _main: Pid, _supervisor: Pid) -> ListenerOwner {
    ListenerOwner::Unknown
}

pub(crate) fn listening(_supervisor: Pid) -> BTreeSet<SocketAddr> {
    BTreeSet::new()
}

pub(crate) fn holder_of_port(_port: u16) -> Option<String> {
    None
}
