//! A service that floods its output is never blocked. Its output is bounded on disk, with the first and the last lines
//! readable.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    thread,
    time::{Duration, Instant},
};

use mirakuru::{ErrorKind, OutputExecutor, PidExecutor, Result, SimpleExecutor};
use mirakuru_tests::{
    bounds::{at_once, comes_to_an_end},
    error_text::error_of,
};
use nix::sys::resource::{Resource, setrlimit};

use crate::{
    PROGRAM,
    rerun::{alone, is_alone},
};

const GIGABYTE: &str = "1000000000";
/// A gigabyte takes its time on a busy machine; these tests do not test that time.
const PATIENCE: Duration = Duration::from_secs(300);
const MIB: u64 = 1 << 20;
/// The first mebibyte and the last 64, and one more whose space is not freed yet.
const KEPT: u64 = 66 * MIB;

/// Returns the disk space of the deleted files that this process has open.
#[cfg(target_os = "linux")]
fn disk_space_of_deleted_files() -> u64 {
    let entries = fs::read_dir("/proc/self/fd").expect("procfs");
    entries
        .filter_map(|entry| fs::metadata(entry.ok()?.path()).ok())
        .filter(|found| found.is_file() && found.nlink() == 0)
        .map(|found| found.blocks() * 512)
        .sum()
}

/// Asserts what is kept of a flood between these two lines.
fn assert_both_ends(service: &OutputExecutor, first: &str, last: &str) {
    let output = service.output();
    let text = output.text();
    assert!(text.len() as u64 <= KEPT + 100, "{} bytes", text.len());
    assert!(
        text.starts_with(&format!("{first}\n")),
        "the first line is there"
    );
    assert!(
        text.ends_with(&format!("\n{last}\n")),
        "the last line is there"
    );
    assert!(
        text.contains(" bytes are not kept …]\n"),
        "the missing bytes are reported"
    );
    assert!(!text.contains('\0'), "no zeros from a hole in the file");
    assert_eq!(output.tail(1), last);
}

#[test]
#[cfg(target_os = "linux")]
fn a_flood_before_it_is_ready_is_bounded_on_disk() -> Result<()> {
    if !is_alone() {
        alone(
            "floods::a_flood_before_it_is_ready_is_bounded_on_disk",
            "",
            |_| {},
        );
        return Ok(());
    }
    let command = [
        PROGRAM,
        "floods",
        GIGABYTE,
        "--before",
        "the first",
        "--then",
        "ready at last",
    ];
    let service = OutputExecutor::new(command, "^ready at last$")
        .timeout(PATIENCE)
        .started()?;
    assert_both_ends(&service, "the first", "ready at last");
    let blocks = disk_space_of_deleted_files();
    assert!(
        (MIB..=KEPT + MIB).contains(&blocks),
        "{blocks} bytes on disk"
    );
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn a_flood_after_it_is_ready_is_bounded_on_disk() -> Result<()> {
    if !is_alone() {
        alone(
            "floods::a_flood_after_it_is_ready_is_bounded_on_disk",
            "",
            |_| {},
        );
        return Ok(());
    }
    let command = [
        PROGRAM, "floods", GIGABYTE, "--before", "ready", "--then", "the end",
    ];
    let service = OutputExecutor::new(command, "^ready$")
        .timeout(PATIENCE)
        .started()?;
    assert_eq!(service.output().wait_for("^the end$")?, "the end");
    assert_both_ends(&service, "ready", "the end");
    let blocks = disk_space_of_deleted_files();
    assert!(
        (MIB..=KEPT + MIB).contains(&blocks),
        "{blocks} bytes on disk"
    );
    Ok(())
}

/// Returns the peak memory use of this process.
#[cfg(target_os = "linux")]
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    kilobytes.expect("a size").parse::<u64>().expect("a number") * 1024
}

/// Returns how many bytes of the output are not kept.
#[cfg(target_os = "linux")]
fn missing(text: &str) -> u64 {
    let reported = text
        .split_once(" bytes are not kept …]\n")
        .and_then(|(before, _)| before.rsplit_once("[… "));
    reported.map_or(0, |(_, number)| number.parse().expect("a number"))
}

#[test]
#[cfg(target_os = "linux")]
fn the_text_of_a_running_flood_is_bounded_in_memory() -> Result<()> {
    if !is_alone() {
        alone(
            "floods::the_text_of_a_running_flood_is_bounded_in_memory",
            "",
            |_| {},
        );
        return Ok(());
    }
    // With a limit, an unbounded text fails the test and does not exhaust the machine.
    setrlimit(Resource::RLIMIT_AS, 64 * KEPT, 64 * KEPT).expect("a lower limit");
    let service =
        SimpleExecutor::new([PROGRAM, "floods", "1000000000000", "--before", "the first"]);
    let service = service.started()?;
    let output = service.output();
    output.wait_for("^the first$")?;
    // Reads the text before most of it is dropped, and after.
    for most in [0, 200 * MIB, 1200 * MIB] {
        let text = loop {
            let text = output.text();
            if missing(&text) >= most {
                break text;
            }
        };
        assert!(text.starts_with("the first\n"));
        assert!(text.len() as u64 <= KEPT + 100, "{} bytes", text.len());
    }
    let peak = peak_memory();
    assert!(peak < 6 * KEPT, "{} MiB", peak / MIB);
    at_once(|| service.stop().map(drop))
}

/// The gap between both ends is neither copied nor written out as zeros.
#[test]
#[cfg(target_os = "linux")]
fn both_ends_of_a_flood_are_kept_with_a_line_for_the_rest() -> Result<()> {
    let place = tempfile::tempdir().expect("a temporary directory");
    let words = "floods 200000000 --before first --then last".split(' ');
    let service = OutputExecutor::new(
        [PROGRAM].into_iter().chain(words).collect::<Vec<_>>(),
        "^last$",
    )
    .timeout(PATIENCE)
    .tmpdir_in(place.path())
    .keep_tmpdir(true)
    .started()?;
    let text = service.output().text();
    assert_both_ends(&service, "first", "last");
    let kept = service.tmpdir().join("captured-stdout-1.log");
    service.stop()?;
    assert!(fs::read_to_string(&kept).expect("it is kept") == text);
    let on_disk = fs::metadata(&kept).expect("it is kept").blocks() * 512;
    assert!(on_disk <= KEPT + MIB, "{} MiB", on_disk / MIB);
    Ok(())
}

#[test]
fn a_flood_that_no_test_reads_does_not_block_the_service() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let done = directory.path().join("done");
    let script = format!(
        "head -c 300000000 /dev/zero; touch {}; exec sleep 60",
        done.display()
    );
    let service = SimpleExecutor::new(script).shell(true).started()?;
    service.wait_for(|| done.exists())?;
    at_once(|| service.stop().map(drop))
}

#[test]
fn a_start_with_an_endless_flood_ends_at_the_deadline() {
    let executor = OutputExecutor::new("yes", "never").timeout(Duration::from_secs(2));
    let (executor, error) = comes_to_an_end(move || {
        let error = error_of(executor.start());
        (executor, error)
    });
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert!(!executor.running());
    assert_eq!(error.output_tail().lines().last(), Some("y"));
}

#[test]
fn a_wait_for_a_line_in_an_endless_flood_times_out() -> Result<()> {
    let service = SimpleExecutor::new("yes")
        .timeout(Duration::from_secs(2))
        .started()?;
    let output = service.output();
    let error = comes_to_an_end(move || error_of(output.wait_for("never")));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    at_once(|| service.stop().map(drop))
}

#[test]
fn a_start_with_an_endless_line_ends_at_the_deadline() {
    let executor = OutputExecutor::new("cat /dev/zero", "never").timeout(Duration::from_secs(2));
    let error = comes_to_an_end(move || error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
}

#[test]
fn a_death_in_a_flood_is_reported() {
    let script = "yes 'a line like any other, again and again' | head -c 100000000; echo; echo failed; exit 3";
    let executor = OutputExecutor::new(script, "never").shell(true);
    let error = error_of(executor.start());
    assert_eq!(
        (error.kind(), error.exit_code()),
        (ErrorKind::ProcessExitedWithError, Some(3))
    );
    assert!(error.output_tail().ends_with("failed"), "{error}");
}

#[test]
fn new_files_next_to_an_old_pid_file_do_not_block_output() -> Result<()> {
    // The service prints more than a pipe holds, so it ends only if its output is read.
    let script = "echo $$ > {pidfile}; \
                  i=0; while [ $i -lt 3000 ]; do : > {tmpdir}/$i; i=$((i+1)); done; \
                  seq 50000; : > {tmpdir}/done; exec sleep 60";
    let service = PidExecutor::new(script, "{pidfile}")
        .shell(true)
        .started()?;
    let done = service.tmpdir().join("done");
    let hung = Instant::now() + Duration::from_secs(60);
    while !done.exists() {
        assert!(Instant::now() < hung, "the service is blocked");
        thread::yield_now();
    }
    assert!(service.running());
    Ok(())
}
