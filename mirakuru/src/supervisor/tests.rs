//! Tests of a supervisor that serves in a thread: an invalid request ends its client, and never holds up the
//! supervisor.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::serve::{Role, Server};
use crate::protocol::frames::{self, Inbox};
use crate::protocol::{Call, Event, Launch, Leased, Message, Reply, Request, StopPlan};
use crate::sys::{self, Pid, Process, Socket};
use crate::wait::Deadline;

const SOON: Duration = Duration::from_secs(20);

struct Supervisor {
    socket: Socket,
    arrived: Arrived,
    thread: JoinHandle<()>,
}

impl Supervisor {
    fn start() -> Self {
        let (socket, link) = Socket::pair().expect("a socket");
        let role = Role {
            link,
            owner: Process::open(Pid::this()).expect("it lives"),
            owner_pid: Some(sys::parent()),
            name: "test".to_owned(),
        };
        let thread = thread::spawn(|| Server::new(role, None).run());
        Self {
            socket,
            arrived: Arrived::default(),
            thread,
        }
    }

    /// Lets other clients connect to this socket, as if a run shared the supervisor.
    fn share(&mut self, socket: &Path) {
        let started = sys::started_at(Pid::this()).expect("it lives");
        let reply = self.share_with_this_process(started, socket);
        assert_eq!(reply, Reply::Shared(Ok(())));
    }

    fn share_with_this_process(&mut self, started: u64, socket: &Path) -> Reply {
        let request = Request::Share {
            runner: std::process::id(),
            started,
            socket: socket.to_owned(),
        };
        call(&self.socket, &mut self.arrived, request)
    }

    fn has_ended(mut self) -> bool {
        while next(&self.socket, &mut self.arrived).is_some() {}
        self.thread.join().is_ok()
    }
}

fn come_to(door: &Path) -> Socket {
    let come = sys::come_to(door, SOON).expect("it listens");
    come.expect("few have come")
}

/// The messages that have arrived at a client.
#[derive(Default)]
struct Arrived {
    inbox: Inbox,
    messages: VecDeque<Message>,
    ended: bool,
}

/// Returns the next message, or `None` at the end of the socket.
fn next(socket: &Socket, arrived: &mut Arrived) -> Option<Message> {
    while arrived.messages.is_empty() && !arrived.ended {
        let woken = sys::await_readable([sys::wakeup_of(socket)], SOON);
        assert_eq!(woken, Some(vec![true]), "it hangs");
        let received = arrived.inbox.receive(socket, usize::MAX);
        let messages = received.messages.into_iter().map(|(message, _)| message);
        arrived.messages.extend(messages);
        arrived.ended = received.ended;
    }
    arrived.messages.pop_front()
}

fn send(socket: &Socket, number: Option<u64>, request: Request) {
    let call = Call { number, request };
    frames::send(socket, &call, &[], Deadline::after(SOON)).expect("room");
}

fn call(socket: &Socket, arrived: &mut Arrived, request: Request) -> Reply {
    send(socket, Some(5), request);
    match next(socket, arrived) {
        Some(Message::Reply(5, reply)) => reply,
        other => panic!("{other:?}"),
    }
}

/// Sends a stop and another request at once, so that the supervisor answers the other one before the stop has ended.
/// Returns the first answer.
fn asked_during_a_stop(request: Request) -> Option<Message> {
    let mut supervisor = Supervisor::start();
    let (plan, release) = (StopPlan::ABRUPT, None);
    let (both, mut begins) = Socket::pair().expect("a socket");
    send(&both, Some(5), Request::Stop { plan, release });
    send(&both, Some(6), request);
    drop(both);
    let mut frames = Vec::new();
    begins.set_nonblocking(false).expect("own socket");
    begins.read_to_end(&mut frames).expect("own socket");
    (&supervisor.socket).write_all(&frames).expect("room");
    let answer = next(&supervisor.socket, &mut supervisor.arrived);
    let stopped = next(&supervisor.socket, &mut supervisor.arrived);
    assert!(matches!(stopped, Some(Message::Reply(5, Reply::Gone(_)))));
    send(&supervisor.socket, None, Request::Bye);
    assert!(supervisor.has_ended());
    answer
}

#[test]
fn a_launch_during_a_stop_is_refused() {
    let launched = asked_during_a_stop(Request::Launch(Box::new(Launch::plain("true"))));
    let Some(Message::Reply(6, Reply::Launched(Err(failure)))) = launched else {
        panic!("{launched:?}");
    };
    assert_eq!(failure.code, sys::BUSY);
}

#[test]
fn a_service_is_described_as_ending_during_its_stop() {
    let described = asked_during_a_stop(Request::Attach);
    let Some(Message::Reply(6, Reply::Service(service))) = described else {
        panic!("{described:?}");
    };
    assert!(service.ending);
}

/// Returns invalid bytes, each with whether the socket ends after them.
fn garbage() -> Vec<(Vec<u8>, bool)> {
    let random = (1..=255_u8).map(|byte| byte.wrapping_mul(151)).collect();
    vec![
        // An unknown kind, a frame that is too long, and too many handles.
        (vec![2, 0, 0, 0, 0, 0, 99], false),
        (vec![255, 255, 255, 255, 0], false),
        (vec![1, 0, 0, 0, 200, 0], false),
        (random, true),
        // A truncated frame.
        (vec![9, 0, 0, 0, 0, 1, 2], true),
        (vec![1], true),
    ]
}

fn write(socket: &Socket, (bytes, ends): &(Vec<u8>, bool)) {
    let mut socket = socket;
    socket.write_all(bytes).expect("room");
    if *ends {
        let _ = socket.shutdown(std::net::Shutdown::Write);
    }
}

#[test]
fn an_invalid_request_ends_a_supervisor_cleanly() {
    for garbage in garbage() {
        let supervisor = Supervisor::start();
        write(&supervisor.socket, &garbage);
        assert!(supervisor.has_ended(), "{garbage:?}");
    }
}

/// Returns a supervisor that a run shares, and its socket. The socket is in the run's directory, which the first value
/// removes.
fn shared() -> (tempfile::TempDir, PathBuf, Supervisor) {
    let place = tempfile::tempdir().expect("a directory");
    let run = place.path().join("run");
    std::fs::create_dir(&run).expect("room");
    let door = run.join("door");
    let mut supervisor = Supervisor::start();
    supervisor.share(&door);
    (place, door, supervisor)
}

#[test]
fn an_invalid_request_ends_one_client_of_a_run() {
    let (place, door, mut supervisor) = shared();
    for garbage in garbage() {
        let client = come_to(&door);
        write(&client, &garbage);
        client.set_nonblocking(false).expect("own socket");
        client.set_read_timeout(Some(SOON)).expect("a timeout");
        let mut rest = Vec::new();
        // A reset is an end too: the supervisor did not read all bytes.
        let _ = (&client).read_to_end(&mut rest).map_err(|error| {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        });
    }
    // The other clients are served as before.
    let reply = call(&supervisor.socket, &mut supervisor.arrived, Request::Drain);
    assert_eq!(reply, Reply::Done);
    send(&supervisor.socket, None, Request::Bye);
    assert!(supervisor.has_ended());
    assert!(!place.path().join("run").exists());
}

/// The kernel may have given the pid of the runner to another process.
#[test]
fn a_runner_that_started_at_another_time_is_refused() {
    let place = tempfile::tempdir().expect("a directory");
    let door = place.path().join("door");
    let mut supervisor = Supervisor::start();
    let started = sys::started_at(Pid::this()).expect("it lives") + 1;
    let reply = supervisor.share_with_this_process(started, &door);
    let Reply::Shared(Err(failure)) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(failure.code, sys::NO_SUCH_PROCESS);
    assert!(!door.exists());
    send(&supervisor.socket, None, Request::Bye);
    assert!(supervisor.has_ended());
}

/// Simulates a supervisor that has no handle left for the run's directory, or another process that removes it.
#[test]
fn a_run_whose_directory_cannot_be_used_is_refused() {
    let place = tempfile::tempdir().expect("a directory");
    let door = place.path().join("door");
    let removing = sys::lock_directory(place.path(), sys::try_lock).expect("own directory");
    assert!(removing.is_some());
    let mut supervisor = Supervisor::start();
    let started = sys::started_at(Pid::this()).expect("it lives");
    let reply = supervisor.share_with_this_process(started, &door);
    let Reply::Shared(Err(failure)) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(failure.code, sys::BUSY);
    assert!(!door.exists());
    drop(supervisor.socket);
    assert!(supervisor.thread.join().is_ok(), "it ends with its test");
    assert!(place.path().exists(), "the files of the run stay");
}

#[test]
fn a_stop_replies_to_its_caller_and_reports_to_the_others() {
    let (_place, door, mut supervisor) = shared();
    let client = come_to(&door);
    let mut arrived = Arrived::default();
    let named = next(&client, &mut arrived);
    assert_eq!(named, Some(Message::Event(Event::Named("test".to_owned()))));
    let plan = StopPlan::ABRUPT;
    let release = None;
    let stop = Request::Stop { plan, release };
    let reply = call(&supervisor.socket, &mut supervisor.arrived, stop);
    assert!(matches!(reply, Reply::Gone(gone) if gone.survivors.is_empty()));
    for event in [Event::Ending, Event::Empty] {
        assert_eq!(next(&client, &mut arrived), Some(Message::Event(event)));
    }
    send(&supervisor.socket, None, Request::Bye);
    assert!(supervisor.has_ended());
}

#[test]
fn a_supervisor_takes_a_lease_on_each_of_its_ports() {
    let place = tempfile::tempdir().expect("a directory");
    let mut supervisor = Supervisor::start();
    for port in [1, 2, 2, 1] {
        let request = Request::Lease {
            directory: place.path().to_owned(),
            port: Some(port),
            holder: "test".to_owned(),
        };
        let reply = call(&supervisor.socket, &mut supervisor.arrived, request);
        assert_eq!(reply, Reply::Leased(Leased::Granted(port)));
        assert!(place.path().join(format!("port-{port}")).exists());
    }
    send(&supervisor.socket, None, Request::Bye);
    assert!(supervisor.has_ended());
}
