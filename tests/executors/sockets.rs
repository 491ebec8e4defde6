//! Unix sockets: stale files, busy services, unusual paths.

use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use mirakuru::{
    Context, ErrorKind, Executor, Result, SimpleExecutor, UnixSocketExecutor,
    readiness::{Readiness, UnixSocket},
};
use mirakuru_tests::error_text::error_of;

use crate::PROGRAM;

#[test]
fn a_stale_socket_file_does_not_block_and_is_not_ready() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("socket");
    drop(UnixListener::bind(&path).expect("own directory"));
    assert!(
        path.exists(),
        "the file exists, and no process listens on it"
    );
    let service =
        UnixSocketExecutor::new([PROGRAM, "binds_unix", "{socket}", "200"], &path).started()?;
    assert_eq!(service.output().wait_for("listening")?, "listening");
    UnixStream::connect(&path).expect("it is ready");
    Ok(())
}

#[test]
fn a_stale_socket_file_that_stays_fails_the_start() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("socket");
    drop(UnixListener::bind(&path).expect("own directory"));
    let executor = UnixSocketExecutor::new([PROGRAM, "prints", "up"], &path);
    let error = error_of(executor.timeout(std::time::Duration::from_secs(1)).start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert!(
        error
            .to_string()
            .contains("last check:  connection refused: no process listens there"),
        "{error}"
    );
}

#[test]
fn a_plain_file_in_place_of_the_socket_fails_the_start() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let executor = UnixSocketExecutor::new([PROGRAM, "prints", "up"], file.path());
    let error = error_of(executor.timeout(std::time::Duration::from_secs(1)).start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
}

#[test]
fn a_killed_service_leaves_a_stale_file_and_starts_again() -> Result<()> {
    let service =
        UnixSocketExecutor::new([PROGRAM, "binds_unix", "{socket}"], "{socket}").started()?;
    service.kill()?;
    assert!(service.socket().exists());
    service.start()?;
    UnixStream::connect(service.socket()).expect("it is ready again");
    Ok(())
}

#[test]
fn a_path_can_contain_spaces_and_non_ascii_letters() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("a socket für alle");
    let service =
        UnixSocketExecutor::new([PROGRAM, "binds_unix", "{socket}", "100"], &path).started()?;
    assert_eq!(service.socket(), path);
    UnixStream::connect(&path).expect("it is ready");
    Ok(())
}

/// An unrelated process answers at the same path: it is reported, and never taken for the service. It listens only once
/// the service runs, so no process listens before the start.
#[test]
#[cfg(target_os = "linux")]
fn an_unrelated_listener_is_reported_with_its_command() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (go, path) = (directory.path().join("go"), directory.path().join("socket"));
    let (go, at) = (go.display(), path.display());
    let stranger = SimpleExecutor::new(format!(
        "mkfifo {go}; echo waiting; read _ < {go}; exec {PROGRAM} binds_unix {at}"
    ));
    let stranger = stranger.shell(true).started()?;
    stranger.output().wait_for("waiting")?;
    let late = || UnixSocketExecutor::new(format!("echo > {go}; exec sleep 60"), &path).shell(true);
    let error = error_of(late().start());
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning, "{error}");
    let pid = stranger.pid().expect("it runs");
    let holder = format!("held by:     pid {pid}: {PROGRAM} binds_unix {at}");
    assert!(error.to_string().contains(&holder), "{error}");

    stranger.restart()?.output().wait_for("waiting")?;
    late().any_listener().started()?.stop()?;
    Ok(())
}

/// Calls `act` with the context of a check.
fn with_context(act: impl Fn(&Context) + Send + Sync + 'static) -> Result<()> {
    let check = move |cx: &Context| {
        act(cx);
        true
    };
    Executor::when([PROGRAM, "prints"], check).start().map(drop)
}

#[test]
fn a_path_is_valid_if_a_socket_can_have_it() -> Result<()> {
    with_context(|cx| {
        for length in 90..120 {
            let path = format!("/{}", "x".repeat(length - 1));
            let can_have = SocketAddr::from_pathname(&path).is_ok();
            let valid = UnixSocket::new(&path).validate(cx);
            assert_eq!(valid.is_ok(), can_have, "{length} bytes");
        }
    })
}

#[test]
fn a_change_at_the_path_wakes_a_check_that_blocks_nothing() -> Result<()> {
    with_context(|cx| {
        let manner = UnixSocket::new("/run/socket").manner(cx);
        assert_eq!(manner.on_path.as_deref(), Some("/run/socket".as_ref()));
        assert!(manner.keeps_time);
    })
}

#[test]
fn a_context_shows_the_host_the_port_and_the_pid() -> Result<()> {
    with_context(|cx| {
        let pid = cx.pid();
        let shown = format!("Context {{ host: \"127.0.0.1\", port: 0, pid: {pid:?}, .. }}");
        assert_eq!(format!("{cx:?}"), shown);
    })
}
