//! The targets of a service's standard streams.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::sys::{self, Handle, OtherUser};

/// The target of a standard stream of the process. [`stdin`](crate::Executor::stdin), [`stdout`](crate::Executor::stdout)
/// and [`stderr`](crate::Executor::stderr) take it.
///
/// A [`File`] or a descriptor (on Windows, a handle) converts into it. A path, as text or as [`Path`], means
/// [`Stdio::file`].
///
/// ```
/// use mirakuru::{SimpleExecutor, Stdio};
///
/// let service = SimpleExecutor::new("sh -c 'echo unread; exec sleep 60'")
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

/// The target that the supervisor receives for one stream.
pub(crate) enum OpenStream {
    Captured,
    /// A pipe whose writing end the supervisor holds.
    OpenPipe,
    Null,
    Given(Handle),
}

impl Stdio {
    /// Captures the stream. [`output`](crate::Executor::output) and [`err_output`](crate::Executor::err_output) return it.
    /// Both output streams are captured by default. As standard input, this means [`null`](Self::null).
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, Stdio};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo ready; exec sleep 60'";
    /// let service = OutputExecutor::new(command, "ready").stdout(Stdio::captured()).started()?;
    /// assert_eq!(service.output().text(), "ready\n");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn captured() -> Self {
        Self(StdioTarget::Captured)
    }

    /// Returns the default of standard input: a pipe that stays open until the process tree is gone.
    pub(super) fn held() -> Self {
        Self(StdioTarget::OpenPipe)
    }

    /// Returns whether a program that prompts would wait for this input.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.0, StdioTarget::OpenPipe)
    }

    /// Connects the stream to `/dev/null`, on Windows to `NUL`. As standard input, it ends at once. Use it for a program
    /// that prompts.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, Stdio};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'cat; echo input has ended; exec sleep 60'";
    /// let service = OutputExecutor::new(command, "ended").stdin(Stdio::null()).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn null() -> Self {
        Self(StdioTarget::Null)
    }

    /// Connects the stream to that of the test process.
    ///
    /// ```
    /// use mirakuru::{SimpleExecutor, Stdio};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").stderr(Stdio::inherit()).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn inherit() -> Self {
        Self(StdioTarget::Inherit)
    }

    /// Connects the stream to a file. Standard input is read from the file. Output is appended to it, and the start
    /// creates the file if it does not exist.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, Stdio};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let input = tempfile::NamedTempFile::new()?;
    /// std::fs::write(input.path(), "ready")?;
    /// let cat = OutputExecutor::new("sh -c 'cat; exec sleep 60'", "ready");
    /// let cat = cat.stdin(Stdio::file(input.path())).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self(StdioTarget::Path(path.as_ref().to_owned()))
    }

    pub(crate) fn is_captured(&self) -> bool {
        matches!(self.0, StdioTarget::Captured)
    }

    /// Opens the target for the stream with this number (0, 1 or 2) of a service. The service may run as another user.
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

impl From<&str> for Stdio {
    fn from(path: &str) -> Self {
        Self::file(path)
    }
}

impl From<String> for Stdio {
    fn from(path: String) -> Self {
        Self::file(path)
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
