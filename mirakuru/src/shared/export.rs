//! Sets environment variables from shared fixtures, before `main`.
//!
//! This code runs as a constructor of the test binary, which has these consequences:
//!
//! - Constructors run in any order, so a process that is a supervisor must enter its loop here first.
//! - No thread of the library may run while a variable is set.
//! - C calls a constructor, so it must not unwind.
//! - The harness does not capture output yet, so all text goes to standard error at once.

#[doc(hidden)]
pub use ctor;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{Fixture, Shared};
use crate::error::Result;
use crate::events;
use crate::protocol::MARK;
use crate::supervisor;
use crate::sys;
use crate::wait::{Deadline, pause};

/// The time that a thread may take to end after it has answered a check.
const THREAD_END_TIMEOUT: Duration = Duration::from_secs(1);

/// Sets an environment variable of this process from a [`Shared`] fixture, before `main`.
///
/// Write it next to the static. Attributes that read the variable before the body of the test, such as `#[sqlx::test]`,
/// then find it. The macro starts the fixture or joins the running one: with [`Shared::per_run`] there is one fixture
/// for the run, with [`Shared::new`] one for each test process.
///
/// The closure takes the executor and returns the value: a `String`, or another type that converts into an
/// [`OsString`]. The new value replaces a value that is already set.
///
/// `--list` and `--help` do not start the fixture, and neither does a service that runs the same program. A filter that
/// selects no test still starts it. If the fixture cannot start, the process prints the whole error and exits.
///
/// ```
/// use mirakuru::{OutputExecutor, Shared};
///
/// static SERVER: Shared<OutputExecutor> = Shared::per_run("server", || {
///     OutputExecutor::new("sh -c 'echo ready on {port}; exec sleep 60'", "ready")
/// });
///
/// mirakuru::export! { SERVER_URL = SERVER, |server| server.url() }
///
/// fn main() {
///     let url = std::env::var("SERVER_URL").expect("`export!` sets it before `main`");
///     assert!(url.starts_with("http://127.0.0.1:"));
/// }
/// ```
#[macro_export]
macro_rules! export {
    ($($name:ident = $fixture:expr, $value:expr);+ $(;)? $(,)?) => {$(
        const _: () = {
            $crate::__export::ctor::declarative::ctor!(
                #[ctor(unsafe, anonymous, crate_path = $crate::__export::ctor)]
                fn export() {
                    $crate::__export::export(::core::stringify!($name), &$fixture, $value);
                }
            );
        };
    )+};
}

/// Sets the variable of [`export!`](crate::export!).
pub fn export<T: Fixture, V: Into<OsString>>(
    name: &str,
    fixture: &'static Shared<T>,
    value: impl FnOnce(&T) -> V,
) {
    supervisor::enter_if_called();
    // A service that runs this program must not start the next service.
    if only_lists() || std::env::var_os(MARK).is_some() {
        return;
    }
    let made = catch_unwind(AssertUnwindSafe(|| -> Result<OsString> {
        Ok(value(fixture.get()?).into())
    }));
    match made {
        Ok(Ok(value)) => {
            await_own_threads();
            sys::set_variable(name, &value);
        }
        Ok(Err(error)) => {
            events::print_uncaptured(&format!("mirakuru: {name} cannot be set: {error}"));
            std::process::exit(1);
        }
        // The panic hook has printed the panic.
        Err(_) => std::process::exit(101),
    }
}

/// Returns `true` if the harness only lists tests or prints its help.
fn only_lists() -> bool {
    let quiet = ["--list", "--help", "-h"];
    sys::arguments().any(|word| quiet.iter().any(|quiet| word == *quiet))
}

/// Waits until the threads that ran checks have ended, or until [`THREAD_END_TIMEOUT`] has passed.
fn await_own_threads() {
    let bound = Deadline::after(THREAD_END_TIMEOUT);
    while sys::threads().is_some_and(|threads| threads > 1) && !bound.has_passed() {
        pause(Duration::from_micros(100));
    }
}
