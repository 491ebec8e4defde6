//! Fuzz target for a live supervisor. It receives valid, mutated or random calls. It must exit in time and without a
//! panic, and no process of its tree may be left.
#![cfg(unix)]

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use super::open::{run_again, unique_name};
use crate::mutate::mutate;
use crate::protocol::frames::{self, Inbox};
use crate::protocol::{
    Call, Directory, Exec, Launch, MARK, Message, Ready, Request, StopPlan, Stream, StreamTarget,
};
use crate::rounds::{Rng, one, rounds};
use crate::sys::{self, Handle, Socket};
use crate::wait::Deadline;

/// Far longer than any stop in these rounds takes.
const SOON: Duration = Duration::from_secs(30);
/// The longest timeout of a stop.
const PATIENCE: Duration = Duration::from_millis(200);

const SCRIPTS: [&str; 5] = [
    "exec sleep 60",
    "setsid sleep 60 & exec sleep 60",
    "trap '' TERM; sleep 60; sleep 60",
    "echo printed; exit 3",
    "setsid sh -c 'trap \"\" TERM; sleep 60' & exit 0",
];

fn plan(rng: &mut Rng) -> StopPlan {
    StopPlan {
        signal: [15, 2, 9, 0, -1][rng.usize(..5)],
        whole_tree: rng.bool(),
        kill_signal: [9, 9, 3, 64][rng.usize(..4)],
        patience: PATIENCE,
        kill_patience: PATIENCE,
    }
}

fn words(rng: &mut Rng) -> Vec<OsString> {
    let script = one(rng, &SCRIPTS);
    vec!["sh".into(), "-c".into(), script.into()]
}

fn launch(rng: &mut Rng) -> Launch {
    let target = |rng: &mut Rng| {
        [
            StreamTarget::Null,
            StreamTarget::Given,
            StreamTarget::Captured,
            StreamTarget::OpenPipe,
        ][rng.usize(..4)]
    };
    Launch {
        words: words(rng),
        command: "sh".to_owned(),
        ports: Vec::new(),
        env: vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())],
        cwd: Directory::Root,
        identity: None,
        umask: None,
        nice: None,
        rlimits: Vec::new(),
        streams: [StreamTarget::OpenPipe, target(rng), target(rng)],
        on_owner_exit: plan(rng),
        keep: false,
        busy: Duration::ZERO,
        notify: None,
        leftovers: Vec::new(),
        row: None,
    }
}

fn request(rng: &mut Rng, place: &Path, runner: Option<&Child>) -> Request {
    let begins = [0, u64::MAX];
    match rng.u8(..18) {
        0..4 => Request::Launch(Box::new(launch(rng))),
        4 => Request::Lease {
            directory: place.join("locks"),
            port: [None, Some(0), Some(1)][rng.usize(..3)],
            holder: "é".to_owned(),
        },
        5 => Request::Release(rng.u16(..)),
        6 => Request::MakeDirectory(place.to_owned()),
        7 => Request::Exec(Box::new(Exec {
            words: words(rng),
            env: vec![("A".into(), None)],
            cwd: None,
            limit: PATIENCE,
        })),
        8 => match runner {
            Some(runner) => Request::Share {
                runner: runner.id(),
                started: sys::process_of(runner.id())
                    .and_then(sys::started_at)
                    .unwrap_or(0),
                socket: place.join("run/door"),
            },
            None => Request::Keep,
        },
        9 => Request::Ready(Ready {
            begins,
            ..Ready::default()
        }),
        10 => Request::Attach,
        11 => Request::Drain,
        12 => Request::Signal {
            signal: rng.i32(-2..66),
            to_group: rng.bool(),
        },
        13 => Request::Input(rng.u64(..3)),
        14 => Request::CloseInput,
        15 => Request::Stop {
            plan: plan(rng),
            release: Some(1),
        },
        16 => Request::WatchOutput(
            [Stream::Stdout, Stream::Stderr][rng.usize(..2)],
            rng.u64(..9),
        ),
        _ => Request::WatchPath(place.join("run")),
    }
}

/// Returns the bytes of calls, some of them invalid.
fn stream(rng: &mut Rng, place: &Path, runner: Option<&Child>) -> Vec<u8> {
    let mut stream = Vec::new();
    for at in 0..rng.u64(1..12) {
        let number = rng.bool().then_some(at);
        let request = request(rng, place, runner);
        let mut frame = bytes_of(&Call { number, request }, &[]);
        if rng.u8(..6) == 0 {
            mutate(rng, &mut frame);
        }
        stream.extend(frame);
    }
    if rng.u8(..6) == 0 {
        stream.extend((0..rng.usize(..100)).map(|_| rng.u8(..)));
    }
    stream
}

fn bytes_of(call: &Call, handles: &[Handle]) -> Vec<u8> {
    let (sender, mut receiver) = Socket::pair().expect("a socket");
    frames::send(&sender, call, handles, Deadline::after(SOON)).expect("room");
    drop(sender);
    let mut bytes = Vec::new();
    receiver.read_to_end(&mut bytes).expect("all that was sent");
    bytes
}

/// Returns the calls at the beginning of these bytes, and the rest of the bytes.
fn calls_in(bytes: &[u8]) -> (Vec<Call>, &[u8]) {
    let (mut sender, receiver) = Socket::pair().expect("a socket");
    sender.write_all(bytes).expect("room");
    let whole = Inbox::default().receive::<Call>(&receiver, usize::MAX);
    let calls: Vec<_> = whole.messages.into_iter().map(|(call, _)| call).collect();
    let length: usize = calls.iter().map(|call| bytes_of(call, &[]).len()).sum();
    (calls, &bytes[length..])
}

/// Changes a mutated call so that it can neither harm this machine nor wait for years.
fn tame(request: &mut Request, place: &Path) {
    let inside = |path: &mut PathBuf| {
        if !path.starts_with(place) || path.components().any(|part| part.as_os_str() == "..") {
            *path = place.join("run/other");
        }
    };
    let short = |time: &mut Duration| *time = (*time).min(PATIENCE);
    let harmless = |words: &mut Vec<OsString>| {
        let is_known = |word: &OsString| SCRIPTS.iter().any(|known| word == known);
        if words.first().is_some_and(|program| program == "sh")
            && !words.get(2).is_some_and(is_known)
        {
            words.truncate(1);
        }
    };
    match request {
        Request::Launch(order) => {
            harmless(&mut order.words);
            let plan = &mut order.on_owner_exit;
            [&mut plan.patience, &mut plan.kill_patience, &mut order.busy]
                .into_iter()
                .for_each(short);
            order.leftovers.clear();
            order.notify.iter_mut().for_each(inside);
            order.row = None;
        }
        Request::Exec(exec) => {
            harmless(&mut exec.words);
            short(&mut exec.limit);
        }
        Request::Stop { plan, .. } => {
            [&mut plan.patience, &mut plan.kill_patience]
                .into_iter()
                .for_each(short);
        }
        Request::Lease {
            directory: path, ..
        }
        | Request::MakeDirectory(path)
        | Request::Share { socket: path, .. } => inside(path),
        _ => {}
    }
}

/// Sends the calls, with the right number of descriptors or too many or too few, and then the rest of the bytes.
/// Returns whether the whole stream consists of calls. The supervisor may be gone.
fn send(rng: &mut Rng, socket: &Socket, stream: &[u8], place: &Path, held: &Handle) -> bool {
    let handles = |rng: &mut Rng| -> Vec<Handle> {
        let count = [2, 2, 2, 2, 0, 1, 3][rng.usize(..7)];
        (0..count)
            .map(|_| held.try_clone().expect("a descriptor"))
            .collect()
    };
    let (calls, rest) = calls_in(stream);
    for mut call in calls {
        tame(&mut call.request, place);
        let _ = frames::send(socket, &call, &handles(rng), Deadline::after(SOON));
        if rng.u8(..3) == 0 {
            receive(socket, Duration::from_millis(rng.u64(..20)));
        }
    }
    let _ = sys::send(socket, rest, &handles(rng));
    rest.is_empty()
}

/// Receives the messages of the supervisor.
fn receive(socket: &Socket, wait: Duration) {
    let _ = sys::await_readable([sys::wakeup_of(socket)], wait);
    Inbox::default().receive::<Message>(socket, 1);
}

/// Returns whether no process has the other end of the pipe any more.
fn is_released(mut pipe: io::PipeReader) -> bool {
    let deadline = Deadline::after(SOON);
    while sys::await_readable([sys::wakeup_of(&pipe)], deadline.remaining()) == Some(vec![true]) {
        if pipe.read(&mut [0; 4096]).is_ok_and(|length| length == 0) {
            return true;
        }
    }
    false
}

fn round(rng: &mut Rng) {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path();
    std::fs::create_dir(place.join("run")).expect("room");
    let mut runner =
        (rng.u8(..4) == 0).then(|| Command::new("sleep").arg("60").spawn().expect("it starts"));
    let name = unique_name();
    let (socket, supervisor, _) = run_again(&name).expect("it starts");
    let (released, held) = io::pipe().expect("a pipe");
    let held = Handle::from(held);

    let stream = stream(rng, place, runner.as_ref());
    let is_whole = send(rng, &socket, &stream, place, &held);
    let socket = match rng.u8(..3) {
        0 => {
            let _ = socket.shutdown(Shutdown::Write);
            Some(socket)
        }
        // After a part of a frame, the supervisor would read this call as the rest of that frame.
        1 if is_whole => {
            let call = Call {
                number: None,
                request: Request::Bye,
            };
            let _ = frames::send(&socket, &call, &[], Deadline::after(SOON));
            Some(socket)
        }
        _ => {
            drop(socket);
            None
        }
    };
    if let Some(runner) = &mut runner {
        let _ = (runner.kill(), runner.wait());
    }
    assert!(supervisor.ended_within(SOON), "it hangs: {stream:?}");
    assert!(supervisor.reap(), "it panicked or was killed: {stream:?}");
    // An unread reply in the socket may carry a descriptor.
    drop((held, socket));
    assert!(
        is_released(released),
        "a process or a descriptor is left: {stream:?}"
    );
    let left = sys::marked(&format!("{MARK}={name}"));
    assert_eq!(left.expect("free descriptors"), [], "{stream:?}");
}

#[test]
fn a_supervisor_ends_in_good_order_after_any_input() {
    rounds("supervisor", round);
}
