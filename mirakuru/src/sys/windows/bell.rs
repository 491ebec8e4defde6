//! Wakes a supervisor: an event that is not a socket event rings a bell, which is a socket.
//!
//! `WSAPoll` waits only for sockets. So a completion port receives the messages of the job and the ends of reads from
//! pipes. One thread waits for these messages and rings every bell of the process. The contents of the messages are not
//! used: the supervisor queries the system for the current state.
#![expect(unsafe_code, reason = "calls of the system")]

use std::ffi::c_void;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::windows::io::{AsRawHandle, AsSocket, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatus, OVERLAPPED, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, WT_EXECUTEONLYONCE,
};

use super::sockets::Wakeup;

/// The bells of this process. A supervisor has one, and a test of supervisors has several.
static BELLS: Mutex<Vec<Weak<UdpSocket>>> = Mutex::new(Vec::new());

/// Returns a socket that is connected to itself.
fn new_bell() -> io::Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(socket.local_addr()?)?;
    socket.set_nonblocking(true)?;
    Ok(Arc::new(socket))
}

/// Wakes every supervisor of this process.
fn ring() {
    let mut bells = BELLS.lock().unwrap_or_else(PoisonError::into_inner);
    bells.retain(|bell| bell.strong_count() > 0);
    for bell in bells.iter().filter_map(Weak::upgrade) {
        // A send fails only if the buffer is full, and then the bell rings already.
        let _ = bell.send(&[0]);
    }
}

/// Returns the completion port of this process. A thread waits for its messages and rings.
pub(super) fn completion_port() -> io::Result<Arc<OwnedHandle>> {
    static PORT: Mutex<Option<Arc<OwnedHandle>>> = Mutex::new(None);
    let mut known = PORT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(port) = &*known {
        return Ok(Arc::clone(port));
    }
    // SAFETY: the call takes no handle of ours.
    let raw = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 1) };
    if raw.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made this handle for us alone.
    let port = Arc::new(unsafe { OwnedHandle::from_raw_handle(raw) });
    let awaited = Arc::clone(&port);
    let thread = std::thread::Builder::new().stack_size(64 * 1024);
    thread.spawn(move || while await_message(&awaited) {})?;
    // The port is known only once its thread runs, so that a later call tries again.
    Ok(Arc::clone(known.insert(port)))
}

/// The key of a message by which [`await_earlier_messages`] finds its place in the queue.
const MARK: usize = 1;
/// The numbers of marks that were posted, and that the thread has taken.
static MARKS: Mutex<(u64, u64)> = Mutex::new((0, 0));
static MARK_TAKEN: Condvar = Condvar::new();

/// Waits until the thread has taken all messages that arrived before this call.
///
/// The system may show the end of a read only after its message was taken.
pub(super) fn await_earlier_messages() {
    let Ok(port) = completion_port() else { return };
    let mut marks = MARKS.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the port is open, and the message has no structure.
    if unsafe { PostQueuedCompletionStatus(port.as_raw_handle(), 0, MARK, null()) } == 0 {
        return;
    }
    marks.0 += 1;
    let own = marks.0;
    let is_queued = |marks: &mut (u64, u64)| marks.1 < own;
    // An error means a panic of another thread, which leaves the numbers as they are.
    let _ = MARK_TAKEN.wait_timeout_while(marks, AT_LEAST_EVERY, is_queued);
}

/// Waits for a message, and rings. Returns `false` if no further message will arrive.
fn await_message(port: &OwnedHandle) -> bool {
    let (mut bytes, mut key, mut overlapped) = (0_u32, 0_usize, null_mut::<OVERLAPPED>());
    // SAFETY: the call writes three values to the given addresses.
    let got = unsafe {
        GetQueuedCompletionStatus(
            port.as_raw_handle(),
            &raw mut bytes,
            &raw mut key,
            &raw mut overlapped,
            INFINITE,
        )
    };
    if got != 0 && key == MARK {
        MARKS.lock().unwrap_or_else(PoisonError::into_inner).1 += 1;
        MARK_TAKEN.notify_all();
        return true;
    }
    ring();
    // A failed read is a message, too.
    got != 0 || !overlapped.is_null()
}

/// Makes the end of each read from a pipe ring.
pub(super) fn ring_at_reads_of(pipe: &OwnedHandle) -> io::Result<()> {
    let port = completion_port()?;
    // SAFETY: both handles are open.
    let associated =
        unsafe { CreateIoCompletionPort(pipe.as_raw_handle(), port.as_raw_handle(), 0, 0) };
    if associated.is_null() {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Rings when a process ends. The wait is never cancelled: the supervisor needs it until its own end.
pub(super) fn ring_at_the_end_of(process: &OwnedHandle) {
    unsafe extern "system" fn ended(_context: *mut c_void, _timed_out: bool) {
        ring();
    }
    // Without a wake-up, a supervisor checks again after a second.
    let Ok(copy) = process.try_clone() else {
        return;
    };
    let (mut wait, process): (HANDLE, _) = (null_mut(), std::mem::ManuallyDrop::new(copy));
    // SAFETY: the handle is never closed, and the function may be called by any thread.
    unsafe {
        RegisterWaitForSingleObject(
            &raw mut wait,
            process.as_raw_handle(),
            Some(ended),
            null(),
            INFINITE,
            WT_EXECUTEONLYONCE,
        )
    };
}

/// The wake-ups of one supervisor.
pub(crate) struct Wakeups {
    bell: Option<Arc<UdpSocket>>,
}

/// The fallback for a lost ring: every wait ends after this time.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// The interval at which a supervisor without a bell checks.
const TICK: Duration = Duration::from_millis(5);

impl Wakeups {
    pub(crate) fn new() -> Self {
        let bell = new_bell().ok();
        let mut bells = BELLS.lock().unwrap_or_else(PoisonError::into_inner);
        bells.extend(bell.as_ref().map(Arc::downgrade));
        Self { bell }
    }

    /// Returns the socket that becomes readable, and the longest time to wait for it.
    pub(crate) fn wakeup(&self) -> (Option<Wakeup<'_>>, Duration) {
        let bell = self.bell.as_ref();
        let longest = bell.map_or(TICK, |_| AT_LEAST_EVERY);
        (bell.map(|bell| Wakeup::Socket(bell.as_socket())), longest)
    }

    /// Takes the rings that woke this process. Returns `false`: no path is watched.
    pub(crate) fn take(&mut self) -> bool {
        while self
            .bell
            .as_ref()
            .is_some_and(|bell| bell.recv(&mut [0; 8]).is_ok())
        {}
        false
    }

    /// Returns `false`: the test process itself checks the path from time to time.
    pub(crate) fn watch(&mut self, _path: &Path) -> bool {
        false
    }

    pub(crate) fn forget(&mut self) {}
}
