//! macOS: what every Unix has, and what the kernel tells of other processes.

mod descendants;
mod processes;

pub(crate) use super::portable::*;
pub(crate) use descendants::{children, descendants};
pub(crate) use processes::{
    UNSEEN, carries, command_line, has_ended, marked, peer, program_name, standing, started_at,
};
