//! Names the resources that a limit can bound.

/// A resource that [`rlimit`](crate::Executor::rlimit) limits; see `getrlimit(2)`. It does not exist on Windows.
///
/// ```
/// # #[cfg(unix)]
/// # fn main() -> mirakuru::Result<()> {
/// use mirakuru::{Resource, SimpleExecutor};
///
/// let sleep = SimpleExecutor::new("sleep 60").rlimit(Resource::OpenFiles, 64, 64).started()?;
/// # Ok(())
/// # }
/// # #[cfg(not(unix))]
/// # fn main() {}
/// ```
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
    /// The size of memory that may be locked, in bytes.
    LockedMemory,
    /// The highest descriptor plus one.
    OpenFiles,
    /// The number of processes of the user.
    Processes,
    /// The size of the stack, in bytes.
    Stack,
}

impl Resource {
    /// Every resource, at the index that is its number.
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

    /// Returns the resource whose `resource as u8` is this number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
