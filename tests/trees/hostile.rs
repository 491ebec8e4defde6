//! Trees that resist their end or end in an unusual way. They are gone when the stop returns, within a bound.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use mirakuru::{OutputExecutor, Signal};
use mirakuru_tests::hold::Hold;

use crate::{PROGRAM, TEST_PROCESS, processes::Process};

/// The stop timeout of a service that ignores the stop signal.
const SHORT_STOP_TIMEOUT: Duration = Duration::from_millis(200);
/// The supervisor kills a tree that forks all the time within ten seconds. The rest is a margin for a busy machine.
const KILL_BOUND: Duration = Duration::from_secs(15);

fn started(words: Vec<String>, banner: &str) -> OutputExecutor {
    let service = OutputExecutor::new(words, banner);
    service
        .stop_timeout(SHORT_STOP_TIMEOUT)
        .started()
        .expect("it starts")
}

#[test]
fn a_service_that_forks_and_exits_all_the_time_is_stopped() {
    let hold = Hold::new();
    let service = started(hold.command(&[PROGRAM, "forks_fast"]), "running");
    let begin = Instant::now();
    service.stop().expect("nothing is left");
    assert!(begin.elapsed() < KILL_BOUND);
    assert!(hold.is_free(), "a process of the tree is left");
}

#[test]
fn four_processes_that_fork_and_exit_all_the_time_are_killed() {
    let hold = Hold::new();
    let service = started(
        hold.command(&[PROGRAM, "forks_fast", "--bomb", "4"]),
        "running",
    );
    let begin = Instant::now();
    service.kill().expect("nothing is left");
    assert!(begin.elapsed() < KILL_BOUND);
    assert!(hold.is_free(), "a process of the tree is left");
}

#[test]
fn a_chain_of_a_thousand_processes_is_stopped() {
    let hold = Hold::new();
    let chain = started(hold.command(&[PROGRAM, "chain", "1000"]), "chained");
    chain.stop().expect("nothing is left");
    assert!(hold.is_free(), "a process of the chain is left");
}

#[test]
fn a_chain_of_a_thousand_processes_is_killed() {
    let hold = Hold::new();
    let chain = started(hold.command(&[PROGRAM, "chain", "1000"]), "chained");
    chain.kill().expect("nothing is left");
    assert!(hold.is_free(), "a process of the chain is left");
}

#[test]
fn a_daemon_gets_the_stop_signal_after_its_main_process_ended() {
    let hold = Hold::new();
    // A daemon that misses the stop signal lives until the stop timeout. This one must end earlier.
    let words = hold.command(&[PROGRAM, "leaves_daemon"]);
    let daemon = OutputExecutor::new(words, "daemon")
        .started()
        .expect("it starts");
    let exited = daemon.wait_for(|| daemon.exit_code() == Some(0));
    exited.expect("its main process ends with 0");
    assert!(!daemon.running());
    assert!(!hold.is_free(), "the daemon lives");

    let begin = Instant::now();
    daemon.stop().expect("it ends as asked");
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "the daemon was killed after the stop timeout"
    );
    assert!(hold.is_free(), "the daemon is left");
}

#[test]
fn a_daemon_that_ignores_sigterm_is_killed() {
    let hold = Hold::new();
    let words = [PROGRAM, "leaves_daemon", "--scrub", "--ignore-term"];
    let daemon = started(hold.command(&words), "daemon");
    daemon
        .stop()
        .expect("a kill after the stop timeout is not an error");
    assert!(hold.is_free(), "the daemon is left");
}

#[test]
fn children_get_the_stop_timeout_after_their_shell_has_ended() {
    let child = |name: &str| {
        format!(
            "(trap 'sleep 0.3; echo {name} has cleaned up; exit' TERM; echo {name} is up; \
             while :; do sleep 0.05; done)"
        )
    };
    let script = format!("{} & {} & wait", child("one"), child("two"));
    // The banner may come from either child.
    let service = OutputExecutor::new(script, "is up").shell(true);
    let service = service.started().expect("it starts");
    service
        .output()
        .wait_for("is up")
        .expect("the other child comes up too");

    service.stop().expect("it ends as asked");
    let text = service.output().text();
    assert!(text.contains("one has cleaned up"), "{text}");
    assert!(text.contains("two has cleaned up"), "{text}");
    assert_eq!(service.exit_code(), Some(-Signal::TERM.as_raw()));
}

#[test]
fn a_child_that_ignores_sigterm_gets_the_whole_stop_timeout() {
    let hold = Hold::new();
    let script = format!("(trap '' TERM; exec '{PROGRAM}' holds) & wait");
    let service = OutputExecutor::new(hold.script(&script), "holding").shell(true);
    let service = service
        .stop_timeout(SHORT_STOP_TIMEOUT)
        .started()
        .expect("it starts");
    let begin = Instant::now();
    service
        .stop()
        .expect("a kill after the stop timeout is not an error");
    assert!(
        begin.elapsed() >= SHORT_STOP_TIMEOUT,
        "the child was killed too early"
    );
    assert!(hold.is_free(), "the child is left");
}

#[test]
fn an_ignored_kill_signal_is_followed_by_sigkill() {
    let hold = Hold::new();
    let script = format!("trap '' TERM QUIT; exec '{PROGRAM}' holds 2");
    let service = OutputExecutor::new(hold.script(&script), "holding").shell(true);
    let service = service
        .stop_timeout(SHORT_STOP_TIMEOUT)
        .kill_signal(Signal::QUIT);
    service.start().expect("it starts");
    service
        .stop()
        .expect("a kill after the stop timeout is not an error");
    assert!(hold.is_free(), "a process of the tree is left");
    assert_eq!(service.exit_code(), Some(-Signal::KILL.as_raw()));

    service.start().expect("it starts again");
    service.kill().expect("nothing is left");
    assert!(hold.is_free(), "a process of the tree is left");
    assert_eq!(service.exit_code(), Some(-Signal::KILL.as_raw()));
}

#[test]
fn a_service_that_prints_more_than_a_pipe_holds_goes_on() {
    // The output before the banner is far more than a pipe holds.
    let words = [PROGRAM, "floods", "20000000", "--then", "and on"];
    let service = OutputExecutor::new(words, "and on").timeout(Duration::from_secs(30));
    service.start().expect("it prints its last line");
    service.stop().expect("it ends as asked");
}

#[test]
fn a_zombie_in_the_tree_does_not_delay_the_stop() {
    // The shell would reap the zombie. It execs `sleep`, which reaps no child.
    let script = "true & exec sleep 1000";
    let service = mirakuru::SimpleExecutor::new(script).shell(true);
    let main = service.start().expect("it starts").pid().expect("it runs");
    let main = Process::open(main).expect("it lives");
    service.stop().expect("it ends as asked");
    assert!(main.was_reaped());
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs the right to make namespaces")]
fn a_reused_pid_is_not_signalled() {
    let hold = Hold::new();
    let output = Command::new("unshare")
        .args([
            "--pid",
            "--kill-child",
            "--fork",
            "--mount-proc",
            TEST_PROCESS,
            "reuses_a_pid",
        ])
        .arg(hold.path())
        .output()
        .expect("a program");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "heard nothing\n",
        "{errors}"
    );
    assert!(hold.is_free(), "the daemon is left");
}
