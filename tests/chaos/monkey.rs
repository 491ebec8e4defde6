//! The disturbances of the monkey: one after the other, at random times.

use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use mirakuru_tests::descendants::{self, Process, Role};
use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::Signal,
    unistd::getuid,
};

/// The duration of a temporary disturbance.
const DURATION: Duration = Duration::from_millis(700);
/// The maximum size of the file that fills `TMPDIR`.
const FILL: usize = 256 << 20;

/// The state of the monkey: its counts, and the disturbances that it must undo.
#[derive(Debug)]
pub(crate) struct Monkey {
    rng: Rng,
    /// The directory of the tests' temporary files.
    directory: PathBuf,
    /// Whether that directory has a file system of its own, so that only the tests run out of space.
    may_fill: bool,
    /// Whether it leaves supervisors alone. If it does not, it leaves tests and the runner alone: if a supervisor is
    /// killed, its test process ends what is left, and what a run shares ends with the runner.
    pub(crate) spares_supervisors: bool,
    frozen: Vec<(Instant, Process)>,
    filled: Option<(Instant, PathBuf)>,
    locked: Vec<(Instant, Flock<File>)>,
    closed: Option<(Instant, PathBuf)>,
    pub(crate) kills: usize,
    pub(crate) other: usize,
}

impl Monkey {
    pub(crate) fn new(seed: u64, directory: &Path, may_fill: bool) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            directory: directory.to_owned(),
            may_fill,
            spares_supervisors: seed.is_multiple_of(2),
            frozen: Vec::new(),
            filled: None,
            locked: Vec::new(),
            closed: None,
            kills: 0,
            other: 0,
        }
    }

    /// Waits for a moment, undoes the disturbances that are due, and causes another one.
    pub(crate) fn disturb(&mut self) {
        thread::sleep(Duration::from_millis(self.rng.u64(1..40)));
        let now = Instant::now();
        self.undo(|due| due <= now);
        match self.rng.u8(..20) {
            0..4 => self.kill(Role::Test),
            4..8 => self.kill(Role::Supervisor),
            8..12 => self.kill(Role::Service),
            12..16 => self.freeze(),
            16 => self.limit(),
            17 => self.fill(),
            18 => self.lock(),
            _ => self.remove_locks(),
        }
    }

    /// Decides at random whether to kill the runner now.
    pub(crate) fn kills_the_runner(&mut self) -> bool {
        self.spares_supervisors && self.rng.u16(..300) == 0
    }

    /// Undoes all disturbances.
    pub(crate) fn stop(&mut self) {
        self.undo(|_| true);
    }

    fn undo(&mut self, is_due: impl Fn(Instant) -> bool) {
        for (_, process) in self.frozen.extract_if(.., |(due, _)| is_due(*due)) {
            process.signal(Signal::SIGCONT);
        }
        if let Some((_, path)) = self.filled.take_if(|(due, _)| is_due(*due)) {
            fs::remove_file(path).expect("own file");
        }
        self.locked.retain(|(due, _)| !is_due(*due));
        if let Some((_, directory)) = self.closed.take_if(|(due, _)| is_due(*due)) {
            // The directory may be gone with the last lock.
            let _ = fs::set_permissions(directory, Permissions::from_mode(0o700));
        }
    }

    /// Returns whether the monkey leaves processes of this role alone in this round.
    fn spares(&self, role: Role) -> bool {
        match role {
            Role::Supervisor => self.spares_supervisors,
            Role::Test | Role::Runner => !self.spares_supervisors,
            Role::Service => false,
        }
    }

    fn pick(&mut self, is_target: impl Fn(Role) -> bool) -> Option<Process> {
        let mut some = descendants::alive();
        some.retain(|process| is_target(process.role) && !self.spares(process.role));
        if some.is_empty() {
            return None;
        }
        Some(some.swap_remove(self.rng.usize(..some.len())))
    }

    fn kill(&mut self, role: Role) {
        let ways = [
            Signal::SIGKILL,
            Signal::SIGKILL,
            Signal::SIGTERM,
            Signal::SIGINT,
        ];
        let way = ways[self.rng.usize(..ways.len())];
        if let Some(process) = self.pick(|its| its == role) {
            process.signal(way);
            self.kills += 1;
        }
    }

    fn freeze(&mut self) {
        if let Some(process) = self.pick(|_| true) {
            process.signal(Signal::SIGSTOP);
            let time = Duration::from_millis(self.rng.u64(1..1_000));
            self.frozen.push((Instant::now() + time, process));
            self.other += 1;
        }
    }

    fn limit(&mut self) {
        let limits = [
            "--nofile=3:",
            "--nofile=8:",
            "--nofile=14:",
            "--nproc=1:",
            "--fsize=4096:",
        ];
        let limit = limits[self.rng.usize(..limits.len())];
        if let Some(process) = self.pick(|role| matches!(role, Role::Test | Role::Supervisor)) {
            process.limit(limit);
            self.other += 1;
        }
    }

    fn fill(&mut self) {
        if !self.may_fill || self.filled.is_some() {
            return;
        }
        let path = self.directory.join("filled");
        let mut file = File::create(&path).expect("own directory");
        let zeros = vec![0; 1 << 20];
        let mut room = FILL / zeros.len();
        while room > 0 && file.write_all(&zeros).is_ok() {
            room -= 1;
        }
        self.filled = Some((Instant::now() + DURATION, path));
        self.other += 1;
    }

    /// Returns the directory of the locks, and the files in it.
    fn locks(&self) -> (PathBuf, Vec<PathBuf>) {
        let directory = self.directory.join(format!("mirakuru-{}", getuid()));
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let files = entries.map(|entry| entry.path()).collect();
        (directory, files)
    }

    /// Takes some locks as another program would, and removes all permissions from their directory. Root is not
    /// affected by the permissions.
    fn lock(&mut self) {
        let (directory, files) = self.locks();
        let due = Instant::now() + DURATION;
        for path in files {
            let file = File::options().read(true).write(true).open(path);
            let Ok(file) = file else { continue };
            if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                self.locked.push((due, lock));
            }
        }
        if fs::set_permissions(&directory, Permissions::from_mode(0o0)).is_ok() {
            self.closed = Some((due, directory));
        }
        self.other += 1;
    }

    fn remove_locks(&mut self) {
        let (_, files) = self.locks();
        for path in files {
            // The path may be the directory of a run, which is removed with its files.
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        }
        self.other += 1;
    }
}
