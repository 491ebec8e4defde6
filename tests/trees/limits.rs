//! Starts that reach a limit or fail half-way. They report a clear error and leave nothing.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use mirakuru::{ErrorKind, OutputExecutor, Resource, SimpleExecutor};
use mirakuru_tests::{
    error_text::error_of,
    hold::Hold,
    open_files::{limit_open_files, lowest_free_descriptor},
    processor::ticks,
};
use nix::sys::signal::Signal;

use crate::{
    PROGRAM, TEST_PROCESS,
    processes::{Process, parent_of, unused_user},
};

/// Runs a test process that reaches a limit, and returns the lines that it prints.
fn reached(hold: &Hold, command: &mut Command) -> Vec<String> {
    let output = command.stdin(Stdio::null()).output().expect("a program");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    // A start may fail before any process holds the pipe.
    assert!(!hold.is_held(), "a process of the tree is left");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_start_reports_the_descriptor_limit_or_succeeds() {
    let hold = Hold::new();
    let mut command = Command::new(TEST_PROCESS);
    command.arg("reaches_limits");
    command.args(["descriptors", hold.path()]);
    let lines = reached(&hold, command.env("TMPDIR", hold.scratch()));
    let (left, starts) = lines.split_last().expect("it printed");
    assert_eq!(left, "left: 0 children, 0 descriptors");

    let failed = starts.iter().take_while(|line| *line != "started").count();
    assert!(failed > 3, "{starts:#?}");
    assert!(failed < starts.len(), "it never starts: {starts:#?}");
    assert!(
        starts[failed..].iter().all(|line| line == "started"),
        "{starts:#?}"
    );
    for line in &starts[..failed] {
        assert!(line.starts_with("Io: reason:"), "{line}");
        // The text before the number depends on the C library.
        assert!(line.contains("(os error 24)"), "{line}");
        let help =
            "help:        the limit on open files is reached: see `ulimit -n` (RLIMIT_NOFILE)";
        assert!(line.ends_with(help), "{line}");
    }
    assert_eq!(hold.left_in_scratch(), [""; 0]);
}

#[test]
fn a_supervisor_without_free_descriptors_stops_its_service() {
    let service = SimpleExecutor::new("sleep 60")
        .started()
        .expect("it starts");
    let supervisor = parent_of(service.pid().expect("it runs")).to_string();
    limit_open_files(&supervisor, "1");
    let begun = ticks(&supervisor);
    let until = Instant::now() + Duration::from_secs(1);
    service
        .wait_for(|| Instant::now() > until)
        .expect("a second passes");
    let used = ticks(&supervisor) - begun;
    assert!(used < 20, "{used} ticks of a second");
    service.stop().expect("it is asked");
    drop(service);
    assert!(!fs::exists(format!("/proc/{supervisor}")).expect("procfs"));
}

/// Returns a service with a daemon in a session of its own, and the pid of its supervisor.
fn with_a_daemon(hold: &Hold) -> (OutputExecutor, String) {
    let script =
        hold.script("setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 60' & exec sleep 60");
    let service = OutputExecutor::new(script, r"(?<daemon>\d+)").shell(true);
    service.start().expect("it starts");
    let supervisor = parent_of(service.pid().expect("it runs"));
    (service.stop_timeout(Duration::ZERO), supervisor.to_string())
}

#[test]
fn a_supervisor_without_free_descriptors_finds_all_processes() {
    let hold = Hold::new();
    let (service, supervisor) = with_a_daemon(&hold);
    let lowest_free = lowest_free_descriptor(&supervisor);
    limit_open_files(&supervisor, &format!("{lowest_free}:"));
    service.stop().expect("it finds them");
    assert!(hold.is_free(), "a process of the tree is left");
}

#[test]
fn a_stop_that_can_list_no_process_reports_that_one_lives() {
    let hold = Hold::new();
    let (service, supervisor) = with_a_daemon(&hold);
    limit_open_files(&supervisor, "1:");
    let error = error_of(service.stop());
    assert!(error.to_string().contains("still running: "), "{error}");
    // The process was reported, so it is left.
    let daemon = service.captured("daemon").expect("it was printed");
    let daemon = Process::open(daemon.parse().expect("a pid")).expect("it lives");
    daemon.signal(Signal::SIGKILL);
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to become a user with no processes")]
fn a_start_reports_the_process_limit_or_succeeds() {
    let help = "help:        the limit on processes may be reached: see `ulimit -u` (RLIMIT_NPROC)";
    let wanted = [
        // Only the test process.
        format!(
            "Io: reason:      failed to start a supervisor: \
             Resource temporarily unavailable (os error 11); {help}"
        ),
        // The test process and the supervisor.
        format!(
            "Spawn: reason:      failed to fork: \
             Resource temporarily unavailable (os error 11); {help}"
        ),
        "started".to_owned(),
    ];
    let user = unused_user();
    for (limit, wanted) in (1..).zip(wanted) {
        let hold = Hold::new();
        // The test process finds the program of its services in its own directory.
        hold.program_for_everyone(PROGRAM);
        fs::set_permissions(hold.scratch(), Permissions::from_mode(0o777)).expect("own directory");
        let program = hold.program_for_everyone(TEST_PROCESS);
        let mut command = Command::new(program);
        command
            .args(["reaches_limits", "processes", hold.path()])
            .current_dir("/");
        command
            .env("TMPDIR", hold.scratch())
            .env("LIMIT", limit.to_string())
            .env("LIMITED_USER", user.to_string());
        let lines = reached(&hold, &mut command);
        assert_eq!(lines, [&wanted, "left: 0 children, 0 descriptors"]);
        assert_eq!(hold.left_in_scratch(), [""; 0]);
    }
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_start_reports_the_process_limit_of_the_service() {
    let hold = Hold::new();
    let program = hold.program_for_everyone(PROGRAM);
    let user = unused_user();
    let one = |service: OutputExecutor| service.user(user).cwd("/");
    // The kernel checks the limit when another process becomes one of a user that has some already.
    let first = one(OutputExecutor::new(
        hold.command(&[&program, "holds"]),
        "holding",
    ));
    first.start().expect("it starts");

    let service = one(OutputExecutor::new(
        hold.command(&[&program, "holds"]),
        "holding",
    ));
    let service = service.rlimit(Resource::Processes, 0, 0);
    let error = service.start().expect_err("the limit is reached");
    assert_eq!(error.kind(), ErrorKind::Spawn);
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` could not be started
  reason:      failed to run the program: Resource temporarily unavailable (os error 11)
  help:        the limit on processes may be reached: see `ulimit -u` (RLIMIT_NPROC)",
            service.command()
        )
    );
    drop((first, service));
    assert!(hold.is_free(), "a process of a tree is left");
}

/// Runs a test process whose temporary directory is a file system of this size, in a mount namespace of its own.
fn in_a_full_directory(limit: &str, size: &str, fill: &str) -> (Vec<String>, String) {
    let hold = Hold::new();
    let script = format!(
        "mount -t tmpfs -o {size} none \"$TMPDIR\" && {fill} && \
         \"$0\" \"$@\" && ls -A \"$TMPDIR\" && umount \"$TMPDIR\""
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]);
    command.args([TEST_PROCESS, "reaches_limits", limit, hold.path()]);
    command.env("TMPDIR", hold.scratch());
    (reached(&hold, &mut command), hold.scratch().to_owned())
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs the right to make namespaces")]
fn a_temporary_directory_without_room_for_a_file_is_named() {
    // The only inode is that of the directory.
    let (lines, directory) = in_a_full_directory("inodes", "nr_inodes=1", "true");
    let wanted = format!(
        "Io: reason:      failed to make a temporary directory in {directory}: \
         No space left on device (os error 28); help:        is there room in {directory}?"
    );
    assert_eq!(lines, [&wanted, "left: 0 children, 0 descriptors"]);
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs the right to make namespaces")]
fn a_temporary_directory_without_room_for_output_is_named() {
    // There is room for names, but not for one byte of output.
    let fill = "! cat /dev/zero > \"$TMPDIR/full\" 2>/dev/null";
    let (lines, _) = in_a_full_directory("space", "size=64k,nr_inodes=10", fill);
    let [reported, left, remains] = &lines[..] else {
        panic!("{lines:#?}");
    };
    assert!(reported.starts_with("TimeoutExpired: "), "{reported}");
    let note = "output is missing: failed to write captured output: \
                No space left on device (os error 28)";
    assert!(reported.contains(note), "{reported}");
    assert_eq!(left, "left: 0 children, 0 descriptors");
    assert_eq!(remains, "full", "only the file of the test is left");
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs the right to make namespaces")]
fn a_temporary_directory_without_room_for_a_lease_is_named() {
    let fill = "! cat /dev/zero > \"$TMPDIR/full\" 2>/dev/null";
    let (lines, directory) = in_a_full_directory("lease", "size=64k,nr_inodes=10", fill);
    let reported = format!(
        "Io: reason:      failed to lease a port: \
         No space left on device (os error 28); help:        {directory} has no room left"
    );
    let left = "left: 0 children, 0 descriptors";
    assert_eq!(
        lines,
        [&reported, left, "full"],
        "only the file of the test is left"
    );
}

/// Asserts that a start fails after the private directory was created and the supervisor was started.
fn assert_fails_half_way(
    service: OutputExecutor,
    kind: ErrorKind,
    reason: &str,
    help: Option<&str>,
) {
    let service = service.env("SCRATCH", "{tmpdir}");
    let error = service.start().expect_err("it cannot start");
    assert_eq!(error.kind(), kind);
    let headline = match kind {
        ErrorKind::Spawn => "could not be started",
        _ => "cannot be started: the configuration is invalid",
    };
    let help = help.map_or_else(String::new, |help| format!("\n  help:        {help}"));
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` {headline}\n  reason:      {reason}{help}",
            service.command()
        )
    );
    assert!(!service.running());
    assert_eq!(service.pid(), None);
    assert_eq!(service.exit_code(), None);
    service.stop().expect("there is nothing to stop");
    let directory = service.tmpdir();
    drop(service);
    assert!(!directory.exists(), "its directory is left");
}

#[test]
fn a_missing_program_is_named() {
    let missing = "/no/such/program";
    assert_fails_half_way(
        OutputExecutor::new([missing], "."),
        ErrorKind::Spawn,
        "failed to run the program: No such file or directory (os error 2)",
        Some("/no/such/program does not exist; a relative path starts from the working directory"),
    );
    assert_fails_half_way(
        OutputExecutor::new(["no-such-program"], "."),
        ErrorKind::Spawn,
        "failed to run the program: No such file or directory (os error 2)",
        Some("is no-such-program installed, and is its directory in PATH?"),
    );
}

#[test]
fn a_program_that_is_not_executable_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a temporary directory");
    let path = file.path().to_str().expect("a plain temporary directory");
    let help = format!("is {path} executable for this user?");
    assert_fails_half_way(
        OutputExecutor::new([path], "."),
        ErrorKind::Spawn,
        "failed to run the program: Permission denied (os error 13)",
        Some(&help),
    );
}

#[test]
fn a_missing_working_directory_is_named() {
    let service = OutputExecutor::new([PROGRAM, "prints", "x"], ".").cwd("{tmpdir}/missing");
    let missing = service.tmpdir().join("missing");
    let reason = format!(
        "failed to enter the working directory {}: No such file or directory (os error 2)",
        missing.display()
    );
    assert_fails_half_way(
        service,
        ErrorKind::Spawn,
        &reason,
        Some("the directory must exist, and the service's user must have access to it"),
    );
}

#[test]
fn an_unknown_user_is_named() {
    assert_fails_half_way(
        OutputExecutor::new([PROGRAM, "prints", "x"], ".").user("no such user"),
        ErrorKind::InvalidConfig,
        "this system has no user \"no such user\"",
        None,
    );
}
