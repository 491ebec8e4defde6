//! Represents signals as plain numbers with names, so that the public API does not expose a type of another crate.

use std::fmt;

use crate::sys::{self, signals};

/// A signal, by its number on this system.
///
/// # Platform-specific behaviour
///
/// Windows has no signals. There, `TERM` and `KILL` terminate processes, and `INT` sends `CTRL_BREAK` to the console
/// group of a service. Any other signal is `InvalidConfig` from the call that should send it. The numbers are those of
/// Linux.
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
    /// Requests that a process ends. This is the default of [`stop`](crate::Executor::stop).
    pub const TERM: Self = Self(signals::TERM);
    /// Kills a process, which cannot catch or ignore it. This is the default of [`kill`](crate::Executor::kill).
    pub const KILL: Self = Self(signals::KILL);
    /// The signal that Ctrl-C sends.
    pub const INT: Self = Self(signals::INT);
    /// The signal that Ctrl-\ sends.
    pub const QUIT: Self = Self(signals::QUIT);
    /// Hang-up. Many services reload their configuration when they receive it.
    pub const HUP: Self = Self(signals::HUP);
    /// The first signal without a meaning of its own.
    pub const USR1: Self = Self(signals::USR1);
    /// The second signal without a meaning of its own.
    pub const USR2: Self = Self(signals::USR2);
    /// Suspends a process.
    pub const STOP: Self = Self(signals::STOP);
    /// Resumes a suspended process.
    pub const CONT: Self = Self(signals::CONT);

    /// Returns the signal with this number.
    ///
    /// A number that the system does not know is `InvalidConfig` from the call that should send the signal.
    ///
    /// ```
    /// use mirakuru::Signal;
    ///
    /// assert_eq!(Signal::from_raw(9), Signal::KILL);
    /// ```
    #[must_use]
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// Returns the signal with this name, such as `SIGINT`.
    #[cfg(feature = "macros")]
    pub(crate) fn named(name: &str) -> Option<Self> {
        signals::named(name).map(Self)
    }

    /// Checks that the system knows the signal.
    pub(crate) fn check(self) -> Result<(), String> {
        sys::check_signal(self.0)
    }

    /// Returns the number of the signal.
    ///
    /// ```
    /// use mirakuru::Signal;
    ///
    /// assert_eq!(Signal::TERM.as_raw(), 15);
    /// ```
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

/// Describes in words how a process ended. A negative `code` is the number of a signal.
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
    fn the_executor_and_the_attribute_know_the_same_signals() {
        for (name, is_signal) in include!("../../tests/rules/signals.rs") {
            assert_eq!(Signal::named(name).is_some(), is_signal, "{name}");
        }
    }
}
