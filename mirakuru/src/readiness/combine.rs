//! Two checks as one: `and`, `or`, `then`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Context, Manner, NotReady, Readiness, Target};

/// What is the same of any two checks.
macro_rules! of_both {
    ($first:tt, $second:tt) => {
        fn pre_start_check(&self, cx: &Context) -> bool {
            self.$first.pre_start_check(cx) || self.$second.pre_start_check(cx)
        }

        fn validate(&self, cx: &Context) -> Result<(), String> {
            self.$first.validate(cx)?;
            self.$second.validate(cx)
        }

        fn target(&self) -> Target {
            self.$first.target().or(self.$second.target())
        }

        fn manner(&self, cx: &Context) -> Manner {
            self.$first.manner(cx).with(self.$second.manner(cx))
        }
    };
}

/// Ready when both are; see [`Readiness::and`].
#[derive(Clone, Copy, Debug)]
pub struct And<A, B>(pub(super) A, pub(super) B);

impl<A: Readiness, B: Readiness> Readiness for And<A, B> {
    of_both!(0, 1);

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        self.0.after_start_check(cx)?;
        self.1.after_start_check(cx)
    }

    fn describe(&self, cx: &Context) -> String {
        format!("{}, and {}", self.0.describe(cx), self.1.describe(cx))
    }
}

/// Ready when one of them is; see [`Readiness::or`].
#[derive(Clone, Copy, Debug)]
pub struct Or<A, B>(pub(super) A, pub(super) B);

impl<A: Readiness, B: Readiness> Readiness for Or<A, B> {
    of_both!(0, 1);

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        let Err(first) = self.0.after_start_check(cx) else {
            return Ok(());
        };
        let Err(second) = self.1.after_start_check(cx) else {
            return Ok(());
        };
        Err(NotReady::new(format!("{first}; {second}")))
    }

    fn describe(&self, cx: &Context) -> String {
        format!("{}, or {}", self.0.describe(cx), self.1.describe(cx))
    }
}

/// Ready when the first was once and then the second is; see [`Readiness::then`].
#[derive(Debug)]
pub struct Then<A, B> {
    first: A,
    second: B,
    /// The start in which the first was seen ready.
    passed: AtomicU64,
}

impl<A, B> Then<A, B> {
    pub(super) fn new(first: A, second: B) -> Self {
        Self {
            first,
            second,
            passed: AtomicU64::new(0),
        }
    }
}

impl<A: Clone, B: Clone> Clone for Then<A, B> {
    fn clone(&self) -> Self {
        Self::new(self.first.clone(), self.second.clone())
    }
}

impl<A: Readiness, B: Readiness> Readiness for Then<A, B> {
    of_both!(first, second);

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        if self.passed.load(Ordering::Relaxed) != cx.start() {
            self.first.after_start_check(cx)?;
            self.passed.store(cx.start(), Ordering::Relaxed);
        }
        self.second.after_start_check(cx)
    }

    fn describe(&self, cx: &Context) -> String {
        format!(
            "{}, then {}",
            self.first.describe(cx),
            self.second.describe(cx)
        )
    }
}
