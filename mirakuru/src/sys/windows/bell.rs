//! Wakes a supervisor: what is no socket rings a bell, which is one.
//!
//! `WSAPoll` waits for sockets alone. So a completion port takes the messages of the job and the ends of reads from
//! pipes, one thread waits for what arrives there, and rings every bell of the process. Nothing is read from the
//! messages: the supervisor asks the system how things stand.
#![expect(unsafe_code, reason = "calls of the system")]

use std::ffi::c_void;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::windows::io::{AsRawHandle, AsSocket, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatus, OVERLAPPED,
};
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, WT_EXECUTEONLYONCE,
};

use super::sockets::Wakeup;

/// The bells of this process: a supervisor has one, and a test of supervisors several.
static BELLS: Mutex<Vec<Weak<UdpSocket>>> = Mutex::new(Vec::new());

/// A socket that is connected with itself.
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
        // A bell that is full rings already.
        let _ = bell.send(&[0]);
    }
}

/// Returns the completion port of this process, for which a thread waits that rings.
pub(super) fn completion_port() -> io::Result<&'static OwnedHandle> {
    static PORT: OnceLock<OwnedHandle> = OnceLock::new();
    if let Some(port) = PORT.get() {
        return Ok(port);
    }
    // SAFETY: the call takes no handle of ours.
    let raw = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 1) };
    if raw.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made this handle for us alone.
    let port = unsafe { OwnedHandle::from_raw_handle(raw) };
    let mut is_new = false;
    let port = PORT.get_or_init(|| {
        is_new = true;
        port
    });
    if is_new {
        let thread = std::thread::Builder::new().stack_size(64 * 1024);
        thread.spawn(|| while await_message(port) {})?;
    }
    Ok(port)
}

/// Waits for a message, and rings. Returns false if there will be none.
fn await_message(port: &OwnedHandle) -> bool {
    let (mut bytes, mut key, mut overlapped) = (0_u32, 0_usize, null_mut::<OVERLAPPED>());
    // SAFETY: the call writes three values where it is told to.
    let got = unsafe {
        GetQueuedCompletionStatus(
            port.as_raw_handle(),
            &raw mut bytes,
            &raw mut key,
            &raw mut overlapped,
            INFINITE,
        )
    };
    ring();
    // A read that failed is a message too.
    got != 0 || !overlapped.is_null()
}

/// Has the end of each read from a pipe ring.
pub(super) fn ring_at_reads_of(pipe: &OwnedHandle) -> io::Result<()> {
    let port = completion_port()?.as_raw_handle();
    // SAFETY: both handles are open.
    let associated = unsafe { CreateIoCompletionPort(pipe.as_raw_handle(), port, 0, 0) };
    if associated.is_null() {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Rings when a process ends. The wait for it lasts as long as this process: it is for what a supervisor holds to its
/// own end.
pub(super) fn ring_at_the_end_of(process: &OwnedHandle) {
    unsafe extern "system" fn ended(_context: *mut c_void, _timed_out: bool) {
        ring();
    }
    // A supervisor that is not woken looks again after a second.
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
            std::ptr::null(),
            INFINITE,
            WT_EXECUTEONLYONCE,
        )
    };
}

/// What wakes one supervisor.
pub(crate) struct Wakeups {
    bell: Option<Arc<UdpSocket>>,
}

/// No wait rests on one ring alone: a lost one costs this long.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// How often a supervisor looks that got no bell.
const TICK: Duration = Duration::from_millis(5);

impl Wakeups {
    pub(crate) fn new() -> Self {
        let bell = new_bell().ok();
        let mut bells = BELLS.lock().unwrap_or_else(PoisonError::into_inner);
        bells.extend(bell.as_ref().map(Arc::downgrade));
        Self { bell }
    }

    /// Returns what becomes readable, and the longest to wait for it.
    pub(crate) fn wakeup(&self) -> (Option<Wakeup<'_>>, Duration) {
        let bell = self.bell.as_ref();
        let longest = bell.map_or(TICK, |_| AT_LEAST_EVERY);
        (bell.map(|bell| Wakeup::Socket(bell.as_socket())), longest)
    }

    /// Takes what woke us. Returns false: no path is watched.
    pub(crate) fn take(&mut self) -> bool {
        while self
            .bell
            .as_ref()
            .is_some_and(|bell| bell.recv(&mut [0; 8]).is_ok())
        {}
        false
    }

    /// Returns false: the test process looks at the path itself, now and then.
    pub(crate) fn watch(&mut self, _path: &Path) -> bool {
        false
    }

    pub(crate) fn forget(&mut self) {}
}
