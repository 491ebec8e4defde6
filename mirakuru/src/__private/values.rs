//! Values of options that are no literals, or that no literal can be.

use std::time::Duration;

use crate::signal::Signal;

/// A time as the attribute takes it where it is no literal.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no time",
    note = "a time is a literal like \"10s\", a `Duration`, or seconds as `u64` or `f64`"
)]
pub trait Time {
    fn duration(self) -> Duration;
}

impl Time for Duration {
    fn duration(self) -> Duration {
        self
    }
}

impl Time for u64 {
    fn duration(self) -> Duration {
        Duration::from_secs(self)
    }
}

impl Time for f64 {
    fn duration(self) -> Duration {
        // What no time can be is over at once.
        Duration::try_from_secs_f64(self).unwrap_or_default()
    }
}

#[must_use]
pub fn duration(time: impl Time) -> Duration {
    time.duration()
}

/// A value of a form, each of its own type.
pub fn text(value: impl Into<String>) -> String {
    value.into()
}

/// The signal with this name. The attribute has looked at it; one that this system lacks is no
/// signal, which the start says.
#[must_use]
pub fn signal(name: &str) -> Signal {
    Signal::named(name).unwrap_or(Signal::from_raw(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_those_of_a_literal() {
        for (literal, seconds, nanos) in include!("../../../tests/rules/seconds.rs") {
            let written = literal.replace('_', "");
            let whole = written.strip_prefix("0x").map_or_else(
                || written.parse::<u64>().ok(),
                |digits| u64::from_str_radix(digits, 16).ok(),
            );
            let found = match whole {
                Some(whole) => duration(whole),
                None => duration(written.parse::<f64>().unwrap()),
            };
            assert_eq!(found, Duration::new(seconds, nanos), "{literal}");
        }
    }
}
