//! A server leaves no shared memory, because it receives its stop signal even if the test or the start fails.
#![cfg(target_os = "linux")]

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use mirakuru::{Context, ErrorKind, Executor};

use crate::server::{COMMAND, configured, server};

/// Files in `/dev/shm`, and numbers of System V segments.
#[derive(Default)]
struct Memory {
    files: Vec<String>,
    segments: Vec<String>,
}

impl Memory {
    /// Returns the shared memory of a process.
    fn of(pid: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the server runs");
        let mut memory = Self::default();
        for line in maps.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            match words[..] {
                [_, _, _, _, _, file, ..] if file.starts_with("/dev/shm/") => {
                    memory.files.push(file.to_owned());
                }
                [_, _, _, _, segment, name, ..] if name.starts_with("/SYSV") => {
                    memory.segments.push(segment.to_owned());
                }
                _ => {}
            }
        }
        memory
    }

    #[track_caller]
    fn assert_gone(&self) {
        assert!(!self.files.is_empty() && !self.segments.is_empty());
        let left = self.files.iter().find(|file| Path::new(file).exists());
        assert_eq!(left, None);
        let table = fs::read_to_string("/proc/sysvipc/shm").expect("procfs");
        let numbers = table
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1));
        let left = numbers.filter(|number| self.segments.iter().any(|own| own == number));
        assert_eq!(left.count(), 0);
    }
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn a_test_that_panics_leaves_no_shared_memory() {
    let (send, memory) = mpsc::channel();
    let panicking = AssertUnwindSafe(|| {
        let postgres = server().started().expect("the server starts");
        let pid = postgres.pid().expect("the server runs");
        send.send(Memory::of(pid)).expect("the channel is open");
        panic::resume_unwind(Box::new("no message"));
    });
    panic::catch_unwind(panicking).expect_err("the body panics");
    memory.recv().expect("the memory was sent").assert_gone();
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn a_start_that_fails_leaves_no_shared_memory() -> mirakuru::Result<()> {
    let memory = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&memory);
    // The check passes at the first start, which makes the cluster. It never passes at the second start.
    let check = move |cx: &Context| {
        let is_up = cx.err_output().text().contains("ready to accept");
        let mut seen = seen.lock().expect("no panic");
        let is_first = seen.is_none();
        if let Some(pid) = cx.pid().filter(|_| is_up) {
            *seen = Some(Memory::of(pid));
        }
        is_up && is_first
    };
    let postgres = configured(Executor::when(COMMAND, check).shell(true)).started()?;
    postgres.stop()?;
    let first = memory
        .lock()
        .expect("no panic")
        .as_ref()
        .map(|memory| memory.files.clone());
    let postgres = postgres.timeout(Duration::from_secs(8));
    let error = postgres.start().expect_err("the server is never ready");
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired, "{error}");
    let second = memory
        .lock()
        .expect("no panic")
        .take()
        .expect("the server was up");
    assert_ne!(
        first.as_ref(),
        Some(&second.files),
        "the memory is of the first start"
    );
    second.assert_gone();
    Ok(())
}
