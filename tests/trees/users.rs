//! Services of other users: their whole tree is gone too, and they cannot end a supervisor.

use std::time::Duration;

use mirakuru::{ErrorKind, OutputExecutor, Signal};
use mirakuru_tests::hold::Hold;

use crate::{
    PROGRAM,
    processes::{Process, unused_user},
    stubborn::MANNER,
};

const SOON: Duration = Duration::from_secs(15);

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn the_whole_tree_of_another_user_is_gone() {
    let hold = Hold::new();
    let program = hold.program_for_everyone(PROGRAM);
    let words = hold.command(&[&[&*program][..], &MANNER].concat());
    let service = OutputExecutor::new(words, "daemon").user("nobody").cwd("/");
    service.start().expect("it starts");
    assert!(!hold.is_free(), "the tree lives");
    service.stop().expect("it ends as asked");
    assert!(hold.is_free(), "a process of the tree is left");
    assert_eq!(service.exit_code(), Some(-Signal::TERM.as_raw()));
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_service_that_kills_everyone_of_its_user_kills_no_supervisor() {
    // A user of this test alone, who has a tree already.
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
    killer.start().expect("it says that it has killed");
    assert!(
        hold.is_free_within(SOON),
        "a process of the other tree is left"
    );
    killer.stop().expect("it ends as asked");
    assert_eq!(killer.exit_code(), Some(-Signal::TERM.as_raw()));

    assert!(bystander_main.ended_within(SOON));
    let error = bystander
        .stop()
        .expect_err("it was killed by somebody else");
    assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
    assert_eq!(error.exit_code(), Some(-Signal::KILL.as_raw()));
    bystander.start().expect("its supervisor lives");
    bystander.stop().expect("it ends as asked");
    assert!(hold.is_free(), "a process of the tree is left");
}
