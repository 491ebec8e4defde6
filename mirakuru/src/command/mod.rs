//! Describes the program to run: words and quoting, placeholders, and the options of the new process.
//!
//! This module spawns nothing. [`prepare`] turns what the user wrote into the message that the supervisor acts on.

mod conversions;
mod line;
mod placeholder;
mod prepare;
mod stdio;
mod user;

pub use line::CommandLine;
pub(crate) use line::{Command, Shown};
pub(crate) use placeholder::{Place, Template, is_word};
pub(crate) use prepare::{Prepared, prepare};
pub(crate) use stdio::OpenStream;
pub use stdio::Stdio;

use std::ffi::OsString;

use crate::limits::Resource;
use crate::protocol::Identity;
use crate::sys;

/// The differences between the new process and the test process, as the user wrote them.
#[derive(Default)]
pub(crate) struct Shape {
    pub(crate) shell: bool,
    pub(crate) cwd: Option<Template>,
    pub(crate) env: Vec<EnvChange>,
    pub(crate) user: Option<String>,
    /// The user is changed only by root.
    pub(crate) only_as_root: bool,
    pub(crate) umask: Option<u32>,
    pub(crate) nice: Option<i32>,
    pub(crate) rlimits: Vec<(Resource, u64, u64)>,
    pub(crate) streams: Streams,
}

impl Shape {
    /// Returns the user that the service runs as, if the executor sets one.
    pub(crate) fn user(&self) -> Option<&str> {
        let applies = !self.only_as_root || sys::is_root();
        self.user.as_deref().filter(|_| applies)
    }

    /// Returns the user that the service runs as, if it differs from the test's. That user may change the files that
    /// the test opens.
    pub(crate) fn other_user(&self) -> Option<Identity> {
        let found = user::find(self.user()?).ok();
        found.filter(|identity| identity.user != sys::user())
    }

    /// Returns the placeholders in the command and in the options.
    pub(crate) fn placeholders<'a>(
        &'a self,
        command: &'a Command,
    ) -> impl Iterator<Item = &'a str> {
        let env = self.env.iter().filter_map(|change| match change {
            EnvChange::Set(_, value) => Some(value),
            EnvChange::Remove(_) | EnvChange::Clear => None,
        });
        let texts = [&command.text].into_iter().chain(&self.cwd).chain(env);
        texts.flat_map(Template::names)
    }
}

pub(crate) struct Streams {
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            stdin: Stdio::held(),
            stdout: Stdio::captured(),
            stderr: Stdio::captured(),
        }
    }
}

/// One change to the inherited environment. Changes are applied in the order in which they were written.
pub(crate) enum EnvChange {
    Set(OsString, Template),
    Remove(OsString),
    Clear,
}

/// A value of `None` removes the variable.
impl From<&(OsString, Option<OsString>)> for EnvChange {
    fn from((name, value): &(OsString, Option<OsString>)) -> Self {
        match value {
            Some(value) => Self::Set(name.clone(), Template::parse(value)),
            None => Self::Remove(name.clone()),
        }
    }
}
