//! The watches that test processes ask for: of a path, and of captured output. A watch reports once and then
//! waits until it is asked for again, so that a test process that does not listen is never flooded.

use std::path::Path;

use super::clients::Clients;
use crate::protocol::{Event, Stream};
use crate::sys::Wakeups;

/// The watch of a path. It remembers a change between two requests.
#[derive(Default)]
pub(super) struct PathWatch {
    /// The client that asked.
    by: u64,
    on: bool,
    asked: bool,
    changed: bool,
}

impl PathWatch {
    pub(super) fn begin(&mut self, wakeups: &mut Wakeups, path: &Path, by: u64) {
        if !self.on {
            self.on = wakeups.watch(path);
        }
        (self.asked, self.by) = (true, by);
    }

    pub(super) fn end(&mut self, wakeups: &mut Wakeups) {
        wakeups.forget();
        *self = Self::default();
    }

    pub(super) fn note(&mut self, changed: bool) {
        self.changed |= changed && self.on;
    }

    pub(super) fn answer(&mut self, clients: &mut Clients) {
        if self.asked && self.changed {
            (self.asked, self.changed) = (false, false);
            clients.tell(self.by, Event::Path, &[]);
        }
    }
}

/// Reports output to every client that has read less than what is in the files.
pub(super) fn answer_output_watches(clients: &mut Clients, written: [u64; 2]) {
    let mut due = Vec::new();
    for client in clients.iter_mut() {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let index = stream as usize;
            let watch = &mut client.watched_output[index];
            if watch.take_if(|seen| *seen < written[index]).is_some() {
                due.push((client.id, stream));
            }
        }
    }
    for (id, stream) in due {
        clients.tell(id, Event::Output(stream), &[]);
    }
}
