//! The captured file of one stream: the supervisor appends, and this side reads at offsets, so any
//! number of readers need no lock between them.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use crate::link::{Link, State};
use crate::protocol::Stream;
use crate::protocol::capture::{HEAD, kept_from};

/// Captured output of one stream of one start.
#[derive(Debug)]
pub(crate) struct Capture {
    file: File,
    pub(super) stream: Stream,
    /// Bounds every wait for more.
    pub(super) timeout: Duration,
    /// Where a fresh handle begins: after the banner.
    pub(super) begin: AtomicU64,
    /// Who tells that there is more. Weak, so that reading keeps nothing alive.
    link: OnceLock<Weak<Link>>,
    /// The number of the service that prints, among those of its supervisor.
    pub(super) service: AtomicU64,
}

impl Capture {
    pub(crate) fn new(stream: Stream, timeout: Duration) -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile().map_err(nowhere_to_keep_it)?,
            stream,
            timeout,
            begin: AtomicU64::new(0),
            link: OnceLock::new(),
            service: AtomicU64::new(0),
        })
    }

    /// The capture of a service that another test process started.
    pub(crate) fn of_another(
        stream: Stream,
        timeout: Duration,
        file: OwnedFd,
        begin: u64,
        service: u64,
        link: &Arc<Link>,
    ) -> Self {
        Self {
            file: file.into(),
            stream,
            timeout,
            begin: AtomicU64::new(begin),
            link: OnceLock::from(Arc::downgrade(link)),
            service: AtomicU64::new(service),
        }
    }

    /// Where a fresh handle begins.
    pub(crate) fn begin(&self) -> u64 {
        self.begin.load(Ordering::Relaxed)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Before the service is started.
    pub(crate) fn attach(&self, link: &Arc<Link>) {
        self.service
            .store(link.look(State::next_service), Ordering::Relaxed);
        let _ = self.link.set(Arc::downgrade(link));
    }

    pub(crate) fn begin_at(&self, offset: u64) {
        self.begin.store(offset, Ordering::Relaxed);
    }

    /// How much was printed.
    pub(crate) fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.link.get()?.upgrade()
    }

    /// What is kept from `from` on, at most `most` bytes, and where it begins: further on than
    /// asked where the rest of a flood was given up.
    pub(super) fn read(&self, from: u64, most: usize) -> (u64, Vec<u8>) {
        let mut from = from;
        loop {
            let mut bytes = vec![0; most];
            let len = self.file.read_at(&mut bytes, from).unwrap_or(0);
            bytes.truncate(len);
            // Looked at afterwards: what was given up meanwhile reads as zeros.
            let kept_from = kept_from(self.len());
            if kept_from == HEAD || from >= kept_from {
                return (from, bytes);
            }
            if from < HEAD {
                bytes.truncate(usize::try_from(HEAD - from).unwrap_or(usize::MAX));
                return (from, bytes);
            }
            let given_up = usize::try_from(kept_from - from).unwrap_or(usize::MAX);
            from = kept_from;
            if given_up < bytes.len() {
                bytes.drain(..given_up);
                return (from, bytes);
            }
        }
    }

    pub(super) fn read_all(&self) -> (Vec<u8>, u64) {
        let size = self.len();
        let (_, mut head) = self.read(0, usize::try_from(HEAD.min(size)).unwrap_or(0));
        if size <= HEAD {
            return (head, 0);
        }
        // Not from the gap on: that may be gigabytes.
        let begin = kept_from(size);
        let (from, tail) = self.read(begin, usize::try_from(size - begin).unwrap_or(0));
        let missing = from - HEAD;
        if missing > 0 {
            head.extend_from_slice(format!("\n[… {missing} bytes are not kept …]\n").as_bytes());
        }
        head.extend_from_slice(&tail);
        (head, missing)
    }
}

/// Names the place where it is what is wrong, as `TMPDIR` may be.
fn nowhere_to_keep_it(error: io::Error) -> io::Error {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    let (NotADirectory | NotFound | PermissionDenied | ReadOnlyFilesystem) = error.kind() else {
        return error;
    };
    let place = tempfile::env::temp_dir();
    let said = format!("{error}, for a file in {}", place.display());
    io::Error::new(error.kind(), said)
}
