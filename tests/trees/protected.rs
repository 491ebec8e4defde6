//! A private directory with write-protected files, as module caches make them. It is removed anyway, and no file
//! outside it is touched.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    process::Command,
    time::Duration,
};

use mirakuru::OutputExecutor;
use mirakuru_tests::hold::Hold;

use nix::{sys::signal::Signal, unistd::Uid};

use crate::{PROGRAM, TEST_PROCESS, processes::unused_user, victim::Victim};

const SOON: Duration = Duration::from_secs(15);

/// Fills the private directory with read-only files, a directory that may not even be listed, and a link to a
/// directory outside. `$MODE` is the mode of the private directory afterwards.
const PROTECTS: &str = "mkdir -p \"$SCRATCH/a/b\" \"$SCRATCH/c\" && \
    touch \"$SCRATCH/a/b/file\" \"$SCRATCH/c/file\" && ln -s \"$TMPDIR/beside\" \"$SCRATCH/a/link\" && \
    chmod 400 \"$SCRATCH/a/b/file\" && chmod 500 \"$SCRATCH/a/b\" \"$SCRATCH/a\" && \
    chmod 0 \"$SCRATCH/c\" && chmod \"$MODE\" \"$SCRATCH\" && exec \"$0\" \"$@\"";

fn end_supervisor(victim: &Victim) {
    victim.supervisors[0].signal(Signal::SIGKILL);
    assert!(victim.supervisors[0].ended_within(SOON));
}

/// Runs `deed` on a test process with such a service, ends the process, and asserts that the directory is removed. The
/// process runs as a plain user, because root ignores the protection.
fn assert_removed_after(mode: &str, deed: impl FnOnce(&Victim)) {
    let hold = Hold::new();
    let beside = format!("{}/beside", hold.scratch());
    fs::create_dir(&beside).expect("own directory");
    fs::write(format!("{beside}/file"), "kept").expect("own directory");
    fs::set_permissions(&beside, Permissions::from_mode(0o500)).expect("own directory");
    fs::set_permissions(hold.scratch(), Permissions::from_mode(0o777)).expect("own directory");

    let program = hold.program_for_everyone(PROGRAM);
    let mut command = Command::new(hold.program_for_everyone(TEST_PROCESS));
    command.args(["victim", "local", "return", "sh", "-c", PROTECTS]);
    command.args(hold.command(&[&program, "holds"]));
    command
        .env("TMPDIR", hold.scratch())
        .env("MODE", mode)
        .current_dir("/");
    if Uid::current().is_root() {
        let user = unused_user();
        chown(&beside, Some(user), Some(user)).expect("root may");
        command.uid(user).gid(user);
    }
    let mut victim = Victim::start(&mut command);
    deed(&victim);
    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
    assert!(hold.is_free(), "a process of the tree is left");
    assert_eq!(hold.left_in_scratch(), ["beside"]);
    let mode = fs::metadata(&beside)
        .expect("the directory exists")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o500);
    let text = fs::read_to_string(format!("{beside}/file"));
    assert_eq!(text.expect("the file exists"), "kept");
    fs::set_permissions(&beside, Permissions::from_mode(0o700)).expect("to be removed");
}

#[test]
fn a_protected_directory_is_removed() {
    assert_removed_after("500", |_| {});
}

#[test]
fn a_directory_that_its_owner_cannot_open_is_removed() {
    assert_removed_after("0", |_| {});
}

/// Runs `deed` on a test process whose service mounts a directory in its private one, twice, and ends the process.
/// Asserts that the private directory is removed, and not the files of the mount: they do not belong to the service.
fn assert_left_alone_after<T>(deed: impl FnOnce(&Victim) -> T) {
    let hold = Hold::new();
    let beside = format!("{}/beside", hold.scratch());
    fs::create_dir(&beside).expect("own directory");
    fs::write(format!("{beside}/file"), "kept").expect("own directory");
    let mounts = "mkdir \"$SCRATCH/a b\" && mount --bind \"$TMPDIR/beside\" \"$SCRATCH/a b\" && \
        mount --bind \"$TMPDIR/beside\" \"$SCRATCH/a b\" && exec \"$0\" \"$@\"";
    // The mounts are in a mount namespace of their own, so that no other process sees them.
    let mut command = Command::new("unshare");
    command
        .args(["--mount", TEST_PROCESS, "victim"])
        .args(["local", "return", "sh", "-c", mounts])
        .args(hold.command(&[PROGRAM, "holds"]))
        .env("TMPDIR", hold.scratch());
    let mut victim = Victim::start(&mut command);
    let until_end = deed(&victim);
    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
    assert!(hold.is_free(), "a process of the tree is left");
    assert_eq!(hold.left_in_scratch(), ["beside"]);
    let text = fs::read_to_string(format!("{beside}/file"));
    assert_eq!(text.expect("the file exists"), "kept");
    drop(until_end);
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs the right to make namespaces")]
fn mounts_of_a_service_in_its_directory_are_left_alone() {
    assert_left_alone_after(|_| {});
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs the right to make namespaces")]
fn mounts_of_a_service_are_left_alone_without_a_supervisor() {
    assert_left_alone_after(end_supervisor);
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs the right to make namespaces")]
fn a_mount_that_another_process_uses_is_left_alone() {
    assert_left_alone_after(|victim| {
        let work = "cd \"$0/a b\" && echo inside && exec sleep 1000";
        let mut user = victim.in_its_mounts();
        user.args(["sh", "-c", work]).arg(&victim.directory);
        let user = OutputExecutor::new(user, "^inside$");
        user.start().expect("the mount exists");
        user
    });
}

#[test]
fn a_protected_directory_is_removed_without_a_supervisor() {
    assert_removed_after("500", end_supervisor);
}

#[test]
fn a_directory_deeper_than_the_limit_on_open_files_is_removed() {
    let hold = Hold::new();
    let deep = "cd \"$SCRATCH\" && for i in $(seq 150); do mkdir d && cd d; done && \
        exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\"", TEST_PROCESS])
        .args(["victim", "local", "return", "sh", "-c", deep])
        .args(hold.command(&[PROGRAM, "holds"]))
        .env("TMPDIR", hold.scratch());
    let mut victim = Victim::start(&mut command);
    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
    assert!(hold.is_free(), "a process of the tree is left");
    assert_eq!(hold.left_in_scratch(), [""; 0]);
}

#[test]
fn a_file_in_place_of_the_private_directory_is_removed() {
    let hold = Hold::new();
    let script = "cd / && rmdir \"$SCRATCH\" && echo text >\"$SCRATCH\" && exec \"$0\" \"$@\"";
    let mut command = Command::new(TEST_PROCESS);
    command
        .args(["victim", "local", "return", "sh", "-c", script])
        .args(hold.command(&[PROGRAM, "holds"]))
        .env("TMPDIR", hold.scratch());
    let mut victim = Victim::start(&mut command);
    assert!(victim.directory.is_file());
    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
    assert!(hold.is_free(), "a process of the tree is left");
    assert_eq!(hold.left_in_scratch(), [""; 0]);
}

/// Ends a test process whose service leaves files that no plain user can remove, and returns its error output.
fn reported(holding: &str) -> String {
    let hold = Hold::new();
    fs::set_permissions(hold.scratch(), Permissions::from_mode(0o777)).expect("own directory");
    let errors = format!("{}/errors", hold.scratch());
    let program = hold.program_for_everyone(PROGRAM);
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$0\" \"$@\" 2>\"$TMPDIR/errors\""])
        .arg(hold.program_for_everyone(TEST_PROCESS))
        .args(["victim", holding, "return"])
        .args(hold.command(&[&program, "holds"]))
        .env("TMPDIR", hold.scratch())
        .current_dir("/")
        .uid(unused_user());
    let mut victim = Victim::start(&mut command);
    let stays = victim.directory.join("a/stays");
    fs::create_dir_all(&stays).expect("root may");
    let parent = victim.directory.join("a");
    fs::set_permissions(parent, Permissions::from_mode(0o755)).expect("own directory");
    fs::write(stays.join("file"), "text").expect("root may");
    fs::set_permissions(&stays, Permissions::from_mode(0o700)).expect("own directory");
    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
    assert!(hold.is_free(), "a process of the tree is left");
    assert!(stays.join("file").exists());
    let reported = fs::read_to_string(errors).expect("the file exists");
    reported.replace(&victim.directory.display().to_string(), "DIRECTORY")
}

#[test]
#[cfg_attr(
    not(root),
    ignore = "needs root, to make what another user cannot remove"
)]
fn files_left_in_a_private_directory_are_reported() {
    let reported = reported("local");
    let end = "(OutputExecutor) left DIRECTORY: a/stays: Operation not permitted (os error 1)\n";
    assert!(reported.starts_with("mirakuru: `sh "), "{reported}");
    assert!(
        reported.ends_with(end) && reported.lines().count() == 1,
        "{reported}"
    );
}

#[test]
#[cfg_attr(
    not(root),
    ignore = "needs root, to make what another user cannot remove"
)]
fn files_left_in_a_private_directory_are_reported_at_exit() {
    let reported = reported("static");
    let line = "mirakuru: left DIRECTORY: a/stays: Operation not permitted (os error 1)\n";
    assert_eq!(reported, line);
}
