//! Provides deadlines and polling intervals.
//!
//! An event such as a death, more output or a changed directory wakes a wait early. The interval serves conditions that
//! no event reports. A check costs little and a wake-up costs much, and more after a longer sleep, so the number of
//! wake-ups counts.
//!
//! The interval is a share of the time already waited. This keeps the delay within a few per cent of the start-up time,
//! and the number of checks logarithmic.

use std::time::{Duration, Instant};

/// The interval is the time waited divided by this.
const SHARE: u32 = 54;
/// The time within which most services are ready. After it, the share itself grows, faster than the time waited.
const PROMPT: Duration = Duration::from_millis(150);
const FLOOR: Duration = Duration::from_micros(400);
const CEILING: Duration = Duration::from_millis(60);

/// Sleeps, for a caller that no event can wake.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that waits on time alone"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until this condition of a test is true, and panics after 30 seconds.
#[cfg(test)]
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let bound = Deadline::after(Duration::from_secs(30));
    while !condition() {
        assert!(!bound.has_passed(), "the condition stays false");
        pause(Duration::from_millis(1));
    }
}

/// Returns the time to wait before the next attempt at a lock.
///
/// The time decreases while a process queues, so that the first process in the queue tends to get the lock first.
pub(crate) fn next_try(queued: Duration) -> Duration {
    let seconds = queued.as_secs_f64();
    Duration::from_secs_f64((0.02 / (1.0 + seconds)).max(0.004))
}

/// A monotonic point in time, which a change of the system's clock does not affect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    begin: Instant,
    /// The end, or `None` if it is further away than the clock reaches.
    end: Option<Instant>,
}

impl Deadline {
    pub(crate) fn after(bound: Duration) -> Self {
        let begin = Instant::now();
        Self {
            begin,
            end: begin.checked_add(bound),
        }
    }

    /// Returns the whole time from the beginning to the end, or `None` without an end.
    pub(crate) fn bound(&self) -> Option<Duration> {
        self.end.map(|end| end - self.begin)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Returns the time that is left, or zero once the deadline has passed.
    pub(crate) fn remaining(&self) -> Duration {
        self.end.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Returns the later of this deadline and one that is `bound` from now.
    pub(crate) fn at_least(&self, bound: Duration) -> Self {
        Self::after(self.remaining().max(bound))
    }

    /// Returns the later of this and another deadline, counted from the beginning of this one.
    pub(crate) fn later(&self, other: Self) -> Self {
        let end = self.end.zip(other.end).map(|(own, other)| own.max(other));
        Self { end, ..*self }
    }

    /// Returns the earlier of this and another deadline, counted from the beginning of this one.
    pub(crate) fn earlier(&self, other: Self) -> Self {
        let end = self.end.into_iter().chain(other.end).min();
        Self { end, ..*self }
    }

    /// Returns the earlier of this deadline and one that is `bound` from now.
    pub(crate) fn or_sooner(&self, bound: Duration) -> Self {
        Self::after(self.remaining().min(bound))
    }
}

/// The schedule of a polling wait.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    fixed: Option<Duration>,
}

impl Pace {
    /// The longest adaptive interval.
    pub(crate) const LONGEST: Duration = CEILING;

    /// Returns a pace with this fixed interval, or with the adaptive interval from now on.
    pub(crate) fn new(fixed: Option<Duration>) -> Self {
        Self {
            since: Instant::now(),
            fixed,
        }
    }

    /// Shortens the interval again, after an event that a service's readiness tends to follow.
    pub(crate) fn begin_again(&mut self) {
        self.since = Instant::now();
    }

    pub(crate) fn interval(&self) -> Duration {
        self.fixed.unwrap_or_else(|| adaptive(self.since.elapsed()))
    }
}

fn adaptive(waited: Duration) -> Duration {
    let growth = waited.as_secs_f64() / PROMPT.as_secs_f64();
    (waited / SHARE)
        .mul_f64((growth * growth.sqrt()).clamp(1.0, f64::from(SHARE)))
        .clamp(FLOOR, CEILING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_a_bounded_share_of_the_time_waited() {
        assert_eq!(adaptive(Duration::ZERO), FLOOR);
        assert_eq!(
            adaptive(Duration::from_millis(108)),
            Duration::from_millis(2)
        );
        assert_eq!(adaptive(Duration::from_millis(300)).as_millis(), 15);
        assert_eq!(adaptive(Duration::from_secs(60)), CEILING);
    }

    #[test]
    fn a_long_wait_polls_rarely() {
        let (mut waited, mut looks) = (Duration::ZERO, 0);
        while waited < Duration::from_secs(2) {
            waited += adaptive(waited);
            looks += 1;
        }
        assert!(looks < 260, "{looks} looks in two seconds");
    }

    #[test]
    fn a_bound_beyond_the_clock_never_passes() {
        assert!(!Deadline::after(Duration::MAX).has_passed());
        assert!(Deadline::after(Duration::ZERO).has_passed());
    }
}
