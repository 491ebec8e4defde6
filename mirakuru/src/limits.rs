//! Names the resources that a limit can bound.

/// A resource that [`rlimit`](crate::Executor::rlimit) bounds; see `getrlimit(2)`. Windows does not have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(unreachable_pub, reason = "only Unixes have it in public")]
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
    /// Every resource, at the place of its number.
    const ALL: [Self; 9] = [
        Self::AddressSpace,
        Self::Core,
        Self::Cpu,
        Self::Data,
        Self::FileSize,
        Self::LockedMemory,
        Self::OpenFiles,
        Self::Processes,
        Self::Stack,
    ];

    /// The one that `resource as u8` came from.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
