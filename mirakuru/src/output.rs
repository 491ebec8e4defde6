//! What a service printed: the captured files of one stream, read from the test's side.
//!
//! The supervisor appends and this side reads at offsets, so any number of readers need no lock
//! between them. Lines end at a newline; the last one counts without it once the process ended.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use regex::{Regex, bytes};

use crate::error::{Error, ErrorKind, Result, Scene};
use crate::supervisor::link::{Link, State};
use crate::supervisor::protocol::Stream;
use crate::supervisor::{HEAD, kept_from};
use crate::wait::Deadline;

/// The most that is read at once while looking for a line.
const CHUNK: usize = 64 * 1024;
/// A line longer than this is cut.
const LONGEST_LINE: usize = 1 << 20;

/// Captured output of one stream of one start.
#[derive(Debug)]
pub(crate) struct Capture {
    file: File,
    stream: Stream,
    /// Bounds every wait for more.
    timeout: Duration,
    /// Where a fresh handle begins: after the banner.
    begin: AtomicU64,
    /// Who tells that there is more. Weak, so that reading keeps nothing alive.
    link: Mutex<Weak<Link>>,
    /// The number of the service that prints, among those of its supervisor.
    service: AtomicU64,
}

impl Capture {
    pub(crate) fn new(stream: Stream, timeout: Duration) -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            stream,
            timeout,
            begin: AtomicU64::new(0),
            link: Mutex::default(),
            service: AtomicU64::new(0),
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Before the service is started.
    pub(crate) fn attach(&self, link: &Arc<Link>) {
        self.service
            .store(link.look(State::next_service), Ordering::Relaxed);
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(link);
    }

    pub(crate) fn begin_at(&self, offset: u64) {
        self.begin.store(offset, Ordering::Relaxed);
    }

    /// How much was printed.
    pub(crate) fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .upgrade()
    }

    /// What is kept from `from` on, at most `most` bytes, and where it begins: further on than
    /// asked where the rest of a flood was given up.
    fn read(&self, from: u64, most: usize) -> (u64, Vec<u8>) {
        let mut bytes = vec![0; most];
        let len = self.file.read_at(&mut bytes, from).unwrap_or(0);
        bytes.truncate(len);
        // Looked at afterwards: what was given up meanwhile reads as zeros.
        let kept_from = kept_from(self.len());
        if kept_from == HEAD || from >= kept_from {
            (from, bytes)
        } else if from < HEAD {
            bytes.truncate(usize::try_from(HEAD - from).unwrap_or(usize::MAX));
            (from, bytes)
        } else {
            self.read(kept_from, most)
        }
    }

    fn read_all(&self) -> (Vec<u8>, u64) {
        let size = self.len();
        let (_, mut head) = self.read(0, usize::try_from(HEAD.min(size)).unwrap_or(0));
        if size <= HEAD {
            return (head, 0);
        }
        let (from, tail) = self.read(HEAD, usize::try_from(size - HEAD).unwrap_or(0));
        let missing = from - HEAD;
        if missing > 0 {
            head.extend_from_slice(format!("\n[… {missing} bytes are not kept …]\n").as_bytes());
        }
        head.extend_from_slice(&tail);
        (head, missing)
    }
}

/// What a service has printed to one of its standard streams, and will.
///
/// A handle has a place in the stream, which [`lines`](Self::lines) and
/// [`wait_for`](Self::wait_for) move on; a fresh one stands after the banner where there was one,
/// and at the start otherwise. Of what was printed the first mebibyte and the last 64 are kept. It
/// can be read after [`stop`](crate::Executor::stop) too.
///
/// ```
/// use mirakuru::OutputExecutor;
///
/// # fn main() -> mirakuru::Result<()> {
/// let service = OutputExecutor::new("sh -c 'echo ready; echo first; sleep 60'", "ready").started()?;
/// let output = service.output();
/// assert_eq!(output.wait_for("fir")?, "first");
/// assert_eq!(output.text(), "ready\nfirst\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Output {
    capture: Option<Arc<Capture>>,
    command: Arc<str>,
    reader: Arc<Mutex<Reader>>,
}

impl Output {
    pub(crate) fn new(capture: Option<Arc<Capture>>, command: &Arc<str>) -> Self {
        let begin = capture
            .as_ref()
            .map_or(0, |capture| capture.begin.load(Ordering::Relaxed));
        Self {
            capture,
            command: Arc::clone(command),
            reader: Arc::new(Mutex::new(Reader::at(begin))),
        }
    }

    /// All that was printed so far, as it was printed; what is not UTF-8 is replaced. Empty where
    /// the stream is not captured.
    #[must_use]
    pub fn text(&self) -> String {
        let all = self
            .capture
            .as_ref()
            .map(|capture| capture.read_all().0)
            .unwrap_or_default();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The last `n` lines that were printed so far.
    #[must_use]
    pub fn tail(&self, n: usize) -> String {
        let Some(capture) = &self.capture else {
            return String::new();
        };
        let size = capture.len();
        let (_, bytes) = capture.read(size.saturating_sub(LONGEST_LINE as u64), LONGEST_LINE);
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(n)..].join("\n")
    }

    /// The lines from this handle's place on, without their ends and without colours. Where there
    /// is no further one yet it is waited for, until the process ends or the executor's timeout.
    ///
    /// # Errors
    ///
    /// An item is `TimeoutExpired` where no line came within the executor's timeout, and the last.
    #[must_use]
    pub fn lines(&self) -> Lines {
        Lines {
            output: self.clone(),
            failed: false,
        }
    }

    /// The next line that `pattern`, a regular expression, is found in; colours are ignored. The
    /// handle then stands behind it.
    ///
    /// # Errors
    ///
    /// `TimeoutExpired` where no such line came within the executor's timeout,
    /// `ProcessExitedWithError` where the process ended before, `InvalidConfig` for a pattern that
    /// is no regular expression.
    pub fn wait_for(&self, pattern: impl AsRef<str>) -> Result<String> {
        let pattern = pattern.as_ref();
        let awaited = format!("a line that matches {pattern:?}");
        let wrong = |error: regex::Error| self.scene(&awaited).reason(error.to_string());
        let regex = Regex::new(pattern)
            .map_err(|error| wrong(error).into_error(ErrorKind::InvalidConfig))?;
        let deadline = self.deadline();
        loop {
            match self.next_line(deadline) {
                Next::Line(line) => {
                    let line = text_of(&line);
                    if regex.is_match(&line) {
                        return Ok(line);
                    }
                    // A flood always has a next line.
                    if deadline.has_passed() {
                        return Err(self.overdue(&awaited, deadline));
                    }
                }
                Next::Ended => return Err(self.ended(&awaited, deadline)),
                Next::Overdue => return Err(self.overdue(&awaited, deadline)),
            }
        }
    }

    /// A handle that stands at the end of what was printed so far.
    #[must_use]
    pub fn from_now(&self) -> Self {
        let end = self.capture.as_ref().map_or(0, |capture| capture.len());
        Self {
            capture: self.capture.clone(),
            command: Arc::clone(&self.command),
            reader: Arc::new(Mutex::new(Reader::at(end))),
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(
            self.capture
                .as_ref()
                .map_or(Duration::ZERO, |capture| capture.timeout),
        )
    }

    fn next_line(&self, deadline: Deadline) -> Next {
        let Some(capture) = &self.capture else {
            return Next::Ended;
        };
        let service = capture.service.load(Ordering::Relaxed);
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // In this order, so that nothing is missed: whether it ended, what is there, and only
            // then the wait for news since.
            let link = capture.link();
            let (ended, news) = link.as_ref().map_or((true, 0), |link| {
                link.look(|state| (state.has_left(service), state.output_news(capture.stream)))
            });
            let seen = capture.len();
            if let Some(line) = reader.next(capture, ended) {
                return Next::Line(line);
            }
            let Some(link) = link.filter(|_| !ended) else {
                return Next::Ended;
            };
            if deadline.has_passed() {
                return Next::Overdue;
            }
            link.watch_output(capture.stream, seen);
            link.wait(deadline, |state| {
                (state.output_news(capture.stream) != news || state.has_left(service)).then_some(())
            });
        }
    }

    fn scene(&self, awaited: &str) -> Scene {
        let mut scene = Scene::new(&*self.command);
        if self.capture.is_none() {
            scene.notes.push("this stream is not captured".to_owned());
        }
        scene.waited_for = Some(awaited.to_owned());
        scene.output = self.tail(TAIL_LINES);
        scene
    }

    fn ended(&self, awaited: &str, deadline: Deadline) -> Error {
        let exit_code = self.capture.as_ref().and_then(|capture| {
            let service = capture.service.load(Ordering::Relaxed);
            capture.link()?.look(|state| state.exit_of(service))
        });
        let mut scene = self.scene(awaited);
        scene.headline = Some("ended without printing it".to_owned());
        scene.waited = Some(deadline.elapsed());
        scene.exit_code = exit_code;
        scene.into_error(ErrorKind::ProcessExitedWithError)
    }

    fn overdue(&self, awaited: &str, deadline: Deadline) -> Error {
        let mut scene = self.scene(awaited);
        scene.headline = Some("did not print it in time".to_owned());
        scene.waited = Some(deadline.elapsed());
        scene.into_error(ErrorKind::TimeoutExpired)
    }
}

/// How many lines of each stream an error shows.
pub(crate) const TAIL_LINES: usize = 20;

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.capture.as_ref().map(|capture| capture.len());
        f.debug_struct("Output")
            .field("bytes", &size)
            .finish_non_exhaustive()
    }
}

enum Next {
    Line(Vec<u8>),
    Ended,
    Overdue,
}

/// The lines of an [`Output`], from its place on.
#[derive(Debug)]
pub struct Lines {
    output: Output,
    failed: bool,
}

impl Iterator for Lines {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let deadline = self.output.deadline();
        match self.output.next_line(deadline) {
            Next::Line(line) => Some(Ok(text_of(&line))),
            Next::Ended => None,
            Next::Overdue => {
                self.failed = true;
                Some(Err(self.output.overdue("another line", deadline)))
            }
        }
    }
}

/// Where a reader of lines stands, and what it has read ahead.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    place: u64,
    ahead: Vec<u8>,
    /// How much of `ahead` was given out.
    given: usize,
}

impl Reader {
    pub(crate) fn at(place: u64) -> Self {
        Self {
            place,
            ..Self::default()
        }
    }

    pub(crate) fn place(&self) -> u64 {
        self.place
    }

    /// The next line, without its end and without colours. An unfinished one only if
    /// `take_unfinished`.
    pub(crate) fn next(&mut self, capture: &Capture, take_unfinished: bool) -> Option<Vec<u8>> {
        if let Some(line) = self.next_ahead() {
            return Some(line);
        }
        // A flood of short lines is read in chunks, not line by line.
        let (from, ahead) = capture.read(self.place, CHUNK);
        if ahead.contains(&b'\n') {
            *self = Self {
                place: from,
                ahead,
                given: 0,
            };
            return self.next_ahead();
        }
        let (line, next) = line_at(capture, self.place, take_unfinished)?;
        *self = Self::at(next);
        Some(line)
    }

    fn next_ahead(&mut self) -> Option<Vec<u8>> {
        let rest = &self.ahead[self.given..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = plain(&rest[..end]);
        self.given += end + 1;
        self.place += end as u64 + 1;
        Some(line)
    }
}

/// The line at `place` without its end and without colours, and where the next begins. An
/// unfinished one only if `take_unfinished`.
pub(crate) fn line_at(
    capture: &Capture,
    place: u64,
    take_unfinished: bool,
) -> Option<(Vec<u8>, u64)> {
    let mut most = CHUNK;
    loop {
        let (from, bytes) = capture.read(place, most);
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            return Some((plain(&bytes[..end]), from + end as u64 + 1));
        }
        if bytes.len() >= LONGEST_LINE
            || (take_unfinished && !bytes.is_empty() && bytes.len() < most)
        {
            return Some((plain(&bytes), from + bytes.len() as u64));
        }
        let at_the_gap = from + bytes.len() as u64 == HEAD && kept_from(capture.len()) > HEAD;
        if at_the_gap && !bytes.is_empty() {
            // The line runs into what was given up: what is left of it ends there.
            return Some((plain(&bytes), HEAD));
        }
        if bytes.len() < most {
            return None;
        }
        most = (most * 4).min(LONGEST_LINE);
    }
}

/// Without a carriage return at the end and without ANSI escape sequences.
fn plain(line: &[u8]) -> Vec<u8> {
    static ESCAPES: LazyLock<bytes::Regex> = LazyLock::new(|| {
        // Control sequences (colours, cursor) and operating system commands (titles, links), by
        // ECMA-48.
        bytes::Regex::new(r"(?-u)\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
            .expect("a valid expression")
    });
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.contains(&0x1b) {
        ESCAPES.replace_all(line, &b""[..]).into_owned()
    } else {
        line.to_vec()
    }
}

pub(crate) fn text_of(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn capture(bytes: &[u8]) -> Capture {
        let capture = Capture::new(Stream::Stdout, Duration::ZERO).expect("a temporary file");
        (&capture.file).write_all(bytes).expect("room");
        capture
    }

    #[test]
    fn lines_end_at_newlines_and_the_last_one_counts_at_the_end() {
        let capture = capture(b"one\r\n\x1b[31mtwo\x1b[0m\nthree");
        assert_eq!(line_at(&capture, 0, false), Some((b"one".to_vec(), 5)));
        assert_eq!(line_at(&capture, 5, false), Some((b"two".to_vec(), 18)));
        assert_eq!(line_at(&capture, 18, false), None);
        assert_eq!(line_at(&capture, 18, true), Some((b"three".to_vec(), 23)));
        assert_eq!(line_at(&capture, 23, true), None);
    }

    #[test]
    fn a_tail_is_the_last_lines() {
        let output = Output::new(Some(Arc::new(capture(b"a\nb\nc\n"))), &"x".into());
        assert_eq!(output.tail(2), "b\nc");
        assert_eq!(output.tail(9), "a\nb\nc");
    }

    #[test]
    fn what_was_never_captured_reads_as_nothing() {
        let output = Output::new(None, &"x".into());
        assert_eq!(
            (output.text(), output.tail(3), output.lines().count()),
            (String::new(), String::new(), 0)
        );
    }
}
