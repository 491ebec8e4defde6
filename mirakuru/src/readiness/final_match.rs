//! The expression of a banner, and the decision whether a match in an unfinished line is final.
//!
//! [`compile`] refuses an expression that no single line can match. [`Growth`] decides whether more text of the same
//! line could change a match.

use regex::Regex;
use regex_automata::Input;
use regex_automata::hybrid::dfa::DFA;
use regex_automata::util::look::{Look, LookSet};
use regex_syntax::hir::{Class, Hir, HirKind};

/// Compiles a banner, or returns the mistake in it.
pub(super) fn compile(banner: &str) -> Result<Regex, String> {
    let regex = Regex::new(banner)
        .map_err(|error| format!("the banner is not a valid regular expression: {error}"))?;
    let parsed = regex_syntax::parse(banner);
    if parsed.is_ok_and(|parsed| needs_end_of_line(&parsed)) {
        return Err(format!(
            "the banner {banner:?} contains a line break, but it is matched against one line at a time: \
             use `$` for the end of a line, or combine one check per line with `then`"
        ));
    }
    Ok(regex)
}

/// Returns whether the expression, or one of its alternatives, only matches a text that contains a line break.
fn needs_end_of_line(expression: &Hir) -> bool {
    let is_end = |c: u32| c == u32::from('\n') || c == u32::from('\r');
    match expression.kind() {
        HirKind::Literal(literal) => literal.0.iter().any(|byte| is_end(u32::from(*byte))),
        HirKind::Class(Class::Unicode(class)) => {
            let mut ranges = class.ranges().iter();
            let only_ends =
                ranges.all(|range| (range.start()..=range.end()).all(|c| is_end(c.into())));
            only_ends && !class.ranges().is_empty()
        }
        HirKind::Class(Class::Bytes(_)) | HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Repetition(repetition) => repetition.min > 0 && needs_end_of_line(&repetition.sub),
        HirKind::Capture(capture) => needs_end_of_line(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(needs_end_of_line),
    }
}

/// Decides whether a match in an unfinished line is final.
///
/// An automaton reads the line. After it has found a match, it keeps only the alternatives that have precedence over
/// that match. If no alternative is left, neither the match nor a group of it can change.
#[derive(Debug)]
pub(super) struct Growth {
    /// `None` if the expression is too large for an automaton.
    automaton: Option<DFA>,
    /// The expression looks at the text after a match, as `$` and `\b` do.
    looks_ahead: bool,
}

impl Growth {
    pub(super) fn new(banner: &str) -> Self {
        let config = DFA::config()
            .unicode_word_boundary(true)
            // A state must stay in the cache while `decide` looks at its successors.
            .minimum_cache_clear_count(Some(0));
        let automaton = DFA::builder().configure(config).build(banner).ok();
        let looks_behind = [Look::Start, Look::StartLF, Look::StartCRLF];
        let looks_behind = looks_behind
            .into_iter()
            .fold(LookSet::empty(), LookSet::insert);
        let looks_ahead = automaton.as_ref().is_none_or(|automaton| {
            let looks = automaton.get_nfa().look_set_any();
            !looks.subtract(looks_behind).is_empty()
        });
        Self {
            automaton,
            looks_ahead,
        }
    }

    /// Returns whether the match in this text stays the same for any text that follows in the same line. Returns
    /// `false` if that cannot be decided.
    pub(super) fn is_final(&self, text: &str) -> bool {
        self.decide(text).unwrap_or(false)
    }

    fn decide(&self, text: &str) -> Option<bool> {
        let automaton = self.automaton.as_ref()?;
        let mut cache = automaton.create_cache();
        let mut state = automaton
            .start_state_forward(&mut cache, &Input::new(text))
            .ok()?;
        let mut matched = false;
        for byte in text.bytes() {
            state = automaton.next_state(&mut cache, state, byte).ok()?;
            matched |= state.is_match();
            if state.is_dead() || state.is_quit() {
                return Some(matched && state.is_dead());
            }
        }
        if self.looks_ahead {
            return Some(false);
        }
        // The automaton reports a match one byte after its end.
        let mut next = |state, byte| automaton.next_state(&mut cache, state, byte).ok();
        let bytes = || (0..=u8::MAX).filter(|byte| !matches!(byte, b'\n' | b'\r'));
        let mut seen = Vec::new();
        for byte in bytes() {
            let after = next(state, byte)?;
            if seen.contains(&after) {
                continue;
            }
            seen.push(after);
            let is_final = if after.is_match() {
                let mut ends = true;
                for byte in bytes() {
                    ends &= next(after, byte)?.is_dead();
                }
                ends
            } else {
                after.is_dead() && matched
            };
            if !is_final {
                return Some(false);
            }
        }
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns all texts of at most `longest` of these letters.
    fn texts(letters: &[&str], longest: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut begin = 0;
        for _ in 0..longest {
            let end = all.len();
            for at in begin..end {
                for letter in letters {
                    all.push(format!("{}{letter}", all[at]));
                }
            }
            begin = end;
        }
        all
    }

    #[test]
    fn later_text_never_changes_a_final_match() {
        let patterns = [
            "a",
            "ab",
            "^a",
            "a$",
            "(?m)^a$",
            "a.*b",
            "a.*?b",
            "a.+?",
            r"(?<d>\d+)",
            r"a\d*",
            r"a\b",
            r"\ba",
            r"a\b 1",
            "a|ab",
            "ab|a",
            r"\ba.*1|a",
            "(a$)|(a)",
            "(a)|(ab)",
            "(ab)|(a)",
            "a(b)?",
            "a(b)??",
            "a{2}",
            "a{1,2}",
            "(?i)A1?",
            "[^a]+a",
            "a[^1]",
            "(a|b)*1",
            "(a|b)*?1",
            "",
            "a*",
            "é?a",
            "aé|a",
            r"\w+ ",
            r"(\w+) (\w)",
            r"\Aa\z",
            "b|a.*1",
            "(?s).a",
            r"a\B",
        ];
        let letters = ["a", "b", "1", " ", "é"];
        let (texts, suffixes) = (texts(&letters, 3), texts(&letters, 2));
        for pattern in patterns {
            let (regex, growth) = (Regex::new(pattern).expect("valid"), Growth::new(pattern));
            let spans = |text: &str| {
                let found = regex.captures(text)?;
                let groups = found.iter().map(|group| group.map(|group| group.range()));
                Some(groups.collect::<Vec<_>>())
            };
            for text in &texts {
                let found = spans(text);
                if found.is_none() || !growth.is_final(text) {
                    continue;
                }
                for suffix in &suffixes {
                    let later = spans(&format!("{text}{suffix}"));
                    assert_eq!(later, found, "{pattern:?} in {text:?} and {suffix:?}");
                }
            }
        }
    }

    #[test]
    fn a_match_that_cannot_change_is_final() {
        let is_final = |pattern, text| Growth::new(pattern).is_final(text);
        for (pattern, text) in [
            ("^ready", "ready"),
            ("ready", "it is ready"),
            ("foo|foobar", "foo"),
            (r"port (?<port>\d+) ", "port 80 "),
            (r"port (?<port>\d+) ", "port 80 and"),
            (r"port (?<port>\d{4})", "port 8080"),
            ("a.*?b", "a xb"),
            (r"\bready\b", "ready to"),
            ("bereit für", "bereit für"),
        ] {
            assert!(is_final(pattern, text), "{pattern:?} in {text:?}");
        }
        for (pattern, text) in [
            (r"port (?<port>\d+)", "port 80"),
            ("a.*b", "a xb"),
            ("a$", "a"),
            ("foobar|foo", "foo"),
            (r"ready\b", "ready"),
            ("(a$)|(a)", "a"),
            ("^ready", "not ready"),
            // The automaton gives up at the letter, and `a1 é1` would be a longer match.
            (r"\ba.*1", "a1 é"),
        ] {
            assert!(!is_final(pattern, text), "{pattern:?} in {text:?}");
        }
    }

    #[test]
    fn a_banner_with_a_line_break_is_a_mistake() {
        for banner in [
            "a\nb",
            r"a\nb",
            r"ready\n",
            r"a\r\nb",
            r"a[\n]b",
            r"a(?:\x0a)+",
            r"up|down\n",
            r"a[\r\n]",
        ] {
            assert!(compile(banner).is_err(), "{banner:?}");
        }
        for banner in [
            r"a\sb",
            r"a[^\n]*b",
            "(?s)a.b",
            r"ready\r?$",
            "ready$",
            r"a[\s\S]b",
            "",
        ] {
            assert!(compile(banner).is_ok(), "{banner:?}");
        }
    }
}
