//! Services of other users. A stop ends their whole tree, and they cannot end a supervisor.

use std::{fs, process::Command, thread, time::Duration};

use mirakuru::{ErrorKind, NotifyExecutor, OutputExecutor, Result, Signal};
use mirakuru_tests::hold::Hold;
use nix::sys::signal::{SIGCONT, SIGSTOP};

use crate::{
    PROGRAM,
    processes::{Process, unused_user},
    stubborn,
};

const SOON: Duration = Duration::from_secs(15);

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_stop_ends_the_whole_tree_of_another_user() {
    let hold = Hold::new();
    let program = hold.program_for_everyone(PROGRAM);
    let words = hold.command(&[&[&*program][..], &stubborn::ARGS].concat());
    let service = OutputExecutor::new(words, "daemon").user("nobody").cwd("/");
    // The daemon ignores the stop signal.
    let service = service.stop_timeout(Duration::from_millis(200));
    service.start().expect("it starts");
    assert!(!hold.is_free(), "the tree is running");
    service.stop().expect("it ends as asked");
    assert!(hold.is_free(), "a process of the tree is left");
    assert_eq!(service.exit_code(), Some(-Signal::TERM.as_raw()));
}

/// A sender that has exited before the supervisor reads its message is no longer in the tree. Its user id decides
/// whether the message counts.
#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_notification_of_another_users_exited_process_is_ignored() {
    let user = unused_user();
    let hold = Hold::new();
    let program = hold.program_for_everyone(PROGRAM);
    let service = || {
        let words = [&*program, "reports", "STATUS=waits"];
        NotifyExecutor::new(words).user(user).cwd("/")
    };
    let others = service().timeout(Duration::from_secs(8));
    let text = reported_by(&others, 0, &program)
        .expect_err("the sender ran as root")
        .to_string();
    assert!(text.contains("last check:  waits"), "{text}");
    reported_by(&service(), user, &program).expect("the sender ran as the service's user");
}

/// Starts a service and lets a process of this user send it a notification. The process has exited before the
/// supervisor reads the message.
fn reported_by(service: &NotifyExecutor, user: u32, program: &str) -> Result<()> {
    thread::scope(|scope| {
        let start = scope.spawn(|| service.start().map(drop));
        // After the first status the supervisor has nothing else to do.
        let pid = loop {
            let reports = || service.output().text().contains("sent STATUS");
            assert!(!start.is_finished(), "the service sends a status first");
            match service.pid().filter(|_| reports()) {
                Some(pid) => break pid,
                None => thread::yield_now(),
            }
        };
        let supervisor = Process::supervisor_of(service);
        let environment = fs::read(format!("/proc/{pid}/environ")).expect("procfs");
        let environment = String::from_utf8_lossy(&environment);
        let mut variables = environment.split('\0');
        let path = variables.find_map(|one| one.strip_prefix("NOTIFY_SOCKET="));
        let mut report = Command::new("setpriv");
        report.args(["--reuid", &user.to_string(), "--clear-groups", program]);
        report.args(["reports", "--then-exit", "READY=1"]);
        report.env("NOTIFY_SOCKET", path.expect("it has the variable"));
        supervisor.signal(SIGSTOP);
        let reported = report.output();
        supervisor.signal(SIGCONT);
        let reported = reported.expect("setpriv");
        assert!(reported.status.success(), "{reported:?}");
        start.join().expect("no panic")
    })
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_service_that_kills_all_of_its_user_kills_no_supervisor() {
    // Only this test uses this user, which has a tree already.
    let user = unused_user();
    let hold = Hold::new();
    let program = hold.program_for_everyone(PROGRAM);
    let bystander = OutputExecutor::new(hold.command(&[&program, "holds", "2"]), "holding")
        .user(user)
        .cwd("/");
    bystander.start().expect("it starts");
    let bystander_main = Process::open(bystander.pid().expect("it runs")).expect("it lives");

    let killer = OutputExecutor::new([&program, "kills_everyone"], "killed")
        .user(user)
        .cwd("/");
    killer.start().expect("it prints `killed`");
    assert!(
        hold.is_free_within(SOON),
        "a process of the other tree is left"
    );
    killer.stop().expect("it ends as asked");
    assert_eq!(killer.exit_code(), Some(-Signal::TERM.as_raw()));

    assert!(bystander_main.ended_within(SOON));
    let error = bystander.stop().expect_err("the other service killed it");
    assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
    assert_eq!(error.exit_code(), Some(-Signal::KILL.as_raw()));
    bystander.start().expect("its supervisor lives");
    bystander.stop().expect("it ends as asked");
    assert!(hold.is_free(), "a process of the tree is left");
}
