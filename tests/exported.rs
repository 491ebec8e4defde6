//! Environment variables that shared fixtures set before `main`. This binary has one, and runs itself again.

use std::{
    env, fs,
    process::{self, Command, Output},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use mirakuru::{OutputExecutor, Shared};

/// The variable with the path of a file, to which each start adds a line.
const STARTS: &str = "EXPORTED_STARTS";
/// The variable that makes the service fail.
const FAILS: &str = "EXPORTED_FAILS";
/// The variable that makes the export leave a thread: one that `ends` while the export waits, or one that `stays`.
const THREAD: &str = "EXPORTED_THREAD";

/// The closure of the export is about to return the value.
static HAS_VALUE: AtomicBool = AtomicBool::new(false);

static SERVICE: Shared<OutputExecutor> = Shared::new(|| {
    let noted = env::var(STARTS).unwrap_or_else(|_| "/dev/null".to_owned());
    let rest = if env::var_os(FAILS).is_some() {
        "echo no luck; exit 1"
    } else {
        "echo ready; exec sleep 60"
    };
    let script = format!("echo started >> {noted}; {rest}");
    OutputExecutor::new(["sh", "-c", &script], "ready")
});

mirakuru::export! { EXPORTED = SERVICE, |service| {
    let text = service.output().text();
    match env::var(THREAD).as_deref() {
        Ok("ends") => drop(thread::spawn(reports_the_variable)),
        Ok("stays") => drop(thread::spawn(|| loop { thread::park() })),
        _ => {}
    }
    HAS_VALUE.store(true, Ordering::Release);
    text
} }

/// Waits until the main thread sleeps, as it does while the export waits, and prints whether the variable is set.
fn reports_the_variable() {
    let main = format!("/proc/self/task/{}/stat", process::id());
    let sleeps = || fs::read_to_string(&main).is_ok_and(|stat| stat.contains(") S "));
    while !(HAS_VALUE.load(Ordering::Acquire) && sleeps()) {
        thread::yield_now();
    }
    eprintln!("set: {}", env::var_os("EXPORTED").is_some());
}

/// Runs this binary again. Returns its output, and the number of starts of the service.
fn again(words: &[&str], variable: (&str, &str)) -> (Output, usize) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let starts = directory.path().join("starts");
    let mut command = Command::new(env::current_exe().expect("this binary"));
    command
        .args(words)
        .env_remove("EXPORTED")
        .env(STARTS, &starts)
        .env(variable.0, variable.1);
    let output = command.output().expect("this binary runs");
    let starts = fs::read_to_string(starts).unwrap_or_default();
    (output, starts.lines().count())
}

#[test]
fn a_variable_is_set_before_the_tests_begin() {
    assert_eq!(env::var("EXPORTED").as_deref(), Ok("ready\n"));
    assert!(SERVICE.running());
}

#[test]
fn a_value_that_is_set_is_replaced() {
    let words = ["a_variable_is_set_before_the_tests_begin"];
    let (output, starts) = again(&words, ("EXPORTED", "another"));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(starts, 1);
}

#[test]
fn a_list_of_tests_starts_nothing() {
    for words in [
        &["--list"][..],
        &["--list", "--format", "terse"],
        &["--help"],
        &["-h"],
    ] {
        let (output, starts) = again(words, ("EXPORTED", ""));
        assert!(output.status.success(), "{output:?}");
        assert_eq!(starts, 0, "{words:?}");
    }
}

#[test]
fn a_failed_start_prints_the_error_and_ends_the_process() {
    let (output, starts) = again(&["a_variable"], (FAILS, "1"));
    assert_eq!((output.status.code(), starts), (Some(1), 1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("mirakuru: EXPORTED cannot be set: "),
        "{text}"
    );
    assert!(text.contains("| no luck"), "{text}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("running"));
}

/// No thread may read the environment in C while another one sets a variable.
#[test]
#[cfg(target_os = "linux")]
fn a_variable_is_set_after_other_threads_have_ended() {
    // A busy machine may hold up the thread for longer than the export waits.
    let is_set_later = (0..10).any(|_| {
        let (output, _) = again(&["no_test"], (THREAD, "ends"));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).contains("set: false")
    });
    assert!(is_set_later);
}

#[test]
#[cfg(target_os = "linux")]
fn only_a_thread_that_stays_delays_the_variable() {
    let took = |thread| {
        let begin = std::time::Instant::now();
        let (output, _) = again(&["no_test"], (THREAD, thread));
        assert!(output.status.success(), "{output:?}");
        begin.elapsed()
    };
    let half = std::time::Duration::from_millis(500);
    // The export waits for a second. A busy machine may delay either process.
    let is_delayed = (0..10).any(|_| took("stays") > took("") + half);
    assert!(is_delayed);
}
