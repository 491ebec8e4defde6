//! Decides whether a process ended as expected.

use std::collections::BTreeSet;
use std::fmt;

use crate::signal::Signal;

/// The ends of a stopped process that count as success.
pub(super) struct Expected {
    pub(super) signal: Signal,
    pub(super) code: Option<i32>,
    /// The kill signal, if the stop signal had no effect.
    pub(super) forced_by: Option<Signal>,
    /// The signals that the test itself has sent, each of which may have ended the process.
    pub(super) sent: BTreeSet<i32>,
}

impl Expected {
    pub(super) fn accepts(&self, code: i32) -> bool {
        let by_signal = |signal: Signal| code == -signal.as_raw() || code == 128 + signal.as_raw();
        code == 0
            || self
                .code
                .map_or_else(|| by_signal(self.signal), |expected| code == expected)
            || self
                .forced_by
                .is_some_and(|signal| by_signal(signal) || by_signal(Signal::KILL))
            || self
                .sent
                .iter()
                .any(|sent| by_signal(Signal::from_raw(*sent)))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(0) => f.write_str("exit code 0"),
            Some(code) if code.is_negative() => {
                write!(
                    f,
                    "exit code 0, or {}",
                    Signal::from_raw(code.saturating_neg())
                )
            }
            Some(code) => write!(f, "exit code 0 or {code}"),
            None => {
                let (code, signal) = (128 + self.signal.as_raw(), self.signal);
                write!(f, "exit code 0 or {code}, or {signal}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(code: Option<i32>, forced_by: Option<Signal>) -> Expected {
        Expected {
            signal: Signal::TERM,
            code,
            forced_by,
            sent: BTreeSet::new(),
        }
    }

    #[test]
    fn default_accepts_the_stop_signal_and_its_shell_code() {
        let default = expected(None, None);
        assert!([0, -15, 143].into_iter().all(|code| default.accepts(code)));
        assert!(
            [1, -9, 137, 15]
                .into_iter()
                .all(|code| !default.accepts(code))
        );
    }

    #[test]
    fn expected_code_replaces_the_default() {
        let three = expected(Some(3), None);
        assert!(three.accepts(3) && three.accepts(0) && !three.accepts(-15));
    }

    #[test]
    fn accepts_death_by_a_signal_that_the_test_sent() {
        let sent = Expected {
            sent: [9, 1].into(),
            ..expected(Some(3), None)
        };
        assert!(
            [-9, 137, -1, 129]
                .into_iter()
                .all(|code| sent.accepts(code))
        );
        assert!([-15, 143, 1].into_iter().all(|code| !sent.accepts(code)));
    }

    #[test]
    fn accepts_a_kill_after_the_stop_timeout() {
        assert!(expected(None, Some(Signal::KILL)).accepts(-9));
        assert!(expected(Some(3), Some(Signal::QUIT)).accepts(-3));
    }
}
