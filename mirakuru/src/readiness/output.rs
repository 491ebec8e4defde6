//! The check that is ready when a line of the output matches a banner.
//!
//! Each attempt reads the finished lines that are new since the last attempt, and then looks at the unfinished last
//! line. `final_match.rs` decides whether a match in an unfinished line can still change.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use regex::Regex;

use super::final_match::{self, Growth};
use super::{ConfigError, Context, Manner, NotReady, Origin, Readiness, Target};
use crate::output::{Capture, LogFile, Reader, text_of, unfinished_line};
use crate::protocol;

#[cfg(test)]
#[path = "../../../tests/fuzz/banners.rs"]
mod fuzz_banners;

/// The stream that is searched for a banner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Standard output and standard error.
    #[default]
    Both,
    /// The log file of the service, which [`log_file`](crate::Executor::log_file) sets.
    File,
}

/// Ready when the banner, a regular expression, matches in a line of the output.
///
/// The banner is searched for in whole lines without their colours. `\n`, `\r` and `\r\n` end a line. A match in an
/// unfinished last line counts in three cases:
///
/// - No further text could change the match or a group of it.
/// - The process has ended.
/// - The line has not grown for a second.
///
/// [`captured`](crate::Executor::captured) returns the text of a named group. A group named `port` sets the executor's
/// port.
#[derive(Debug)]
pub struct Output {
    banner: String,
    stream: Stream,
    times: u32,
    regex: Result<Regex, String>,
    growth: OnceLock<Growth>,
    scan: Mutex<Scan>,
}

/// How long an unfinished line must not grow before a match counts that more text could change.
const REST: Duration = Duration::from_secs(1);

/// How long one attempt may search a flood of lines.
const SLICE: Duration = Duration::from_millis(10);

/// How far the output has been searched.
#[derive(Debug, Default)]
struct Scan {
    /// The number of the start whose output this is.
    start: u64,
    progress: [Progress; 2],
    /// The number of finished lines that matched.
    matches: u32,
    /// The banner was found. It stays found for the rest of the start.
    found: bool,
    /// A line contains the exact text of the banner, but does not match it as a regular expression.
    contains_banner_text: bool,
}

#[derive(Debug, Default)]
struct Progress {
    reader: Reader,
    /// The size of the stream when its unfinished line last grew, and the time of that.
    unfinished: Option<(u64, Instant)>,
}

/// The outcome of a search through the finished lines of one stream.
enum Look {
    /// The line that the check waits for was found. It ends at this offset.
    Found(u64),
    /// All finished lines have been searched.
    Exhausted,
    /// The search took too long.
    Interrupted,
}

impl Output {
    /// Creates a check that searches for this banner in standard output and standard error.
    ///
    /// ```
    /// use mirakuru::{Executor, readiness::Output};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo listening on port 8080; exec sleep 60'";
    /// let service = Executor::with_readiness(command, Output::new(r"port (?<port>\d+)")).started()?;
    /// assert_eq!(service.port(), 8080);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(banner: impl Into<String>) -> Self {
        let banner = banner.into();
        Self {
            regex: final_match::compile(&banner),
            banner,
            stream: Stream::default(),
            times: 1,
            growth: OnceLock::new(),
            scan: Mutex::default(),
        }
    }

    /// Searches only this stream. By default, both streams are searched.
    ///
    /// ```
    /// use mirakuru::Executor;
    /// use mirakuru::readiness::{Output, Stream};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Output::new("^ready$").stream(Stream::Stderr);
    /// let service = Executor::with_readiness("sh -c 'echo ready >&2; exec sleep 60'", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stream(mut self, stream: Stream) -> Self {
        self.stream = stream;
        self
    }

    /// Waits for the `n`-th line that matches, counted over all streams that are searched. The named groups are those
    /// of that line. Defaults to 1.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo ready: first; echo ready: second; exec sleep 60";
    /// let service = OutputExecutor::new(["sh", "-c", script], "ready: (?<name>.*)").times(2).started()?;
    /// assert_eq!(service.captured("name").as_deref(), Some("second"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn times(mut self, n: u32) -> Self {
        self.times = n;
        self
    }

    fn streams(&self) -> &'static [protocol::Stream] {
        match self.stream {
            Stream::Stdout => &[protocol::Stream::Stdout],
            Stream::Stderr => &[protocol::Stream::Stderr],
            Stream::Both => &[protocol::Stream::Stdout, protocol::Stream::Stderr],
            Stream::File => &[],
        }
    }

    /// Returns the captured streams that are searched, each with its index in [`Scan::progress`].
    fn captures<'a>(&self, cx: &'a Context) -> Vec<(usize, &'a Capture)> {
        let streams = self.streams().iter();
        let streams = streams
            .filter_map(|stream| Some((*stream as usize, cx.captured_stream(*stream)?.as_ref())));
        // The log file uses the index of the first stream.
        let file = cx.log_file().filter(|_| self.stream == Stream::File);
        streams
            .chain(file.map(|file| (0, file.capture())))
            .collect()
    }

    /// Searches the text that is new since the last attempt.
    fn find(&self, regex: &Regex, cx: &Context) -> Result<(), NotReady> {
        // Must come before the search: if the process has ended, all that it printed is there to search.
        let ended = cx.has_ended();
        let log = cx.log_file().filter(|_| self.stream == Stream::File);
        let unread = log.and_then(LogFile::update);
        let mut scan = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        let start = cx.start.number;
        if scan.start != start {
            *scan = Scan {
                start,
                ..Scan::default()
            };
        }
        if !scan.found {
            scan.found = self.is_found(regex, cx, &mut scan, ended);
        }
        if scan.found {
            return Ok(());
        }
        let matches = scan.matches;
        if let Some(why) = unread {
            return Err(NotReady::new(why));
        }
        Err(NotReady::new(if matches > 0 {
            format!("lines that matched: {matches} of {}", self.times)
        } else if scan.contains_banner_text {
            "no line matched; one contains the banner's exact text, but the banner is a regular expression: escape special characters such as `(`, `[`, `*` or `?`".to_owned()
        } else {
            "no line matched".to_owned()
        }))
    }

    /// Searches the finished lines, and then the unfinished ones, which count for this attempt only. New handles of the
    /// output begin after the line that was found.
    fn is_found(&self, regex: &Regex, cx: &Context, scan: &mut Scan, ended: bool) -> bool {
        let captures = self.captures(cx);
        for (index, capture) in &captures {
            match self.scan_lines(regex, cx, capture, scan, *index) {
                Look::Found(end) => {
                    capture.begin_at(end);
                    return true;
                }
                Look::Interrupted => return false,
                Look::Exhausted => {}
            }
        }
        let mut matches = scan.matches;
        for (index, capture) in captures {
            let progress = &mut scan.progress[index];
            let Some((line, end)) = self.unfinished_match(regex, capture, progress, ended) else {
                continue;
            };
            matches += 1;
            if matches >= self.times {
                keep_groups(regex, &line, cx);
                capture.begin_at(end);
                return true;
            }
        }
        false
    }

    fn scan_lines(
        &self,
        regex: &Regex,
        cx: &Context,
        capture: &Capture,
        scan: &mut Scan,
        index: usize,
    ) -> Look {
        let begin = Instant::now();
        let printed = if cx.has_exited_with_success() {
            capture.len()
        } else {
            0
        };
        for searched in 1_u32.. {
            let reader = &mut scan.progress[index].reader;
            let Some(line) = reader.next(capture, false) else {
                break;
            };
            let line = text_of(&line);
            if !regex.is_match(&line) {
                scan.contains_banner_text |= line.contains(&self.banner);
            } else if scan.matches + 1 >= self.times {
                keep_groups(regex, &line, cx);
                return Look::Found(reader.place());
            } else {
                scan.matches += 1;
            }
            // A flood has no end: the caller must check the deadline and the process between two slices.
            // The text of a process that exited with 0 is searched to its end at once: it may contain the banner,
            // and this attempt may be the last one.
            let check_time = searched % 256 == 0 || line.len() > 4096;
            let is_last = scan.progress[index].reader.place() < printed;
            if check_time && !is_last && begin.elapsed() >= SLICE {
                return Look::Interrupted;
            }
        }
        Look::Exhausted
    }

    /// Returns the unfinished last line and its end so far, if the line matches and its match counts.
    fn unfinished_match(
        &self,
        regex: &Regex,
        capture: &Capture,
        progress: &mut Progress,
        ended: bool,
    ) -> Option<(String, u64)> {
        let (size, place) = (capture.len(), progress.reader.place());
        if size <= place {
            return None;
        }
        let since = match progress.unfinished {
            Some((seen, since)) if seen == size => since,
            _ => progress.unfinished.insert((size, Instant::now())).1,
        };
        let rests = ended || since.elapsed() >= REST;
        let (line, end) = unfinished_line(capture, place, rests)?;
        let line = text_of(&line);
        let growth = || self.growth.get_or_init(|| Growth::new(&self.banner));
        let counts = regex.is_match(&line) && (rests || growth().is_final(&line));
        counts.then_some((line, end))
    }
}

fn keep_groups(regex: &Regex, line: &str, cx: &Context) {
    if let Some(groups) = regex.captures(line) {
        let text_of = |name: &str| Some(groups.name(name)?.as_str().to_owned());
        let names = regex.capture_names().flatten();
        let pairs = names.filter_map(|name| Some((name.to_owned(), text_of(name)?)));
        cx.capture(pairs.collect());
    }
}

impl Clone for Output {
    fn clone(&self) -> Self {
        Self::new(self.banner.clone())
            .stream(self.stream)
            .times(self.times)
    }
}

impl Readiness for Output {
    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        match &self.regex {
            Ok(regex) => self.find(regex, cx),
            Err(mistake) => Err(NotReady::new(mistake)),
        }
    }

    fn describe(&self, cx: &Context) -> String {
        let log = || cx.start.place.log_file.as_ref();
        let log = || log().map_or_else(String::new, |path| format!(" {}", path.display()));
        let stream = match self.stream {
            Stream::Stdout => "standard output".to_owned(),
            Stream::Stderr => "standard error".to_owned(),
            Stream::Both => "output".to_owned(),
            Stream::File => format!("log file{}", log()),
        };
        match self.times {
            1 => format!("a line of its {stream} that matches {:?}", self.banner),
            n => format!("{n} lines of its {stream} that match {:?}", self.banner),
        }
    }

    fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
        self.regex.as_ref().map_err(Clone::clone)?;
        let mut streams = self.streams().iter();
        if self.stream == Stream::File && cx.start.place.log_file.is_none() {
            let mistake = "the banner is searched for in the log file, but the executor has none: set `log_file`";
            Err(mistake.into())
        } else if self.times == 0 {
            Err("`times` must be 1 or more, got 0".into())
        } else if self.stream != Stream::File
            && streams.all(|stream| !cx.start.captures[*stream as usize])
        {
            Err("the banner can never match, because every stream in which the check looks for it is redirected: \
                 leave one of them captured"
                .into())
        } else {
            Ok(())
        }
    }

    fn target(&self) -> Target {
        let regex = self.regex.as_ref().ok();
        let reports_port =
            regex.is_some_and(|regex| regex.capture_names().flatten().any(|name| name == "port"));
        Target {
            reports_port,
            ..Target::default()
        }
    }

    fn manner(&self, cx: &Context) -> Manner {
        let is_file = self.stream == Stream::File;
        Manner {
            on_output: !is_file,
            on_path: cx.start.place.log_file.clone().filter(|_| is_file),
            ..Manner::non_blocking()
        }
    }

    fn origin(&self, cx: &Context) -> Origin {
        let scan = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        let mut streams = self.streams().iter();
        if scan.found && scan.start == cx.start.number {
            // The check has passed, and passes again whatever happens.
            Origin::Outside
        } else if self.stream == Stream::File {
            // Any process can write to the log file, but only one of the tree is expected to.
            Origin::Tree
        } else if streams.any(|stream| cx.is_open(*stream)) {
            Origin::Tree
        } else {
            Origin::Nowhere
        }
    }

    fn needs_own_process(&self) -> bool {
        true
    }
}
