//! Implements the macOS part: everything that all Unixes share, the kernel's view of other processes and their sockets,
//! wake-ups of a waiting process, and holes in files.

mod descendants;
mod holes;
mod listeners;
mod process;
mod processes;
mod queue;
mod sockets;
mod wakeups;

pub(crate) use super::portable::*;
pub(crate) use descendants::{children, descendants};
pub(in crate::sys) use descendants::{has_strays, is_still};
pub(crate) use holes::forget_range;
pub(crate) use listeners::{
    Listeners, holder_of_port, is_unclaimed, listening, owner_of_listener, owner_of_peer,
};
pub(crate) use process::Process;
pub(crate) use processes::{
    UNSEEN, carries, command_line, has_ended, marked, peer, proc_stat, program_name, started_at,
};
pub(crate) use sockets::close_inherited;
pub(crate) use wakeups::Wakeups;
