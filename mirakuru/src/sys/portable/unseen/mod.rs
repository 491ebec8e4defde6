//! Stand-ins for the functions that need more than the calls that every Unix has.

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

/// The reason that an error shows if a process cannot be inspected.
pub(crate) const UNSEEN: &str = "cannot be looked at on this system";

/// Always `None`: the start time is not known. Therefore a run cannot share a service.
pub(crate) fn started_at(_pid: Pid) -> Option<u64> {
    None
}

pub(crate) fn program_name(_pid: Pid) -> Option<String> {
    None
}

/// Returns the parent. The socket is not asked: the name in the handshake decides.
pub(crate) fn peer(_socket: &impl AsFd) -> Option<Pid> {
    Some(nix::unistd::getppid())
}

/// Returns whether no process has this number.
pub(crate) fn has_ended(pid: Pid) -> bool {
    nix::sys::signal::kill(pid, None) == Err(nix::Error::ESRCH)
}

pub(crate) fn children() -> Vec<Pid> {
    Vec::new()
}

pub(crate) fn descendants() -> Vec<Descendant> {
    Vec::new()
}

/// Always `false`, as no process is listed.
pub(in crate::sys) fn is_still(_listed: Descendant) -> bool {
    false
}

/// Always `false`, as strays cannot be found.
pub(in crate::sys) fn has_strays() -> bool {
    false
}

/// Returns the group, by `getpgid(2)`; the other facts are not known.
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

/// Does nothing: std marks all its descriptors close-on-exec.
pub(crate) fn close_inherited() {}

pub(crate) fn marked(_mark: &str) -> io::Result<Vec<Pid>> {
    Ok(Vec::new())
}

pub(crate) fn carries(_pid: Pid, _mark: &str) -> bool {
    false
}

/// Always fails: the system has no such call. Output beyond the kept size is then not written.
pub(crate) fn forget_range(_file: &File, _range: Range<u64>) -> io::Result<()> {
    Err(nix::Error::EFBIG.into())
}

/// A query of listeners, which cannot be opened here: callers connect instead.
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

// No call reports the facts below. Only the service itself is known.

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
