//! Wraps a kqueue, which wakes a waiting process and whose descriptor can be polled (`kqueue(2)`).

use std::os::fd::{AsFd, BorrowedFd};
use std::process;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc::timespec;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

const AT_ONCE: Option<timespec> = Some(timespec {
    tv_sec: 0,
    tv_nsec: 0,
});

/// A kqueue of this process.
#[derive(Debug)]
pub(super) struct Queue {
    kqueue: Option<Kqueue>,
    owner: u32,
}

impl Queue {
    pub(super) fn new() -> nix::Result<Self> {
        let kqueue = Kqueue::new()?;
        fcntl(&kqueue, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        Ok(Self {
            kqueue: Some(kqueue),
            owner: process::id(),
        })
    }

    /// Adds these events to the queue, or changes the events of an entry.
    pub(super) fn add(
        &self,
        id: usize,
        filter: EventFilter,
        events: FilterFlag,
    ) -> nix::Result<()> {
        let flags = EvFlags::EV_ADD | EvFlags::EV_CLEAR;
        let event = KEvent::new(id, filter, flags, events, 0, 0);
        let kqueue = self.kqueue.as_ref().ok_or(nix::Error::EBADF)?;
        kqueue.kevent(&[event], &mut [], AT_ONCE).map(drop)
    }

    /// Takes the events that have happened.
    pub(super) fn take(&self) -> Vec<(EventFilter, FilterFlag)> {
        let nothing = KEvent::new(
            0,
            EventFilter::EVFILT_USER,
            EvFlags::empty(),
            FilterFlag::empty(),
            0,
            0,
        );
        let mut room = [nothing; 32];
        let mut taken = Vec::new();
        while let Some(Ok(found @ 1..)) = self
            .kqueue
            .as_ref()
            .map(|kqueue| kqueue.kevent(&[], &mut room, AT_ONCE))
        {
            let events = room[..found].iter();
            taken.extend(events.filter_map(|event| Some((event.filter().ok()?, event.fflags()))));
        }
        taken
    }

    /// Returns the descriptor that becomes readable when an event has happened.
    pub(super) fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        self.kqueue.as_ref().map(AsFd::as_fd)
    }
}

impl Drop for Queue {
    /// A forked child does not inherit a kqueue. In the child, the number may be the descriptor of another file, which
    /// must stay open.
    fn drop(&mut self) {
        if self.owner != process::id() {
            std::mem::forget(self.kqueue.take());
        }
    }
}
