//! Manages the directory in which a run keeps what its test processes share.
//!
//! The directory is next to the lock files of ports. Its name contains the runner's pid and start time. Each process
//! that uses the directory has a lock on it.
//!
//! The directory is `run-PIDS-TIMES-PID-STARTED`: the pid namespace, the time namespace, and the runner's pid and start
//! time. For each fixture it contains these files:
//!
//! | file | content |
//! |---|---|
//! | `NAME.lock` | the lock of a test process that starts or stops the service |
//! | `NAME.sock` | the socket of its supervisor |
//! | `NAME.use` | the lock of a test that has the service for itself |
//! | `NAME.supervisor` | the pid and start time of its supervisor, whose leases are those of the run |
//! | `NAME.silent` | a note that the supervisor did not answer |
//! | `NAME.failures` | how many starts in a row have failed, and why |
//! | `NAME.written` | the fixture as it is written, which shows whether two fixtures have one name |

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::Failures;
use super::leftovers::sweep;
use super::runner::Runner;
use crate::locks::lock_directory;
use crate::sys::{self, LockedFile};
use crate::wait::{self, Deadline};

/// The files of one shared fixture of one run.
#[derive(Debug)]
pub(crate) struct RunPlace {
    pub(crate) runner: Runner,
    directory: PathBuf,
    /// The fixture's name, encoded for a file name.
    name: String,
    _use: InUse,
}

/// The lock of a process that uses the directory of a run.
///
/// The process holds it until it ends: a drop in a forked child would release the lock.
pub(crate) type InUse = ManuallyDrop<LockedFile>;

/// Takes that lock, or returns `None` if another process is removing the directory.
pub(crate) fn in_use(directory: &Path) -> io::Result<Option<InUse>> {
    let locked = sys::lock_directory(directory, sys::try_lock_with_others)?;
    Ok(locked.map(ManuallyDrop::new))
}

/// The time that another process may take to remove the directory of a run.
const REMOVAL: Duration = Duration::from_secs(10);

impl RunPlace {
    /// Returns the place of this fixture in the runner's directory, and makes that directory if it is missing.
    ///
    /// # Errors
    ///
    /// A human-readable reason why the directory cannot be made.
    pub(crate) fn of(runner: Runner, name: &str) -> Result<Self, String> {
        let deadline = Deadline::after(REMOVAL);
        let (directory, in_use) = loop {
            let locks = lock_directory()?;
            sweep(&locks);
            let directory = directory_of(&locks, &runner);
            let made = match sys::make_private_directory(&directory) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                made => made,
            };
            match made.and_then(|()| in_use(&directory)) {
                Ok(Some(in_use)) => break (directory, in_use),
                // Another process is removing the directory, or removed the parent with the last lock. The loop tries
                // again.
                Ok(None) if !deadline.has_passed() => {
                    wait::pause(wait::next_try(deadline.elapsed()));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                failed => {
                    let why = failed.err().unwrap_or_else(|| ErrorKind::TimedOut.into());
                    return Err(format!("failed to make {}: {why}", directory.display()));
                }
            }
        };
        Ok(Self {
            runner,
            directory,
            name: file_name(name),
            _use: in_use,
        })
    }

    /// Returns the socket by which the test processes of the run reach the supervisor.
    pub(crate) fn socket(&self) -> PathBuf {
        self.file("sock")
    }

    /// Returns the lock file that a process holds while it starts or stops the service.
    pub(crate) fn lock(&self) -> PathBuf {
        self.file("lock")
    }

    /// Returns the note that the supervisor did not answer, which later test processes read.
    pub(crate) fn silence(&self) -> PathBuf {
        self.file("silent")
    }

    /// Returns whether the supervisor is suspended.
    pub(crate) fn supervisor_is_stopped(&self) -> bool {
        let pid = fs::read_to_string(self.file(SUPERVISOR)).ok();
        let pid = pid.and_then(|pid| sys::process_of(noted(&pid)?));
        pid.and_then(sys::proc_stat)
            .is_some_and(|stat| stat.stopped)
    }

    /// Returns the lock file that a test holds while it uses the service exclusively.
    pub(crate) fn exclusive_use(&self) -> PathBuf {
        self.file("use")
    }

    /// Records the supervisor for the tests of the run. This process does not release its ports before the run ends.
    pub(crate) fn note_supervisor(&self, pid: u32) {
        let started = sys::process_of(pid).and_then(sys::started_at);
        let noted = format!("{pid} {}", started.unwrap_or(0));
        let _ = fs::write(self.file(SUPERVISOR), noted);
    }

    /// Returns the definition of the fixture by the first test process that recorded one. Records `own` if there is
    /// none yet.
    pub(crate) fn first_written(&self, own: &str) -> String {
        let file = self.file("written");
        let read = || fs::read_to_string(&file).ok();
        // Several processes may be the first at the same time. The file appears with its full text, and never changes.
        let write = || -> io::Result<()> {
            let mut new = NamedTempFile::new_in(&self.directory)?;
            new.write_all(own.as_bytes())?;
            new.persist_noclobber(&file)?;
            Ok(())
        };
        let found = read().or_else(|| write().err().map_or(Some(own.to_owned()), |_| read()));
        found.unwrap_or_else(|| own.to_owned())
    }

    /// Returns the number of failed starts. The caller holds the lock.
    pub(crate) fn failures(&self) -> Failures {
        let noted = fs::read_to_string(self.file("failures")).unwrap_or_default();
        let (count, why) = noted.split_once(' ').unwrap_or_default();
        Failures {
            count: count.parse().unwrap_or(0),
            why: why.to_owned(),
        }
    }

    pub(crate) fn note_failures(&self, Failures { count, why }: &Failures) {
        let _ = fs::write(self.file("failures"), format!("{count} {why}"));
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.directory.join(format!("{}.{kind}", self.name))
    }
}

/// The extension of a file that contains a supervisor's pid.
const SUPERVISOR: &str = "supervisor";

/// Returns the supervisors of the services that this run shares.
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

/// Returns the recorded pid, unless it belongs to another process now.
fn noted(supervisor: &str) -> Option<u32> {
    let (pid, started) = supervisor.split_once(' ')?;
    let (pid, started) = (pid.parse().ok()?, started.parse().ok()?);
    (sys::process_of(pid).and_then(sys::started_at) == Some(started)).then_some(pid)
}

fn directory_of(locks: &Path, runner: &Runner) -> PathBuf {
    let ([pids, times], pid, started) = (sys::namespaces(), runner.pid, runner.started);
    locks.join(format!("run-{pids}-{times}-{pid}-{started}"))
}

/// Returns a file name for the fixture. Different names stay different, and fit into the path of a socket.
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
    // FNV-1a in 128 bits gives the same result in every test binary of the run.
    let mix = |hash: u128, byte: u8| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    };
    let hash = name
        .bytes()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, mix);
    format!("={hash:032x}=")
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::process::Command;

    use super::*;
    #[cfg(unix)]
    use crate::run::runner::Kind;

    /// Returns a runner with the pid of this process.
    #[cfg(unix)]
    fn runner(started: u64) -> Runner {
        Runner {
            pid: sys::Pid::this(),
            started,
            kind: Kind::Nextest,
        }
    }

    #[cfg(unix)]
    fn place_in(directory: &Path) -> RunPlace {
        RunPlace {
            runner: runner(1),
            directory: directory.to_owned(),
            name: "db".to_owned(),
            _use: in_use(directory).expect("own directory").expect("unused"),
        }
    }

    /// Calls `make` with the path of the directory of a live runner until it succeeds: another process may remove the
    /// empty parent.
    #[cfg(unix)]
    fn put_at<T>(runner: &Runner, make: impl Fn(&Path) -> io::Result<T>) -> (PathBuf, T) {
        let put = |_| {
            let path = directory_of(&lock_directory().expect("a temporary directory"), runner);
            make(&path).map(|made| (path, made)).ok()
        };
        (0..99).find_map(put).expect("no such file")
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_or_a_lasting_lock_at_the_directory_is_an_error() {
        let runner = runner(sys::started_at(sys::Pid::this()).expect("procfs"));
        let (path, ()) = put_at(&runner, |path| std::os::unix::fs::symlink(path, path));
        let failed = RunPlace::of(runner.clone(), "db").map(drop);
        fs::remove_file(&path).expect("own link");
        assert!(failed.is_err());

        let (path, locked) = put_at(&runner, |path| {
            sys::make_private_directory(path)?;
            sys::lock_directory(path, sys::try_lock)
        });
        assert!(locked.is_some());
        let deadline = Deadline::after(REMOVAL);
        let failed = RunPlace::of(runner, "db").map(drop);
        let has_waited = deadline.has_passed();
        drop(locked);
        fs::remove_dir(&path).expect("own directory");
        assert!(failed.is_err() && has_waited);
    }

    /// The test runs itself again, with a temporary directory of its own and without the right to write to any directory.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_directory_that_cannot_be_made_is_an_error() {
        use std::os::unix::fs::PermissionsExt;

        use crate::rerun::{alone, is_alone};

        if is_alone() {
            let locks = lock_directory().expect("a temporary directory");
            fs::set_permissions(locks, fs::Permissions::from_mode(0o500)).expect("own directory");
            let failed = RunPlace::of(runner(1), "db").map(drop);
            let why = failed.expect_err("the directory is closed");
            assert!(why.contains("Permission denied"), "{why}");
            return;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut words = vec!["setpriv", "--bounding-set=-dac_override"];
        if !sys::is_root() {
            words.clear();
        }
        let test = "run::place::tests::a_directory_that_cannot_be_made_is_an_error";
        alone(test, &words, |command| {
            _ = command.env("TMPDIR", directory.path());
        });
    }

    #[cfg(unix)]
    #[test]
    fn a_suspended_supervisor_is_recognized() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = place_in(directory.path());
        let mut process = Command::new("sleep").arg("60").spawn().expect("sleep");
        place.note_supervisor(process.id());
        let was_stopped = place.supervisor_is_stopped();
        let sent = Command::new("kill")
            .args(["-STOP", &process.id().to_string()])
            .status();
        let deadline = Deadline::after(Duration::from_secs(30));
        while !place.supervisor_is_stopped() && !deadline.has_passed() {
            wait::pause(wait::next_try(deadline.elapsed()));
        }
        let is_stopped = place.supervisor_is_stopped();
        process.kill().expect("a child");
        process.wait().expect("a child");
        assert!(sent.is_ok_and(|status| status.success()));
        assert!(!was_stopped && is_stopped);
    }

    #[cfg(unix)]
    #[test]
    fn each_file_of_a_fixture_has_its_own_path_in_the_run() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = place_in(directory.path());
        let files = [
            place.socket(),
            place.lock(),
            place.silence(),
            place.exclusive_use(),
        ];
        assert!(files.iter().all(|file| file.starts_with(directory.path())));
        let distinct: std::collections::BTreeSet<_> = files.iter().collect();
        assert_eq!(distinct.len(), files.len());
    }

    #[test]
    fn names_are_fit_for_files_and_stay_different() {
        assert_eq!(file_name("my-db_1"), "my-db_1");
        assert_ne!(file_name("a/b"), file_name("a b"));
        assert!(!file_name("../x").contains(['/', '.']));
        let long = |last: &str| file_name(&format!("{}{last}", "é/".repeat(99)));
        assert_ne!(long("a"), long("b"));
        assert!(long("a").len() <= 49);
        // A name of up to half the longest length is encoded in hex, and a longer one is hashed. Every binary of any
        // version does the same.
        assert_eq!(file_name(&"/".repeat(24)), format!("={}", "2f".repeat(24)));
        assert_eq!(
            file_name(&"/".repeat(25)),
            "=c82ad633ca1559e1569dcc3f2606207e="
        );
        assert_eq!(file_name(&"b".repeat(48)), "b".repeat(48));
        assert_eq!(
            file_name(&"b".repeat(49)),
            "=5b38baf69d3a7e3eb354fdbd383d6c15="
        );
        assert_eq!(file_name(""), "=");
    }
}
