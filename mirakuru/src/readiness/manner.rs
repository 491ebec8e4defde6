//! What a check says of itself: where it looks, and how it is best asked.

use std::path::PathBuf;

#[cfg(doc)]
use super::Context;

/// Where a check looks; every part as it was written, placeholders and all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// The host; `127.0.0.1` where there is none.
    pub host: Option<String>,
    /// The port; 0 for one that is free.
    pub port: Option<u16>,
    /// The URL.
    pub url: Option<String>,
    /// The Unix socket.
    pub socket: Option<PathBuf>,
    /// The file that appears.
    pub filename: Option<PathBuf>,
}

impl Target {
    /// This, and where a part is missing the other's.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            host: self.host.or(other.host),
            port: self.port.or(other.port),
            url: self.url.or(other.url),
            socket: self.socket.or(other.socket),
            filename: self.filename.or(other.filename),
        }
    }
}

/// How a check is best asked, beyond "again a little later".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manner {
    /// It never blocks for longer than [`Context::remaining`], so it is asked on the caller's
    /// thread.
    pub keeps_time: bool,
    /// What the process prints may make it ready.
    pub on_output: bool,
    /// A change beside this path may make it ready.
    pub on_path: Option<PathBuf>,
}

impl Default for Manner {
    /// For a check that nothing is known of.
    fn default() -> Self {
        Self {
            keeps_time: false,
            on_output: true,
            on_path: None,
        }
    }
}

impl Manner {
    /// For a check that keeps time and that only time makes true.
    #[must_use]
    pub fn punctual() -> Self {
        Self {
            keeps_time: true,
            on_output: false,
            on_path: None,
        }
    }

    /// For a check that is made of two.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            keeps_time: self.keeps_time && other.keeps_time,
            on_output: self.on_output || other.on_output,
            on_path: self.on_path.or(other.on_path),
        }
    }
}
