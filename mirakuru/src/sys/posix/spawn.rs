//! Describes a process in full before it exists, so that the new process need not allocate anything.
#![expect(
    unsafe_code,
    reason = "std has no way to exchange the whole environment"
)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CString, NulError, OsString, c_char};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

use super::sockets::Handle;
use crate::limits::Resource;
use crate::sys::Stuck;

/// The description of the process that becomes the service.
pub(crate) struct Spawn<'a> {
    pub(in crate::sys) words: Strings,
    environment: Strings,
    pub(super) streams: [Handle; 3],
    /// The directory that is entered with the supervisor's rights.
    pub(super) inherited: Option<CString>,
    /// The directory that is entered with the service's rights.
    pub(super) directory: Option<CString>,
    pub(super) user: Option<(Uid, Gid, Vec<Gid>)>,
    pub(crate) oom_score: Option<&'a str>,
    /// Each resource with its soft and its hard limit.
    pub(crate) limits: &'a [(Resource, u64, u64)],
    pub(crate) nice: Option<i32>,
    pub(crate) umask: Option<u32>,
    /// The time for which a program that another process has open for writing is tried.
    pub(crate) busy: Duration,
}

impl Stuck {
    pub(in crate::sys) fn at(step: &'static str, error: Errno) -> Self {
        Self {
            step: Cow::Borrowed(step),
            code: error as i32,
        }
    }
}

impl Spawn<'_> {
    /// Describes a process that runs the program `words[0]`, with exactly this environment. The program is looked up in
    /// the PATH of that environment.
    ///
    /// # Errors
    ///
    /// Returns an error if a word or a variable contains a NUL byte, or if no descriptor is free.
    pub(crate) fn new(
        words: &[OsString],
        environment: &[(OsString, OsString)],
        [input, output, error]: &[Handle; 3],
    ) -> io::Result<Self> {
        // The variables are sorted, and the last value of a name counts.
        let variables = environment.iter().map(|(name, value)| (name, value));
        let variables: BTreeMap<_, _> = variables.collect();
        let entry = |(name, value): (&OsString, &OsString)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())
        };
        if words.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let words = words.iter().map(|word| CString::new(word.as_bytes()));
        // std's copies get numbers above those of the three streams, which are set one after the other.
        Ok(Self {
            words: Strings::collect(words)?,
            environment: Strings::collect(variables.into_iter().map(entry))?,
            streams: [input.try_clone()?, output.try_clone()?, error.try_clone()?],
            inherited: None,
            directory: None,
            user: None,
            oom_score: None,
            limits: &[],
            nice: None,
            umask: None,
            busy: Duration::ZERO,
        })
    }

    /// Makes the process start in the test's directory, which the service's user may have no right to enter.
    pub(crate) fn inherit(&mut self, directory: &Path) -> io::Result<()> {
        self.inherited = Some(CString::new(directory.as_os_str().as_bytes())?);
        Ok(())
    }

    /// Makes the process enter a directory, with the rights of the service's user.
    pub(crate) fn enter(&mut self, directory: &Path) -> io::Result<()> {
        self.directory = Some(CString::new(directory.as_os_str().as_bytes())?);
        Ok(())
    }

    /// Makes the process run as this user.
    pub(crate) fn run_as(&mut self, uid: u32, gid: u32, groups: &[u32]) {
        let groups = groups.iter().copied().map(Gid::from_raw).collect();
        self.user = Some((Uid::from_raw(uid), Gid::from_raw(gid), groups));
    }

    /// Calls `birth`, which makes the process, while this process has that process's environment. `execvp` then finds
    /// the program in the service's PATH, and the new process need not allocate anything.
    pub(in crate::sys) fn with_its_environment<T>(&self, birth: impl FnOnce() -> T) -> T {
        let own = replace_environment(self.environment.pointers.as_ptr());
        let born = birth();
        replace_environment(own);
        born
    }
}

/// Texts in the form that C passes them: a list of pointers that ends with a null pointer.
pub(in crate::sys) struct Strings {
    pub(in crate::sys) pointers: Vec<*const c_char>,
    /// The texts that the pointers point to.
    _texts: Vec<CString>,
}

impl Strings {
    fn collect(texts: impl Iterator<Item = Result<CString, NulError>>) -> io::Result<Self> {
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let pointers = texts.iter().map(|text| text.as_ptr());
        Ok(Self {
            pointers: pointers.chain([std::ptr::null()]).collect(),
            _texts: texts,
        })
    }
}

/// Replaces this process's own environment, and returns the former one.
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
    let environment = unsafe { nix::libc::_NSGetEnviron() }.cast::<*const *const c_char>();
    // SAFETY: the supervisor has one thread, and nothing reads the variable meanwhile.
    unsafe { std::ptr::replace(environment, by) }
}
