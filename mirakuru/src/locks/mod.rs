//! Provides the locks: on a file among processes, a turn among threads, and a mutex in a forked child.
//!
//! A file lock dies with its process. [`directory`] makes the directory of the lock files, which belongs to
//! the user alone. This module depends on no port, run or executor.

pub(crate) mod directory;
mod file;
mod fork;
mod thread;

pub(crate) use directory::lock_directory;
pub(crate) use file::{FileLock, is_at};
pub(crate) use fork::{Owner, lock_unless_lost};
pub(crate) use thread::{Refusal, ThreadLock, TurnGuard};
