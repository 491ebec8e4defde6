//! A directory of temporary files whose path is too long for a socket.

use std::fs;

use mirakuru::{Result, UnixSocketExecutor};
use mirakuru_tests::error_text::error_of;

use crate::{
    PROGRAM,
    rerun::{alone, is_alone},
};

#[test]
fn a_socket_is_in_a_short_directory_of_the_user() -> Result<()> {
    if !is_alone() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let long = home.path().join("x".repeat(110));
        fs::create_dir(&long).expect("own directory");
        alone(
            "long_paths::a_socket_is_in_a_short_directory_of_the_user",
            "",
            |command| _ = command.env("TMPDIR", &long),
        );
        let left = fs::read_dir(&long).expect("own directory").count();
        assert_eq!(left, 0);
        return Ok(());
    }
    let command = [PROGRAM, "binds_unix", "{socket}"];
    let service = UnixSocketExecutor::new(command, "{socket}").started()?;
    let socket = service.socket();
    assert!(socket.as_os_str().len() < 108, "{}", socket.display());
    let directory = socket
        .parent()
        .expect("it has a parent directory")
        .to_owned();
    assert_ne!(directory, service.tmpdir());
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(&directory).expect("it exists").permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
    service.restart()?;
    assert_eq!(service.socket(), socket);
    drop(service);
    assert!(!directory.exists());
    // A path that the user sets is not shortened, and the error names a way out.
    let written = UnixSocketExecutor::new("sleep 60", "{tmpdir}/socket");
    let text = error_of(written.start()).to_string();
    assert!(
        text.contains("`{socket}` is a path that is short enough"),
        "{text}"
    );
    Ok(())
}
