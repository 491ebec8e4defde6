//! The implementations of [`Readiness`] for a boxed check and for a shared one. Both forward each call to the check.

use super::{ConfigError, Context, Manner, NotReady, Origin, Readiness, Target};

macro_rules! forward {
    ($(#[$doc:meta])* impl $([$($generics:tt)*])? for $pointer:ty) => {
        $(#[$doc])*
        impl $(<$($generics)*>)? Readiness for $pointer {
            fn pre_start_check(&self, cx: &Context) -> bool {
                (**self).pre_start_check(cx)
            }

            fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
                (**self).after_start_check(cx)
            }

            fn glance(&self, cx: &Context) -> Result<(), NotReady> {
                (**self).glance(cx)
            }

            fn describe(&self, cx: &Context) -> String {
                (**self).describe(cx)
            }

            fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
                (**self).validate(cx)
            }

            fn target(&self) -> Target {
                (**self).target()
            }

            fn manner(&self, cx: &Context) -> Manner {
                (**self).manner(cx)
            }

            fn origin(&self, cx: &Context) -> Origin {
                (**self).origin(cx)
            }

            fn needs_own_process(&self) -> bool {
                (**self).needs_own_process()
            }
        }
    };
}

forward! {
    /// Forwards to a check of any kind. [`AnyExecutor`](crate::AnyExecutor) contains one.
    impl for Box<dyn Readiness>
}
forward! {
    /// Forwards to a shared check.
    impl [R: Readiness + ?Sized] for std::sync::Arc<R>
}
