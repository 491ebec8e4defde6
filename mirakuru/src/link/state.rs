//! What a supervisor has told of its service, as far as it was read.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::reading::Reading;
use crate::protocol::{Event, Failure, Gone, Leased, Service, Stream};

/// What the supervisor has told, of the latest service.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub(crate) struct State {
    pub(super) reading: Reading,
    pub(crate) directory: Option<Result<PathBuf, Failure>>,
    pub(super) leased: Option<Leased>,
    pub(super) released: Option<u16>,
    pub(super) shared: Option<Result<(), Failure>>,
    pub(super) described: bool,
    /// What an attachment told, and the captured files.
    pub(super) attached: Option<(Service, Vec<OwnedFd>)>,
    pub(crate) launched: Option<Result<u32, Failure>>,
    /// Which service of this supervisor the rest is told of.
    pub(super) service: u64,
    /// How earlier services ended.
    pub(super) former_exits: Vec<(u64, i32)>,
    /// It is being stopped, by whatever test process, or was.
    pub(crate) ending: bool,
    pub(crate) exit: Option<i32>,
    /// No process of the tree is left.
    pub(crate) empty: bool,
    pub(crate) gone: Option<Gone>,
    pub(crate) output_lost: Option<Failure>,
    /// Counted, so that each who waits sees whether there was one since it looked.
    pub(super) output_news: [u64; 2],
    pub(crate) path_news: u64,
    /// What the supervisor removes with the tree; this side does where somebody killed it.
    pub(super) pid_file: Option<PathBuf>,
    /// The latest [`Event::Drained`].
    pub(super) drained: u64,
    pub(super) watches: Watches,
    /// The socket came to its end without our asking: somebody killed the supervisor.
    pub(crate) lost: bool,
}

/// The watches of the latest service that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    pub(super) output: [bool; 2],
    pub(super) path: bool,
}

impl State {
    /// What is known where nothing can be asked.
    pub(super) fn lost() -> Self {
        Self {
            lost: true,
            ..Self::default()
        }
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
        let former = || {
            self.former_exits
                .iter()
                .find(|(ended, _)| *ended == service)
        };
        if service == self.service {
            self.exit
        } else {
            former().map(|(_, code)| *code)
        }
    }

    /// This service ended, or another was started since.
    pub(crate) fn has_left(&self, service: u64) -> bool {
        self.service > service || (self.service == service && self.has_ended()) || self.lost
    }

    /// The main process ended, or nobody can say.
    pub(crate) fn has_ended(&self) -> bool {
        self.exit.is_some() || self.empty || self.lost
    }

    pub(crate) fn output_news(&self, stream: Stream) -> u64 {
        self.output_news[stream as usize]
    }

    /// What was told of an earlier service is no longer true. Answers stay for who asked.
    pub(super) fn begin_service(&mut self) {
        let mut former = std::mem::take(self);
        former
            .former_exits
            .extend(former.exit.map(|code| (former.service, code)));
        *self = Self {
            reading: former.reading,
            directory: former.directory,
            leased: former.leased,
            released: former.released,
            shared: former.shared,
            described: former.described,
            attached: former.attached,
            output_news: former.output_news,
            path_news: former.path_news,
            drained: former.drained,
            lost: former.lost,
            service: former.service + 1,
            former_exits: former.former_exits,
            ..Self::default()
        };
    }

    pub(super) fn apply(&mut self, event: Event, fds: Vec<OwnedFd>) {
        match event {
            Event::Hello | Event::Named(_) => {}
            Event::Shared(shared) => self.shared = Some(shared),
            Event::Described => self.described = true,
            Event::Service(service) => {
                self.service = service.number;
                (self.exit, self.empty) = (service.exit, service.empty);
                self.attached = Some((*service, fds));
            }
            Event::Began => self.begin_service(),
            Event::Ending => self.ending = true,
            Event::Directory(made) => self.directory = Some(made),
            Event::Leased(leased) => self.leased = Some(leased),
            Event::Released(port) => self.released = Some(port),
            Event::Launched(launched) => {
                // With the answer, not with the question: what was told in between is of the one before.
                if launched.is_ok() {
                    self.begin_service();
                }
                self.launched = Some(launched);
            }
            Event::Exited(code) => self.exit = Some(code),
            Event::Empty => self.empty = true,
            Event::Output(stream) => {
                self.output_news[stream as usize] += 1;
                self.watches.output[stream as usize] = false;
            }
            Event::Path => {
                self.path_news += 1;
                self.watches.path = false;
            }
            Event::Drained(number) => self.drained = self.drained.max(number),
            Event::OutputLost(failure) => self.output_lost = Some(failure),
            Event::Gone(gone) => {
                self.pid_file = None;
                self.empty |= gone.survivors.is_empty();
                self.gone = Some(gone);
            }
        }
    }
}
