//! Tests the round trip of every message, and bytes that are not a message.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::{self, Write};
use std::time::Duration;

use super::codec::Wire;
use super::frames::{Inbox, MAX_FRAME, send};
use super::*;
use crate::limits::Resource;
use crate::sys::{self, Socket};
use crate::wait::Deadline;

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

fn failure() -> Failure {
    Failure {
        step: "fork".into(),
        code: 11,
    }
}

fn plan() -> StopPlan {
    StopPlan {
        signal: 15,
        whole_tree: true,
        kill_signal: -9,
        patience: Duration::new(7, 8),
        kill_patience: Duration::new(9, 10),
    }
}

fn ready() -> Ready {
    Ready {
        at: Duration::from_micros(1_234_567),
        groups: vec![("port".into(), "80".into())],
        begins: [3, u64::MAX],
    }
}

fn launch(cwd: Directory) -> Launch {
    Launch {
        words: vec!["sh".into(), "-c".into()],
        command: "sh -c é".into(),
        ports: vec![("a".to_owned(), 1)],
        env: vec![("A".into(), "".into())],
        cwd,
        identity: Some(Identity {
            user: 1,
            group: 2,
            groups: vec![3, 4],
        }),
        umask: Some(0o22),
        nice: Some(-5),
        rlimits: vec![(Resource::Stack, 1, u64::MAX)],
        streams: [
            StreamTarget::OpenPipe,
            StreamTarget::Given,
            StreamTarget::Captured,
        ],
        on_owner_exit: plan(),
        keep: true,
        busy: Duration::from_nanos(u64::MAX),
        notify: Some("/notify".into()),
        leftovers: vec![Leftover {
            path: "/pid".into(),
            user: Some(Identity {
                user: 1,
                group: 2,
                groups: vec![2],
            }),
        }],
        row: Some(TraceRow {
            file: "/row".into(),
            process: 1,
            program: "test".into(),
            executor: "db".into(),
            test: "t".into(),
        }),
    }
}

pub(super) fn requests() -> Vec<Request> {
    let launch = |cwd| Request::Launch(Box::new(launch(cwd)));
    vec![
        Request::Lease {
            directory: "/locks".into(),
            port: None,
            holder: "pid 1".into(),
        },
        Request::Release(65_535),
        Request::MakeDirectory("/tmp".into()),
        launch(Directory::Root),
        launch(Directory::Inherited("/a".into())),
        launch(Directory::Given("/b".into())),
        Request::Exec(Box::new(Exec {
            words: vec!["pg_isready".into()],
            env: vec![("A".into(), Some("b".into())), ("B".into(), None)],
            cwd: Some(Directory::Given("/c".into())),
            limit: Duration::from_secs(10),
        })),
        Request::Share {
            runner: 1,
            started: 2,
            socket: "/s".into(),
        },
        Request::Ready(ready()),
        Request::Attach,
        Request::Drain,
        Request::Signal {
            signal: 1,
            to_group: true,
        },
        Request::Input(3),
        Request::CloseInput,
        Request::Stop {
            plan: plan(),
            release: Some(80),
        },
        Request::WatchOutput(Stream::Stdout, 1),
        Request::WatchOutput(Stream::Stderr, 0),
        Request::WatchPath("/p".into()),
        Request::ForgetPath,
        Request::Keep,
        Request::Bye,
    ]
}

fn leases() -> Vec<Leased> {
    vec![
        Leased::Granted(1),
        Leased::Elsewhere("pid 2".into()),
        Leased::Refused(failure()),
    ]
}

fn replies() -> Vec<Reply> {
    let service = Service {
        number: 2,
        pid: 3,
        directory: Some("/d".into()),
        exit: Some(-15),
        empty: true,
        ending: false,
        captured: [false, true],
        command: "a b".into(),
        words: vec!["a".into(), "b".into()],
        ports: Vec::new(),
        ready: Some(ready()),
    };
    let gone = Gone {
        forced: true,
        survivors: vec![(1, "init".into())],
    };
    let mut replies = vec![
        Reply::Done,
        Reply::Directory(Ok("/d".into())),
        Reply::Directory(Err(failure())),
        Reply::Shared(Ok(())),
        Reply::Shared(Err(failure())),
        Reply::Ran(Ok(-9)),
        Reply::Ran(Err(failure())),
        Reply::Launched(Ok(1)),
        Reply::Launched(Err(failure())),
        Reply::Service(Box::new(service)),
        Reply::Gone(gone),
    ];
    replies.extend(leases().into_iter().map(Reply::Leased));
    replies
}

fn events() -> Vec<Event> {
    vec![
        Event::Named("name".into()),
        Event::Began,
        Event::Ending,
        Event::Exited(-9),
        Event::Empty,
        Event::Output(Stream::Stderr),
        Event::Path,
        Event::Notified(Notice {
            ready: true,
            status: Some("up".into()),
            extension: Some(Duration::from_secs(1)),
            main: Some(7),
        }),
        Event::OutputLost(failure()),
        Event::OutputClosed(Stream::Stderr),
    ]
}

pub(super) fn messages() -> Vec<Message> {
    let replies = replies().into_iter();
    let replies = replies.map(|reply| Message::Reply(u64::MAX, reply));
    replies
        .chain(events().into_iter().map(Message::Event))
        .collect()
}

/// Asserts that the samples cover every variant of the definition.
fn assert_complete<T: Debug>(samples: &[T], variants: &[&str]) {
    let name = |sample: &T| {
        let text = format!("{sample:?}");
        let end = text.find(|char: char| !char.is_alphanumeric());
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let named: BTreeSet<_> = samples.iter().map(name).collect();
    let defined: BTreeSet<_> = variants.iter().map(ToString::to_string).collect();
    assert_eq!(named, defined);
}

/// Asserts that every sample comes back unchanged, and that no part of its bytes is a message.
fn assert_round_trip<T: Wire + Debug + PartialEq>(samples: &[T]) {
    for sample in samples {
        let bytes = sample.to_bytes();
        assert_eq!(T::from_bytes(&bytes).as_ref(), Some(sample));
        for len in 0..bytes.len() {
            assert_eq!(T::from_bytes(&bytes[..len]), None, "{sample:?}");
        }
        assert_eq!(T::from_bytes(&[&bytes[..], &[0]].concat()), None);
    }
}

#[test]
fn every_variant_has_a_sample() {
    let cwds = [
        Directory::Root,
        Directory::Inherited("/a".into()),
        Directory::Given("/b".into()),
    ];
    assert_complete(&cwds, Directory::VARIANTS);
    let targets = [
        StreamTarget::Null,
        StreamTarget::Given,
        StreamTarget::Captured,
        StreamTarget::OpenPipe,
    ];
    assert_complete(&targets, StreamTarget::VARIANTS);
    assert_complete(&[Stream::Stdout, Stream::Stderr], Stream::VARIANTS);
    assert_complete(&leases(), Leased::VARIANTS);
    assert_complete(&requests(), Request::VARIANTS);
    assert_complete(&replies(), Reply::VARIANTS);
    assert_complete(&events(), Event::VARIANTS);
    assert_complete(&messages(), Message::VARIANTS);
}

#[test]
fn messages_come_back_unchanged() {
    assert_round_trip(&messages());
    for number in [None, Some(1)] {
        let call = |request| Call { number, request };
        let calls: Vec<_> = requests().into_iter().map(call).collect();
        assert_round_trip(&calls);
    }
}

#[test]
fn a_time_without_end_can_be_added_to_the_clock() {
    let time = Duration::from_bytes(&Duration::MAX.to_bytes()).expect("a time");
    assert!(std::time::Instant::now().checked_add(time).is_some());
}

#[test]
fn bytes_of_unknown_kinds_are_not_a_message() {
    for kind in u8::try_from(Request::VARIANTS.len()).expect("few")..=u8::MAX {
        assert_eq!(Request::from_bytes(&[kind]), None);
        assert_eq!(Message::from_bytes(&[1, kind]), None);
    }
}

#[test]
fn random_bytes_are_decoded_without_a_panic() {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    for _ in 0..20_000 {
        let len = usize::from(next());
        let mut bytes: Vec<_> = (0..len).map(|_| next()).collect();
        let _ = Message::from_bytes(&bytes);
        // A call without a number, and with a request of a known kind.
        bytes.splice(0..0, [0, next() % 15]);
        let _ = Call::from_bytes(&bytes);
    }
}

#[test]
fn a_frame_that_is_too_long_is_refused_by_its_header() {
    let (mut sender, receiver) = Socket::pair().expect("a socket");
    let len = u32::try_from(MAX_FRAME + 1).expect("below 4 GiB");
    sender.write_all(&len.to_le_bytes()).expect("room");
    sender.write_all(&[0]).expect("room");
    let refused = Inbox::default().receive::<u8>(&receiver, 9);
    assert!(refused.ended, "it is too long");
    let (mut other, longest) = Socket::pair().expect("a socket");
    let len = u32::try_from(MAX_FRAME).expect("below 4 GiB");
    other.write_all(&len.to_le_bytes()).expect("room");
    other.write_all(&[0]).expect("room");
    let begun = Inbox::default().receive::<u8>(&longest, 9);
    assert!(!begun.ended, "the rest may come");
    let too_long = vec![0_u8; MAX_FRAME + 1];
    let sent = send(&sender, &too_long, &[], soon());
    let error = sent.expect_err("it is too long").raw_os_error();
    assert_eq!(error, Some(sys::TOO_LONG));
}

#[test]
fn handles_arrive_with_their_frame() {
    let (sender, receiver) = Socket::pair().expect("a socket");
    let handles = [(); 2].map(|()| tempfile::tempfile().expect("room").into());
    for count in [0_u8, 2, 1] {
        send(&sender, &count, &handles[..usize::from(count)], soon()).expect("room");
    }
    let arrived = Inbox::default().receive::<u8>(&receiver, 9);
    let counts = arrived.messages.iter();
    let counts: Vec<_> = counts
        .map(|(count, handles)| (*count, handles.len()))
        .collect();
    assert_eq!(counts, [(0, 0), (2, 2), (1, 1)]);
    assert!(!arrived.ended);
}

#[cfg(unix)]
#[test]
fn handles_travel_once_with_a_frame_that_is_sent_in_parts() {
    let (sender, receiver) = Socket::pair().expect("a socket");
    let message = vec![0_u8; 4 << 20];
    let mut handles = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let handle = tempfile::tempfile().expect("room").into();
            send(&sender, &message, &[handle], soon()).expect("the other end reads");
        });
        let mut buffer = [0; 16 << 10];
        loop {
            match sys::receive(&receiver, &mut buffer, &mut handles) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => {
                    sys::await_readable([sys::wakeup_of(&receiver)], Duration::from_secs(1));
                }
            }
        }
    });
    assert_eq!(handles.len(), 1);
}

#[cfg(unix)]
#[test]
fn handles_that_no_frame_declares_are_closed() {
    let (sender, receiver) = Socket::pair().expect("a socket");
    let (kept, watched) = io::pipe().expect("a pipe");
    let copy = |_| sys::copy_of(&watched).expect("room");
    let handles: Vec<_> = (0..100).map(copy).collect();
    // A whole frame without handles, and the beginning of another.
    let frame = [1, 0, 0, 0, 0, 7, 9, 0, 0, 0, 1];
    sys::send(&sender, &frame, &handles).expect("room");
    drop((watched, handles));
    let mut inbox = Inbox::default();
    let (_, handles) = inbox.receive::<u8>(&receiver, 9).messages.remove(0);
    assert!(handles.is_empty());
    // The second frame has declared one handle, which is all that is left.
    (&sender).write_all(&[0; 9]).expect("room");
    let (_, handles) = inbox.receive::<(u8, u64)>(&receiver, 9).messages.remove(0);
    assert_eq!(handles.len(), 1);
    drop(handles);
    let all = io::read_to_string(kept).expect("every other end is closed");
    assert_eq!(all, "");
}
