//! The watches that test processes request: of a path, and of captured output.
//!
//! A watch reports once, and must then be requested again. A test process that does not listen is never flooded.

use std::path::Path;

use super::clients::Clients;
use crate::protocol::{Event, Stream};
use crate::sys::Wakeups;

/// The watch of a path. It remembers a change that happens between two requests.
#[derive(Default)]
pub(super) struct PathWatch {
    on: bool,
    /// The client that requested the watch.
    asked: Option<u64>,
    changed: bool,
}

impl PathWatch {
    pub(super) fn begin(&mut self, wakeups: &mut Wakeups, path: &Path, by: u64) {
        if !self.on {
            self.on = wakeups.watch(path);
        }
        self.asked = Some(by);
    }

    pub(super) fn end(&mut self, wakeups: &mut Wakeups) {
        wakeups.forget();
        *self = Self::default();
    }

    pub(super) fn note(&mut self, changed: bool) {
        self.changed |= changed && self.on;
    }

    pub(super) fn answer(&mut self, clients: &mut Clients) {
        if let Some(client) = self.asked.take_if(|_| self.changed) {
            self.changed = false;
            clients.send_event(client, Event::Path, &[]);
        }
    }
}

/// Reports output to every client that has read less than is in the files.
pub(super) fn answer_output_watches(clients: &mut Clients, written: [u64; 2]) {
    for id in clients.ids() {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let index = stream as usize;
            let watch = clients
                .get(id)
                .map(|client| &mut client.watched_output[index]);
            let due = watch.and_then(|watch| watch.take_if(|seen| *seen < written[index]));
            if due.is_some() {
                clients.send_event(id, Event::Output(stream), &[]);
            }
        }
    }
}
