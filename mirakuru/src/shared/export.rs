//! Sets environment variables from shared fixtures, before `main`.
//!
//! Rules for this file. It runs as a constructor of the test binary, in any order with others, so a supervisor is
//! entered here first. No thread of the library may run while a variable is set. It must not unwind: a constructor
//! is called by C. What `main` would set up (the harness's capture of output) is not there yet, so all text goes to
//! standard error at once.

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

/// How long a thread that has answered a check may take to end.
const ENDING: Duration = Duration::from_secs(1);

/// Sets an environment variable of this process from a [`Shared`] fixture, before `main`.
///
/// Write it next to the static. Attributes that read the variable before the test's body, such as `#[sqlx::test]`, then
/// find it. It starts the fixture or joins the running one: with [`Shared::per_run`] there is one for the run, with
/// [`Shared::new`] one for each test process. The closure takes the executor and returns the value: a `String`, or anything else that becomes an
/// [`OsString`]. A value that is already set is replaced.
///
/// Listing tests (`--list`) and `--help` start nothing, nor does a service that runs the same program. A filter that leaves no test still starts the fixture. If the
/// fixture cannot start, the process prints the whole error and exits.
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
///     let url = std::env::var("SERVER_URL").expect("it is set before `main`");
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

/// Sets the variable. See [`export!`](crate::export!).
pub fn export<T: Fixture, V: Into<OsString>>(
    name: &str,
    fixture: &'static Shared<T>,
    value: impl FnOnce(&T) -> V,
) {
    supervisor::enter_if_called();
    // A service that is this very program would start the next one.
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
        // The hook has printed the panic.
        Err(_) => std::process::exit(101),
    }
}

/// Returns whether the harness runs no test.
fn only_lists() -> bool {
    let quiet = ["--list", "--help", "-h"];
    sys::arguments().any(|word| quiet.iter().any(|quiet| word == *quiet))
}

/// Waits for the end of the threads that asked checks.
fn await_own_threads() {
    let bound = Deadline::after(ENDING);
    while sys::threads().is_some_and(|threads| threads > 1) && !bound.has_passed() {
        pause(Duration::from_micros(100));
    }
}
