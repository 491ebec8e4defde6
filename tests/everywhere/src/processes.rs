//! Provides operations on processes that the standard library lacks on some systems.

pub use system::{exit_at_interrupt, kill, parent};

#[cfg(unix)]
mod system {
    use std::{
        os::unix::process::parent_id,
        sync::atomic::{AtomicI32, Ordering},
    };

    static CODE: AtomicI32 = AtomicI32::new(0);

    #[expect(unsafe_code, reason = "the standard library runs exit hooks first")]
    extern "C" fn exit(_signal: i32) {
        // SAFETY: the call takes any number, and a signal may interrupt anything for it.
        unsafe { libc::_exit(CODE.load(Ordering::Relaxed)) };
    }

    /// Makes this process exit with this code at a `SIGINT`.
    #[expect(unsafe_code, reason = "the standard library handles no signals")]
    pub fn exit_at_interrupt(code: i32) {
        CODE.store(code, Ordering::Relaxed);
        let handler: extern "C" fn(i32) = exit;
        // SAFETY: the handler does what a handler may.
        unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
    }

    /// Returns the pid of the process that started this one.
    #[must_use]
    pub fn parent() -> u32 {
        parent_id()
    }

    /// Kills a process. The test must know that the process lives.
    #[expect(unsafe_code, reason = "the standard library kills only children")]
    pub fn kill(pid: u32) {
        // SAFETY: the call takes any number.
        let outcome = unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
        assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
    }
}

#[cfg(windows)]
#[expect(
    unsafe_code,
    reason = "the standard library sees and ends only children"
)]
mod system {
    use std::{
        io::Error,
        os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
        process, ptr,
        sync::atomic::{AtomicI32, Ordering},
    };

    use windows_sys::Win32::{
        Foundation::INVALID_HANDLE_VALUE,
        System::{
            Console::{CTRL_BREAK_EVENT, SetConsoleCtrlHandler},
            Diagnostics::ToolHelp::{
                CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW,
                TH32CS_SNAPPROCESS,
            },
            Threading::{OpenProcess, PROCESS_TERMINATE, TerminateProcess},
        },
    };

    static CODE: AtomicI32 = AtomicI32::new(0);

    unsafe extern "system" fn exit(event: u32) -> i32 {
        if event == CTRL_BREAK_EVENT {
            process::exit(CODE.load(Ordering::Relaxed));
        }
        0
    }

    /// Makes this process exit with this code at a `CTRL_BREAK`.
    pub fn exit_at_interrupt(code: i32) {
        CODE.store(code, Ordering::Relaxed);
        // SAFETY: any thread may call the handler.
        let outcome = unsafe { SetConsoleCtrlHandler(Some(exit), 1) };
        assert_ne!(outcome, 0, "{}", Error::last_os_error());
    }

    /// Returns the pid of the process that started this one.
    #[must_use]
    pub fn parent() -> u32 {
        // SAFETY: the call takes any flags.
        let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
        assert_ne!(snapshot, INVALID_HANDLE_VALUE, "{}", Error::last_os_error());
        // SAFETY: the system just made it for us alone.
        let snapshot = unsafe { OwnedHandle::from_raw_handle(snapshot) };
        let mut entry = PROCESSENTRY32W {
            dwSize: u32::try_from(size_of::<PROCESSENTRY32W>()).expect("a small structure"),
            ..Default::default()
        };
        // SAFETY: both live until the call returns, and the entry has its size.
        let mut more = unsafe { Process32FirstW(snapshot.as_raw_handle(), &raw mut entry) };
        while more != 0 {
            if entry.th32ProcessID == process::id() {
                return entry.th32ParentProcessID;
            }
            // SAFETY: as above.
            more = unsafe { Process32NextW(snapshot.as_raw_handle(), &raw mut entry) };
        }
        panic!("this process is missing in the list of all processes")
    }

    /// Kills a process. The test must know that the process lives.
    pub fn kill(pid: u32) {
        // SAFETY: the call takes any number.
        let process = unsafe { OpenProcess(PROCESS_TERMINATE, 0, pid) };
        assert_ne!(process, ptr::null_mut(), "{}", Error::last_os_error());
        // SAFETY: the system just made it for us alone.
        let process = unsafe { OwnedHandle::from_raw_handle(process) };
        // SAFETY: the handle lives until the call returns.
        let outcome = unsafe { TerminateProcess(process.as_raw_handle(), 9) };
        assert_ne!(outcome, 0, "{}", Error::last_os_error());
    }
}
