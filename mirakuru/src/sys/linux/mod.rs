//! Implements all of the names of `sys` for Linux.

mod child_signals;
mod descendants;
mod directories;
mod listened_addresses;
mod listener_owner;
mod mounts;
mod notices;
mod open_files;
mod pidfd;
mod process;
mod shared_memory;
mod spawn;

pub(crate) use child_signals::Wakeups;
pub(in crate::sys) use descendants::is_still;
pub(crate) use descendants::{
    carries, children, command_line, descendants, marked, proc_stat, program_name, started_at,
};
pub(crate) use directories::hand_over;
pub(in crate::sys) use directories::{open_below, open_up};
pub(crate) use listened_addresses::listening;
pub(crate) use listener_owner::{
    Listeners, has_ended, holder_of_port, is_unclaimed, owner_of_listener, owner_of_peer,
};
#[cfg(feature = "services")]
pub(crate) use mounts::memory;
pub(crate) use mounts::unmount_below;
pub(crate) use notices::Notices;
pub(crate) use open_files::{standard_error_of, waits_for_input};
pub(crate) use pidfd::Process;
pub(crate) use process::*;
pub(crate) use shared_memory::{remove_shared_memory, wall_clock};
pub(crate) use spawn::spawn;
