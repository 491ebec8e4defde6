//! One round: a disturbed run, a count of what it left, and a run without disturbances.

use std::{
    collections::BTreeMap,
    env,
    fmt::{self, Display, Formatter},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use mirakuru_tests::{
    cargo::nextest,
    descendants::{self, Role},
};
use nix::sys::signal::Signal;

use crate::monkey::Monkey;

const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
/// The number of tests in `victims.rs`, and the number of those that fail in any run.
const TESTS: usize = 60;
const MUST_FAIL: usize = 12;
/// The time after the end of the runner in which every process must be gone. Processes that the runner does not end
/// must exit by themselves.
const QUIET: Duration = Duration::from_secs(60);
/// The time in which a run must end: three times that of the longest test.
const RUN: Duration = Duration::from_secs(180);

/// The counts of disturbances, and of faults, which must be 0.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    passed: usize,
    failed: usize,
    kills: usize,
    disturbances: usize,
    survivors: usize,
    hangs: usize,
    panics: usize,
    false_greens: usize,
    leftovers: usize,
    next_failures: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.kills += other.kills;
        self.disturbances += other.disturbances;
        self.survivors += other.survivors;
        self.hangs += other.hangs;
        self.panics += other.panics;
        self.false_greens += other.false_greens;
        self.leftovers += other.leftovers;
        self.next_failures += other.next_failures;
    }

    fn faults(&self) -> [(usize, &str); 6] {
        [
            (self.survivors, "survivors"),
            (self.hangs, "hangs"),
            (self.panics, "internal panics"),
            (self.false_greens, "false greens"),
            (self.leftovers, "files left"),
            (self.next_failures, "failures of the next run"),
        ]
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.faults().iter().all(|(count, _)| *count == 0)
    }
}

impl Display for Counts {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            kills,
            disturbances,
            ..
        } = self;
        write!(
            formatter,
            "{kills} kills, {disturbances} other disturbances, "
        )?;
        write!(formatter, "{passed} passed, {failed} failed;")?;
        for (count, name) in self.faults() {
            write!(formatter, " {count} {name},")?;
        }
        write!(formatter, " expected 0")
    }
}

/// Disturbs a run, and counts the faults.
pub(crate) fn run(seed: u64) -> Counts {
    let mut counts = Counts::default();
    let temporary = env::temp_dir();
    // The reports and proofs of a round are in a directory of their own.
    let round = Round::new(
        &env::var_os("CHAOS_REPORTS").map_or_else(|| temporary.clone(), PathBuf::from),
        seed,
    );

    let may_fill = env::var_os("CHAOS_MAY_FILL").is_some();
    let mut monkey = Monkey::new(seed, &temporary, may_fill);
    let mut runner = round.nextest("disturbed", monkey.spares_supervisors);
    let begun = Instant::now();
    while runner.try_wait().expect("a child").is_none() && !a_test_runs() {
        thread::sleep(Duration::from_millis(10));
    }
    while runner.try_wait().expect("a child").is_none() {
        if begun.elapsed() > RUN {
            counts.hangs += 1;
            note("the runner does not end");
            runner.kill().expect("a child");
        } else if monkey.kills_the_runner() {
            runner.kill().expect("a child");
            monkey.kills += 1;
        } else {
            monkey.disturb();
        }
    }
    monkey.stop();
    counts.kills = monkey.kills;
    counts.disturbances = monkey.other;
    counts.survivors = survivors();
    round.read("disturbed", &mut counts);
    (counts.passed, counts.failed) = (round.passed("disturbed"), round.failed("disturbed"));

    // The undisturbed run removes the files that the disturbed run could not remove.
    let mut runner = round.nextest("undisturbed", true);
    runner.wait().expect("a child");
    counts.survivors += survivors();
    round.read("undisturbed", &mut counts);
    let (passed, failed) = (round.passed("undisturbed"), round.failed("undisturbed"));
    counts.next_failures = (TESTS - MUST_FAIL)
        .abs_diff(passed)
        .max(MUST_FAIL.abs_diff(failed));
    for left in fs::read_dir(&temporary).expect("own directory").flatten() {
        let path = left.path();
        // A directory of locks is only left if a lock is.
        let within = fs::read_dir(&path).into_iter().flatten().flatten();
        let names: Vec<_> = within.map(|entry| entry.file_name()).collect();
        note(&format!("left: {} {names:?}", path.display()));
        counts.leftovers += 1;
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }
    if counts.is_clean() {
        fs::remove_dir_all(&round.directory).expect("own directory");
    } else {
        println!("see {}", round.directory.display());
    }
    counts
}

/// Returns whether a test has started its service, which a supervisor shows.
fn a_test_runs() -> bool {
    let alive = descendants::alive();
    alive.iter().any(|process| process.role == Role::Supervisor)
}

/// Waits until every process is gone. Counts the processes that stay, and kills them.
fn survivors() -> usize {
    let begun = Instant::now();
    loop {
        descendants::reap();
        let alive = descendants::alive();
        if alive.is_empty() || begun.elapsed() > QUIET {
            for process in &alive {
                note(&format!("survivor: {process:?}"));
                process.signal(Signal::SIGKILL);
            }
            return alive.len();
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The files of a round: the output of the runners, and the proofs of the tests that passed.
struct Round {
    directory: PathBuf,
}

impl Round {
    fn new(parent: &Path, seed: u64) -> Self {
        let directory = parent.join(format!("chaos-{seed}"));
        fs::create_dir_all(&directory).expect("own directory");
        Self { directory }
    }

    /// Starts a run of the tests of `victims.rs`, whose output goes to a file of this name.
    fn nextest(&self, name: &str, spares_supervisors: bool) -> Child {
        let proofs = self.directory.join(format!("{name}-proofs"));
        fs::create_dir_all(&proofs).expect("own directory");
        let out = File::create(self.directory.join(name)).expect("own directory");
        let profile = ("chaos/nextest.toml", "chaos");
        let mut command = nextest(PROGRAM, "victims", profile);
        command.args([
            "-j",
            "8",
            "--status-level",
            "all",
            "--final-status-level",
            "none",
        ]);
        command.args([
            "--failure-output",
            "immediate",
            "--success-output",
            "immediate",
        ]);
        command.env("CHAOS_PROOFS", &proofs);
        if spares_supervisors {
            command.env("CHAOS_SPARES_SUPERVISORS", "1");
        }
        command
            .stdout(Stdio::from(out.try_clone().expect("a file")))
            .stderr(out);
        command.spawn().expect("cargo")
    }

    fn text(&self, name: &str) -> String {
        let text = fs::read(self.directory.join(name)).expect("own directory");
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Returns the status of each test.
    fn statuses(&self, name: &str) -> BTreeMap<String, String> {
        let text = self.text(name);
        let lines = text
            .lines()
            .filter(|line| line.contains("mirakuru-tests::victims "));
        let statuses = lines.filter_map(|line| {
            let mut words = line.split_whitespace();
            let status = words.next()?.to_owned();
            Some((words.next_back()?.to_owned(), status))
        });
        statuses.collect()
    }

    fn passed(&self, name: &str) -> usize {
        self.statuses(name)
            .values()
            .filter(|status| *status == "PASS")
            .count()
    }

    fn failed(&self, name: &str) -> usize {
        self.statuses(name).len() - self.passed(name)
    }

    /// Counts the faults that the runner's output shows.
    fn read(&self, name: &str, counts: &mut Counts) {
        for (test, status) in self.statuses(name) {
            let proof = self.directory.join(format!("{name}-proofs")).join(&test);
            match status.as_str() {
                "TIMEOUT" | "TERMINATING" => {
                    note(&format!("hangs: {test}"));
                    counts.hangs += 1;
                }
                "PASS" | "LEAK" if test.starts_with("must_fail") || !proof.exists() => {
                    note(&format!("false green: {test}"));
                    counts.false_greens += 1;
                }
                _ => {}
            }
        }
        let text = self.text(name);
        let has = |line: &&str, words: [&str; 2]| words.iter().all(|word| line.contains(word));
        counts.panics += text
            .lines()
            .filter(|line| has(line, ["panicked at", "mirakuru/src/"]))
            .count();
        counts.panics += text
            .lines()
            .filter(|line| has(line, ["panicked at", "mirakuru-macros/src/"]))
            .count();
        counts.false_greens += text.matches("FALSE READY").count();
    }
}

fn note(text: &str) {
    println!("  {text}");
}
