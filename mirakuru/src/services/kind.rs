//! The common part of all ready-made services: the search for the program, the options that reach the server, and the
//! readiness check in the server's protocol.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::program::{Choice, Server};
use crate::executor::{Executor, Missing, Provision, Site, Unfurnished};
use crate::protocol::Identity;
use crate::readiness::{ConfigError, Context, Manner, NotReady, Origin, Readiness, Target};
use crate::sys::{self, Access};
use crate::wait::Deadline;

/// The readiness check of a ready-made service. The type of its executor is `Executor<Service<_>>`.
#[derive(Clone, Debug)]
pub struct Service<K> {
    pub(super) kind: K,
    choice: Choice,
    /// The lines that the test adds to the configuration file.
    lines: Vec<String>,
}

/// The form in which an option reaches the server.
#[derive(Debug)]
pub enum Setting {
    /// Words of the command line.
    Words(Vec<String>),
    /// A line of the configuration file.
    Line(String),
}

/// The name of the configuration file in the private directory. Some servers read options only from a file.
pub(super) const CONFIG: &str = "mirakuru.conf";

/// A kind of ready-made service. The module is private, so only this crate can implement the trait.
pub trait Kind: Clone + Send + Sync + 'static {
    /// The description of the server's program.
    const SERVER: Server;
    /// The text that `url()` returns, with placeholders.
    const URL: &'static str;

    /// Returns the readiness check in the server's protocol.
    fn check(&self) -> &dyn Readiness;

    /// Returns whether the private directory may be in memory. `find` returns the program if the answer depends on it.
    fn may_lie_in_memory(find: impl FnOnce() -> Option<PathBuf>) -> bool {
        let _ = find;
        true
    }

    /// Returns the form in which an option reaches the server.
    fn setting(key: &str, value: &str) -> Setting;

    /// Returns the first lines of the configuration file, with placeholders. Without lines, no file is written.
    fn head(&self) -> Vec<String> {
        Vec::new()
    }

    /// Adds further files to the private directory.
    fn furnish(&self, program: &Path, site: &Site<'_>) -> Result<(), Unfurnished> {
        let _ = (program, site);
        Ok(())
    }

    /// Performs the steps between the server's first answer and the end of the start.
    fn complete(&self, cx: &Context) -> Result<(), NotReady> {
        let _ = cx;
        Ok(())
    }

    /// Fails if a file of the server shows that the server is not ready.
    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        let _ = cx;
        Ok(())
    }

    /// Returns the file that the server changes when it becomes ready.
    fn file(&self, cx: &Context) -> Option<PathBuf> {
        let _ = cx;
        None
    }
}

impl<K: Kind> Service<K> {
    /// Creates the executor of a service. `words` are the arguments of its command.
    pub(super) fn executor(
        name: &'static str,
        kind: K,
        words: impl IntoIterator<Item = &'static str>,
    ) -> Executor<Self> {
        let first = K::SERVER.programs.first().copied();
        let words: Vec<&str> = first.into_iter().chain(words).collect();
        let service = Self {
            kind,
            choice: Choice::default(),
            lines: Vec::new(),
        };
        Executor::of_kind(name, words, service).with_service(|service| service)
    }
}

/// # Options of ready-made services
impl<K: Kind> Executor<Service<K>> {
    /// Selects an installed version. `"16"` selects any release of version 16.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let postgres = services::postgres().version("16").started()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn version(self, version: impl Into<String>) -> Self {
        let version = Some(version.into());
        self.with_service(|mut service| {
            service.choice.version = version;
            service
        })
    }

    /// Selects a program, by its path or by its name. The search for a name covers `PATH` and the directories of
    /// packages.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let valkey = services::redis().program("valkey-server").started()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn program(self, program: impl Into<PathBuf>) -> Self {
        let program = Some(program.into());
        self.with_service(|mut service| {
            service.choice.program = program;
            service
        })
    }

    /// Sets an option of the server. The option goes to the command line or, if the server reads options only from a
    /// file, into a configuration file in the private directory. Placeholders in the value are filled in.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let nats = services::nats().config("max_connections", 100).started()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn config(self, key: impl AsRef<str>, value: impl Display) -> Self {
        match K::setting(key.as_ref(), &value.to_string()) {
            Setting::Words(words) => self.args(words),
            Setting::Line(line) => self.with_service(|mut service| {
                service.lines.push(line);
                service
            }),
        }
    }
}

impl<K: Kind> Readiness for Service<K> {
    fn pre_start_check(&self, cx: &Context) -> bool {
        self.kind.check().pre_start_check(cx)
    }

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        self.kind.glance(cx)?;
        self.kind.check().after_start_check(cx)?;
        self.kind.complete(cx)
    }

    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        self.kind.check().glance(cx)?;
        self.kind.glance(cx)
    }

    fn describe(&self, cx: &Context) -> String {
        self.kind.check().describe(cx)
    }

    fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
        self.kind.check().validate(cx)
    }

    fn target(&self) -> Target {
        let mut target = self.kind.check().target();
        target.url = Some(K::URL.to_owned());
        target.texts.extend(self.kind.head());
        target.texts.extend(self.lines.iter().cloned());
        target
    }

    fn manner(&self, cx: &Context) -> Manner {
        Manner {
            on_path: self.kind.file(cx),
            ..self.kind.check().manner(cx)
        }
    }

    fn origin(&self, cx: &Context) -> Origin {
        self.kind.check().origin(cx)
    }

    fn needs_own_process(&self) -> bool {
        true
    }
}

impl<K: Kind> Provision for Service<K> {
    fn program(&self, deadline: Deadline) -> Result<PathBuf, Missing> {
        K::SERVER.find(&self.choice, deadline)
    }

    fn may_lie_in_memory(&self) -> bool {
        K::may_lie_in_memory(|| {
            // Without a version, the search runs no program.
            let choice = Choice {
                version: None,
                ..self.choice.clone()
            };
            let found = K::SERVER.find(&choice, Deadline::after(Duration::ZERO));
            found.ok()
        })
    }

    fn furnish(&self, program: &Path, site: &Site<'_>) -> Result<(), Unfurnished> {
        let lines: Vec<String> = self.kind.head();
        if !lines.is_empty() {
            let lines = lines.iter().chain(&self.lines);
            let filled = lines.map(|line| site.place.fill_text(line));
            let filled: Vec<String> = filled
                .collect::<Result<_, _>>()
                .map_err(Unfurnished::Mistake)?;
            let text = filled.join("\n") + "\n";
            let refused = |error| Unfurnished::Refused("write its configuration", error);
            // Each attempt writes the file again, because the port may differ.
            write(site, &text).map_err(refused)?;
        }
        self.kind.furnish(program, site)
    }
}

/// Replaces the configuration file, and gives it to the service's user.
fn write(site: &Site<'_>, text: &str) -> io::Result<()> {
    let path = site.tmpdir.join(CONFIG);
    let own_directory = site.own_directory();
    let user = site.user.as_ref().map(|(_, user)| user);
    let other = user.map(Identity::as_other);
    match sys::remove_file(&path, other.filter(|_| own_directory.is_none())) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = match &own_directory {
        Some(directory) => sys::append_in(directory, CONFIG, Some(Access::Private))?,
        // An earlier launch has given the directory to the service's user.
        None => sys::open_stream(&path, other, false)?,
    };
    if let (Some(user), true) = (user, own_directory.is_some()) {
        sys::give(&file, user.user, user.group)?;
    }
    file.write_all(text.as_bytes())
}
