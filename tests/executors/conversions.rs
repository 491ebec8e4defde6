//! Errors as other types of errors.

use std::{error::Error as _, io, time::Duration};

use mirakuru::{Error, ErrorKind, OutputExecutor, SimpleExecutor};

/// A function like a test that returns the error type of its client.
fn starts(executor: OutputExecutor) -> io::Result<()> {
    let service = executor.started()?;
    assert!(service.running());
    Ok(())
}

fn converted(executor: OutputExecutor, kind: io::ErrorKind) -> Error {
    let error = starts(executor).expect_err("it cannot start");
    assert_eq!(error.kind(), kind);
    let text = error.to_string();
    let own: Error = error.downcast().expect("it holds the error itself");
    assert_eq!(own.to_string(), text, "it keeps the whole text");
    own
}

#[test]
fn an_error_converts_into_an_io_error_and_back() {
    let never = OutputExecutor::new("sleep 60", "never").timeout(Duration::from_millis(300));
    let error = converted(never, io::ErrorKind::TimedOut);
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let wrong = OutputExecutor::new("sleep 60", "(");
    converted(wrong, io::ErrorKind::InvalidInput);
    let missing = OutputExecutor::new("/no/such/program", "never");
    let error = converted(missing, io::ErrorKind::NotFound);
    assert!(error.source().is_some());
    let ends = OutputExecutor::new("sh -c 'exit 3'", "never");
    let error = converted(ends, io::ErrorKind::Other);
    assert_eq!(error.exit_code(), Some(3));
    let idle = SimpleExecutor::new("sleep 60")
        .signal(mirakuru::Signal::HUP)
        .map(drop);
    assert_eq!(
        io::Error::from(idle.expect_err("it is idle")).kind(),
        io::ErrorKind::Other
    );
}
