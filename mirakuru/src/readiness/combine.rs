//! Combinations of two checks: `and`, `or` and `then`.
//!
//! The macro `common_methods!` implements the methods that do the same in all three. The other methods differ in which
//! of the two checks they ask.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{ConfigError, Context, Manner, NotReady, Origin, Readiness, Target};

/// The methods that do the same in all combinations.
macro_rules! common_methods {
    () => {
        fn pre_start_check(&self, cx: &Context) -> bool {
            self.0.pre_start_check(cx) || self.1.pre_start_check(cx)
        }

        fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
            self.0.validate(cx)?;
            self.1.validate(cx)
        }

        fn target(&self) -> Target {
            self.0.target().or(self.1.target())
        }

        fn manner(&self, cx: &Context) -> Manner {
            self.0.manner(cx).with(self.1.manner(cx))
        }
    };
}

/// Ready when both checks are ready in the same attempt. [`Readiness::and`] creates it.
#[derive(Clone, Copy, Debug)]
pub struct And<A, B>(pub(super) A, pub(super) B);

impl<A: Readiness, B: Readiness> Readiness for And<A, B> {
    common_methods!();

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        self.0.after_start_check(cx)?;
        self.1.after_start_check(cx)
    }

    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        self.0.glance(cx)
    }

    fn describe(&self, cx: &Context) -> String {
        format!("{}, and {}", self.0.describe(cx), self.1.describe(cx))
    }

    fn origin(&self, cx: &Context) -> Origin {
        self.0.origin(cx).max(self.1.origin(cx))
    }

    fn needs_own_process(&self) -> bool {
        self.0.needs_own_process() || self.1.needs_own_process()
    }
}

/// Ready when one of two checks is ready. [`Readiness::or`] creates it.
#[derive(Clone, Copy, Debug)]
pub struct Or<A, B>(pub(super) A, pub(super) B);

impl<A, B> Or<A, B> {
    fn neither(first: &NotReady, second: &NotReady) -> NotReady {
        NotReady::new(format!("{first}; {second}"))
    }
}

impl<A: Readiness, B: Readiness> Readiness for Or<A, B> {
    common_methods!();

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        let first = self.0.after_start_check(cx);
        first.or_else(|first| {
            let second = self.1.after_start_check(cx);
            second.map_err(|second| Self::neither(&first, &second))
        })
    }

    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        let first = self.0.glance(cx);
        first.or_else(|first| {
            let second = self.1.glance(cx);
            second.map_err(|second| Self::neither(&first, &second))
        })
    }

    fn describe(&self, cx: &Context) -> String {
        format!("{}, or {}", self.0.describe(cx), self.1.describe(cx))
    }

    fn origin(&self, cx: &Context) -> Origin {
        self.0.origin(cx).min(self.1.origin(cx))
    }

    fn needs_own_process(&self) -> bool {
        self.0.needs_own_process() && self.1.needs_own_process()
    }
}

/// Ready when the second check is ready, after the first one has been ready once. [`Readiness::then`] creates it.
#[derive(Debug)]
pub struct Then<A, B>(
    A,
    B,
    /// The number of the start in which the first check was ready.
    AtomicU64,
);

impl<A, B> Then<A, B> {
    pub(super) fn new(first: A, second: B) -> Self {
        Self(first, second, AtomicU64::new(0))
    }

    fn has_passed_first(&self, cx: &Context) -> bool {
        self.2.load(Ordering::Relaxed) == cx.start.number
    }
}

impl<A: Clone, B: Clone> Clone for Then<A, B> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone(), self.1.clone())
    }
}

impl<A: Readiness, B: Readiness> Readiness for Then<A, B> {
    common_methods!();

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        if !self.has_passed_first(cx) {
            self.0.after_start_check(cx)?;
            self.2.store(cx.start.number, Ordering::Relaxed);
        }
        self.1.after_start_check(cx)
    }

    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        if self.has_passed_first(cx) {
            self.1.glance(cx)
        } else {
            self.0.glance(cx)
        }
    }

    fn describe(&self, cx: &Context) -> String {
        format!("{}, then {}", self.0.describe(cx), self.1.describe(cx))
    }

    fn origin(&self, cx: &Context) -> Origin {
        if self.has_passed_first(cx) {
            self.1.origin(cx)
        } else {
            self.0.origin(cx)
        }
    }

    fn needs_own_process(&self) -> bool {
        self.0.needs_own_process() || self.1.needs_own_process()
    }
}
