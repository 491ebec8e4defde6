//! A start fails if the check passes before the service is spawned: nothing is spawned.

use std::{fs, net::TcpListener, os::unix::net::UnixListener, process};

use mirakuru::{
    Error, ErrorKind, Executor, HttpExecutor, NotReady, PidExecutor, Readiness, TcpExecutor,
    UnixSocketExecutor,
    readiness::{Context, Tcp},
};
use mirakuru_tests::error_text::{assert_error_text, error_of};

use crate::PROGRAM;

const ANOTHER_PORT: &str = "  help:        stop that process, use its service (`OnConflict::Reuse`), or write `{port}` for a free port";
const ANOTHER_PLACE: &str =
    "  help:        stop that process, or use another path: `{tmpdir}` is a private directory";

/// Starts an executor whose start must be refused.
fn refused<R: Readiness>(executor: &Executor<R>) -> Error {
    let error = error_of(executor.start());
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    assert_eq!((executor.pid(), executor.exit_code()), (None, None));
    assert_eq!(executor.output().text(), "");
    assert_eq!(error.exit_code(), None);
    error
}

fn taken_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

fn reason(what: &str) -> String {
    format!("  reason:      another process made it pass; the check waits for {what}")
}

#[test]
fn a_port_that_accepts_is_reported_with_its_holder() {
    let (_listener, port) = taken_port();
    let executor = TcpExecutor::new([PROGRAM, "prints", "up"], "127.0.0.1", port);
    let error = refused(&executor);
    assert_error_text(
        &error,
        &[
            "`programs prints up` was not started: its readiness check passed before the start",
            &reason(&format!("127.0.0.1:{port} to accept a connection")),
            "  held by:     *",
            ANOTHER_PORT,
        ],
    );
    let text = error.to_string();
    assert!(text.contains(&format!("pid {}", process::id())), "{text}");
}

#[test]
fn a_port_that_is_free_again_does_not_block_the_start() -> mirakuru::Result<()> {
    // The port lies below the range that the kernel gives ports from, so no other process takes it in between.
    let first = 20_000 + u16::try_from(process::id() % 10_000).unwrap_or(0);
    let (listener, port) = (first..32_000)
        .find_map(|port| Some((TcpListener::bind(("127.0.0.1", port)).ok()?, port)))
        .expect("a free port");
    let command = [PROGRAM, "listens_late", &port.to_string()];
    let executor = TcpExecutor::new(command, "127.0.0.1", port);
    refused(&executor);
    drop(listener);
    assert!(executor.start()?.running());
    Ok(())
}

#[test]
fn a_url_whose_port_accepts_is_reported() {
    let (_listener, port) = taken_port();
    let url = format!("http://127.0.0.1:{port}/health");
    assert_error_text(
        &refused(&HttpExecutor::new([PROGRAM, "prints", "up"], &*url)),
        &[
            "`programs prints up` was not started: its readiness check passed before the start",
            &reason(&format!(r"HEAD {url} to answer with status 2\d\d")),
            "  held by:     *",
            ANOTHER_PORT,
        ],
    );
}

#[test]
fn a_socket_that_accepts_is_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("socket");
    let _listener = UnixListener::bind(&socket).expect("own directory");
    assert_error_text(
        &refused(&UnixSocketExecutor::new([PROGRAM, "prints", "up"], &socket)),
        &[
            "`programs prints up` was not started: its readiness check passed before the start",
            &reason(&format!(
                "the socket {} to accept a connection",
                socket.display()
            )),
            ANOTHER_PLACE,
        ],
    );
}

#[test]
fn an_existing_file_is_reported_and_kept() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let name = file.path().display();
    assert_error_text(
        &refused(&PidExecutor::new([PROGRAM, "prints", "up"], file.path())),
        &[
            "`programs prints up` was not started: its readiness check passed before the start",
            &reason(&format!("the file {name} to exist")),
            &format!(
                "  help:        stop the program that wrote {name}; if none runs, remove the file"
            ),
        ],
    );
    assert!(fs::exists(file.path()).expect("own directory"));
}

#[test]
fn a_custom_check_can_report_already_running() {
    struct AlwaysThere;

    impl Readiness for AlwaysThere {
        fn pre_start_check(&self, cx: &Context) -> bool {
            assert_eq!(cx.pid(), None, "nothing is spawned yet");
            true
        }

        fn after_start_check(&self, _cx: &Context) -> Result<(), NotReady> {
            Ok(())
        }
    }

    assert_error_text(
        &refused(&Executor::with_readiness(
            [PROGRAM, "prints", "up"],
            AlwaysThere,
        )),
        &[
            "`programs prints up` was not started: its readiness check passed before the start",
            &reason("its own readiness check"),
            ANOTHER_PLACE,
        ],
    );
}

#[test]
fn each_part_of_a_combined_check_can_report_already_running() {
    let (_listener, port) = taken_port();
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let other = free.local_addr().expect("bound").port();
    drop(free);
    let taken = || Tcp::new("127.0.0.1", port);
    let free = || Tcp::new("127.0.0.1", other);
    refused(&Executor::with_readiness(
        [PROGRAM, "prints", "up"],
        free().and(taken()),
    ));
    refused(&Executor::with_readiness(
        [PROGRAM, "prints", "up"],
        free().or(taken()),
    ));
    refused(&Executor::with_readiness(
        [PROGRAM, "prints", "up"],
        free().then(taken()),
    ));
}
