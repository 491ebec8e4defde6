//! The last lines of a stream, for errors.
//!
//! Similar lines, such as those of requests in a log, are folded into the last one, so that they do not displace all
//! others.

use std::collections::HashMap;

use super::capture::Capture;
use super::lines::LONGEST_LINE;

/// How many lines of each stream an error shows.
const MOST: usize = 20;
/// The number of similar lines from which on they are folded.
const MANY: usize = 3;
/// How many letters a line must have to count as similar to another.
const LETTERS: usize = 3;

/// How many bytes are read for the first lines.
const HEAD: usize = 4096;

/// The part of a stream that an error shows.
#[derive(Clone, Copy)]
pub(crate) struct Excerpt {
    /// The offset at which the part begins.
    pub(crate) from: u64,
    /// The offset after which the text is left out if there are too many lines.
    pub(crate) until: u64,
    /// How many of the first lines are shown in addition to the last ones.
    pub(crate) first: usize,
}

/// Returns the last lines that were captured after `from`.
pub(crate) fn last_lines(capture: &Capture, from: u64) -> String {
    let (until, first) = (u64::MAX, 0);
    excerpt(capture, Excerpt { from, until, first })
}

/// Returns the lines of this part that an error shows.
pub(crate) fn excerpt(capture: &Capture, Excerpt { from, until, first }: Excerpt) -> String {
    let mut end = capture.len();
    let mut lines = lines_between(capture, from, end);
    if lines.len() > MOST && until > from && until < end {
        end = until;
        lines = lines_between(capture, from, end);
    }
    let left_out = lines.len().saturating_sub(MOST);
    let text = |lines: &[Line]| lines.iter().map(|line| line.text.clone()).collect();
    let is_whole = end.saturating_sub(from) <= LONGEST_LINE as u64;
    let shown: Vec<String> = if first > 0 && (left_out > 1 || !is_whole) {
        // If not all of the output was read, the first line may be incomplete.
        let rest = &lines[if is_whole { first } else { 1.min(lines.len()) }..];
        let (between, last) = rest.split_at(rest.len().saturating_sub(MOST - first));
        let (mut shown, count): (Vec<_>, _) = if is_whole {
            let count: usize = between.iter().map(|line| line.count).sum();
            (text(&lines[..first]), count.to_string())
        } else {
            let (_, head) = capture.read(from, HEAD);
            let head = String::from_utf8_lossy(&head);
            let head = head.lines().take(first).map(str::to_owned);
            (head.collect(), "many".to_owned())
        };
        shown.push(format!(
            "[… {count} lines between; MIRAKURU_KEEP=1 keeps all …]"
        ));
        shown.extend(text(last));
        shown
    } else if first > 0 {
        text(&lines)
    } else {
        text(&lines[left_out..])
    };
    shown.join("\n")
}

/// A line of an error, and the number of captured lines that it stands for.
struct Line {
    text: String,
    count: usize,
}

fn lines_between(capture: &Capture, from: u64, end: u64) -> Vec<Line> {
    let begin = from.max(end.saturating_sub(LONGEST_LINE as u64));
    let size = usize::try_from(end.saturating_sub(begin)).unwrap_or(LONGEST_LINE);
    let (_, bytes) = capture.read(begin, size);
    let text = String::from_utf8_lossy(&bytes);
    folded(&text.lines().collect::<Vec<_>>())
}

fn folded(lines: &[&str]) -> Vec<Line> {
    let patterns: Vec<_> = lines.iter().map(|line| pattern(line)).collect();
    // The number of lines with each pattern, and the index of the last one.
    let mut alike: HashMap<&str, (usize, usize)> = HashMap::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let (count, last) = alike.entry(pattern).or_default();
        (*count, *last) = (*count + 1, index);
    }
    let mut folded = Vec::new();
    let mut push = |text, count| folded.push(Line { text, count });
    for (index, (line, pattern)) in lines.iter().zip(&patterns).enumerate() {
        let (count, last) = alike[pattern.as_str()];
        let is_short = pattern.chars().filter(|c| c.is_alphabetic()).count() < LETTERS;
        // If all lines are similar, none displaces another.
        if count < MANY || is_short || alike.len() == 1 {
            push((*line).to_owned(), 1);
        } else if index == last {
            let others = count - 1;
            push(format!("[… {others} lines like the next …]"), others);
            push((*line).to_owned(), 1);
        }
    }
    folded
}

/// Replaces each word of the line that contains a digit. Words such as numbers, times and addresses differ between
/// similar lines.
fn pattern(line: &str) -> String {
    let mut pattern = String::with_capacity(line.len());
    for part in line.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        if word.contains(|c: char| c.is_ascii_digit()) {
            pattern.push('#');
            pattern.push_str(&part[word.len()..]);
        } else {
            pattern.push_str(part);
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::super::tests::capture;
    use super::*;

    fn reported(lines: &str) -> String {
        last_lines(&capture(lines.as_bytes()), 0)
    }

    #[test]
    fn lines_that_differ_only_in_numbers_are_folded() {
        let mut text = "booting\nloading model 7\n".to_owned();
        for second in 10..60 {
            for method in ["HEAD", "GET"] {
                let line = format!(
                    "127.0.0.1 - [26/Nov/2026 04:20:{second}] \"{method} /health HTTP/1.1\" 503 -\n"
                );
                text.push_str(&line);
            }
        }
        let expected = "booting
loading model 7
[… 49 lines like the next …]
127.0.0.1 - [26/Nov/2026 04:20:59] \"HEAD /health HTTP/1.1\" 503 -
[… 49 lines like the next …]
127.0.0.1 - [26/Nov/2026 04:20:59] \"GET /health HTTP/1.1\" 503 -";
        assert_eq!(reported(&text), expected);
    }

    #[test]
    fn lines_that_are_all_similar_are_not_folded() {
        let lines: Vec<_> = (1..=50).map(|i| format!("out {i}")).collect();
        assert_eq!(reported(&lines.join("\n")), lines[30..].join("\n"));
    }

    #[test]
    fn the_first_lines_are_shown_if_others_are_left_out() {
        let lines: Vec<_> = (1..=50).map(|i| format!("out {i}")).collect();
        let reported = |count: usize| {
            let (from, until, first) = (0, u64::MAX, 3);
            let capture = capture(lines[..count].join("\n").as_bytes());
            excerpt(&capture, Excerpt { from, until, first })
        };
        let between = "[… 30 lines between; MIRAKURU_KEEP=1 keeps all …]";
        let expected = [&lines[..3], &[between.to_owned()], &lines[33..]].concat();
        assert_eq!(reported(50), expected.join("\n"));
        assert_eq!(reported(21), lines[..21].join("\n"));
        assert_eq!(reported(4), lines[..4].join("\n"));
    }

    #[test]
    fn the_first_lines_are_shown_before_a_flood() {
        let flood: Vec<_> = (0..60_000)
            .map(|i| format!("waits for the database {i}\n"))
            .collect();
        let text = format!("the mistake\n{}the end", flood.concat());
        let (from, until, first) = (0, u64::MAX, 1);
        let reported = excerpt(&capture(text.as_bytes()), Excerpt { from, until, first });
        let lines: Vec<_> = reported.lines().collect();
        assert_eq!(lines[0], "the mistake");
        assert_eq!(
            lines[1],
            "[… many lines between; MIRAKURU_KEEP=1 keeps all …]"
        );
        assert_eq!(
            lines[3..],
            ["waits for the database 59999", "the end"],
            "{reported}"
        );
    }

    #[test]
    fn text_after_the_end_is_shown_if_there_is_room() {
        let reported = |count: usize| {
            let after: Vec<_> = (0..count).map(|i| format!("{i}\n")).collect();
            let capture = capture(format!("before\n{}", after.concat()).as_bytes());
            let (from, until, first) = (0, 7, 0);
            excerpt(&capture, Excerpt { from, until, first })
        };
        assert_eq!(reported(1), "before\n0");
        assert_eq!(reported(30), "before");
    }

    #[test]
    fn braces_and_empty_lines_are_not_folded() {
        let text =
            "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n\n{\n  \"c\": {\n  }\n}\n\n{\n  \"d\": {\n  }\n}";
        assert_eq!(reported(text), text);
    }

    #[test]
    fn only_text_after_the_offset_is_shown() {
        assert_eq!(last_lines(&capture(b"before\nafter\n"), 7), "after");
    }
}
