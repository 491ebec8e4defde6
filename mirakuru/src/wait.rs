//! Deadlines, and how often to look.
//!
//! What ends a wait early (a death, more output, a changed directory) wakes it; this is for what
//! wakes nobody. A look costs little and a wake-up much, the more the longer the sleep before it, so
//! their number is what counts: the interval is a share of the time already waited, which keeps the
//! delay within a few per cent of the start-up and the number of looks logarithmic.

use std::time::{Duration, Instant};

/// One part in this many of the time waited.
const SHARE: u32 = 54;
/// Most services are ready by then; behind it the share itself grows, faster than the time waited.
const PROMPT: Duration = Duration::from_millis(150);
const FLOOR: Duration = Duration::from_micros(400);
const CEILING: Duration = Duration::from_millis(60);

/// Sleeps, where nothing can wake the caller.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that waits on time alone"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// How long to wait before a lock is asked for again: the longer one has queued, the more often, so
/// that who came first tends to be served first.
pub(crate) fn next_try(queued: Duration) -> Duration {
    let seconds = queued.as_secs_f64();
    Duration::from_secs_f64((0.02 / (1.0 + seconds)).max(0.004))
}

/// A monotonic point in time; a clock that is set has no part in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    begin: Instant,
    /// `None` where the bound is further away than the clock reaches.
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

    /// The whole time from the begin to the end; `None` if there is no end.
    pub(crate) fn bound(&self) -> Option<Duration> {
        self.end.map(|end| end - self.begin)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// What is left of it; zero once it has passed.
    pub(crate) fn remaining(&self) -> Duration {
        self.end.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// The later of this and another bound from now.
    pub(crate) fn at_least(&self, bound: Duration) -> Self {
        Self::after(self.remaining().max(bound))
    }

    /// The later of this and another, counted from the beginning of this.
    pub(crate) fn later(&self, other: Self) -> Self {
        let end = self.end.zip(other.end).map(|(own, other)| own.max(other));
        Self { end, ..*self }
    }

    /// The nearer of this and another, counted from the beginning of this.
    pub(crate) fn earlier(&self, other: Self) -> Self {
        let end = self.end.into_iter().chain(other.end).min();
        Self { end, ..*self }
    }

    /// The nearer of this and another bound from now.
    pub(crate) fn or_sooner(&self, bound: Duration) -> Self {
        Self::after(self.remaining().min(bound))
    }
}

/// When to look next.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    fixed: Option<Duration>,
}

impl Pace {
    /// The longest adaptive interval.
    pub(crate) const LONGEST: Duration = CEILING;

    /// The fixed interval, or the adaptive one from now on.
    pub(crate) fn new(fixed: Option<Duration>) -> Self {
        Self {
            since: Instant::now(),
            fixed,
        }
    }

    /// Something happened that readiness tends to follow at once: look often again.
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
    fn the_interval_is_a_share_of_the_time_waited_between_its_bounds() {
        assert_eq!(adaptive(Duration::ZERO), FLOOR);
        assert_eq!(
            adaptive(Duration::from_millis(108)),
            Duration::from_millis(2)
        );
        assert_eq!(adaptive(Duration::from_millis(300)).as_millis(), 15);
        assert_eq!(adaptive(Duration::from_secs(60)), CEILING);
    }

    #[test]
    fn looking_is_rare_in_a_long_wait() {
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
