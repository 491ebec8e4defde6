//! Ready when a line of the output matches a banner.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use regex::Regex;

use super::{Context, Manner, NotReady, Readiness, Target};
use crate::output::{Capture, LogFile, Reader, line_at, text_of};
use crate::protocol;

/// The stream that a banner is looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Either of them.
    #[default]
    Both,
    /// The service's log file: what was added to it since the start. The executor needs a
    /// [`log_file`](crate::Executor::log_file).
    File,
}

/// Ready when the banner, a regular expression, is found in a line of the output.
///
/// Lines are matched whole and without colours. A last line without a newline counts once nothing
/// followed it for 20 ms, or the process ended: until then more of it may be on its way. Named
/// groups are kept ([`captured`](crate::Executor::captured)), and one named `port` is the
/// executor's port from then on.
#[derive(Debug)]
pub struct Output {
    banner: String,
    stream: Stream,
    regex: Result<Regex, String>,
    scan: Mutex<Scan>,
}

/// How long an unfinished line must rest before it counts.
const REST: Duration = Duration::from_millis(20);

/// How long one look through a flood may take.
const SLICE: Duration = Duration::from_millis(10);

/// How far the output was looked through.
#[derive(Debug, Default)]
struct Scan {
    /// The start that this belongs to.
    start: u64,
    progress: [Progress; 2],
    /// The banner was found; also true when asked again.
    found: bool,
    /// A line holds the very text of the banner, which as an expression does not match it.
    holds_the_text: bool,
}

#[derive(Debug, Default)]
struct Progress {
    reader: Reader,
    /// The size with which an unfinished line was seen first, and when.
    unfinished: Option<(u64, Instant)>,
}

impl Output {
    /// Looks for this banner in both streams.
    #[must_use]
    pub fn new(banner: impl Into<String>) -> Self {
        let banner = banner.into();
        Self {
            regex: Regex::new(&banner).map_err(|error| error.to_string()),
            banner,
            stream: Stream::default(),
            scan: Mutex::default(),
        }
    }

    /// Looks in this stream only.
    #[must_use]
    pub fn stream(mut self, stream: Stream) -> Self {
        self.stream = stream;
        self
    }

    /// Looks through what is new since the last look.
    fn find(&self, regex: &Regex, cx: &Context) -> Result<(), NotReady> {
        // Before the look: what was printed until the end is there by then.
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
        let Scan {
            progress,
            found,
            holds_the_text,
            ..
        } = &mut *scan;
        let mut matches = |line: &str| {
            let Some(groups) = regex.captures(line) else {
                *holds_the_text |= line.contains(&self.banner);
                return false;
            };
            let text_of = |name: &str| Some(groups.name(name)?.as_str().to_owned());
            let names = regex.capture_names().flatten();
            let pairs = names.filter_map(|name| Some((name.to_owned(), text_of(name)?)));
            cx.capture(pairs.collect());
            true
        };
        let streams: &[protocol::Stream] = match self.stream {
            Stream::Stdout => &[protocol::Stream::Stdout],
            // The log file takes the place of the one.
            Stream::Stderr | Stream::File => &[protocol::Stream::Stderr],
            Stream::Both => &[protocol::Stream::Stdout, protocol::Stream::Stderr],
        };
        *found = *found
            || streams.iter().any(|stream| {
                let progress = &mut progress[*stream as usize];
                let capture = match self.stream {
                    Stream::File => cx.log_file().map(LogFile::capture),
                    _ => cx.captured_stream(*stream).map(Arc::as_ref),
                };
                capture.is_some_and(|capture| find_in(capture, progress, &mut matches, ended))
            });
        if *found {
            return Ok(());
        }
        if let Some(why) = unread {
            return Err(NotReady::new(why));
        }
        Err(NotReady::new(if *holds_the_text {
            "no line matched; one holds the banner's very text, but the banner is a regular expression: escape what has a meaning there, such as `(`, `[`, `*` or `?`"
        } else {
            "no line matched"
        }))
    }
}

/// Looks through what is new. At the banner, fresh handles of the output begin behind it.
fn find_in(
    capture: &Capture,
    progress: &mut Progress,
    matches: &mut impl FnMut(&str) -> bool,
    ended: bool,
) -> bool {
    let begin = Instant::now();
    for looked_at in 1_u32.. {
        let whole = progress.reader.next(capture, false);
        let is_whole = whole.is_some();
        let rested = || rested_line(capture, progress, ended);
        let Some((line, next)) = whole.map(|line| (line, None)).or_else(rested) else {
            return false;
        };
        let line = text_of(&line);
        if matches(&line) {
            capture.begin_at(next.unwrap_or_else(|| progress.reader.place()));
            return true;
        }
        // An unfinished line that did not match may yet grow into one that does. And a flood has
        // no end: between two slices of it the deadline and the process are looked at.
        let worth_a_look = looked_at % 256 == 0 || line.len() > 4096;
        if !is_whole || (worth_a_look && begin.elapsed() >= SLICE) {
            return false;
        }
    }
    false
}

/// The unfinished last line, if it has rested.
fn rested_line(
    capture: &Capture,
    progress: &mut Progress,
    ended: bool,
) -> Option<(Vec<u8>, Option<u64>)> {
    let (size, place) = (capture.len(), progress.reader.place());
    if size <= place {
        return None;
    }
    let since = match progress.unfinished {
        Some((seen, since)) if seen == size => since,
        _ => progress.unfinished.insert((size, Instant::now())).1,
    };
    if ended || since.elapsed() >= REST {
        line_at(capture, place, true).map(|(line, next)| (line, Some(next)))
    } else {
        None
    }
}

impl Clone for Output {
    fn clone(&self) -> Self {
        Self::new(self.banner.clone()).stream(self.stream)
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
        format!("a line of its {stream} that matches {:?}", self.banner)
    }

    fn validate(&self, cx: &Context) -> Result<(), String> {
        if self.stream == Stream::File && cx.start.place.log_file.is_none() {
            return Err(
                "the banner is searched for in the log file, and there is none: set `log_file`"
                    .to_owned(),
            );
        }
        match &self.regex {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("the banner is no regular expression: {error}")),
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
            ..Manner::punctual()
        }
    }
}
