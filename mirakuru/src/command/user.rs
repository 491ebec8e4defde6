//! Who a service runs as, and within which limits.

use std::ffi::CString;

use nix::libc;
use nix::unistd::{Uid, User};

use crate::supervisor::protocol::Identity;
use crate::sys;

/// A resource that [`rlimit`](crate::Executor::rlimit) bounds; see `getrlimit(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// The size of the address space, in bytes.
    AddressSpace,
    /// The size of a core file, in bytes.
    Core,
    /// CPU time, in seconds.
    Cpu,
    /// The size of the data segment, in bytes.
    Data,
    /// The size of a file that is written, in bytes.
    FileSize,
    /// Memory that may be locked, in bytes.
    LockedMemory,
    /// One more than the highest descriptor.
    OpenFiles,
    /// Processes of the user.
    Processes,
    /// The size of the stack, in bytes.
    Stack,
}

impl Resource {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the constants' type differs between C libraries"
    )]
    pub(crate) fn as_raw(self) -> i32 {
        (match self {
            Self::AddressSpace => libc::RLIMIT_AS,
            Self::Core => libc::RLIMIT_CORE,
            Self::Cpu => libc::RLIMIT_CPU,
            Self::Data => libc::RLIMIT_DATA,
            Self::FileSize => libc::RLIMIT_FSIZE,
            Self::LockedMemory => libc::RLIMIT_MEMLOCK,
            Self::OpenFiles => libc::RLIMIT_NOFILE,
            Self::Processes => libc::RLIMIT_NPROC,
            Self::Stack => libc::RLIMIT_STACK,
        }) as i32
    }
}

/// The user with this name or number, with all of their groups.
pub(crate) fn find(name: &str) -> Result<Identity, String> {
    let found = match name.parse::<u32>() {
        Ok(id) => User::from_uid(Uid::from_raw(id)),
        Err(_) => User::from_name(name),
    };
    match (found, name.parse()) {
        (Ok(Some(user)), _) => {
            let groups = CString::new(user.name.clone()).map_or_else(
                |_| vec![user.gid.as_raw()],
                |name| sys::groups_of(&name, user.gid),
            );
            Ok(Identity {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
                groups,
            })
        }
        // A number needs no entry in the user database: containers run that way.
        (_, Ok(id)) => Ok(Identity {
            uid: id,
            gid: id,
            groups: vec![id],
        }),
        _ => Err(format!("there is no user {name:?} on this system")),
    }
}
