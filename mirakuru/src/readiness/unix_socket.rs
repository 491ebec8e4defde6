//! The check that is ready when a Unix socket accepts a connection.

use std::path::{Path, PathBuf};

use super::listener::Place;
use super::{ConfigError, Context, Manner, NotReady, Origin, Readiness, Target};
use crate::paths::absolute;
use crate::sys::{self, ListenerOwner};

/// Ready when the socket at this path accepts a connection.
///
/// A stale socket file without a listener is not ready, and does not prevent a start. A relative path begins at the
/// working directory of the test, even if the service has another one. Windows does not have this check.
///
/// On Linux (`SO_PEERCRED`, `unix(7)`) and macOS, the listener must be a process of the tree, or the test process
/// itself, which may pass the socket on. If another program listens there, the start fails with `AlreadyRunning` and
/// the error names that program. The process that called `listen` may have ended, as a daemon's parent does. The socket
/// must then accept a second connection, which shows that another process has it open. If a process outside the tree
/// listens for the service, such as a container or a daemon activated by a socket, use
/// [`any_listener`](Self::any_listener).
#[derive(Clone, Debug)]
pub struct UnixSocket {
    path: PathBuf,
    any_listener: bool,
}

impl UnixSocket {
    /// Creates a check for the socket at this path. Placeholders are filled in.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::UnixSocket};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = UnixSocket::new("{socket}");
    /// let service = Executor::with_readiness("my-server --socket {socket}", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            any_listener: false,
        }
    }

    /// Accepts any listener, even one outside the service's process tree.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::UnixSocket};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = UnixSocket::new("{tmpdir}/run/server.sock").any_listener();
    /// let command = "docker run --rm -v {tmpdir}/run:/run my-server";
    /// let service = Executor::with_readiness(command, check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn any_listener(mut self) -> Self {
        self.any_listener = true;
        self
    }

    fn path(&self, cx: &Context) -> Result<PathBuf, String> {
        cx.fill_path(&self.path)
    }

    fn connect(&self, cx: &Context) -> Result<sys::Socket, NotReady> {
        let path = self.path(cx).map_err(NotReady::new)?;
        Ok(sys::connect_within(&path, cx.patience())?)
    }
}

impl Readiness for UnixSocket {
    fn pre_start_check(&self, cx: &Context) -> bool {
        self.connect(cx).is_ok()
    }

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        let stream = self.connect(cx)?;
        let Some((_, supervisor)) = cx.tree().filter(|_| !self.any_listener) else {
            return Ok(());
        };
        match sys::owner_of_peer(&stream, supervisor) {
            ListenerOwner::Stranger(holder) => Err(NotReady::taken_by(holder)),
            ListenerOwner::Ours(holder) => {
                let path = self.path(cx).map_err(NotReady::new)?;
                cx.note_listener(Place::Path(path), holder);
                Ok(())
            }
            // The socket accepts again only if another process has it open.
            ListenerOwner::Unclaimed => self.connect(cx).map(drop),
            ListenerOwner::Unknown => Ok(()),
        }
    }

    fn describe(&self, cx: &Context) -> String {
        let path = self.path(cx).unwrap_or_else(|_| self.path.clone());
        format!(
            "the socket {} to accept a connection",
            absolute(&path).display()
        )
    }

    fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
        let path = self.path(cx)?;
        match path.as_os_str().len() {
            0 => Err("the socket's path is empty".into()),
            len if len > sys::LONGEST_SOCKET_PATH => Err(format!(
                "the socket's path has {len} bytes, and the limit is {}: {}. `{{socket}}` is a path that is short enough",
                sys::LONGEST_SOCKET_PATH,
                path.display()
            )
            .into()),
            _ => Ok(()),
        }
    }

    fn target(&self) -> Target {
        Target {
            socket: Some(self.path.clone()),
            ..Target::default()
        }
    }

    fn manner(&self, cx: &Context) -> Manner {
        Manner {
            on_path: self.path(cx).ok(),
            ..Manner::non_blocking()
        }
    }

    fn origin(&self, _cx: &Context) -> Origin {
        Origin::of_listener(!self.any_listener)
    }
}
