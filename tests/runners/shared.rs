//! A service is started once per run, under every mode of a runner and regardless of what the tests do to it.

use std::{fs, path::Path, thread};

use crate::run::{Run, passes, succeeds, text_of};

const TESTS: usize = 16;

#[test]
fn the_processes_of_a_nextest_run_share_a_service() {
    let run = Run::new();
    passes(run.nextest("uses_it"));
    assert_eq!((run.starts(), run.uses()), (1, (TESTS, 1)));
    assert!(run.is_gone());
}

#[test]
fn a_run_without_double_spawning_shares_a_service() {
    let run = Run::new();
    let mut nextest = run.nextest("uses_it");
    nextest.env("NEXTEST_DOUBLE_SPAWN", "0").arg("-j1");
    passes(nextest);
    assert_eq!((run.starts(), run.uses()), (1, (TESTS, 1)));
    assert!(run.is_gone());
}

#[test]
fn the_binaries_of_one_cargo_test_share_a_service() {
    let run = Run::new();
    passes(run.cargo_test("uses_it"));
    assert_eq!((run.starts(), run.uses()), (1, (TESTS, 1)));
    assert!(run.is_gone());
}

#[test]
fn the_processes_of_a_run_share_a_cluster() {
    let run = Run::new();
    passes(run.nextest("/cluster_[01]/"));
    assert_eq!((run.starts(), run.uses()), (2, (4, 1)));
    assert!(run.is_gone());
}

#[test]
fn a_member_of_a_cluster_that_died_is_started_again() {
    let run = Run::new();
    // Each of the two binaries has this test.
    passes(run.nextest("cluster_2"));
    assert_eq!(run.starts(), 4);
    assert!(run.is_gone());
}

#[test]
fn two_concurrent_runs_have_a_service_each() {
    let run = Run::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| passes(run.nextest("uses_it")));
        }
    });
    assert_eq!((run.starts(), run.uses()), (2, (2 * TESTS, 2)));
    assert!(run.is_gone());
}

#[test]
fn each_partition_is_a_run_of_its_own() {
    let run = Run::new();
    for part in ["count:1/2", "count:2/2"] {
        let mut nextest = run.nextest("uses_it");
        nextest.args(["--partition", part]);
        passes(nextest);
    }
    assert_eq!((run.starts(), run.uses()), (2, (TESTS, 2)));
    assert!(run.is_gone());
}

#[test]
fn a_restart_applies_to_every_process_of_the_run() {
    let run = Run::new();
    passes(run.nextest("/restarts|has_it_alone/"));
    // Six restarts: three in each of the two binaries.
    assert_eq!(run.starts(), 7);
    assert!(run.is_gone());
}

#[test]
fn a_test_that_is_killed_does_no_harm_to_the_others() {
    let run = Run::new();
    let mut nextest = run.nextest_with("kills", "/hangs|uses_it/");
    let output = nextest.output().expect("nextest");
    assert!(!output.status.success(), "two tests hang");
    assert_eq!((run.starts(), run.uses()), (1, (TESTS + 2, 1)));
    assert!(run.is_gone());
}

#[test]
fn a_run_with_wrapper_scripts_shares_a_service() {
    let run = Run::new();
    passes(run.nextest_with("wrapped", "uses_it"));
    assert_eq!((run.starts(), run.uses()), (1, (TESTS, 1)));
    assert!(run.is_gone());
}

#[test]
fn a_run_with_a_target_runner_shares_a_service() {
    let run = Run::new();
    let mut nextest = run.nextest("uses_it");
    nextest.env(target_runner(), run.wrapper());
    passes(nextest);
    assert_eq!((run.starts(), run.uses()), (1, (TESTS, 1)));
    assert!(run.is_gone());
}

/// Returns the name of the variable with the target runner of this machine, for cargo and nextest.
pub(crate) fn target_runner() -> String {
    let arch = std::env::consts::ARCH.to_uppercase();
    let library = if cfg!(target_env = "musl") {
        "MUSL"
    } else {
        "GNU"
    };
    format!("CARGO_TARGET_{arch}_UNKNOWN_LINUX_{library}_RUNNER")
}

#[test]
fn a_run_under_a_debugger_has_a_shared_service() {
    let run = Run::new();
    let mut nextest = run.nextest("=uses_it_0");
    nextest.arg("--debugger").arg(run.wrapper());
    passes(nextest);
    assert_eq!((run.starts(), run.uses()), (1, (1, 1)));
    assert!(run.is_gone());
}

#[test]
fn a_retried_test_finds_the_same_service() {
    let run = Run::new();
    let mut nextest = run.nextest("tried_again");
    nextest.args(["--retries", "1"]);
    passes(nextest);
    assert_eq!((run.starts(), run.uses()), (1, (4, 1)));
    assert!(run.is_gone());
}

#[test]
fn the_tests_of_an_archive_share_a_service() {
    let run = Run::new();
    passes(run.nextest_of_an_archive("uses_it"));
    assert_eq!((run.starts(), run.uses()), (1, (TESTS, 1)));
    assert!(run.is_gone());
}

#[test]
fn the_iterations_of_a_stress_run_share_a_service() {
    let run = Run::new();
    let mut nextest = run.nextest("uses_it");
    nextest.args(["--stress-count", "3"]);
    passes(nextest);
    assert_eq!((run.starts(), run.uses()), (1, (3 * TESTS, 1)));
    assert!(run.is_gone());
}

#[test]
fn one_test_at_a_time_holds_the_lock() {
    let run = Run::new();
    passes(run.nextest("has_it_alone"));
    assert_eq!((run.starts(), run.uses()), (1, (10, 1)));
    assert!(run.is_gone());
}

#[test]
fn a_dead_service_is_started_again_by_the_next_test() {
    let run = Run::new();
    passes(run.nextest("leaves_it_dead"));
    assert_eq!((run.starts(), run.uses()), (4, (4, 4)));
    assert!(run.is_gone());
}

#[test]
fn outages_of_threads_and_processes_do_not_overlap() {
    let run = Run::new();
    passes(run.nextest("has_an_outage"));
    // Four outages in each of the two binaries, and the first start.
    assert_eq!(run.starts(), 9);
    assert!(run.is_gone());
}

fn assert_get_waits_for_a(cause: &str) {
    let run = Run::new();
    passes(run.nextest(&format!("down_for_a_{cause}")));
}

#[test]
fn get_waits_for_a_restart_by_the_same_process() {
    assert_get_waits_for_a("restart_of_this_process");
}

#[test]
fn get_waits_for_a_restart_by_another_process() {
    assert_get_waits_for_a("restart_of_another_process");
}

#[test]
fn get_waits_for_a_stop_by_the_same_process() {
    assert_get_waits_for_a("stop_of_this_process");
}

#[test]
fn get_waits_for_a_stop_by_another_process() {
    assert_get_waits_for_a("stop_of_another_process");
}

fn assert_tried_three_times(filter: &str, services: usize) -> Run {
    let run = Run::new();
    passes(run.nextest(filter));
    assert_eq!(run.starts(), 3 * services);
    let reported = run.reported();
    assert_eq!(reported[..3], ["given up"; 3]);
    assert_eq!(reported[3..], ["in full"; 3]);
    run
}

#[test]
fn a_failing_start_is_tried_three_times() {
    assert_tried_three_times("cannot_have_it", 1);
}

#[test]
fn a_service_that_cannot_be_shared_is_started_three_times() {
    let run = Run::new();
    let temporary = run.path("temporary");
    fs::create_dir(&temporary).expect("own directory");
    let mut nextest = run.nextest("cannot_share_it) & binary(=in_a_run");
    nextest.env("TMPDIR", &temporary);
    passes(nextest);
    assert_eq!(run.starts(), 3);
    assert!(run.is_gone());
}

#[test]
fn a_failing_start_of_a_cluster_is_tried_three_times() {
    let run = assert_tried_three_times("has_no_pair", 2);
    assert!(run.is_gone());
}

#[test]
fn a_start_after_a_failure_gives_all_members_new_ports() {
    let run = Run::new();
    passes(run.nextest("recovering"));
    assert_eq!(
        (run.reported(), run.uses()),
        (vec!["failed".to_owned()], (6, 2))
    );
    assert!(run.is_gone());
}

#[test]
fn a_test_killed_in_a_restart_leaves_no_second_service() {
    let run = Run::new();
    let mut nextest = run.nextest("dies_) & binary(=in_a_run");
    let output = nextest.arg("-j1").output().expect("nextest");
    let reported = text_of(&output);
    assert!(reported.contains("1 passed, 1 failed"), "{reported}");
    assert_eq!(run.uses(), (3, 3), "{reported}");
    assert!(run.is_gone());
}

#[test]
fn a_service_of_a_test_killed_in_a_restart_is_stopped_by_others() {
    let run = Run::new();
    let mut nextest = run.nextest("orphan_of_a_restart) & binary(=in_a_run");
    // One test at a time, because each one lets another process die in a restart.
    nextest.arg("-j1");
    passes(nextest);
    assert!(run.is_gone());
}

#[test]
fn variables_that_differ_between_tests_do_not_reach_a_service() {
    let run = Run::new();
    let both = "__NEXTEST RUST_TEST_ CARGO_PKG_ CARGO_MANIFEST_ CARGO_BIN_ CARGO_CRATE_ OUT_DIR=";
    let nextest = (run.nextest("environment_is"), "NEXTEST ");
    let cargo_test = (run.cargo_test("environment_is"), "");
    for (mut tests, own) in [nextest, cargo_test] {
        tests.env("OF_THE_TEST", format!("{own}{both}"));
        // Not every version of a runner sets these variables for every test.
        tests.envs([
            ("__NEXTEST_X", "1"),
            ("RUST_TEST_THREADS", "1"),
            ("CARGO_BIN_EXE_X", "1"),
            ("CARGO_CRATE_NAME", "1"),
        ]);
        passes(tests);
    }
}

#[test]
fn each_test_has_a_slot() {
    let run = Run::new();
    passes(run.nextest("has_a_slot"));
    passes(run.cargo_test("has_a_slot"));
    assert_eq!(run.slots().len(), 4);
}

#[test]
fn different_fixtures_with_one_name_are_an_error() {
    let run = Run::new();
    passes(run.nextest("has_namesakes) & binary(=in_a_run"));
    assert_eq!(run.uses(), (1, 1));
    assert!(run.is_gone());
    // Without a known runner the fixtures do not share a service, and the mistake is reported anyway.
    let output = run
        .binary("has_namesakes")
        .output()
        .expect("the test binary");
    assert!(output.status.success(), "{}", text_of(&output));
    assert!(run.is_gone());
}

#[test]
fn a_run_starts_an_exported_service_once() {
    let run = Run::new();
    let reported = succeeds(run.nextest_of_exports());
    assert!(reported.contains("4 tests run: 4 passed"), "{reported}");
    assert_eq!(run.starts(), 1);
    assert!(run.is_gone());
}

#[test]
fn a_run_with_a_long_temporary_path_shares_a_service() {
    let run = Run::new();
    let long = run.path(&"x".repeat(110));
    fs::create_dir(&long).expect("own directory");
    let mut nextest = run.nextest("uses_it");
    nextest.env("TMPDIR", &long);
    passes(nextest);
    assert_eq!((run.starts(), run.uses()), (1, (TESTS, 1)));
    assert!(run.is_gone());
}

/// Nextest shows no output of tests that pass.
#[test]
fn a_run_reports_the_path_of_kept_files_once() {
    let run = Run::new();
    let temporary = run.path("temporary");
    fs::create_dir(&temporary).expect("own directory");
    let mut nextest = run.nextest("/has_its_own|uses_it/");
    nextest.env("TMPDIR", &temporary).env("MIRAKURU_KEEP", "1");
    let output = nextest.output().expect("nextest");
    let reported = text_of(&output);
    assert!(output.status.success(), "{reported}");
    let line = "the files of this run stay in ";
    assert_eq!(reported.matches(line).count(), 1, "{reported}");
    let (_, rest) = reported.split_once(line).expect("it is there");
    let place = Path::new(rest.lines().next().expect("a path"));
    assert!(run.is_gone());
    let list = fs::read_to_string(place.join("services.txt")).expect("it is listed");
    assert_eq!(list.matches("has_its_own_").count(), 4, "{list}");
    for line in list.lines() {
        let (directory, _) = line.split_once(' ').expect("a name first");
        assert!(place.join(directory).is_dir(), "{list}");
    }
    let left = fs::read_dir(&temporary).expect("own directory");
    let names = left.map(|entry| entry.expect("listed").file_name());
    let places = names.filter(|name| name.to_string_lossy().contains("-kept-"));
    assert_eq!(places.count(), 1);
}
