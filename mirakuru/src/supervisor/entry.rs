//! Checks before `main` whether this run of the test binary is a supervisor, and serves if it is.
//!
//! This file runs at every start of every program that links this crate, even when a runner only lists its tests.
//! Without the marker in the environment it therefore does one look-up and nothing else. It starts no process and no
//! thread, and prints nothing. It only peeks at the data in the socket, and takes nothing away from a program that
//! merely inherited the marker. It cannot use what std's runtime sets up before `main`: dispositions of signals, the
//! main thread's name, the arguments on some systems.

use super::serve::{Role, serve};
use crate::protocol::{ENTRY, HANDSHAKE, is_name};
use crate::sys::{self, Pid};

/// Runs as early as the C runtime allows, and before the program's own constructors.
#[ctor::ctor(unsafe, priority = 100)]
fn enter() {
    enter_if_called();
}

/// Serves if this process was started as a supervisor; it does not return then. Constructors of the library call this
/// first, as not every system runs constructors in an order.
pub(crate) fn enter_if_called() {
    let Some(name) = std::env::var_os(ENTRY) else {
        return;
    };
    let Some(name) = name.to_str().filter(|name| is_called(name)) else {
        return;
    };
    // From here on this process is a supervisor or exits. It must never return to a program that would run tests, each
    // of which would start it again.
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

/// Drops what this process inherited from the test process, and takes the socket. Returns `None` if the test process is
/// already gone and there is nothing to serve.
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
