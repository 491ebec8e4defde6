//! `OnConflict::Fail`, the default: the second start fails at once, and the error names the holder of the port.

use std::{sync::Barrier, thread};

use mirakuru::{ErrorKind, Executor, Result, TcpExecutor, start_all};
use mirakuru_tests::{bounds::at_once, error_text::error_of};

use crate::{
    PROGRAM,
    holder::{Holder, fixed_port},
    silent::silent,
    wait::two_ports,
};

#[test]
fn another_test_process_is_reported_with_its_command() {
    let port = fixed_port();
    let mut holder = Holder::start(port, "fail");
    assert_eq!(holder.outcome(), "held");
    let executor = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port);
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    let text = error.to_string();
    assert!(text.contains(&format!("pid {}", holder.pid())), "{text}");
    assert!(text.contains("holds_port"), "{text}");
}

/// Each executor has its own supervisor, so eight processes compete for the lease.
#[test]
fn one_of_many_concurrent_starts_gets_the_port() {
    let port = fixed_port();
    let all = Barrier::new(8);
    let executors = [(); 8].map(|()| silent(port));
    let served = thread::scope(|scope| {
        let all = &all;
        let ask = |executor| {
            scope.spawn(move || {
                all.wait();
                Executor::start(executor).map(drop)
            })
        };
        let asking = executors.each_ref().map(ask);
        asking.map(|thread| thread.join().expect("no panic"))
    });
    let (one, others): (Vec<_>, Vec<_>) = served.into_iter().partition(Result::is_ok);
    assert_eq!(one.len(), 1);
    for other in others {
        let text = error_of(other).to_string();
        assert!(text.contains("has reserved the port"), "{text}");
    }
}

#[test]
fn a_stop_releases_the_port() -> Result<()> {
    let port = fixed_port();
    let first =
        TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port).started()?;
    let second = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port);
    let error = at_once(|| error_of(second.start()));
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    first.stop()?;
    second.start()?;
    let error = error_of(first.start());
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    second.kill()?;
    first.start()?;
    Ok(())
}

#[test]
fn a_failed_start_releases_the_port() -> Result<()> {
    let port = fixed_port();
    let first = TcpExecutor::new("/no such program", "127.0.0.1", port);
    error_of(first.start());
    TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port).start()?;
    Ok(())
}

#[test]
fn a_group_that_lacks_one_port_releases_the_others() -> Result<()> {
    let [low, high] = two_ports();
    let _holder = silent(high).started()?;
    let [first, second] = [low, high].map(silent);
    let error = error_of(start_all([&first, &second]));
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    silent(low).start()?;
    Ok(())
}

#[test]
fn an_outage_keeps_the_port() -> Result<()> {
    let port = fixed_port();
    let service =
        TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port).started()?;
    let other = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port);
    let outage = service.stopped()?;
    // A stop of what is stopped already does not end the outage.
    service.stop()?;
    let error = at_once(|| error_of(other.start()));
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    assert!(
        error.to_string().contains("has reserved the port"),
        "{error}"
    );
    outage.restart()?;
    assert!(service.running());
    Ok(())
}
