//! The listener must be in the service's tree: an answer of an unrelated process is not ready.

use std::net::TcpListener;

use mirakuru::{
    Context, ErrorKind, Executor, NotReady, Readiness, Result, TcpExecutor, readiness::Tcp,
};
use mirakuru_tests::{bounds::at_once, error_text::error_of};

use crate::{PROGRAM, holder::fixed_port, stranger::TakenAfterTheStart};

#[test]
fn an_unrelated_listener_is_reported_with_its_command() {
    let port = fixed_port();
    let check = TakenAfterTheStart::new(Tcp::new("127.0.0.1", port));
    let executor = Executor::with_readiness([PROGRAM, "listens_late", "{port}", "60000"], check);
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    let text = error.to_string();
    let holder = format!("held by:     pid {}: ", std::process::id());
    assert!(text.contains(&holder), "{text}");
    assert!(text.contains("any_listener()"), "{text}");
    assert!(!executor.running());
}

#[test]
fn any_listener_accepts_a_listener_outside_of_the_tree() -> Result<()> {
    let check = Tcp::new("127.0.0.1", 0).any_listener();
    for check in [check.clone(), check].map(TakenAfterTheStart::new) {
        let service = Executor::with_readiness([PROGRAM, "prints", "{port}"], check).started()?;
        assert!(service.running());
    }
    Ok(())
}

#[test]
fn a_daemon_of_the_tree_is_accepted() -> Result<()> {
    let script = format!("{PROGRAM} listens_late {{port}} 100 & exit 0");
    let service = TcpExecutor::new(script, "127.0.0.1", 0)
        .shell(true)
        .started()?;
    service.wait_for(|| !service.running())?;
    assert_eq!(service.exit_code(), Some(0));
    Ok(())
}

#[test]
fn a_listener_passed_by_the_test_is_accepted() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let given = Tcp::new("127.0.0.1", port);
    let service = Executor::with_readiness([PROGRAM, "prints", "up"], After(given))
        .stdin(std::os::fd::OwnedFd::from(listener));
    service.start()?;
    Ok(())
}

/// A check that runs only after the start: the port accepts before that.
struct After(Tcp);

impl Readiness for After {
    fn after_start_check(&self, cx: &Context) -> std::result::Result<(), NotReady> {
        self.0.after_start_check(cx)
    }
}
