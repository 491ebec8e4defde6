//! The directory of the locks on a shared machine.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    process::{self, Command},
    thread,
};

use mirakuru::SimpleExecutor;
use nix::unistd::geteuid;

use crate::holder::{Holder, fixed_port};

/// Returns the output of a test process that has its temporary files in this directory.
fn output_with_tmpdir(temporary: &Path) -> String {
    let mut holder = Holder::with(fixed_port(), "wait", "exec sleep 60", |holder| {
        holder.env("TMPDIR", temporary);
    });
    let kind = holder.outcome();
    format!("{kind}\n{}", holder.rest())
}

fn own_directory(temporary: &Path) -> std::path::PathBuf {
    temporary.join(format!("mirakuru-{}", geteuid()))
}

#[test]
fn a_symbolic_link_as_the_lock_directory_is_refused() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    std::os::unix::fs::symlink(elsewhere.path(), own_directory(temporary.path())).expect("own");
    let reported = output_with_tmpdir(temporary.path());
    assert!(reported.starts_with("Io\n"), "{reported}");
    assert!(reported.contains("is not a directory"), "{reported}");
    let left = fs::read_dir(elsewhere.path()).expect("own").count();
    assert_eq!(left, 0);
}

#[test]
fn a_lock_directory_open_to_other_users_is_refused() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let open = own_directory(temporary.path());
    fs::create_dir(&open).expect("own directory");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("own directory");
    let reported = output_with_tmpdir(temporary.path());
    assert!(reported.starts_with("Io\n"), "{reported}");
    assert!(reported.contains("is open to other users"), "{reported}");
}

#[test]
fn a_missing_temporary_directory_is_reported() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let reported = output_with_tmpdir(&temporary.path().join("missing"));
    assert!(reported.starts_with("Io\n"), "{reported}");
    assert!(
        reported.contains("failed to make the directory of port locks"),
        "{reported}"
    );
}

#[test]
fn no_lock_file_is_left() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let port = fixed_port();
    let command = format!("exec {} listens_late {port}", crate::PROGRAM);
    let mut holder = Holder::with(port, "wait", &command, |holder| {
        holder.env("TMPDIR", temporary.path());
    });
    assert_eq!(holder.outcome(), "held");
    let directory = own_directory(temporary.path());
    let mode = fs::metadata(&directory)
        .expect("the holder made it")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(directory.join(format!("port-{port}")).exists());
    holder.end();
    assert_eq!(fs::read_dir(temporary.path()).expect("own").count(), 0);
}

/// Returns the pid of a process that has ended.
fn ended() -> u32 {
    let mut child = Command::new("true").spawn().expect("coreutils");
    child.wait().expect("a child");
    child.id()
}

#[test]
#[cfg(target_os = "linux")]
fn directories_of_interrupted_runs_are_removed_at_a_start() {
    use std::os::unix::fs::MetadataExt;
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let own = own_directory(temporary.path());
    let namespace = |kind| fs::metadata(format!("/proc/self/ns/{kind}")).map_or(0, |one| one.ino());
    let (pids, times) = (namespace("pid"), namespace("time"));
    let stat = fs::read_to_string("/proc/self/stat").expect("procfs");
    let (_, facts) = stat.rsplit_once(')').expect("its name is in parentheses");
    let started = facts.split_whitespace().nth(19).expect("its start time");
    let left = own.join(format!("run-{pids}-{times}-{}-17", ended()));
    let alive = own.join(format!("run-{pids}-{times}-{}-{started}", process::id()));
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&own)
        .expect("own directory");
    for run in [&left, &alive] {
        fs::create_dir(run).expect("own directory");
    }
    let port = fixed_port();
    let command = format!("exec {} listens_late {port}", crate::PROGRAM);
    let mut first = Holder::with(port, "wait", &command, |holder| {
        holder.env("TMPDIR", temporary.path());
    });
    assert_eq!(first.outcome(), "held");
    assert!(!left.exists());
    assert!(alive.exists(), "the directory of a live run stays");
    first.end();
    fs::remove_dir(&alive).expect("own directory");
}

/// One process removes the directory with its last lease while the other process looks at it.
#[test]
fn concurrent_leases_and_releases_do_not_interfere() {
    const MARK: &str = "LEASES_AND_RELEASES";
    if std::env::var_os(MARK).is_some() {
        for _ in 0..60 {
            assert_ne!(SimpleExecutor::new("x {port}").port(), 0);
        }
        return;
    }
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let run = || {
        let own = std::env::current_exe().expect("this binary");
        let mut command = Command::new(own);
        let test = "directory::concurrent_leases_and_releases_do_not_interfere";
        command
            .args(["--exact", test])
            .env("TMPDIR", temporary.path());
        command.env(MARK, "1").output().expect("this binary runs")
    };
    thread::scope(|scope| {
        let both = [scope.spawn(run), scope.spawn(run)];
        for one in both {
            let output = one.join().expect("no panic");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success() && text.contains("1 passed"),
                "{text}"
            );
        }
    });
    assert_eq!(fs::read_dir(temporary.path()).expect("own").count(), 0);
}

#[test]
fn locks_of_killed_processes_are_removed_at_a_start() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let locks = own_directory(temporary.path());
    let [first, second] = [fixed_port(), fixed_port()];
    let holds = |port| {
        let command = format!("exec {} listens_late {port}", crate::PROGRAM);
        let mut holder = Holder::with(port, "fail", &command, |holder| {
            holder.env("TMPDIR", temporary.path());
        });
        (holder.outcome(), holder)
    };
    let (held, live) = holds(first);
    assert_eq!(held, "held");
    let left = ["port-1", "slot-7", "queue-1-0"].map(|name| locks.join(name));
    for path in &left {
        fs::write(path, "pid 1").expect("own directory");
    }
    // A run in a container that is gone has left this directory.
    let run = locks.join("run-1-1-1-1");
    fs::create_dir(&run).expect("own directory");
    fs::write(run.join("db.lock"), "").expect("own directory");

    let (held, next) = holds(second);
    assert_eq!(held, "held");
    for path in left.iter().chain([&run]) {
        assert!(!path.exists(), "{}", path.display());
    }
    let (refused, third) = holds(first);
    assert_eq!(refused, "AlreadyRunning", "a lease that is held stays");
    drop((third, next, live));
}
