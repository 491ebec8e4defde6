//! Where a run keeps what its test processes share: a directory of the runner's, by its pid and when it
//! started, beside the locks of ports. What dead runs left is removed by the next.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Once;

use tempfile::NamedTempFile;

use super::runner::Runner;
use crate::locks::{existing_lock_directory, lock_directory};
use crate::sys::{self, Pid};

/// The place of one shared fixture of one run.
#[derive(Debug)]
pub(crate) struct RunPlace {
    pub(crate) runner: Runner,
    directory: PathBuf,
    /// The fixture's name, fit for a file.
    name: String,
}

impl RunPlace {
    /// The place of this fixture in the runner's directory, which is made now if it was not yet.
    ///
    /// # Errors
    ///
    /// What is in the way, for a person.
    pub(crate) fn of(runner: Runner, name: &str) -> Result<Self, String> {
        let directory = loop {
            let locks = lock_directory()?;
            sweep(&locks);
            let directory = directory_of(&locks, &runner);
            match fs::DirBuilder::new().mode(0o700).create(&directory) {
                Ok(()) => break directory,
                Err(error) => match error.kind() {
                    ErrorKind::AlreadyExists => break directory,
                    // The directory of the locks went with the last of them: once more.
                    ErrorKind::NotFound => {}
                    _ => return Err(format!("failed to make {}: {error}", directory.display())),
                },
            }
        };
        Ok(Self {
            runner,
            directory,
            name: file_name(name),
        })
    }

    /// By which the test processes of the run come to the supervisor.
    pub(crate) fn socket(&self) -> PathBuf {
        self.file("sock")
    }

    /// Held by who starts or stops it.
    pub(crate) fn lock(&self) -> PathBuf {
        self.file("lock")
    }

    /// Held by who has it for itself.
    pub(crate) fn exclusive_use(&self) -> PathBuf {
        self.file("use")
    }

    /// For the tests of the run: what this process has is not given back before the run's end.
    pub(crate) fn note_supervisor(&self, pid: u32) {
        let started = sys::process_of(pid).and_then(sys::started_at);
        let noted = format!("{pid} {}", started.unwrap_or(0));
        let _ = fs::write(self.file(SUPERVISOR), noted);
    }

    /// Returns the fixture of this name as it was written by the test process that came first: this one, if
    /// no other did.
    pub(crate) fn first_written(&self, own: &str) -> String {
        let file = self.file("written");
        let read = || fs::read_to_string(&file).ok();
        // Several processes may be the first at once: the file appears with its text, and never changes.
        let write = || -> io::Result<()> {
            let mut new = NamedTempFile::new_in(&self.directory)?;
            new.write_all(own.as_bytes())?;
            new.persist_noclobber(&file)?;
            Ok(())
        };
        let found = read().or_else(|| write().err().map_or(Some(own.to_owned()), |_| read()));
        found.unwrap_or_else(|| own.to_owned())
    }

    /// How often it could not be started; read and written under the lock.
    pub(crate) fn failures(&self) -> u32 {
        let noted = fs::read_to_string(self.file("failures"));
        noted.ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn note_failures(&self, count: u32) {
        let _ = fs::write(self.file("failures"), count.to_string());
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.directory.join(format!("{}.{kind}", self.name))
    }
}

/// What the name of a file ends with that holds a supervisor's pid.
const SUPERVISOR: &str = "supervisor";

/// The supervisors of what this run shares.
pub(crate) fn supervisors(locks: &Path) -> Vec<u32> {
    let Ok(runner) = super::runner::find() else {
        return Vec::new();
    };
    let directory = fs::read_dir(directory_of(locks, &runner));
    let entries = directory.into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|kind| kind == SUPERVISOR))
        .filter_map(|path| noted(&fs::read_to_string(path).ok()?))
        .collect()
}

/// The pid, unless it is another process's by now.
fn noted(supervisor: &str) -> Option<u32> {
    let (pid, started) = supervisor.split_once(' ')?;
    let (pid, started) = (pid.parse().ok()?, started.parse().ok()?);
    (sys::process_of(pid).and_then(sys::started_at) == Some(started)).then_some(pid)
}

fn directory_of(locks: &Path, runner: &Runner) -> PathBuf {
    let (namespace, pid, started) = (pid_namespace(), runner.pid, runner.started);
    locks.join(format!("run-{namespace}-{pid}-{started}"))
}

/// A pid means another process in another namespace, as a container has it (`pid_namespaces(7)`); 0
/// where there are none.
fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// Names that differ stay different, and fit into the path of a socket.
fn file_name(name: &str) -> String {
    const LONGEST: usize = 48;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !name.is_empty() && name.len() <= LONGEST && name.bytes().all(is_plain) {
        return name.to_owned();
    }
    if name.len() <= LONGEST / 2 {
        let hex: Vec<_> = name.bytes().map(|byte| format!("{byte:02x}")).collect();
        return format!("={}", hex.concat());
    }
    // FNV-1a in 128 bits: the same in every test binary of the run.
    let mix = |hash: u128, byte: u8| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    };
    let hash = name
        .bytes()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, mix);
    format!("={hash:032x}=")
}

/// Removes what runs that are gone have left beside the locks, once in each process.
pub(crate) fn sweep_once() {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        if let Some(locks) = existing_lock_directory() {
            sweep(&locks);
            // If nothing else is left in it. A process that needs it makes it again.
            let _ = fs::remove_dir(locks);
        }
    });
}

/// Removes the directories of runs whose runner is gone.
fn sweep(locks: &Path) {
    let entries = fs::read_dir(locks).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some((pid, started)) = name.to_str().and_then(run_of) else {
            continue;
        };
        if sys::started_at(pid) != Some(started) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn run_of(name: &str) -> Option<(Pid, u64)> {
    let (namespace, run) = name.strip_prefix("run-")?.split_once('-')?;
    // Who is alive in another namespace cannot be told from here.
    if namespace.parse() != Ok(pid_namespace()) {
        return None;
    }
    let (pid, started) = run.split_once('-')?;
    Some((sys::process_of(pid.parse().ok()?)?, started.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_files_and_stay_different() {
        assert_eq!(file_name("my-db_1"), "my-db_1");
        assert_ne!(file_name("a/b"), file_name("a b"));
        assert!(!file_name("../x").contains(['/', '.']));
        let long = |last: &str| file_name(&format!("{}{last}", "é/".repeat(99)));
        assert_ne!(long("a"), long("b"));
        assert!(long("a").len() <= 49);
    }

    #[test]
    fn what_dead_runs_left_is_removed_and_the_rest_stays() {
        let locks = tempfile::tempdir().expect("a temporary directory");
        let own = sys::started_at(Pid::this()).expect("procfs");
        let of = |namespace, started| {
            let name = format!("run-{namespace}-{}-{started}", Pid::this());
            locks.path().join(name)
        };
        let (alive, dead) = (of(pid_namespace(), own), of(pid_namespace(), own + 1));
        let elsewhere = of(pid_namespace() + 1, own + 1);
        let other = locks.path().join("port-1");
        for path in [&alive, &dead, &elsewhere, &other] {
            fs::create_dir(path).expect("own directory");
        }
        sweep(locks.path());
        assert!(alive.exists() && elsewhere.exists() && other.exists());
        assert!(!dead.exists());
    }
}
