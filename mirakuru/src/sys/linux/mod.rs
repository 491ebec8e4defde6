//! Linux: the complete set.

mod child_signals;
mod descendants;
mod directories;
mod listened_addresses;
mod mounts;
mod notices;
mod open_files;
mod pidfd;
mod process;
mod shared_memory;
mod spawn;
mod whose_listener;

pub(crate) use child_signals::Wakeups;
pub(in crate::sys) use descendants::is_still;
pub(crate) use descendants::{
    carries, children, command_line, descendants, marked, program_name, standing, started_at,
};
pub(crate) use directories::hand_over;
pub(in crate::sys) use directories::{open_below, open_up};
pub(crate) use listened_addresses::listening;
#[cfg(feature = "services")]
pub(crate) use mounts::memory;
pub(crate) use mounts::unmount_below;
pub(crate) use notices::Notices;
pub(crate) use open_files::{standard_error_of, waits_for_input};
pub(crate) use pidfd::Process;
pub(crate) use process::*;
pub(crate) use shared_memory::{remove_shared_memory, wall_clock};
pub(crate) use spawn::spawn;
pub(crate) use whose_listener::{
    Listeners, has_ended, holder_of_port, is_passing, whose_listener, whose_peer,
};
