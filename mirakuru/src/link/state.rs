//! The state of a link: the replies that callers wait for, and the facts about the supervisor's latest service, from
//! the messages that were read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::reader::Known;
use super::socket::Read;
use crate::protocol::{Event, Failure, Leftover, Message, Notice, Reply, Service, Stream};
use crate::sys::{self, Handle};
use crate::wait::Deadline;

/// A reply and its handles.
pub(super) type Answer = (Reply, Vec<Handle>);

/// The state that a supervisor's messages describe. Dereferences to the facts about its latest service.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The number of the last call.
    calls: u64,
    /// The waiting calls, each with its reply if that has arrived.
    replies: BTreeMap<u64, Option<Answer>>,
    /// A message has arrived.
    pub(super) is_up: bool,
    /// A call got no reply in time, and no message has arrived since.
    pub(super) silent: bool,
    /// Counters, so that each thread that waits sees whether there was news since its last look.
    output_news: [u64; 2],
    pub(crate) path_news: u64,
    pub(crate) notices: u64,
    /// The socket ended without our request: the supervisor was killed.
    pub(crate) lost: bool,
    /// The number of the latest service; 0 if there was none.
    service: u64,
    /// The exit codes of earlier services.
    former_exits: BTreeMap<u64, i32>,
    latest: Latest,
}

/// The facts about the latest service.
#[derive(Debug, Default)]
pub(crate) struct Latest {
    /// A test process, not necessarily this one, stops the service, or has stopped it.
    pub(crate) ending: bool,
    pub(crate) exit: Option<i32>,
    /// The pid of the main process, and the wall-clock time at which this process learned of it.
    pub(super) begun: Option<(u32, Duration)>,
    /// No process of the tree is left.
    pub(crate) empty: bool,
    pub(crate) output_lost: Option<Failure>,
    /// The signals that this process sent to the service, other than to stop it.
    pub(crate) sent: BTreeSet<i32>,
    /// No process can print to these streams any more.
    pub(crate) output_closed: [bool; 2],
    /// The files that the supervisor removes with the tree. This process removes them if the supervisor was killed.
    pub(super) leftovers: Vec<Leftover>,
    pub(crate) notified: Notice,
    /// The deadline of the start, after the service requested more time.
    pub(crate) extended: Option<Deadline>,
    /// The active watches of the output streams and of the path.
    pub(super) output_watched: [bool; 2],
    pub(super) path_watched: bool,
}

impl Deref for State {
    type Target = Latest;

    fn deref(&self) -> &Latest {
        &self.latest
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut Latest {
        &mut self.latest
    }
}

impl State {
    /// Returns the state for a supervisor that cannot be asked.
    pub(super) fn lost() -> Self {
        Self {
            lost: true,
            ..Self::default()
        }
    }

    /// Returns the number of a new call, and keeps its reply from now on.
    pub(super) fn begin_call(&mut self) -> u64 {
        self.calls += 1;
        self.replies.insert(self.calls, None);
        self.calls
    }

    pub(super) fn reply(&mut self, number: u64) -> Option<Answer> {
        self.replies.get_mut(&number)?.take()
    }

    /// Stops waiting for the reply to this call. Returns the reply if it has already arrived.
    pub(super) fn end_call(&mut self, number: u64) -> Option<Answer> {
        self.replies.remove(&number).flatten()
    }

    /// Returns the number of the latest service, or 0 if there was none.
    pub(crate) fn current(&self) -> u64 {
        self.service
    }

    /// Returns the number of the service that is started next.
    pub(crate) fn next_service(&self) -> u64 {
        self.service + 1
    }

    /// Returns the exit code of this service.
    pub(crate) fn exit_of(&self, service: u64) -> Option<i32> {
        if service == self.service {
            return self.exit;
        }
        self.former_exits.get(&service).copied()
    }

    /// Returns whether this service has ended, or another was started since.
    pub(crate) fn has_left(&self, service: u64) -> bool {
        self.service > service || (self.service == service && self.has_ended()) || self.lost
    }

    /// Returns whether no process of this service is left, or another was started since.
    pub(crate) fn is_over(&self, service: u64) -> bool {
        self.service > service || (self.service == service && self.empty) || self.lost
    }

    /// Returns whether the main process has ended, or its state cannot be known.
    pub(crate) fn has_ended(&self) -> bool {
        self.exit.is_some() || self.empty || self.lost
    }

    pub(crate) fn output_news(&self, stream: Stream) -> u64 {
        self.output_news[stream as usize]
    }

    /// Starts the state of a new service, and drops the facts about the earlier one.
    fn begin_service(&mut self, number: u64) {
        let exit = self.latest.exit.map(|code| (self.service, code));
        self.former_exits.extend(exit);
        self.service = number;
        self.latest = Latest::default();
    }

    /// Applies a reply to the state. This happens in the order of the stream and not when the callers see the replies:
    /// messages that arrived before the reply to a launch belong to the earlier service.
    fn note_reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Launched(Ok(pid)) => {
                self.begin_service(self.service + 1);
                self.begun = Some((*pid, sys::wall_clock()));
            }
            Reply::Service(service) => self.note_service(service),
            Reply::Gone(gone) => {
                self.leftovers.clear();
                self.begun = None;
                self.empty |= gone.survivors.is_empty();
            }
            _ => {}
        }
    }

    fn note_service(&mut self, service: &Service) {
        if service.number != self.service {
            self.begin_service(service.number);
        }
        (self.exit, self.empty) = (service.exit, service.empty);
        self.ending |= service.ending;
    }

    fn note_event(&mut self, event: Event) {
        match event {
            Event::Named(_) => {}
            Event::Began => self.begin_service(self.service + 1),
            Event::Ending => self.ending = true,
            Event::Exited(code) => self.exit = Some(code),
            Event::Empty => {
                self.empty = true;
                // The supervisor removed them at the end of a stop by another test process.
                if self.ending {
                    self.leftovers.clear();
                }
            }
            Event::Output(stream) => {
                self.output_news[stream as usize] += 1;
                self.output_watched[stream as usize] = false;
            }
            Event::Path => {
                self.path_news += 1;
                self.path_watched = false;
            }
            Event::Notified(notice) => {
                self.notices += 1;
                self.extended = notice.extension.map(Deadline::after).or(self.extended);
                self.notified.ready |= notice.ready;
                if notice.main.is_some() {
                    self.exit = None;
                }
                let (status, main) = (self.notified.status.take(), self.notified.main);
                self.notified.status = notice.status.or(status);
                self.notified.main = notice.main.or(main);
            }
            Event::OutputClosed(stream) => self.output_closed[stream as usize] = true,
            Event::OutputLost(failure) => self.output_lost = Some(failure),
        }
    }
}

impl Known<Read> for State {
    fn apply(&mut self, read: Read) {
        self.silent &= read.messages.is_empty();
        self.is_up |= !read.messages.is_empty();
        for (message, handles) in read.messages {
            match message {
                Message::Event(event) => self.note_event(event),
                Message::Reply(number, reply) => {
                    self.note_reply(&reply);
                    // A reply is dropped if its caller has given up and removed the place for it.
                    if let Some(place) = self.replies.get_mut(&number) {
                        *place = Some((reply, handles));
                    }
                }
            }
        }
        self.lost |= read.ended;
    }

    fn is_over(&self) -> bool {
        self.lost
    }
}
