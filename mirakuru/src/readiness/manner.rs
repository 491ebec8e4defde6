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
    /// The name of the port, if it is a named one: `monitor` for `{port:monitor}`.
    pub port_name: Option<String>,
    /// The service reports its port itself, in a group `port` of its banner.
    pub reports_port: bool,
    /// The URL.
    pub url: Option<String>,
    /// The Unix socket.
    pub socket: Option<PathBuf>,
    /// The file that appears.
    pub filename: Option<PathBuf>,
    /// The service reports to the socket of `NOTIFY_SOCKET`.
    pub notifies: bool,
    /// Other texts that contain placeholders.
    pub texts: Vec<String>,
}

impl Target {
    /// This, and where a part is missing the other's.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // One of the two checks gives the port.
        let (port, port_name) = if self.port.is_some() || self.port_name.is_some() {
            (self.port, self.port_name)
        } else {
            (other.port, other.port_name)
        };
        Self {
            host: self.host.or(other.host),
            port,
            port_name,
            reports_port: self.reports_port || other.reports_port,
            url: self.url.or(other.url),
            socket: self.socket.or(other.socket),
            filename: self.filename.or(other.filename),
            notifies: self.notifies || other.notifies,
            texts: [self.texts, other.texts].concat(),
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
