//! Before `main`: here a run of the test binary finds out that it is a supervisor.
//!
//! Rules for this file. It runs in every start of every program that links this crate, also when a
//! runner only lists its tests: without the marker in the environment it does one look-up and
//! nothing else. It starts no process and no thread, prints nothing, and takes nothing away from a
//! program that merely inherited the marker: what it reads from the socket, it only peeks at.
//! Runtime services of std that `main` would set up (dispositions of signals, the main thread's
//! name, the arguments on some systems) are not there yet.

use super::serve::{Role, serve};
use crate::protocol::{ENTRY, HANDSHAKE, is_name};
use crate::sys::{self, Pid};

/// As early as the C runtime allows, so ahead of the program's own constructors.
#[ctor::ctor(unsafe, priority = 100)]
fn enter() {
    enter_if_called();
}

/// Serves, if this process is called as a supervisor, and never returns then. Constructors of the library call it
/// first: not every system runs them in an order.
pub(crate) fn enter_if_called() {
    let Some(name) = std::env::var_os(ENTRY) else {
        return;
    };
    let Some(name) = name.to_str().filter(|name| is_called(name)) else {
        return;
    };
    // From here on this is a supervisor, or nothing: it never returns to a program that would run tests,
    // each of which would start it again.
    let Some(owner) = sys::caller() else {
        sys::exit_now(1);
    };
    let outcome = std::panic::catch_unwind(|| {
        if let Some(role) = take_up(owner, name.to_owned()) {
            serve(role);
        }
    });
    sys::exit_now(i32::from(outcome.is_err()));
}

/// Returns whether another process started this one as a supervisor of this name.
fn is_called(name: &str) -> bool {
    is_name(name) && sys::is_greeted(&greeting(name))
}

fn greeting(name: &str) -> Vec<u8> {
    [HANDSHAKE, name.as_bytes()].concat()
}

/// Leaves behind what was inherited from the test process, and takes hold of what is ours.
/// `None` where the test process is gone already: then there is nobody to serve.
fn take_up(owner: Pid, name: String) -> Option<Role> {
    sys::leave_the_caller();
    let (link, process) = sys::take_hold(owner, greeting(&name).len())?;
    Some(Role {
        link,
        owner: process,
        owner_pid: Some(owner),
        name,
    })
}
