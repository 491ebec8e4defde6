//! Signals as plain numbers with names, so that no other crate's type stands in the public API.

use std::fmt;

use crate::sys::{self, signals};

/// A signal, by its number on this system.
///
/// # Platform-specific behaviour
///
/// Windows has no signals. There, `TERM` and `KILL` terminate processes, and `INT` sends `CTRL_BREAK` to the console group of
/// a service. Every other signal is `InvalidConfig` from the call that is to send it. The numbers are those of Linux.
///
/// ```
/// use mirakuru::Signal;
///
/// assert_eq!(Signal::KILL.to_string(), "SIGKILL");
/// assert_eq!(Signal::from_raw(15), Signal::TERM);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(i32);

impl Signal {
    /// Asks a process to end; the default of [`stop`](crate::Executor::stop).
    pub const TERM: Self = Self(signals::TERM);
    /// Ends a process that cannot object; the default of [`kill`](crate::Executor::kill).
    pub const KILL: Self = Self(signals::KILL);
    /// What Ctrl-C sends.
    pub const INT: Self = Self(signals::INT);
    /// What Ctrl-\ sends.
    pub const QUIT: Self = Self(signals::QUIT);
    /// Hang-up: to many services, a request to read their configuration again.
    pub const HUP: Self = Self(signals::HUP);
    /// The first signal without a meaning of its own.
    pub const USR1: Self = Self(signals::USR1);
    /// The second signal without a meaning of its own.
    pub const USR2: Self = Self(signals::USR2);
    /// Freezes a process.
    pub const STOP: Self = Self(signals::STOP);
    /// Lets a frozen process go on.
    pub const CONT: Self = Self(signals::CONT);

    /// The signal with this number. One that the system does not know is `InvalidConfig` from the
    /// call that is to send it.
    #[must_use]
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// The signal with this name, as `SIGINT`.
    #[cfg(feature = "macros")]
    pub(crate) fn named(name: &str) -> Option<Self> {
        signals::named(name).map(Self)
    }

    /// Whether the system knows it, or what is wrong.
    pub(crate) fn check(self) -> Result<(), String> {
        sys::check_signal(self.0)
    }

    /// The signal's number.
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signals::name_of(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a process ended, in words. `code` is negative for a signal's number.
pub(crate) fn describe_exit(code: i32) -> String {
    if code < 0 {
        sys::describe_death(code)
    } else {
        format!("exited with code {code}")
    }
}

#[cfg(all(test, feature = "macros"))]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_attribute_takes() {
        for (name, is_signal) in include!("../../tests/rules/signals.rs") {
            assert_eq!(Signal::named(name).is_some(), is_signal, "{name}");
        }
    }
}
