//! Where a service's standard streams lead.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::sys::{self, Handle, OtherUser};

/// Where a standard stream of the process leads.
///
/// ```
/// use mirakuru::{SimpleExecutor, Stdio};
///
/// let service = SimpleExecutor::new("sh -c 'echo nobody reads this; exec sleep 60'")
///     .stdout(Stdio::null())
///     .stderr(Stdio::inherit());
/// # drop(service);
/// ```
#[derive(Debug)]
pub struct Stdio(StdioTarget);

#[derive(Debug)]
enum StdioTarget {
    Captured,
    OpenPipe,
    Null,
    Inherit,
    Path(PathBuf),
    Open(File),
}

/// What is handed to the supervisor for one stream.
pub(crate) enum OpenStream {
    Captured,
    /// A pipe whose writing end the supervisor holds.
    OpenPipe,
    Null,
    Given(Handle),
}

impl Stdio {
    /// Captured: read it with [`output`](crate::Executor::output) or
    /// [`err_output`](crate::Executor::err_output). As standard input, the same as [`null`](Self::null).
    #[must_use]
    pub fn captured() -> Self {
        Self(StdioTarget::Captured)
    }

    /// The default of standard input: a pipe that stays open until the process tree is gone.
    pub(super) fn held() -> Self {
        Self(StdioTarget::OpenPipe)
    }

    /// Returns whether this is an input that a program waits for which prompts.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.0, StdioTarget::OpenPipe)
    }

    /// `/dev/null`, on Windows `NUL`. As standard input, it ends at once: use it for a program that prompts.
    #[must_use]
    pub fn null() -> Self {
        Self(StdioTarget::Null)
    }

    /// The test process's own stream.
    #[must_use]
    pub fn inherit() -> Self {
        Self(StdioTarget::Inherit)
    }

    /// A file: read from as standard input; as output created where it is missing and appended to.
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self(StdioTarget::Path(path.as_ref().to_owned()))
    }

    pub(crate) fn is_captured(&self) -> bool {
        matches!(self.0, StdioTarget::Captured)
    }

    /// Opens what leads somewhere for the stream with this number (0, 1 or 2) of a service, which may run as another
    /// user.
    pub(crate) fn open(
        &self,
        stream: usize,
        user: Option<OtherUser<'_>>,
    ) -> io::Result<OpenStream> {
        Ok(match &self.0 {
            StdioTarget::Captured if stream == 0 => OpenStream::Null,
            StdioTarget::Captured => OpenStream::Captured,
            StdioTarget::OpenPipe => OpenStream::OpenPipe,
            StdioTarget::Null => OpenStream::Null,
            StdioTarget::Inherit => OpenStream::Given(match stream {
                0 => sys::copy_of(&io::stdin())?,
                1 => sys::copy_of(&io::stdout())?,
                _ => sys::copy_of(&io::stderr())?,
            }),
            StdioTarget::Path(path) => OpenStream::Given(
                sys::open_stream(path, user, stream == 0)
                    .map_err(|error| named(path, &error))?
                    .into(),
            ),
            StdioTarget::Open(file) => OpenStream::Given(file.try_clone()?.into()),
        })
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        Self(StdioTarget::Open(file))
    }
}

impl From<Handle> for Stdio {
    fn from(handle: Handle) -> Self {
        Self(StdioTarget::Open(handle.into()))
    }
}

impl From<&Path> for Stdio {
    fn from(path: &Path) -> Self {
        Self::file(path)
    }
}

impl From<PathBuf> for Stdio {
    fn from(path: PathBuf) -> Self {
        Self(StdioTarget::Path(path))
    }
}
