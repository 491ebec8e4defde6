//! Converts values of options that are not literals, or that a literal cannot express.

use std::time::Duration;

use crate::signal::Signal;

/// A time that is not a literal, as an option of the attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a time",
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
        // A number that cannot be a time gives a time of zero.
        Duration::try_from_secs_f64(self).unwrap_or_default()
    }
}

/// Converts a time to a `Duration`.
#[must_use]
pub fn duration(time: impl Time) -> Duration {
    time.duration()
}

/// Converts a field of an HTTP form to text. The fields may have different types.
pub fn text(value: impl Into<String>) -> String {
    value.into()
}

/// Returns the signal with this name, which the attribute has checked. If this system lacks the signal, returns signal
/// 0, which the start reports as an error.
#[must_use]
pub fn signal(name: &str) -> Signal {
    Signal::named(name).unwrap_or(Signal::from_raw(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_give_the_same_time_as_literals() {
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
