//! Lines out of a captured stream: they end at a newline, and the last one counts without it once the
//! process ended.

use std::sync::LazyLock;

use regex::bytes;

use super::capture::Capture;

/// The most that is read at once while looking for a line.
const CHUNK: usize = 64 * 1024;
/// A line longer than this is cut.
pub(super) const LONGEST_LINE: usize = 1 << 20;

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
        let (gap, end) = (capture.layout().gap(), from + bytes.len() as u64);
        if !gap.is_empty() && end == gap.start && !bytes.is_empty() {
            // The line runs into what was given up: what is left of it ends there.
            return Some((plain(&bytes), end));
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
    use super::super::tests::capture;
    use super::*;

    #[test]
    fn lines_end_at_newlines_and_the_last_one_counts_at_the_end() {
        let capture = capture(b"one\r\n\x1b[31mtwo\x1b[0m\nthree");
        assert_eq!(line_at(&capture, 0, false), Some((b"one".to_vec(), 5)));
        assert_eq!(line_at(&capture, 5, false), Some((b"two".to_vec(), 18)));
        assert_eq!(line_at(&capture, 18, false), None);
        assert_eq!(line_at(&capture, 18, true), Some((b"three".to_vec(), 23)));
        assert_eq!(line_at(&capture, 23, true), None);
    }
}
