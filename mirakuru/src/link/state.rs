//! What a supervisor has sent, as far as it was read: the replies that callers wait for, and the facts about
//! its latest service.

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

/// What a supervisor has sent. Dereferences to the facts about its latest service.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The number of the last call.
    calls: u64,
    /// The calls that wait, each with its reply once that has arrived.
    replies: BTreeMap<u64, Option<Answer>>,
    /// Something has arrived.
    pub(super) is_up: bool,
    /// A call was not replied to in time, and nothing has arrived since.
    pub(super) silent: bool,
    /// Counted, so that each thread that waits sees whether there was news since its look.
    output_news: [u64; 2],
    pub(crate) path_news: u64,
    pub(crate) notices: u64,
    /// The socket came to its end without our asking: somebody killed the supervisor.
    pub(crate) lost: bool,
    /// The number of the latest service; 0 if there was none.
    service: u64,
    /// How earlier services ended.
    former_exits: BTreeMap<u64, i32>,
    latest: Latest,
}

/// The facts about the latest service.
#[derive(Debug, Default)]
pub(crate) struct Latest {
    /// It is being stopped, by whatever test process, or was.
    pub(crate) ending: bool,
    pub(crate) exit: Option<i32>,
    /// The number of the main process, and when this process learned of it, by the clock that can be set.
    pub(super) begun: Option<(u32, Duration)>,
    /// No process of the tree is left.
    pub(crate) empty: bool,
    pub(crate) output_lost: Option<Failure>,
    /// The signals that this process sent to it apart from a stop.
    pub(crate) sent: BTreeSet<i32>,
    /// Nothing more is printed to these streams.
    pub(crate) output_closed: [bool; 2],
    /// What the supervisor removes with the tree; this side does if the supervisor was killed.
    pub(super) leftovers: Vec<Leftover>,
    pub(crate) notified: Notice,
    /// The service asked for more time for its start.
    pub(crate) extended: Option<Deadline>,
    /// The watches of the output streams and of the path that are on their way.
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
    /// What is known where nothing can be asked.
    pub(super) fn lost() -> Self {
        Self {
            lost: true,
            ..Self::default()
        }
    }

    /// Returns the number of a new call, whose reply is kept from now on.
    pub(super) fn begin_call(&mut self) -> u64 {
        self.calls += 1;
        self.replies.insert(self.calls, None);
        self.calls
    }

    pub(super) fn reply(&mut self, number: u64) -> Option<Answer> {
        self.replies.get_mut(&number)?.take()
    }

    /// Drops the reply to this call if it arrives from now on; returns one that is there.
    pub(super) fn end_call(&mut self, number: u64) -> Option<Answer> {
        self.replies.remove(&number).flatten()
    }

    /// The number of the latest service; 0 where there was none.
    pub(crate) fn current(&self) -> u64 {
        self.service
    }

    /// The number of the service that is started next.
    pub(crate) fn next_service(&self) -> u64 {
        self.service + 1
    }

    /// How this service ended.
    pub(crate) fn exit_of(&self, service: u64) -> Option<i32> {
        if service == self.service {
            return self.exit;
        }
        self.former_exits.get(&service).copied()
    }

    /// This service ended, or another was started since.
    pub(crate) fn has_left(&self, service: u64) -> bool {
        self.service > service || (self.service == service && self.has_ended()) || self.lost
    }

    /// Nothing of this service is left, or another was started since.
    pub(crate) fn is_over(&self, service: u64) -> bool {
        self.service > service || (self.service == service && self.empty) || self.lost
    }

    /// The main process ended, or nobody can say.
    pub(crate) fn has_ended(&self) -> bool {
        self.exit.is_some() || self.empty || self.lost
    }

    pub(crate) fn output_news(&self, stream: Stream) -> u64 {
        self.output_news[stream as usize]
    }

    /// The facts about an earlier service are no longer true.
    fn begin_service(&mut self, number: u64) {
        let exit = self.latest.exit.map(|code| (self.service, code));
        self.former_exits.extend(exit);
        self.service = number;
        self.latest = Latest::default();
    }

    /// Replies change what is known too, in the order of the stream and not when their callers see them: what
    /// arrived before the reply to a launch belongs to the service before.
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
                // At the end of a stop by another test process, the supervisor has removed it.
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
                    // A reply whose caller has given up has no place here, and is dropped.
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
