//! The lines of a captured stream, without escape sequences.
//!
//! A line ends at `\n`, `\r` or `\r\n`. After the process has ended, the last line counts even without an end.

use std::sync::OnceLock;

use regex::bytes;

use super::capture::Capture;
use crate::locks::get_or_make;

/// How many bytes are read first in search of the end of a line.
const CHUNK: usize = 64 * 1024;
/// The length in bytes after which a line is cut.
pub(super) const LONGEST_LINE: usize = 1 << 20;

/// A reader of lines: its offset in the stream, and the bytes that it has read ahead.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    place: u64,
    ahead: Vec<u8>,
    /// How many bytes of `ahead` have been returned as lines.
    returned: usize,
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

    /// Returns the next line, without its end and without colours. Returns an unfinished line only if
    /// `take_unfinished`.
    pub(crate) fn next(&mut self, capture: &Capture, take_unfinished: bool) -> Option<Vec<u8>> {
        if let Some(line) = self.next_ahead() {
            return Some(line);
        }
        // A flood of short lines is read in chunks instead of line by line.
        let (place, ahead) = read_line_begin(capture, self.place, CHUNK);
        if end_of_line(&ahead).is_some() {
            *self = Self {
                place,
                ahead,
                returned: 0,
            };
            return self.next_ahead();
        }
        let (line, next) = line_at(capture, self.place, take_unfinished)?;
        *self = Self::at(next);
        Some(line)
    }

    fn next_ahead(&mut self) -> Option<Vec<u8>> {
        let rest = &self.ahead[self.returned..];
        let (end, next) = end_of_line(rest)?;
        let line = plain(&rest[..end]);
        self.returned += next;
        self.place += next as u64;
        Some(line)
    }
}

/// Returns the offset at which the first line of these bytes ends, and the offset at which the next one begins.
fn end_of_line(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes
        .iter()
        .position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let is_pair = bytes[end..].starts_with(b"\r\n");
    Some((end, end + 1 + usize::from(is_pair)))
}

/// Reads at most `most` bytes of the line that begins at `place`, and returns the offset at which they begin.
///
/// The last line may have ended with a `\r` whose `\n` arrived later. The bytes then begin after this `\n`. One read
/// gets both bytes, as the `\n` may arrive at any moment.
fn read_line_begin(capture: &Capture, place: u64, most: usize) -> (u64, Vec<u8>) {
    let Some(before) = place.checked_sub(1) else {
        return capture.read(place, most);
    };
    let (from, mut bytes) = capture.read(before, most + 2);
    let skipped = if from != before {
        // The byte before the line was discarded.
        0
    } else if bytes.starts_with(b"\r\n") {
        2
    } else {
        bytes.len().min(1)
    };
    bytes.drain(..skipped);
    bytes.truncate(most);
    let begin = place.max(from + skipped as u64);
    if bytes.is_empty() && capture.layout().gap().contains(&begin) {
        // The line begins after the bytes that were given up.
        return capture.read(begin, most);
    }
    (begin, bytes)
}

/// Returns the line at `place` without its end and without colours, and the offset of the next line. Returns an
/// unfinished line only if `take_unfinished`.
fn line_at(capture: &Capture, place: u64, take_unfinished: bool) -> Option<(Vec<u8>, u64)> {
    let (line, next) = raw_line_at(capture, place, take_unfinished)?;
    Some((plain(&line), next))
}

/// Returns the unfinished line at `place` without colours, and its end so far. Unless the line `rests`, the result
/// leaves out a character or an escape sequence at its end that the next bytes may complete.
pub(crate) fn unfinished_line(
    capture: &Capture,
    place: u64,
    rests: bool,
) -> Option<(Vec<u8>, u64)> {
    let (mut line, mut end) = raw_line_at(capture, place, true)?;
    if !rests {
        let whole = line.len();
        line.truncate(whole_characters(&line));
        end -= (whole - line.len()) as u64;
    }
    Some((plain(&line), end))
}

/// Returns the length of the line without an incomplete character or escape sequence at its end.
fn whole_characters(line: &[u8]) -> usize {
    static BEGUN: OnceLock<bytes::Regex> = OnceLock::new();
    let begun = get_or_make(&BEGUN, || {
        bytes::Regex::new(r"(?-u)\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?)?\z")
            .expect("a valid expression")
    });
    if let Some(begun) = begun.find(line) {
        return begun.start();
    }
    let last = line
        .utf8_chunks()
        .last()
        .map_or(&[][..], |chunk| chunk.invalid());
    let is_begun = std::str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
    line.len() - if is_begun { last.len() } else { 0 }
}

fn raw_line_at(capture: &Capture, place: u64, take_unfinished: bool) -> Option<(Vec<u8>, u64)> {
    let mut most = CHUNK;
    loop {
        let (from, mut bytes) = read_line_begin(capture, place, most);
        let read = bytes.len();
        let end = from + read as u64;
        if let Some((length, next)) = end_of_line(&bytes) {
            bytes.truncate(length);
            return Some((bytes, from + next as u64));
        }
        if read >= LONGEST_LINE || (take_unfinished && read > 0 && read < most) {
            return Some((bytes, end));
        }
        let gap = capture.layout().gap();
        if !gap.is_empty() && end == gap.start && read > 0 {
            // The rest of the line was discarded, so the line ends at the gap.
            return Some((bytes, end));
        }
        if read < most {
            return None;
        }
        most = (most * 4).min(LONGEST_LINE);
    }
}

/// Returns the line without ANSI escape sequences.
///
/// A regular expression would need one line. It would also link the crate `regex` into each test binary, since every
/// executor can print the output of its service.
fn plain(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(escape) = rest.iter().position(|byte| *byte == 0x1b) {
        let length = escape_length(&rest[escape..]);
        // An incomplete sequence stays unchanged.
        let kept = if length.is_some() { escape } else { escape + 1 };
        plain.extend_from_slice(&rest[..kept]);
        rest = &rest[escape + length.unwrap_or(1)..];
    }
    plain.extend_from_slice(rest);
    plain
}

/// Returns the length of the escape sequence that begins here, if it is complete. It is a control sequence (colours,
/// cursor) or an operating system command (titles, links), as defined by ECMA-48.
fn escape_length(bytes: &[u8]) -> Option<usize> {
    let skip = |from: usize, is_part: fn(u8) -> bool| {
        let part = bytes[from..].iter().take_while(|byte| is_part(**byte));
        from + part.count()
    };
    match bytes.get(1)? {
        b'[' => {
            let parameters = skip(2, |byte| matches!(byte, b'0'..=b'?'));
            let end = skip(parameters, |byte| matches!(byte, b' '..=b'/'));
            matches!(bytes.get(end)?, b'@'..=b'~').then_some(end + 1)
        }
        b']' => {
            let end = skip(2, |byte| !matches!(byte, 0x07 | 0x1b));
            match bytes[end..] {
                [0x07, ..] => Some(end + 1),
                [0x1b, b'\\', ..] => Some(end + 2),
                _ => None,
            }
        }
        _ => None,
    }
}

pub(crate) fn text_of(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::tests::capture;
    use super::*;
    use crate::protocol::capture::HEAD;
    use crate::sys;

    #[test]
    fn lines_end_at_newlines_and_an_unfinished_one_can_count() {
        let capture = capture(b"one\r\n\x1b[31mtwo\x1b[0m\nthree");
        assert_eq!(line_at(&capture, 0, false), Some((b"one".to_vec(), 5)));
        assert_eq!(line_at(&capture, 5, false), Some((b"two".to_vec(), 18)));
        assert_eq!(line_at(&capture, 18, false), None);
        assert_eq!(line_at(&capture, 18, true), Some((b"three".to_vec(), 23)));
        assert_eq!(line_at(&capture, 23, true), None);
    }

    #[test]
    fn complete_escape_sequences_are_removed() {
        let sequences = [
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b[1;38;5;2mg\x1b[K", "g"),
            ("\x1b[0 qbar", "bar"),
            ("\x1b]0;title\x07up", "up"),
            ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ];
        for (line, expected) in sequences {
            assert_eq!(plain(line.as_bytes()), expected.as_bytes(), "{line:?}");
        }
        for kept in [
            "\x1b",
            "a\x1b[3",
            "\x1b]0;t",
            "\x1bM",
            "\x1b\x1b",
            "\x1b]0;t\x1bx",
        ] {
            assert_eq!(plain(kept.as_bytes()), kept.as_bytes(), "{kept:?}");
        }
    }

    #[test]
    fn carriage_returns_end_lines_wherever_a_read_ends() {
        let text = b"1%\r2%\r\r\n\n3\r\n4\n\r5\r";
        let expected = ["1%", "2%", "", "", "3", "4", "", "5"];
        for cut in 0..=text.len() {
            let capture = capture(&text[..cut]);
            let mut reader = Reader::default();
            let mut lines = Vec::new();
            for rest in [&text[cut..], b""] {
                lines.extend(std::iter::from_fn(|| reader.next(&capture, false)));
                capture.file().write_all(rest).expect("room");
            }
            let lines: Vec<_> = lines.iter().map(|line| text_of(line)).collect();
            assert_eq!(lines, expected, "cut at {cut}");
        }
    }

    #[test]
    fn the_line_after_a_gap_follows_the_kept_beginning() {
        let capture = capture(b"");
        capture.file().set_len(200 * HEAD).expect("a hole");
        let gap = capture.layout().gap();
        assert_eq!(gap.start, HEAD);
        sys::write_all_at(capture.file(), b"\n", HEAD - 1).expect("room");
        sys::write_all_at(capture.file(), b"next\n", gap.end).expect("room");
        let mut reader = Reader::at(HEAD);
        assert_eq!(reader.next(&capture, false), Some(b"next".to_vec()));
        assert_eq!(reader.place(), gap.end + 5);
    }

    #[test]
    fn a_newline_during_a_read_does_not_end_another_line() {
        const LINES: usize = 20_000;
        let capture = capture(b"");
        let mut reader = Reader::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // At offsets, as the supervisor writes: on Windows, a read moves the position of the file.
                for place in (0..).step_by(3).take(LINES) {
                    sys::write_all_at(capture.file(), b"x\r", place).expect("room");
                    sys::write_all_at(capture.file(), b"\n", place + 2).expect("room");
                }
            });
            let mut seen = 0;
            while seen < LINES {
                if let Some(line) = reader.next(&capture, false) {
                    assert_eq!(text_of(&line), "x", "line {seen}");
                    seen += 1;
                }
            }
        });
        assert_eq!(reader.next(&capture, true), None);
    }

    #[test]
    fn incomplete_characters_and_colours_do_not_count_yet() {
        let begun: [&[u8]; 6] = [
            b"\x1b",
            b"\x1b[3",
            b"\x1b]0;t",
            b"\x1b]0;t\x1b",
            b"\xc3",
            b"\xe2\x82",
        ];
        for begun in begun {
            let line = [b"up", begun].concat();
            assert_eq!(whole_characters(&line), 2, "{begun:?}");
        }
        let whole: [&[u8]; 5] = [b"", b"\x1b[31m", b"\x1b]0;t\x07", "é".as_bytes(), b"\xff"];
        for whole in whole {
            let line = [b"up", whole].concat();
            assert_eq!(whole_characters(&line), line.len(), "{whole:?}");
        }
    }
}
