//! A process whose first thread has ended while another goes on: `main_thread_ends FILE [PORT]`.
//!
//! It listens on PORT of the loopback interface, prints `ready`, and is a zombie by its own entry in
//! `/proc` from then on. At SIGTERM it takes a while, writes `flushed` into FILE, and exits with 0.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{fs, net::TcpListener, process, thread, time::Duration};

use nix::{
    libc,
    sys::signal::{SigSet, Signal},
};

use crate::{Args, Outcome};

/// Longer than what left the service's group is given.
const FLUSH: Duration = Duration::from_millis(400);

pub(crate) fn run(args: &mut Args) -> Outcome {
    let file = args.next().ok_or("FILE is missing")?;
    let port = args.next().map(|port| port.parse::<u16>()).transpose()?;
    let listener = port.map(|port| TcpListener::bind(("127.0.0.1", port)));
    let listener = listener.transpose()?;
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    // In every thread that is started from here on, too.
    term.thread_block()?;
    thread::spawn(move || {
        while !is_gone(process::id()) {
            thread::yield_now();
        }
        println!("ready");
        let _ = term.wait();
        thread::sleep(FLUSH);
        let flushed = fs::write(file, "flushed");
        drop(listener);
        process::exit(i32::from(flushed.is_err()));
    });
    end_of_thread()
}

/// Whether this thread has ended, where the system tells.
fn is_gone(thread: u32) -> bool {
    if cfg!(not(target_os = "linux")) {
        return true;
    }
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
    stat.is_ok_and(|stat| stat.contains(") Z "))
}

#[expect(unsafe_code, reason = "no safe call ends the first thread alone")]
fn end_of_thread() -> ! {
    // SAFETY: `exit(2)` ends this thread; nothing that it has on its stack is used by others.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::syscall(libc::SYS_exit, 0)
    };
    // SAFETY: this ends the thread too. Only the C library of Linux would unwind it.
    #[cfg(not(target_os = "linux"))]
    unsafe {
        libc::pthread_exit(std::ptr::null_mut())
    };
    #[cfg(target_os = "linux")]
    unreachable!("the thread has ended")
}
