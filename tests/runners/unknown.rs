//! Test processes whose runner cannot be verified. Each has a fixture of its own, and one line of output states the
//! reason.

use crate::run::{Run, text_of};

fn assert_shared_by_the_process_alone(faked: Option<&str>) {
    let run = Run::new();
    let mut binary = run.binary("uses_it");
    if let Some(id) = faked {
        binary.env("NEXTEST_RUN_ID", id);
    }
    // The test passes, and the line is printed anyway.
    let output = binary.output().expect("the test binary");
    let reported = text_of(&output);
    assert!(output.status.success(), "{reported}");
    let notes = reported.matches("belongs to this process alone").count();
    assert_eq!(notes, 1, "{reported}");
    assert_eq!((run.starts(), run.uses().1), (1, 1));
    assert!(run.is_gone());
}

#[test]
fn a_binary_without_a_runner_has_its_own_service() {
    assert_shared_by_the_process_alone(None);
}

#[test]
fn a_forged_run_id_is_not_trusted() {
    assert_shared_by_the_process_alone(Some("00000000-0000-0000-0000-000000000000"));
}
