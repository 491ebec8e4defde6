//! Tests of a link whose other end the test holds: replies find their callers, and an invalid message ends the link.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
#[cfg(unix)]
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::open::{await_name, unique_name};
use super::socket::Socket;
use super::{Home, Link, State};
use crate::protocol::frames::{self, Inbox};
use crate::protocol::{
    Call, Event, KILL_BOUND, Launch, Leased, Message, Reply, Request, Service, StopPlan,
};
use crate::sys::{self, Pid, Process};
use crate::wait::Deadline;

/// Returns a link and its other end. Its supervisor is this process, which lives. The link counts as shared by a run,
/// so that it never kills its supervisor.
fn link() -> (Link, sys::Socket) {
    link_with_note("/missing/silence".as_ref())
}

/// Returns a link that notes in this file that its supervisor does not answer.
fn link_with_note(silence: &Path) -> (Link, sys::Socket) {
    let (link, other_end) = link_to(Pid::this());
    link.begin_sharing(silence.to_owned());
    (link, other_end)
}

/// Returns a link to this supervisor, which it may kill.
fn link_to(supervisor: Pid) -> (Link, sys::Socket) {
    let (socket, other_end) = sys::Socket::pair().expect("a socket");
    let supervisor = Process::open(supervisor).expect("a process");
    let link = Link::new(
        Home {
            parent: "/".into(),
            stays: false,
        },
        0,
        unique_name(),
        Socket::new(socket, supervisor, Inbox::default()),
    );
    (link, other_end)
}

/// Fills the socket, as calls to a frozen supervisor do.
fn fill(link: &Link) {
    let socket = &link.reader.source().stream;
    while sys::send(socket, &[0; 4096], &[]).is_ok() {}
}

#[test]
fn a_name_that_no_supervisor_can_have_is_refused() {
    for name in ["", "short", "../../../../../../tmp/0123456789"] {
        let (socket, other_end) = sys::Socket::pair().expect("a socket");
        send(&other_end, &Message::Event(Event::Named(name.to_owned())));
        let refused = await_name(&socket, soon()).map(drop);
        let error = refused.expect_err("the name is invalid").kind();
        assert_eq!(error, io::ErrorKind::InvalidData);
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

fn send(other_end: &sys::Socket, message: &Message) {
    frames::send(other_end, message, &[], soon()).expect("there is room");
}

fn reply(other_end: &sys::Socket, number: Option<u64>, reply: Reply) {
    send(other_end, &Message::Reply(number.expect("a number"), reply));
}

/// The calls that have arrived at the other end.
#[derive(Default)]
struct Arrived {
    inbox: Inbox,
    calls: VecDeque<Call>,
}

impl Arrived {
    fn take_in(&mut self, other_end: &sys::Socket) {
        let received = self.inbox.receive(other_end, usize::MAX);
        assert!(!received.ended);
        let calls = received.messages.into_iter().map(|(call, _)| call);
        self.calls.extend(calls);
    }

    /// Waits for the next call.
    fn next_call(&mut self, other_end: &sys::Socket) -> Call {
        loop {
            if let Some(call) = self.calls.pop_front() {
                return call;
            }
            super::socket::await_news(other_end, None, Duration::from_secs(30));
            self.take_in(other_end);
        }
    }
}

fn lease(link: &Link, port: u16) -> Option<Leased> {
    link.lease(Some(port), String::new(), "/".into())
}

#[test]
fn replies_in_any_order_find_their_callers() {
    let (link, other_end) = link();
    thread::scope(|scope| {
        let callers = [1, 2, 3].map(|port| {
            let link = &link;
            (port, scope.spawn(move || lease(link, port)))
        });
        let mut arrived = Arrived::default();
        let mut calls = [(); 3].map(|()| arrived.next_call(&other_end));
        calls.reverse();
        for Call { number, request } in calls {
            let Request::Lease { port, .. } = request else {
                panic!("{request:?}");
            };
            let port = port.expect("a port");
            reply(&other_end, number, Reply::Leased(Leased::Granted(port)));
        }
        for (port, caller) in callers {
            let leased = caller.join().expect("no panic");
            assert_eq!(leased, Some(Leased::Granted(port)));
        }
    });
}

#[test]
fn a_reply_whose_caller_gave_up_is_dropped() {
    let (link, other_end) = link();
    let mut arrived = Arrived::default();
    let passed = Deadline::after(Duration::ZERO);
    assert!(link.call(Request::Attach, &[], passed).is_none());
    let late = arrived.next_call(&other_end).number.expect("one");
    let (kept, watched) = io::pipe().expect("a pipe");
    let service = Reply::Service(Box::<Service>::default());
    let message = Message::Reply(late, service);
    frames::send(&other_end, &message, &[watched.into()], soon()).expect("room");
    thread::scope(|scope| {
        let caller = scope.spawn(|| lease(&link, 1));
        let Call { number, .. } = arrived.next_call(&other_end);
        reply(&other_end, number, Reply::Leased(Leased::Granted(1)));
        let leased = caller.join().expect("no panic");
        assert_eq!(leased, Some(Leased::Granted(1)));
    });
    let all = io::read_to_string(kept).expect("the handle is closed");
    assert_eq!(all, "");
}

#[test]
fn a_call_ends_with_the_link() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let silence = home.path().join("silence");
    let (link, other_end) = link_with_note(&silence);
    thread::scope(|scope| {
        let caller = scope.spawn(|| lease(&link, 1));
        Arrived::default().next_call(&other_end);
        drop(other_end);
        assert_eq!(caller.join().expect("no panic"), None);
    });
    assert!(link.current(|state| state.lost));
    assert!(!silence.exists(), "it did not have to answer");
}

#[test]
fn a_supervisor_that_accepts_no_request_is_silent() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let silence = home.path().join("silence");
    let (link, _other_end) = link_with_note(&silence);
    fill(&link);
    let passed = Deadline::after(Duration::ZERO);
    assert!(link.input(1, passed).is_none());
    assert!(link.current(|state| state.silent && !state.lost));
    assert!(!silence.exists(), "a question about the input may be late");

    assert!(link.call(Request::Attach, &[], passed).is_none());
    assert!(link.current(|state| state.lost));
    assert!(silence.exists(), "the next tests must not wait for it");
}

#[cfg(unix)]
#[test]
fn a_supervisor_of_a_run_that_has_ended_is_not_silent() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let silence = home.path().join("silence");
    let mut supervisor = Command::new("true").spawn().expect("coreutils");
    let pid = sys::process_of(supervisor.id()).expect("a pid");
    let (link, other_end) = link_to(pid);
    link.begin_sharing(silence.clone());
    assert!(link.process().ended_within(Duration::from_secs(30)));
    drop(other_end);
    assert_eq!(link.stop(StopPlan::ABRUPT, None), None);
    assert!(link.current(|state| state.lost));
    assert!(!silence.exists());
    // The link has reaped it.
    supervisor.wait().expect_err("no child");
}

#[cfg(unix)]
#[test]
fn a_stop_during_an_exit_waits_for_the_end_of_the_supervisor() {
    let mut supervisor = Command::new("sleep").arg("1").spawn().expect("coreutils");
    let pid = sys::process_of(supervisor.id()).expect("a pid");
    let (link, _other_end) = link_to(pid);
    link.hang_up();
    let gone = link.stop(StopPlan::ABRUPT, None);
    assert!(gone.is_some_and(|gone| gone.survivors.is_empty()));
    // On some systems, the wait for the end reaps it.
    let lives = matches!(supervisor.try_wait(), Ok(None));
    assert!(!lives);
}

#[test]
fn only_a_supervisor_that_sent_nothing_ended_before_it_was_up() {
    for is_up in [false, true] {
        let (link, other_end) = link();
        link.came_up().expect("its end is not known");
        if is_up {
            send(&other_end, &Message::Event(Event::Path));
        }
        drop(other_end);
        assert!(link.current(|state| state.lost));
        assert_eq!(link.came_up().is_ok(), is_up);
    }
}

#[test]
fn messages_before_a_launch_belong_to_the_earlier_service() {
    let (link, other_end) = link();
    send(&other_end, &Message::Event(Event::Exited(3)));
    send(&other_end, &Message::Reply(1, Reply::Launched(Ok(7))));
    let known = |state: &State| (state.current(), state.exit, state.exit_of(0));
    assert_eq!(link.current(known), (1, None, Some(3)));
    assert!(link.current(|state| state.is_over(0) && !state.is_over(1)));
}

#[test]
fn an_exit_waits_as_long_as_the_latest_service_may_take() {
    let (link, other_end) = link();
    let on_owner_exit = StopPlan {
        patience: Duration::from_secs(20),
        kill_patience: Duration::from_secs(3),
        ..StopPlan::ABRUPT
    };
    let order = Launch {
        on_owner_exit,
        ..Launch::plain("true")
    };
    drop(other_end);
    assert_eq!(link.launch(order, &[], soon()), None);
    assert_eq!(link.patience(), on_owner_exit.longest());
}

#[test]
fn a_silent_supervisor_is_waited_for_once() {
    let (link, other_end) = link();
    link.drain();
    assert!(link.current(|state| state.silent));
    // This call waits for nothing and sends nothing.
    link.drain();
    let mut arrived = Arrived::default();
    arrived.next_call(&other_end);
    arrived.take_in(&other_end);
    assert_eq!(arrived.calls, []);
    send(&other_end, &Message::Event(Event::Path));
    assert!(!link.current(|state| state.silent));
}

#[test]
fn an_invalid_message_ends_the_link_cleanly() {
    let unknown = [1, 0, 0, 0, 0, 99];
    let too_long = [255, 255, 255, 255, 0, 1];
    let too_many_handles = [1, 0, 0, 0, 9, 1];
    let truncated = [2, 0, 0, 0, 0, 1];
    let begun = Instant::now();
    for (bytes, ends) in [
        (unknown, false),
        (too_long, false),
        (too_many_handles, false),
        (truncated, true),
    ] {
        let (link, mut other_end) = link();
        let written = Barrier::new(2);
        thread::scope(|scope| {
            let stop = scope.spawn(|| {
                written.wait();
                link.stop(StopPlan::ABRUPT, None)
            });
            other_end.write_all(&bytes).expect("room");
            if ends {
                other_end.shutdown(std::net::Shutdown::Write).expect("it");
            }
            written.wait();
            assert_eq!(stop.join().expect("no panic"), None);
        });
        assert!(link.current(|state| state.lost), "{bytes:?}");
    }
    // No link has waited for a supervisor that lives.
    assert!(begun.elapsed() < KILL_BOUND * 2);
}

#[test]
fn a_service_without_a_process_has_ended() {
    let (link, other_end) = link();
    assert!(!link.current(State::has_ended));
    send(&other_end, &Message::Event(Event::Empty));
    assert!(link.current(|state| state.has_ended() && state.exit.is_none() && !state.lost));
}

#[test]
fn an_attached_service_that_another_test_stops_is_ending() {
    let (link, other_end) = link();
    let service = |ending| {
        let service = Service {
            number: 1,
            ending,
            ..Service::default()
        };
        Message::Reply(1, Reply::Service(Box::new(service)))
    };
    send(&other_end, &service(false));
    assert!(!link.current(|state| state.ending));
    send(&other_end, &service(true));
    assert!(link.current(|state| state.ending));
    // The reply to an earlier question does not end the stop.
    send(&other_end, &service(false));
    assert!(link.current(|state| state.ending));
}
