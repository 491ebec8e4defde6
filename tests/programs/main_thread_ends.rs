//! A process whose first thread ends while another one goes on: `main_thread_ends FILE [PORT]`.
//!
//! From then on, its entry in `/proc` shows a zombie. It listens on PORT of the loopback interface and prints `ready`.
//! At SIGTERM it waits for a while, writes `flushed` to FILE, and exits with 0.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{fs, net::TcpListener, process, thread, time::Duration};

use nix::{
    libc,
    sys::signal::{SigSet, Signal},
};

use crate::{Args, Outcome};

/// Longer than the time that the supervisor gives to processes outside the service's group.
const FLUSH: Duration = Duration::from_millis(400);

pub(crate) fn run(args: &mut Args) -> Outcome {
    let file = args.next().ok_or("FILE is missing")?;
    let port = args.next().map(|port| port.parse::<u16>()).transpose()?;
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    // Every thread that is started from here on inherits the mask.
    term.thread_block()?;
    thread::spawn(move || {
        while !is_gone(process::id()) {
            thread::yield_now();
        }
        let listener = port.map(|port| TcpListener::bind(("127.0.0.1", port)).expect("a port"));
        println!("ready");
        let _ = term.wait();
        thread::sleep(FLUSH);
        let flushed = fs::write(file, "flushed");
        drop(listener);
        process::exit(i32::from(flushed.is_err()));
    });
    end_of_thread()
}

/// Returns whether the thread has ended. Returns `true` on systems that do not report it.
fn is_gone(thread: u32) -> bool {
    if cfg!(not(target_os = "linux")) {
        return true;
    }
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
    stat.is_ok_and(|stat| stat.contains(") Z "))
}

#[expect(unsafe_code, reason = "no safe call ends the first thread alone")]
fn end_of_thread() -> ! {
    // SAFETY: `exit(2)` ends this thread; no other thread uses the values on its stack.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::syscall(libc::SYS_exit, 0)
    };
    // SAFETY: this call ends the thread too. Only the C library of Linux would unwind the stack.
    #[cfg(not(target_os = "linux"))]
    unsafe {
        libc::pthread_exit(std::ptr::null_mut())
    };
    #[cfg(target_os = "linux")]
    unreachable!("the thread has ended")
}
