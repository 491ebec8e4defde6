//! The directory of the locks on a machine that is shared.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use nix::unistd::geteuid;

use crate::holder::{Holder, fixed_port};

/// What a test process says that has its temporary files in this directory.
fn told_in(temporary: &Path) -> String {
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
fn a_symbolic_link_in_its_place_is_refused() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    std::os::unix::fs::symlink(elsewhere.path(), own_directory(temporary.path())).expect("own");
    let told = told_in(temporary.path());
    assert!(told.starts_with("Io\n"), "{told}");
    assert!(told.contains("is no directory"), "{told}");
    let left = fs::read_dir(elsewhere.path()).expect("own").count();
    assert_eq!(left, 0);
}

#[test]
fn one_that_others_may_enter_is_refused() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let open = own_directory(temporary.path());
    fs::create_dir(&open).expect("own directory");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("own directory");
    let told = told_in(temporary.path());
    assert!(told.starts_with("Io\n"), "{told}");
    assert!(told.contains("is open to other users"), "{told}");
}

#[test]
fn no_room_for_it_is_told() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let told = told_in(&temporary.path().join("missing"));
    assert!(told.starts_with("Io\n"), "{told}");
    assert!(
        told.contains("failed to make the directory of port locks"),
        "{told}"
    );
}

#[test]
fn nothing_is_left_in_it() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let port = fixed_port();
    let command = format!("exec {} listens_late {port}", crate::PROGRAM);
    let mut holder = Holder::with(port, "wait", &command, |holder| {
        holder.env("TMPDIR", temporary.path());
    });
    assert_eq!(holder.outcome(), "held");
    let directory = own_directory(temporary.path());
    let mode = fs::metadata(&directory).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(directory.join(format!("port-{port}")).exists());
    holder.end();
    assert_eq!(fs::read_dir(temporary.path()).expect("own").count(), 0);
}
