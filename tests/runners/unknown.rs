//! Where the runner cannot be proven, the fixture is the process's own, and one line says why.

use crate::run::{Run, said};

fn is_of_the_process(faked: Option<&str>) {
    let run = Run::new();
    let mut binary = run.binary("uses_it");
    if let Some(id) = faked {
        binary.env("NEXTEST_RUN_ID", id);
    }
    // It passes, and the line is seen all the same.
    let output = binary.output().expect("the test binary");
    let reported = said(&output);
    assert!(output.status.success(), "{reported}");
    let notes = reported.matches("is shared by this process alone").count();
    assert_eq!(notes, 1, "{reported}");
    assert_eq!((run.starts(), run.uses().1), (1, 1));
    assert!(run.is_gone());
}

#[test]
fn a_binary_that_nobody_runs_has_its_own() {
    is_of_the_process(None);
}

#[test]
fn a_made_up_run_is_not_believed() {
    is_of_the_process(Some("00000000-0000-0000-0000-000000000000"));
}
