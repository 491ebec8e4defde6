//! Describes the process that becomes the service, and what that process does between its birth and
//! `exec`.
//!
//! Rules for [`become_service`] and everything that it calls. It runs in a process that may share the
//! supervisor's memory and is paused in the middle of a call:
//! - It makes system calls only, and such as a signal handler may make. It allocates nothing, frees
//!   nothing, takes no lock, prints nothing and cannot panic: [`Spawn`] holds everything ready.
//! - It ends in `exec`, or returns the failure to the caller, which ends the process.
//! - It keeps its order, as each step needs what a later one takes away.
#![expect(unsafe_code, reason = "system calls that nix leaves unsafe")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsString, c_char};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, setgid, setsid, setuid};

use super::{process, signals};
use crate::limits::Resource;
use crate::sys::{self, Pid};
use crate::wait::{self, Deadline};

/// Describes a process in full before it exists.
pub(crate) struct Spawn<'a> {
    words: Strings,
    environment: Strings,
    streams: [OwnedFd; 3],
    directory: Option<(CString, Rights)>,
    user: Option<(Uid, Gid, Vec<Gid>)>,
    pub(crate) oom_score: Option<&'a str>,
    /// Resource, soft and hard limit.
    pub(crate) limits: &'a [(Resource, u64, u64)],
    pub(crate) nice: Option<i32>,
    pub(crate) umask: Option<u32>,
    /// How long a program that another process has open for writing is tried.
    pub(crate) busy: Duration,
}

/// Whose rights a directory is entered with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    Supervisor,
    Service,
}

/// The step that a new process failed at.
#[derive(Debug)]
pub(crate) struct Stuck {
    /// Fits after "failed to".
    pub(crate) step: Cow<'static, str>,
    pub(crate) error: Errno,
}

impl Stuck {
    pub(in crate::sys) fn at(step: &'static str, error: Errno) -> Self {
        Self {
            step: Cow::Borrowed(step),
            error,
        }
    }
}

impl Spawn<'_> {
    /// Describes a process that runs the program `words[0]`, in this environment alone. The program is
    /// looked up in the PATH of that environment.
    ///
    /// # Errors
    ///
    /// A word or a variable contains a NUL byte, or no descriptor is free.
    pub(crate) fn new(
        words: &[OsString],
        environment: &[(OsString, OsString)],
        streams: [OwnedFd; 3],
    ) -> io::Result<Self> {
        // Sorted, and the last value of a name counts.
        let environment: BTreeMap<_, _> = environment
            .iter()
            .map(|(name, value)| (name, value))
            .collect();
        let entry = |(name, value): (&OsString, &OsString)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())
        };
        if words.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let words = words.iter().map(|word| CString::new(word.as_bytes()));
        let [input, output, error] = streams;
        Ok(Self {
            words: Strings::collect(words)?,
            environment: Strings::collect(environment.into_iter().map(entry))?,
            streams: [
                above_standard(input)?,
                above_standard(output)?,
                above_standard(error)?,
            ],
            directory: None,
            user: None,
            oom_score: None,
            limits: &[],
            nice: None,
            umask: None,
            busy: Duration::ZERO,
        })
    }

    /// Has the process begin in this directory, which it enters with these rights.
    pub(crate) fn enter(&mut self, directory: &Path, rights: Rights) -> io::Result<()> {
        let directory = CString::new(directory.as_os_str().as_bytes())?;
        self.directory = Some((directory, rights));
        Ok(())
    }

    /// Has the process run as this user.
    pub(crate) fn run_as(&mut self, uid: u32, gid: u32, groups: &[u32]) {
        let groups = groups.iter().copied().map(Gid::from_raw).collect();
        self.user = Some((Uid::from_raw(uid), Gid::from_raw(gid), groups));
    }

    /// Makes the process, while this one has the environment of that: so `execvp` finds the program in
    /// the service's PATH, and needs nothing that has to be made in the new process.
    pub(in crate::sys) fn with_its_environment<T>(&self, birth: impl FnOnce() -> T) -> T {
        let own = replace_environment(self.environment.as_ptr());
        let born = birth();
        replace_environment(own);
        born
    }

    fn directory_for(&self, rights: Rights) -> Option<&CStr> {
        let (directory, by) = self.directory.as_ref()?;
        (*by == rights).then_some(directory)
    }
}

/// Gives a stream a number that none of the three streams gets: those are set one after the other. A copy
/// by std has none of them.
fn above_standard(stream: OwnedFd) -> io::Result<OwnedFd> {
    if stream.as_raw_fd() <= libc::STDERR_FILENO {
        stream.try_clone()
    } else {
        Ok(stream)
    }
}

/// Texts as C passes them: a list of pointers with a null pointer at its end.
struct Strings {
    pointers: Vec<*const c_char>,
    /// What they point at.
    _texts: Vec<CString>,
}

impl Strings {
    fn collect(
        texts: impl Iterator<Item = Result<CString, std::ffi::NulError>>,
    ) -> io::Result<Self> {
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let pointers = texts.iter().map(|text| text.as_ptr());
        Ok(Self {
            pointers: pointers.chain([std::ptr::null()]).collect(),
            _texts: texts,
        })
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

/// Puts another environment in the place of this process's own, which it returns.
fn replace_environment(by: *const *const c_char) -> *const *const c_char {
    #[cfg(not(target_vendor = "apple"))]
    let environment = {
        unsafe extern "C" {
            static mut environ: *const *const c_char;
        }
        &raw mut environ
    };
    #[cfg(target_vendor = "apple")]
    // SAFETY: the call takes nothing, and gives the address of the same variable.
    let environment = unsafe { libc::_NSGetEnviron() }.cast::<*const *const c_char>();
    // SAFETY: the supervisor has one thread, and nothing reads the variable meanwhile.
    unsafe { std::ptr::replace(environment, by) }
}

/// Becomes the service; returns only if a step failed. The parent is looked at, as it may have died.
pub(in crate::sys) fn become_service(spawn: &Spawn<'_>, supervisor: Pid) -> Stuck {
    match set_up(spawn, supervisor) {
        Ok(()) => run(spawn),
        Err(stuck) => stuck,
    }
}

fn set_up(spawn: &Spawn<'_>, supervisor: Pid) -> Result<(), Stuck> {
    // So that nothing of what follows can hang beyond the supervisor's life; once more below.
    let _ = sys::die_with_parent();
    // A session of its own: a terminal's Ctrl-C does not reach it, and its group is its own.
    step("start a session", setsid())?;
    if let Some(score) = spawn.oom_score {
        sys::restore_oom_score(score);
    }
    // Limits and niceness first: raising them needs the rights that the user may lack.
    for (resource, soft, hard) in spawn.limits {
        step(
            "set a resource limit",
            process::limit(*resource, *soft, *hard),
        )?;
    }
    if let Some(nice) = spawn.nice {
        step("set its niceness", process::set_nice(nice))?;
    }
    if let Some(mask) = spawn.umask {
        #[allow(
            clippy::useless_conversion,
            reason = "the type differs between systems"
        )]
        let bits = libc::mode_t::try_from(mask).unwrap_or(libc::mode_t::MAX);
        umask(Mode::from_bits_truncate(bits));
    }
    if let Some(here) = spawn.directory_for(Rights::Supervisor) {
        step("enter the test's directory", chdir(here))?;
    }
    if let Some((user, group, groups)) = &spawn.user {
        // The groups before the user: afterwards there is no right to change them.
        step("take on the user's groups", sys::set_groups(groups))?;
        step("take on the user's group", setgid(*group))?;
        step("take on the user", setuid(*user))?;
    }
    // With the user's rights: where the service may not be, it is not started.
    if let Some(directory) = spawn.directory_for(Rights::Service) {
        step("enter the working directory", chdir(directory))?;
    }
    // After the user, as a change of user clears it; then the parent is looked at once more, as it
    // may have died before the kernel was told.
    step("bind its life to the supervisor's", sys::die_with_parent())?;
    if sys::parent() != supervisor {
        sys::exit_now(127);
    }
    Ok(())
}

fn step<T>(step: &'static str, result: nix::Result<T>) -> Result<(), Stuck> {
    result.map(drop).map_err(|errno| Stuck::at(step, errno))
}

const RUN: &str = "run the program";

fn run(spawn: &Spawn<'_>) -> Stuck {
    let [input, output, error] = &spawn.streams;
    for done in [dup2_stdin(input), dup2_stdout(output), dup2_stderr(error)] {
        if let Err(errno) = done {
            return Stuck::at(RUN, errno);
        }
    }
    // The supervisor ignores SIGPIPE, and reads its signals from a descriptor, so they are blocked. Both
    // outlive `exec`.
    signals::heed_closed_pipes();
    signals::unblock_signals();
    let busy = Deadline::after(spawn.busy);
    loop {
        let errno = exec(&spawn.words);
        // A test that has just written the program may have forked on another thread meanwhile: until
        // that fork has become its own program it has a copy of the descriptor that was written to.
        if errno != Errno::ETXTBSY || busy.has_passed() {
            return Stuck::at(RUN, errno);
        }
        wait::pause(Duration::from_millis(1));
    }
}

/// Returns only if it failed.
fn exec(words: &Strings) -> Errno {
    let Some(program) = words.pointers.first() else {
        return Errno::EINVAL;
    };
    // SAFETY: each pointer is that of a text that outlives the call, and the list ends with a null pointer.
    unsafe { libc::execvp(*program, words.as_ptr()) };
    Errno::last()
}
