//! Services that report readiness themselves, by `sd_notify(3)`.

use std::{fs, time::Duration};

use mirakuru::{ErrorKind, NotifyExecutor, OutputExecutor, Result, SimpleExecutor};
#[cfg(target_os = "linux")]
use mirakuru_tests::processor::{fields, parent_of};
use mirakuru_tests::{bounds::at_once, error_text::error_of, hold::Hold};

use crate::PROGRAM;

/// Returns a service that sends these messages and keeps running.
fn reports(messages: &[&str]) -> NotifyExecutor {
    NotifyExecutor::new([&[PROGRAM, "reports"], messages].concat())
}

#[test]
fn a_service_is_ready_when_it_reports_so() -> Result<()> {
    let service = reports(&["STATUS=begins", "READY=1"]).started()?;
    assert!(service.running());
    // The service prints the line after it has sent the report.
    service.output().wait_for("^sent READY=1$")?;
    assert_eq!(
        service.output().text(),
        "sent STATUS=begins\nsent READY=1\n"
    );
    Ok(())
}

#[test]
fn a_report_wakes_the_thread_that_waits() -> Result<()> {
    let service = reports(&["wait 300", "READY=1"]);
    let service = service.poll_interval(Duration::from_secs(600));
    at_once(|| service.start()).map(drop)
}

#[test]
fn the_status_of_the_service_is_the_last_check() {
    let service = reports(&["STATUS=replaying the log: 7 %"]).timeout(Duration::from_secs(2));
    let error = error_of(service.start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let text = error.to_string();
    assert!(
        text.contains("last check:  replaying the log: 7 %"),
        "{text}"
    );
}

#[test]
fn a_service_can_extend_the_timeout() -> Result<()> {
    let slow = ["EXTEND_TIMEOUT_USEC=30000000", "wait 2500", "READY=1"];
    let service = reports(&slow).timeout(Duration::from_secs(2));
    service.started().map(drop)
}

#[test]
fn a_report_of_an_ended_helper_counts() -> Result<()> {
    let script = format!("{PROGRAM} reports --then-exit READY=1; exec sleep 60");
    NotifyExecutor::new(["sh", "-c", &script])
        .started()
        .map(drop)
}

#[test]
fn a_barrier_does_not_block_the_service() -> Result<()> {
    let service = reports(&["READY=1", "barrier"]).started()?;
    service.wait_for(|| service.output().text().contains("the barrier is open"))?;
    Ok(())
}

#[test]
fn a_message_from_an_unrelated_process_is_ignored() {
    let service = reports(&["STATUS=waits"]).timeout(Duration::from_secs(5));
    let starting = std::thread::scope(|scope| {
        let start = scope.spawn(|| service.start().map(drop));
        let environment = loop {
            let pid = service
                .pid()
                .filter(|_| service.output().text().contains("sent"));
            assert!(!start.is_finished(), "the service sends a status first");
            if let Some(pid) = pid {
                break fs::read(format!("/proc/{pid}/environ")).expect("procfs");
            }
            std::thread::yield_now();
        };
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let mut variables = environment.split('\0');
        let path = variables.find_map(|variable| variable.strip_prefix("NOTIFY_SOCKET="));
        let path = path.expect("it has the variable").to_owned();
        let socket = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
        socket.send_to(b"READY=1", &path).expect("it exists");
        (start.join().expect("no panic"), path)
    });
    let (started, path) = starting;
    assert_eq!(error_of(started).kind(), ErrorKind::TimeoutExpired);
    assert!(!fs::exists(path).expect("a path"), "the socket is removed");
}

#[test]
fn each_start_waits_for_its_own_report() -> Result<()> {
    let service = reports(&["wait 50", "READY=1"]).started()?;
    service.restart()?;
    // The service prints the line after it has sent the report.
    service.output().wait_for("^sent READY=1$")?;
    assert_eq!(service.output().text(), "sent READY=1\n");
    Ok(())
}

#[test]
fn a_service_that_reports_nothing_has_no_socket() -> Result<()> {
    let words = [PROGRAM, "shows_environment"];
    let service = OutputExecutor::new(words, "^done$")
        .env_remove("NOTIFY_SOCKET")
        .started()?;
    assert!(!service.output().text().contains("NOTIFY_SOCKET"));
    Ok(())
}

#[test]
fn a_service_can_name_its_main_process() -> Result<()> {
    // The main process is a daemon whose parent has ended when the daemon names itself. A parent that waits would take
    // its exit code.
    let script = format!(
        "(while kill -0 $$; do sleep 0.02; done; exec {PROGRAM} reports own-pid READY=1) & echo pid $!"
    );
    let service = NotifyExecutor::new(["sh", "-c", &script]).started()?;
    let text = service.output().text();
    let daemon = text.lines().find_map(|line| line.strip_prefix("pid "));
    let daemon: u32 = daemon.expect("it was printed").parse().expect("a pid");
    service
        .wait_for(|| service.pid() == Some(daemon))
        .expect("the daemon is the main process");
    assert!(service.running());
    service.signal(mirakuru::Signal::KILL)?;
    let killed = service.wait_for(|| service.exit_code() == Some(-9));
    killed.expect("the exit code is that of the daemon");
    assert!(!service.running());
    Ok(())
}

#[test]
fn the_end_of_a_main_process_is_seen_if_its_parent_lives() -> Result<()> {
    let script = format!("{PROGRAM} reports own-pid READY=1 & echo pid $!; wait; exec sleep 60");
    let service = NotifyExecutor::new(["sh", "-c", &script]).started()?;
    let text = service.output().text();
    let named = text.lines().find_map(|line| line.strip_prefix("pid "));
    let named: u32 = named.expect("it was printed").parse().expect("a pid");
    service.wait_for(|| service.pid() == Some(named))?;
    service.signal(mirakuru::Signal::KILL)?;
    // The shell takes the exit code.
    service.wait_for(|| service.exit_code() == Some(0))?;
    assert!(!service.running());
    Ok(())
}

/// The supervisor reaps the process after its parent has ended without reaping it.
#[test]
#[cfg(target_os = "linux")]
fn the_exit_code_of_an_unreaped_main_process_is_known() -> Result<()> {
    let script = format!("{PROGRAM} reports own-pid READY=1 & echo pid $!; exec sleep 1000");
    let service = NotifyExecutor::new(["sh", "-c", &script]).started()?;
    let named = service.output().wait_for(r"pid (\d+)")?;
    let named: u32 = named.trim_start_matches("pid ").parse().expect("a pid");
    service.wait_for(|| service.pid() == Some(named))?;
    let parent = parent_of(named);
    service.signal(mirakuru::Signal::KILL)?;
    service.wait_for(|| fields(&named.to_string())[0] == "Z")?;
    // The supervisor answers after it has looked for the end of the main process.
    service.signal(mirakuru::Signal::CONT)?;
    assert_eq!(service.exit_code(), None);
    let parent = nix::unistd::Pid::from_raw(parent.try_into().expect("a pid"));
    nix::sys::signal::kill(parent, nix::sys::signal::Signal::SIGKILL).expect("it runs");
    service.wait_for(|| service.exit_code().is_some())?;
    assert_eq!(service.exit_code(), Some(-9));
    Ok(())
}

#[test]
fn a_process_outside_of_the_tree_is_no_main_process() -> Result<()> {
    let stranger = SimpleExecutor::new("sleep 60").started()?;
    let pid = stranger.pid().expect("it runs");
    let service = reports(&[&format!("MAINPID={pid}"), "READY=1"]).started()?;
    assert_ne!(service.pid(), Some(pid));
    service.stop()?;
    assert!(stranger.running());
    Ok(())
}

#[test]
fn a_daemon_that_names_itself_is_ready() -> Result<()> {
    let script = format!("{PROGRAM} reports 'wait 100' own-pid READY=1 & exit 0");
    let service = NotifyExecutor::new(["sh", "-c", &script]).started()?;
    assert!(service.running());
    service.stop()?;
    assert!(!service.running());
    Ok(())
}

#[test]
fn a_flood_of_reports_does_not_block_the_stop() -> Result<()> {
    let hold = Hold::new();
    let flooded = format!("{}/flooded", hold.scratch());
    let script = format!(
        "{PROGRAM} reports --then-exit READY=1 'flood 3000'; touch {flooded}; exec sleep 60"
    );
    let service = NotifyExecutor::new(["sh", "-c", &script]).started()?;
    // Meanwhile this process makes no call, so it receives nothing from the supervisor.
    let bound = std::time::Instant::now() + Duration::from_secs(30);
    while !fs::exists(&flooded).expect("own directory") {
        assert!(std::time::Instant::now() < bound, "the flood takes long");
        std::thread::yield_now();
    }
    let begin = std::time::Instant::now();
    service.stop()?;
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "{:?}",
        begin.elapsed()
    );
    Ok(())
}

#[test]
fn a_start_that_failed_leaves_no_socket() {
    let service = NotifyExecutor::new("no-such-program");
    for _ in 0..2 {
        let error = error_of(service.start());
        assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
    }
}

#[test]
fn a_service_that_ended_without_a_report_fails_at_once() {
    let error = error_of(NotifyExecutor::new("true").start());
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    assert_eq!(error.exit_code(), Some(0));
}
