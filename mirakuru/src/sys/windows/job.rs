//! Wraps a Job Object. It contains all processes of a tree, which cannot leave it, and the system kills them when its
//! last handle is closed.
//!
//! Its list of processes is the tree, and a count of 0 proves that the tree is gone.
#![expect(unsafe_code, reason = "calls of the system")]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_ASSOCIATE_COMPLETION_PORT, JOBOBJECT_BASIC_ACCOUNTING_INFORMATION,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JOBOBJECTINFOCLASS,
    JobObjectAssociateCompletionPortInformation, JobObjectBasicAccountingInformation,
    JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation, QueryInformationJobObject,
    SetInformationJobObject, TerminateJobObject,
};

use super::bell::completion_port;
use super::process::succeeded;
use super::signals::exit_code_of;

/// The processes of a tree. Only a supervisor has a handle of the job, so the processes do not outlive the supervisor.
#[derive(Debug)]
pub(super) struct Job(OwnedHandle);

impl Job {
    /// Makes a job without processes. The end of each of its processes rings the bell.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: the call takes no names or rights.
        let raw = unsafe { CreateJobObjectW(null(), null()) };
        if raw.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system has just made this handle for us alone.
        let job = Self(unsafe { OwnedHandle::from_raw_handle(raw) });
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        job.set(JobObjectExtendedLimitInformation, &limits)?;
        let port = JOBOBJECT_ASSOCIATE_COMPLETION_PORT {
            CompletionKey: null_mut(),
            CompletionPort: completion_port()?.as_raw_handle(),
        };
        job.set(JobObjectAssociateCompletionPortInformation, &port)?;
        Ok(job)
    }

    fn set<T>(&self, class: JOBOBJECTINFOCLASS, to: &T) -> io::Result<()> {
        let length = u32::try_from(size_of::<T>()).unwrap_or_default();
        let to = (&raw const *to).cast::<c_void>();
        // SAFETY: the call reads as many bytes as the structure has.
        succeeded(unsafe { SetInformationJobObject(self.0.as_raw_handle(), class, to, length) })
    }

    fn ask<T>(&self, class: JOBOBJECTINFOCLASS, answer: &mut T) -> io::Result<()> {
        let length = u32::try_from(size_of::<T>()).unwrap_or_default();
        let to = (&raw mut *answer).cast::<c_void>();
        // SAFETY: the call writes at most as many bytes as the structure has.
        succeeded(unsafe {
            QueryInformationJobObject(self.0.as_raw_handle(), class, to, length, null_mut())
        })
    }

    /// Adds a process to the job, with all processes that it starts from now on.
    pub(super) fn take_in(&self, process: &impl AsRawHandle) -> io::Result<()> {
        // SAFETY: both handles are open.
        succeeded(unsafe {
            AssignProcessToJobObject(self.0.as_raw_handle(), process.as_raw_handle())
        })
    }

    /// Returns whether no process of the job is alive. If the job cannot be queried, it counts as one with processes.
    pub(super) fn is_empty(&self) -> bool {
        let mut found = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        let asked = self.ask(JobObjectBasicAccountingInformation, &mut found);
        asked.is_ok() && found.ActiveProcesses == 0
    }

    /// Returns the pids of the job's processes.
    pub(super) fn processes(&self) -> Vec<u32> {
        const MOST: usize = 1024;
        #[repr(C)]
        struct List {
            assigned: u32,
            listed: u32,
            numbers: [usize; MOST],
        }
        let mut list = Box::new(List {
            assigned: 0,
            listed: 0,
            numbers: [0; MOST],
        });
        // A list that is too long is truncated.
        let _ = self.ask(JobObjectBasicProcessIdList, &mut *list);
        let listed = (list.listed as usize).min(MOST);
        list.numbers[..listed]
            .iter()
            .filter_map(|number| u32::try_from(*number).ok())
            .collect()
    }

    /// Terminates all processes of the job, with the exit code of this signal.
    pub(super) fn terminate(&self, signal: i32) -> bool {
        // SAFETY: the handle is open.
        unsafe { TerminateJobObject(self.0.as_raw_handle(), exit_code_of(signal)) != 0 }
    }
}
