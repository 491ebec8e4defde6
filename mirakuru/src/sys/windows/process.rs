//! Identifies and describes processes, and waits for their end.
#![expect(unsafe_code, reason = "calls of the system")]

use std::ffi::{OsStr, OsString, c_void};
use std::fmt;
use std::io::{self, Write};
use std::mem::{ManuallyDrop, zeroed};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows_sys::Win32::Foundation::{FILETIME, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetExitCodeProcess, GetProcessTimes, INFINITE, OpenProcess,
    PROCESS_BASIC_INFORMATION, PROCESS_DUP_HANDLE, PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, QueryFullProcessImageNameW, TerminateProcess,
    WaitForSingleObject,
};

use super::bell::ring_at_the_end_of;
use super::sockets::Wakeup;
use crate::sys::{ProcStat, signals};

/// The number of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pid(u32);

impl Pid {
    /// Returns the number of this process.
    pub(crate) fn this() -> Self {
        Self(std::process::id())
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Returns the process with this number. Only the system's idle process has the number 0.
pub(crate) fn process_of(number: u32) -> Option<Pid> {
    (number != 0).then_some(Pid(number))
}

/// Returns the number of a process, for messages.
pub(crate) fn number_of(pid: Pid) -> u32 {
    pid.0
}

/// Converts an error number of the system to the type that std uses.
pub(super) const fn number(code: u32) -> i32 {
    i32::from_ne_bytes(code.to_ne_bytes())
}

/// Returns the error number as the system defines it.
pub(super) fn code_of(error: &io::Error) -> Option<u32> {
    let code = error.raw_os_error()?;
    Some(u32::from_ne_bytes(code.to_ne_bytes()))
}

/// Converts the result of a system call, where 0 means a failure.
pub(super) fn succeeded(result: i32) -> io::Result<()> {
    if result == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A process identified by a handle. Its number is not reused while the handle is open.
#[derive(Debug)]
pub(crate) struct Process(OwnedHandle);

impl Process {
    /// Opens the process that has this number now. The caller checks afterwards that it is the intended one.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        Self::open_to(
            pid,
            PROCESS_SYNCHRONIZE | PROCESS_DUP_HANDLE | PROCESS_TERMINATE,
        )
    }

    fn open_to(pid: Pid, rights: u32) -> io::Result<Self> {
        // SAFETY: the call takes any numbers.
        let raw = unsafe { OpenProcess(rights | PROCESS_QUERY_LIMITED_INFORMATION, 0, pid.0) };
        if raw.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system has just made this handle for us alone.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(raw) }))
    }

    pub(super) fn of(handle: OwnedHandle) -> Self {
        Self(handle)
    }

    pub(super) fn handle(&self) -> &OwnedHandle {
        &self.0
    }

    fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Returns a wake-up that counts as readable once the process has ended.
    #[allow(clippy::unnecessary_wraps, reason = "the contract")]
    pub(crate) fn wakeup(&self) -> Option<Wakeup<'_>> {
        Some(Wakeup::Process(self))
    }

    /// Waits for the end of the process for this long, and returns whether it ended.
    pub(crate) fn ended_within(&self, wait: Duration) -> bool {
        // The time is rounded up. The largest number means no timeout.
        let millis = u32::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(INFINITE);
        ended_by(&self.0, millis)
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        terminate(&self.0, signals::KILL)
    }

    /// Returns whether a process that has ended did so with code 0. There is nothing to reap on Windows.
    pub(crate) fn reap(&self) -> bool {
        self.exit_code() == Some(0)
    }

    pub(super) fn exit_code(&self) -> Option<u32> {
        let mut code = 0;
        // SAFETY: the call writes one number to the given address.
        let got = unsafe { GetExitCodeProcess(self.raw(), &raw mut code) };
        (got != 0).then_some(code)
    }

    /// Returns when the process started, in units of 100 ns.
    fn started_at(&self) -> Option<u64> {
        const NONE: FILETIME = FILETIME {
            dwLowDateTime: 0,
            dwHighDateTime: 0,
        };
        let (mut started, mut others) = (NONE, [NONE; 3]);
        let [ended, in_kernel, in_program] = &mut others;
        // SAFETY: the call writes four times to the given addresses.
        let got =
            unsafe { GetProcessTimes(self.raw(), &raw mut started, ended, in_kernel, in_program) };
        let (high, low) = (started.dwHighDateTime, started.dwLowDateTime);
        (got != 0).then(|| u64::from(high) << 32 | u64::from(low))
    }

    /// Returns the number of the process that started this one, which may have ended.
    fn parent(&self) -> Option<u32> {
        // SAFETY: the structure consists of numbers, for which 0 is valid.
        let mut found: PROCESS_BASIC_INFORMATION = unsafe { zeroed() };
        let length = u32::try_from(size_of_val(&found)).ok()?;
        let to = (&raw mut found).cast::<c_void>();
        let mut written = 0;
        // SAFETY: the call writes as many bytes as the structure has.
        let status = unsafe {
            NtQueryInformationProcess(
                self.raw(),
                ProcessBasicInformation,
                to,
                length,
                &raw mut written,
            )
        };
        let parent = u32::try_from(found.InheritedFromUniqueProcessId).ok()?;
        (status >= 0).then_some(parent)
    }

    /// Returns the path of the program that the process runs.
    fn program(&self) -> Option<PathBuf> {
        let mut name = vec![0; 32 * 1024];
        let mut length = u32::try_from(name.len()).ok()?;
        // SAFETY: the call writes as many characters as there is room for.
        let got = unsafe {
            QueryFullProcessImageNameW(self.raw(), 0, name.as_mut_ptr(), &raw mut length)
        };
        let name = name.get(..length as usize).filter(|_| got != 0)?;
        Some(OsString::from_wide(name).into())
    }
}

/// Makes the end of the owner wake its supervisor.
pub(crate) fn wake_at_the_end_of(owner: &Process) {
    ring_at_the_end_of(&owner.0);
}

fn ended_by(process: &impl AsRawHandle, millis: u32) -> bool {
    // SAFETY: the handle is open.
    (unsafe { WaitForSingleObject(process.as_raw_handle(), millis) }) == WAIT_OBJECT_0
}

/// Returns whether the process of this handle has ended.
pub(super) fn has_ended_by(process: &impl AsRawHandle) -> bool {
    ended_by(process, 0)
}

/// Terminates a process with the exit code of this signal.
pub(super) fn terminate(process: &impl AsRawHandle, signal: i32) -> io::Result<()> {
    let code = signals::exit_code_of(signal);
    // SAFETY: the handle is open.
    succeeded(unsafe { TerminateProcess(process.as_raw_handle(), code) })
}

/// Opens a process to query its properties.
fn look_at(pid: Pid) -> Option<Process> {
    Process::open_to(pid, PROCESS_SYNCHRONIZE).ok()
}

/// The reason, in errors, why nothing is known of a process.
pub(crate) const UNSEEN: &str = "cannot be inspected";

/// Returns the process that started this one. The answer does not change when that process ends.
pub(crate) fn parent() -> Pid {
    static PARENT: OnceLock<Pid> = OnceLock::new();
    *PARENT.get_or_init(|| Pid(this_process().0.parent().unwrap_or_default()))
}

/// This process, by a pseudo handle that is never closed.
pub(super) struct ThisProcess(ManuallyDrop<Process>);

impl AsRawHandle for ThisProcess {
    fn as_raw_handle(&self) -> RawHandle {
        self.0.raw()
    }
}

pub(super) fn this_process() -> ThisProcess {
    // SAFETY: the call returns a constant.
    let own = unsafe { GetCurrentProcess() };
    // SAFETY: the handle is never closed.
    let own = Process(unsafe { OwnedHandle::from_raw_handle(own) });
    ThisProcess(ManuallyDrop::new(own))
}

/// Returns when a process started, in units of 100 ns.
pub(crate) fn started_at(pid: Pid) -> Option<u64> {
    look_at(pid)?.started_at()
}

/// Returns whether the process with this number has ended.
pub(crate) fn has_ended(pid: Pid) -> bool {
    // A process that this user may not open is alive.
    let is_unknown = |error: &io::Error| error.kind() != io::ErrorKind::PermissionDenied;
    match Process::open_to(pid, PROCESS_SYNCHRONIZE) {
        Ok(process) => process.ended_within(Duration::ZERO),
        Err(error) => is_unknown(&error),
    }
}

/// Returns the parent of a process, and whether the process has ended.
///
/// If the process with the parent's number is younger than this one, the number was reused, and the parent has ended.
pub(crate) fn proc_stat(pid: Pid) -> Option<ProcStat> {
    let process = look_at(pid)?;
    let started = process.started_at()?;
    let parent = process.parent().map(Pid);
    let is_older = |parent: &Pid| started_at(*parent).is_some_and(|at| at <= started);
    Some(ProcStat {
        parent: parent.filter(is_older).unwrap_or(Pid(0)),
        group: pid,
        zombie: process.ended_within(Duration::ZERO),
        stopped: false,
    })
}

/// Returns the name of the program that a process runs, without its extension.
pub(crate) fn program_name(pid: Pid) -> Option<String> {
    let program = look_at(pid)?.program()?;
    Some(program.file_stem()?.to_string_lossy().into_owned())
}

/// Returns the name of a process's program, as other processes cannot see its arguments.
pub(crate) fn command_line(pid: Pid) -> String {
    let program = look_at(pid).and_then(|process| process.program());
    let name = program.as_deref().and_then(Path::file_name);
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// Ends the process without destructors or exit hooks.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: the call returns a constant.
    let own = unsafe { GetCurrentProcess() };
    // SAFETY: the call takes any number, and ends this process. `ExitProcess` would wait for locks of threads that it
    // has stopped.
    unsafe { TerminateProcess(own, u32::from_ne_bytes(code.to_ne_bytes())) };
    std::process::abort()
}

/// Returns the time of a monotonic clock that all processes share.
pub(crate) fn monotonic_time() -> Duration {
    static FREQUENCY: OnceLock<i64> = OnceLock::new();
    let frequency = FREQUENCY.get_or_init(|| {
        let mut frequency = 0;
        // SAFETY: the call writes one number to the given address.
        unsafe { QueryPerformanceFrequency(&raw mut frequency) };
        frequency.max(1)
    });
    let mut counter = 0;
    // SAFETY: the call writes one number to the given address.
    unsafe { QueryPerformanceCounter(&raw mut counter) };
    let nanos = i128::from(counter) * 1_000_000_000 / i128::from(*frequency);
    Duration::from_nanos(nanos.try_into().unwrap_or_default())
}

/// Returns the arguments of this process. It works even before `main`.
pub(crate) fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os()
}

/// Sets an environment variable of this process.
pub(crate) fn set_variable(name: &str, value: &OsStr) {
    // SAFETY: the system guards the environment of a process by a lock.
    unsafe { std::env::set_var(name, value) };
}

/// Writes a text at once, and ignores errors.
pub(crate) fn write_to_standard_error(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
