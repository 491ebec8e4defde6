//! The service that a supervisor started last, and everything that lives as long as the service.

use std::time::Duration;

use super::drain::{Drain, copy_kept};
use super::launch::Launched;
use super::timeline;
use crate::protocol::{self, Failure, Identity, Launch, Leftover, Stream, TraceRow};
use crate::sys::{self, Handle, Notices, Tree, Wakeup};
use crate::tmpdir::Private;

#[derive(Default)]
pub(super) struct Service {
    pub(super) tree: Tree,
    /// The writing end of its standard input.
    input: Option<Handle>,
    drains: [Option<Drain>; 2],
    /// The captured files, for the test processes that attach.
    captures: [Option<Handle>; 2],
    /// The files that are removed with the tree.
    pub(super) leftovers: Vec<Leftover>,
    /// The socket that the service reports to.
    pub(super) notices: Option<Notices>,
    row: Option<TraceRow>,
    /// The order that started the service.
    pub(super) order: Option<Launch>,
    launched: Duration,
    /// The wall-clock time of the launch.
    begun: Duration,
    stopped: Option<Duration>,
    /// The description that a test process gets when it attaches.
    pub(super) description: protocol::Service,
}

impl Service {
    pub(super) fn begin(order: Launch, launched: Launched<Tree>, number: u64) -> Self {
        let Launched {
            started: tree,
            input,
            drains,
        } = launched;
        Self {
            input,
            captures: drains.each_ref().map(|drain| drain.as_ref()?.file()),
            drains,
            leftovers: order.leftovers.clone(),
            notices: None,
            row: order.row.clone(),
            launched: sys::monotonic_time(),
            begun: sys::wall_clock(),
            stopped: None,
            description: protocol::Service {
                number,
                pid: tree.pid(),
                command: order.command.clone(),
                words: order.words.clone(),
                ports: order.ports.clone(),
                ..protocol::Service::default()
            },
            tree,
            order: Some(order),
        }
    }

    /// Returns the wake-ups that become ready when the service prints or closes its streams.
    pub(super) fn wakeups(&self) -> impl Iterator<Item = Wakeup<'_>> {
        let drains = self.drains.iter().flatten().filter_map(Drain::wakeup);
        drains
            .chain(self.notices.as_ref().map(Notices::wakeup))
            .chain(self.tree.wakeup())
    }

    /// Takes the service's new output. Returns the reason why output is lost, once.
    pub(super) fn drain(&mut self, buffer: &mut [u8]) -> Option<Failure> {
        for drain in self.drains.iter_mut().flatten() {
            drain.take(buffer);
        }
        let mut drains = self.drains.iter_mut().flatten();
        drains.find_map(Drain::news_of_loss)
    }

    /// Returns the streams that no process can write to any more, each once.
    pub(super) fn news_of_ends(&mut self) -> Vec<Stream> {
        let streams = [Stream::Stdout, Stream::Stderr]
            .into_iter()
            .zip(&mut self.drains);
        let ended = streams.filter_map(|(stream, drain)| {
            let has_ended = drain.as_mut()?.news_of_end();
            has_ended.then_some(stream)
        });
        ended.collect()
    }

    /// Returns how many bytes of each stream are in the files.
    pub(super) fn written(&self) -> [u64; 2] {
        [0, 1].map(|index| self.drains[index].as_ref().map_or(0, Drain::written))
    }

    /// Returns duplicated handles of the captured files.
    pub(super) fn files(&self) -> [Option<Handle>; 2] {
        [0, 1].map(|index| self.captures[index].as_ref()?.try_clone().ok())
    }

    /// Returns a duplicated handle of the writing end of the service's standard input, if it is open.
    pub(super) fn input(&self) -> Option<Handle> {
        self.input.as_ref()?.try_clone().ok()
    }

    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    pub(super) fn note_stop(&mut self) {
        self.stopped.get_or_insert_with(sys::monotonic_time);
    }

    /// Cleans up after the tree is gone, or given up because a process survived. The output stays in `kept`, if given.
    pub(super) fn close(&mut self, kept: Option<&Private>) {
        // A survivor may still use the shared memory.
        let _ = std::mem::take(&mut self.tree).remove_shared_memory(self.begun);
        self.input = None;
        self.drains = [None, None];
        (self.notices, self.order) = (None, None);
        for Leftover { path, user } in std::mem::take(&mut self.leftovers) {
            let _ = sys::remove_file(&path, user.as_ref().map(Identity::as_other));
        }
        if let Some(directory) = kept {
            let number = self.description.number;
            directory.keep_output(number, &mut self.captures, copy_kept);
        }
        if let Some(row) = self.row.take() {
            timeline::append(&row, &self.description, self.launched, self.stopped);
        }
    }
}
