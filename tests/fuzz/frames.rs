//! Fuzz target for the protocol. It decodes random and mutated frames and messages. Each decoded message must encode to
//! the same bytes.

use std::fmt::Debug;
use std::io::Write;
use std::net::Shutdown;

use super::codec::Wire;
use super::frames::Inbox;
use super::tests::{messages, requests};
use super::{Call, Message};
use crate::mutate::mutate;
use crate::rounds::{Rng, rounds};
use crate::sys::Socket;

/// Returns the bytes of every kind of call and message.
fn samples() -> Vec<Vec<u8>> {
    let messages = messages().into_iter().map(|message| message.to_bytes());
    calls().into_iter().chain(messages).collect()
}

fn calls() -> Vec<Vec<u8>> {
    let number = |at: usize| (at % 2 == 0).then_some(at as u64);
    let requests = requests().into_iter().enumerate();
    let calls = requests.map(|(at, request)| Call {
        number: number(at),
        request,
    });
    calls.map(|call| call.to_bytes()).collect()
}

fn assert_stable<T: Wire + Debug>(bytes: &[u8]) {
    if let Some(message) = T::from_bytes(bytes) {
        assert_eq!(message.to_bytes(), bytes, "{message:?}");
    }
}

#[test]
fn decoded_messages_encode_to_the_same_bytes() {
    let samples = samples();
    rounds("frames", |rng| {
        for _ in 0..400 {
            let mut bytes = samples[rng.usize(..samples.len())].clone();
            if rng.u8(..8) == 0 {
                rng.fill(&mut bytes);
            }
            mutate(rng, &mut bytes);
            assert_stable::<Call>(&bytes);
            assert_stable::<Message>(&bytes);
        }
    });
}

/// Returns the bytes of some frames, most of them valid.
fn stream(rng: &mut Rng, samples: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..rng.usize(1..20) {
        let mut bytes = samples[rng.usize(..samples.len())].clone();
        if rng.u8(..12) == 0 {
            mutate(rng, &mut bytes);
        }
        let length = u32::try_from(bytes.len()).expect("a short frame");
        let mut frame = [&length.to_le_bytes()[..], &[rng.u8(..5)], &bytes].concat();
        if rng.u8(..12) == 0 {
            mutate(rng, &mut frame);
        }
        stream.extend(frame);
    }
    stream
}

/// Returns the calls in a stream, up to the first invalid frame.
fn expected(mut stream: &[u8]) -> Vec<Call> {
    let mut calls = Vec::new();
    while let Some((header, rest)) = stream.split_first_chunk::<5>() {
        let [length @ .., descriptors] = *header;
        let frame = rest.split_at_checked(u32::from_le_bytes(length) as usize);
        let Some((frame, rest)) = frame.filter(|_| descriptors <= 4) else {
            break;
        };
        let Some(call) = Call::from_bytes(frame) else {
            break;
        };
        calls.push(call);
        stream = rest;
    }
    calls
}

#[cfg(unix)]
#[test]
fn frames_are_read_whole_from_any_chunks() {
    let samples = calls();
    rounds("frames", |rng| {
        let stream = stream(rng, &samples);
        let (sender, receiver) = Socket::pair().expect("a socket");
        let (mut inbox, mut calls) = (Inbox::default(), Vec::new());
        let mut rest = &stream[..];
        let ended = loop {
            let (part, tail) = rest.split_at(rng.usize(..=rest.len().min(300)));
            (&sender).write_all(part).expect("room");
            rest = tail;
            let whole = inbox.receive::<Call>(&receiver, 9);
            calls.extend(whole.messages.into_iter().map(|(call, _)| call));
            if whole.ended || rest.is_empty() {
                break whole.ended;
            }
        };
        // Closing the socket is not enough: a child that another thread has just forked may still have a copy of it.
        sender.shutdown(Shutdown::Write).expect("a socket");
        let last = inbox.receive::<Call>(&receiver, 9);
        assert!(
            ended || last.ended && last.messages.is_empty(),
            "{stream:?}"
        );
        assert_eq!(calls, expected(&stream), "{stream:?}");
    });
}
