//! Reads what XNU, the kernel of Apple's systems, answers. No function calls it, so the unit tests run on every Unix.

pub(in crate::sys) mod arguments;
pub(in crate::sys) mod holes;
pub(in crate::sys) mod lineage;
pub(in crate::sys) mod sockets;
