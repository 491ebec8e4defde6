//! Parses the answers of XNU, the kernel of Apple's systems. No function makes a system call, so the unit tests run on
//! every Unix.

pub(in crate::sys) mod arguments;
pub(in crate::sys) mod holes;
pub(in crate::sys) mod lineage;
pub(in crate::sys) mod sockets;
