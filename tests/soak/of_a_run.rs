//! A fixture that many test processes of one run use.

use std::{
    collections::BTreeMap,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use mirakuru_tests::{
    cargo::nextest,
    descendants::{self, Role},
};

use crate::usage::Usage;

const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
/// The number of tests of `chaos/victims.rs` that use the fixture of the run.
const CLIENTS: usize = 8;

/// Runs about this many test processes that use the service, and prints the resources of its supervisor at the
/// beginning and at the end.
pub(crate) fn clients(count: usize) {
    let proofs = tempfile::tempdir().expect("a temporary directory");
    let profile = ("chaos/nextest.toml", "chaos");
    let mut command = nextest(PROGRAM, "victims", profile);
    command.args([
        "-j",
        "8",
        "--status-level",
        "fail",
        "-E",
        "test(/^[a-d]::shared/)",
    ]);
    command.args(["--stress-count", &count.div_ceil(CLIENTS).to_string()]);
    command
        .env("CHAOS_PROOFS", proofs.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begun = Instant::now();
    let mut runner = command.spawn().expect("cargo");

    let mut seen: BTreeMap<u32, (Usage, Usage, usize)> = BTreeMap::new();
    let status = loop {
        if let Some(status) = runner.try_wait().expect("a child") {
            break status;
        }
        let supervisors = descendants::alive()
            .into_iter()
            .filter(|one| one.role == Role::Supervisor);
        for supervisor in supervisors {
            let Some(now) = Usage::of(supervisor.pid()) else {
                continue;
            };
            let known = seen.entry(supervisor.pid()).or_insert((now, now, 0));
            (known.1, known.2) = (now, known.2 + 1);
        }
        thread::sleep(Duration::from_millis(100));
    };
    println!(
        "{count} test processes take {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    assert!(status.success(), "a test failed");
    // The supervisor of the fixture lives from the first test to the last.
    let longest = seen.into_values().max_by_key(|(_, _, times)| *times);
    let (first, last, _) = longest.expect("a supervisor was seen");
    println!("the supervisor of the fixture:");
    // A sample may include the descriptors of a connected client, so the result is not asserted.
    first.is_less_than(&last);
    descendants::reap();
    let left = descendants::alive();
    assert!(left.is_empty(), "processes are left: {left:?}");
}
