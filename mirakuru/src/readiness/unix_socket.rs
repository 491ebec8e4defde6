//! Ready when a Unix socket accepts a connection.

use std::path::{Path, PathBuf};

use super::listener::Place;
use super::{ConfigError, Context, Manner, NotReady, Origin, Readiness, Target};
use crate::paths::absolute;
use crate::sys::{self, ListenerOwner};

/// Ready when the socket at this path accepts a connection. A stale file that nobody listens on is
/// neither ready nor in the way. A relative path begins at the test's working directory, also where the
/// service has another. Windows does not have this check.
///
/// On Linux who listens must be a process of the tree, or the test process itself, which may hand the
/// socket on (`SO_PEERCRED`, `unix(7)`): where another program came first, the start fails with
/// `AlreadyRunning` and says which. If the process that listened has ended since, as a daemon's parent has, the
/// socket must accept once more: then another process has it. A service that has another process listen for it (a container, a daemon
/// activated by a socket) needs [`any_listener`](Self::any_listener).
#[derive(Clone, Debug)]
pub struct UnixSocket {
    path: PathBuf,
    any_listener: bool,
}

impl UnixSocket {
    /// Checks the socket at this path.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            any_listener: false,
        }
    }

    /// Takes whatever answers for the service, also where it is no process of its tree.
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
            // Only what another process has open accepts again.
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
                "the socket's path has {len} bytes, and the system takes {}: {}. `{{socket}}` is a path that is short enough",
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
