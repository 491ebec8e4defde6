//! The last lines of a stream, for errors. Lines that are alike, as those of requests in a log, are folded into the
//! last of them, so that they do not displace all others.

use std::collections::HashMap;

use super::capture::Capture;
use super::lines::LONGEST_LINE;

/// How many lines of each stream an error shows.
const MOST: usize = 20;
/// This many lines that are alike are folded.
const MANY: usize = 3;
/// A line with fewer letters says too little to be like another.
const LETTERS: usize = 3;

/// The last lines that were captured after `from`.
pub(crate) fn last_lines(capture: &Capture, from: u64) -> String {
    let begin = from.max(capture.len().saturating_sub(LONGEST_LINE as u64));
    let (_, bytes) = capture.read(begin, LONGEST_LINE);
    let text = String::from_utf8_lossy(&bytes);
    let lines = folded(&text.lines().collect::<Vec<_>>());
    lines[lines.len().saturating_sub(MOST)..].join("\n")
}

fn folded(lines: &[&str]) -> Vec<String> {
    let patterns: Vec<_> = lines.iter().map(|line| pattern(line)).collect();
    // How many there are of each, and where the last one stands.
    let mut alike: HashMap<&str, (usize, usize)> = HashMap::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let (count, last) = alike.entry(pattern).or_default();
        (*count, *last) = (*count + 1, index);
    }
    let mut folded = Vec::new();
    for (index, (line, pattern)) in lines.iter().zip(&patterns).enumerate() {
        let (count, last) = alike[pattern.as_str()];
        let says_little = pattern.chars().filter(|c| c.is_alphabetic()).count() < LETTERS;
        // Where all are alike, nothing is displaced.
        if count < MANY || says_little || alike.len() == 1 {
            folded.push((*line).to_owned());
        } else if index == last {
            folded.push(format!("[… {} lines like the next …]", count - 1));
            folded.push((*line).to_owned());
        }
    }
    folded
}

/// The line without what differs from one time to the next: each word with a digit (a number, a time, an address) is
/// replaced.
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

    fn told(lines: &str) -> String {
        last_lines(&capture(lines.as_bytes()), 0)
    }

    #[test]
    fn lines_that_differ_in_numbers_are_folded_into_the_last() {
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
        assert_eq!(told(&text), expected);
    }

    #[test]
    fn where_all_lines_are_alike_the_last_ones_are_shown() {
        let lines: Vec<_> = (1..=50).map(|i| format!("out {i}")).collect();
        assert_eq!(told(&lines.join("\n")), lines[30..].join("\n"));
    }

    #[test]
    fn braces_and_empty_lines_stay_where_they_are() {
        let text =
            "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n\n{\n  \"c\": {\n  }\n}\n\n{\n  \"d\": {\n  }\n}";
        assert_eq!(told(text), text);
    }

    #[test]
    fn only_what_follows_a_place_is_shown() {
        assert_eq!(last_lines(&capture(b"before\nafter\n"), 7), "after");
    }
}
