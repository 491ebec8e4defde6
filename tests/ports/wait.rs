//! `OnConflict::Wait`: the second start queues until the first service is gone with its whole tree.

use std::{
    sync::{LazyLock, mpsc},
    thread,
    time::Duration,
};

use mirakuru::{ErrorKind, OnConflict, Result, Shared, SimpleExecutor, TcpExecutor};
use mirakuru_tests::{
    bounds::{at_once, comes_to_an_end},
    error_text::error_of,
    hold::Hold,
};
use regex::Regex;

use crate::{
    PROGRAM,
    holder::{Holder, fixed_port},
};

fn queued(port: u16) -> TcpExecutor {
    TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port)
        .on_conflict(OnConflict::Wait)
}

#[test]
fn threads_get_one_port_one_after_another() {
    let port = fixed_port();
    let at_work = std::sync::Mutex::new(());
    thread::scope(|scope| {
        let one = || {
            scope.spawn(|| -> Result<()> {
                let service = queued(port).started()?;
                // No other thread is here between the start and the stop.
                let alone = at_work.try_lock().expect("one at a time");
                assert!(service.running());
                drop(alone);
                service.stop()?;
                Ok(())
            })
        };
        let all: Vec<_> = (0..8).map(|_| one()).collect();
        for thread in all {
            thread.join().expect("no panic").expect("it gets the port");
        }
    });
}

#[test]
fn a_stopped_executor_does_not_keep_its_port_from_its_thread() -> Result<()> {
    let port = fixed_port();
    let first = queued(port).started()?;
    first.stop()?;
    queued(port).started()?.stop()?;
    first.start()?.stop()?;
    Ok(())
}

#[test]
fn processes_get_one_port_one_after_another() {
    let port = fixed_port();
    let mut first = Holder::start(port, "wait");
    assert_eq!(first.outcome(), "held");
    let mut others = [(); 3].map(|()| Holder::with_log(port, "wait"));
    for other in &mut others {
        other.wait_for_line("queues for port");
    }
    first.end();
    // Whichever process gets the port, the others must wait for its end.
    let served = others.map(|mut other| {
        thread::spawn(move || {
            other.wait_for_line("held");
            other.rest()
        })
    });
    for other in served {
        let reported = other.join().expect("it gets the port");
        assert!(reported.contains("is gone after"), "{reported}");
    }
}

/// A test that queues must report the reason, even if `MIRAKURU_LOG` is not set.
#[test]
fn a_long_queue_is_reported() {
    let port = fixed_port();
    let mut first = Holder::start(port, "wait");
    assert_eq!(first.outcome(), "held");
    let mut other = Holder::start(port, "wait");
    let (other, line) = comes_to_an_end(move || {
        let line = other.wait_for_line("(TcpExecutor) has queued ");
        (other, line)
    });
    // The line must not come before five seconds; on a slow machine it may come later.
    let late = Regex::new(r"has queued ([5-9]|\d\d)\.").expect("a valid expression");
    assert!(late.is_match(&line), "{line}");
    first.end();
    assert!(other.rest().lines().any(|line| line == "held"));
}

#[test]
fn the_lease_of_a_killed_process_lasts_as_long_as_its_tree() -> Result<()> {
    let port = fixed_port();
    let hold = Hold::new();
    // The listener ends at SIGTERM, the shell only at SIGKILL.
    let script = hold.script(&format!(
        "trap '' TERM; {PROGRAM} listens_late {port} & wait; wait"
    ));
    let deaf = format!("{script}; while :; do sleep 0.1; done");
    let mut holder = Holder::with(port, "wait", &deaf, |_| {});
    assert_eq!(holder.outcome(), "held");
    holder.kill();
    let service = queued(port).started()?;
    assert!(hold.is_free(), "the earlier tree was still running");
    assert!(service.running());
    Ok(())
}

#[test]
fn the_timeout_begins_when_the_port_is_leased() -> Result<()> {
    let port = fixed_port();
    let mut first = Holder::start(port, "wait");
    assert_eq!(first.outcome(), "held");
    let patient = queued(port).timeout(Duration::from_secs(2));
    thread::scope(|scope| {
        let second = scope.spawn(|| patient.start().map(drop));
        // This start takes longer than the timeout of the queued start, which is over at its end.
        let timeout =
            TcpExecutor::new([PROGRAM, "listens_late", "{port}", "60000"], "127.0.0.1", 0);
        error_of(timeout.timeout(Duration::from_millis(2500)).start());
        assert!(!second.is_finished());
        first.end();
        second.join().expect("no panic")
    })
}

#[test]
fn a_port_held_by_this_thread_fails_at_once() -> Result<()> {
    let port = fixed_port();
    let first = queued(port).name("the first").started()?;
    let error = at_once(|| error_of(queued(port).start()));
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    let text = error.to_string();
    let holder = "held by:     the executor the first, started by this thread";
    assert!(text.contains(holder), "{text}");
    // The start fails before it looks for a listener.
    assert!(!text.contains("something answers"), "{text}");
    drop(first);
    queued(port).start()?;
    Ok(())
}

#[test]
fn a_port_held_by_a_shared_fixture_fails_at_once() -> Result<()> {
    static PORT: LazyLock<u16> = LazyLock::new(fixed_port);
    static FIXTURE: Shared<TcpExecutor> = Shared::new(|| queued(*PORT));
    thread::scope(|scope| {
        let first = scope.spawn(|| FIXTURE.get().map(drop));
        first.join().expect("no panic")
    })?;
    let error = at_once(|| error_of(queued(*PORT).start()));
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    assert!(
        error
            .to_string()
            .contains("a shared fixture of this process"),
        "{error}"
    );
    FIXTURE.stop()?;
    Ok(())
}

/// Returns two free ports, the lower one first.
pub(crate) fn two_ports() -> [u16; 2] {
    let two = [
        SimpleExecutor::new("x {port}"),
        SimpleExecutor::new("y {port}"),
    ];
    let mut ports = two.each_ref().map(SimpleExecutor::port);
    ports.sort_unstable();
    ports
}

#[test]
fn a_deadlock_fails_the_wait_for_the_lower_port_at_once() -> Result<()> {
    let [low, high] = two_ports();
    let ours = queued(high).started()?;
    // The other process has the lower port, and waits for the port of this one.
    let mut other = Holder::of_two([low, high]);
    assert_eq!(other.outcome(), "held");
    let error = at_once(|| error_of(queued(low).start()));
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    let text = error.to_string();
    let why =
        format!("this test holds port {high}, and the holder of port {low} waits for port {high}");
    let holder = format!("held by:     pid {}", other.pid());
    for reported in [why.as_str(), &holder, "the lower one first"] {
        assert!(text.contains(reported), "{reported}: {text}");
    }
    drop(ours);
    assert_eq!(other.outcome(), "held");
    Ok(())
}

#[test]
fn a_deadlock_is_resolved_for_the_wait_for_the_higher_port() -> Result<()> {
    let [low, high] = two_ports();
    let ours = queued(low).started()?;
    let mut other = Holder::of_two([high, low]);
    assert_eq!(other.outcome(), "held");
    let gives_way = thread::spawn(move || {
        assert_eq!(other.outcome(), "AlreadyRunning");
        other.rest()
    });
    let second = queued(high).started()?;
    assert!(ours.running() && second.running());
    let reported = gives_way.join().expect("no panic");
    assert!(reported.contains("would deadlock"), "{reported}");
    Ok(())
}

#[test]
fn a_wait_for_oneself_is_not_a_failure_of_the_fixture() -> Result<()> {
    static PORT: LazyLock<u16> = LazyLock::new(fixed_port);
    static FIXTURE: Shared<TcpExecutor> = Shared::new(|| queued(*PORT));
    let ours = queued(*PORT).started()?;
    for _ in 0..4 {
        let text = error_of(FIXTURE.get()).to_string();
        assert!(text.contains("started by this thread"), "{text}");
    }
    drop(ours);
    FIXTURE.get()?.stop()?;
    Ok(())
}

#[test]
fn an_overdue_wait_keeps_the_port_of_a_newer_service() -> Result<()> {
    let service = queued(fixed_port()).timeout(Duration::from_secs(1));
    service.start()?;
    let (asked, is_asked) = mpsc::channel();
    let (restarted, is_restarted) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            error_of(service.wait_for(move || {
                let _ = asked.send(());
                let _ = is_restarted.recv();
                false
            }))
        });
        is_asked.recv().expect("the closure is called");
        service.restart()?;
        drop(restarted);
        waits.join().expect("no panic");
        // The start runs in another thread, as in another test. In this thread, the error would name this thread as the
        // holder.
        let other = scope.spawn(|| {
            let fails = queued(service.port()).on_conflict(OnConflict::Fail);
            error_of(fails.start()).to_string()
        });
        let reported = other.join().expect("no panic");
        assert!(
            reported.contains("another executor has reserved the port"),
            "{reported}"
        );
        service.stop().map(drop)
    })
}

#[test]
fn a_queue_times_out_and_names_the_holder() {
    let port = fixed_port();
    let mut first = Holder::start(port, "wait");
    assert_eq!(first.outcome(), "held");
    let command = format!("exec {PROGRAM} listens_late {port}");
    let mut second = Holder::with(port, "wait", &command, |holder| {
        holder.env("MIRAKURU_QUEUE_TIMEOUT", "1");
    });
    assert_eq!(second.outcome(), "TimeoutExpired");
    let reported = second.rest();
    assert!(
        reported.contains("its port did not become free"),
        "{reported}"
    );
    assert!(
        reported.contains(&format!("pid {}", first.pid())),
        "{reported}"
    );
    assert!(reported.contains("for `"), "{reported}");
}

#[test]
fn a_port_held_by_another_program_is_not_waited_for() {
    let port = fixed_port();
    let _stranger = std::net::TcpListener::bind(("127.0.0.1", port)).expect("free");
    let error = at_once(|| error_of(queued(port).start()));
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
}
