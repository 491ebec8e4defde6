//! Starts a process inside a job. The process does not run before it is in the job.
#![expect(unsafe_code, reason = "calls of the system")]

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_DIRECTORY, ERROR_FILE_NOT_FOUND, ERROR_SHARING_VIOLATION, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_SUSPENDED, OpenThread, ResumeThread, THREAD_SUSPEND_RESUME,
};

use super::job::Job;
use super::names::SHELL_OPTIONS;
use super::process::{code_of, number};
use super::sockets::Handle;
use crate::limits::Resource;
use crate::sys::Stuck;
use crate::wait::{self, Deadline};

/// Describes the process that becomes the service.
pub(crate) struct Spawn<'a> {
    words: &'a [OsString],
    environment: &'a [(OsString, OsString)],
    streams: &'a [Handle; 3],
    directory: Option<PathBuf>,
    pub(crate) oom_score: Option<&'a str>,
    pub(crate) limits: &'a [(Resource, u64, u64)],
    pub(crate) nice: Option<i32>,
    pub(crate) umask: Option<u32>,
    /// The time for which a spawn is retried while another process has the program open for writing.
    pub(crate) busy: Duration,
}

/// The variable with the system's directory.
pub(super) const SYSTEM_ROOT: &str = "SystemRoot";

impl<'a> Spawn<'a> {
    /// Describes a process that runs the program `words[0]` with exactly this environment. The program is looked up in
    /// the `PATH` of that environment, and then where the system searches by itself.
    pub(crate) fn new(
        words: &'a [OsString],
        environment: &'a [(OsString, OsString)],
        streams: &'a [Handle; 3],
    ) -> io::Result<Self> {
        if words.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self {
            words,
            environment,
            streams,
            directory: None,
            oom_score: None,
            limits: &[],
            nice: None,
            umask: None,
            busy: Duration::ZERO,
        })
    }

    /// Makes the process start in the test's directory.
    #[allow(clippy::unnecessary_wraps, reason = "the contract")]
    pub(crate) fn inherit(&mut self, directory: &Path) -> io::Result<()> {
        self.directory = Some(directory.to_owned());
        Ok(())
    }

    /// Makes the process start in this directory.
    pub(crate) fn enter(&mut self, directory: &Path) -> io::Result<()> {
        self.inherit(directory)
    }

    /// Does nothing: no other user can be set on Windows.
    pub(crate) fn run_as(&mut self, _user: u32, _group: u32, _groups: &[u32]) {}

    fn command(&self) -> io::Result<Command> {
        let [program, arguments @ ..] = self.words else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut command = Command::new(self.reached(program));
        match arguments {
            // A shell takes its script unquoted.
            [options @ .., script] if options == SHELL_OPTIONS => {
                let mut quoted = OsString::from("\"");
                quoted.push(script);
                quoted.push("\"");
                command.args(options).raw_arg(quoted)
            }
            arguments => command.args(arguments),
        };
        let [input, output, error] = self.streams;
        command
            .env_clear()
            // Without this variable, a program cannot use sockets.
            .envs(std::env::var_os(SYSTEM_ROOT).map(|root| (SYSTEM_ROOT, root)))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(input.try_clone()?)
            .stdout(output.try_clone()?)
            .stderr(error.try_clone()?)
            .creation_flags(CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        Ok(command)
    }

    /// Returns the path of the program as this process must give it. A relative path with a directory is relative to
    /// the new process's directory.
    fn reached(&self, program: &OsString) -> PathBuf {
        let program = Path::new(program);
        let has_directory = program.components().nth(1).is_some();
        let directory = self.directory.as_ref().filter(|_| has_directory);
        directory.map_or_else(|| program.to_owned(), |directory| directory.join(program))
    }

    /// Starts the process in these jobs.
    ///
    /// # Errors
    ///
    /// The step that failed. No process is left in that case.
    pub(super) fn start_in(&self, jobs: &[&Job]) -> Result<Child, Stuck> {
        let run = |error: &io::Error| stuck("run the program", error);
        let mut command = self.command().map_err(|error| run(&error))?;
        let deadline = Deadline::after(self.busy);
        let mut child = loop {
            match command.spawn() {
                Ok(child) => break child,
                Err(error) => match code_of(&error) {
                    Some(ERROR_SHARING_VIOLATION) if !deadline.has_passed() => {
                        wait::pause(wait::next_try(deadline.elapsed()));
                    }
                    Some(ERROR_DIRECTORY) => {
                        return Err(stuck("enter the working directory", &error));
                    }
                    _ if self
                        .directory
                        .as_ref()
                        .is_some_and(|directory| !directory.is_dir()) =>
                    {
                        return Err(stuck("enter the working directory", &error));
                    }
                    _ => return Err(run(&error)),
                },
            }
        };
        let begun = jobs
            .iter()
            .try_for_each(|job| job.take_in(&child))
            .and_then(|()| resume(child.id()));
        begun.map_err(|error| {
            let _ = child.kill();
            let _ = child.wait();
            stuck("take it into a job", &error)
        })?;
        Ok(child)
    }
}

pub(super) fn stuck(step: &'static str, error: &io::Error) -> Stuck {
    // std looks the program up itself, and then returns an error without a number.
    let of_kind = match error.kind() {
        io::ErrorKind::NotFound => number(ERROR_FILE_NOT_FOUND),
        _ => super::names::INVALID,
    };
    Stuck {
        step: Cow::Borrowed(step),
        code: error.raw_os_error().unwrap_or(of_kind),
    }
}

/// Resumes a process that was started suspended. Another program may have added threads that run.
fn resume(process: u32) -> io::Result<()> {
    // SAFETY: the call takes any numbers.
    let raw = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) };
    if raw == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made this handle for us alone.
    let threads = unsafe { OwnedHandle::from_raw_handle(raw) };
    let mut thread = THREADENTRY32 {
        dwSize: u32::try_from(size_of::<THREADENTRY32>()).unwrap_or_default(),
        ..THREADENTRY32::default()
    };
    // SAFETY: the structure states its size.
    let mut found = unsafe { Thread32First(threads.as_raw_handle(), &raw mut thread) };
    let mut resumed = Err(io::ErrorKind::NotFound.into());
    while found != 0 {
        if thread.th32OwnerProcessID == process {
            match resume_thread(thread.th32ThreadID) {
                Ok(true) => return Ok(()),
                // Another program may have resumed it.
                Ok(false) if resumed.is_err() => resumed = Ok(()),
                Ok(false) => {}
                Err(error) => resumed = resumed.and(Err(error)),
            }
        }
        // SAFETY: the structure states its size.
        found = unsafe { Thread32Next(threads.as_raw_handle(), &raw mut thread) };
    }
    resumed
}

/// Resumes a thread. Returns whether it was suspended.
fn resume_thread(number: u32) -> io::Result<bool> {
    // SAFETY: the call takes any number.
    let raw = unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, number) };
    if raw.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made this handle for us alone.
    let thread = unsafe { OwnedHandle::from_raw_handle(raw) };
    // SAFETY: the handle is open.
    match unsafe { ResumeThread(thread.as_raw_handle()) } {
        u32::MAX => Err(io::Error::last_os_error()),
        suspensions => Ok(suspensions > 0),
    }
}
