//! The part of a start that only ready-made services have: finding the program, and creating files in the private
//! directory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::core::Core;
use crate::command::{Place, Prepared};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::Identity;
use crate::readiness::Context;
use crate::sys;
use crate::wait::Deadline;

/// The knowledge of a ready-made service about its program and its files.
pub(crate) trait Provision: Send + Sync {
    /// Finds the program that the first word of the command names.
    fn program(&self, deadline: Deadline) -> Result<PathBuf, Missing>;

    /// Returns whether the private directory may lie in memory.
    fn may_lie_in_memory(&self) -> bool;

    /// Creates files in the private directory. Leaves the files of an earlier start alone.
    fn furnish(&self, program: &Path, site: &Site<'_>) -> Result<(), Unfurnished>;
}

/// A program that is not installed.
pub(crate) struct Missing {
    pub(crate) reason: String,
    /// A sentence that explains how to install the program.
    pub(crate) advice: String,
}

/// The place and the user of a service that is about to start.
#[allow(missing_debug_implementations, reason = "no other crate can name it")]
pub struct Site<'a> {
    pub(crate) tmpdir: &'a Path,
    pub(crate) place: &'a Place,
    /// The name and the identity of the service's user, if the test process has another user.
    pub(crate) user: Option<(&'a str, Identity)>,
    pub(crate) deadline: Deadline,
}

impl Site<'_> {
    /// Opens the private directory. Returns `None` once it belongs to the user of the service: that user may have
    /// replaced it.
    pub(crate) fn own_directory(&self) -> Option<File> {
        let opened = sys::open_directory(self.tmpdir).ok()?;
        sys::is_own(&opened.metadata().ok()?).then_some(opened)
    }
}

/// The reason why the files in the private directory could not be created.
#[allow(missing_debug_implementations, reason = "no other crate can name it")]
pub enum Unfurnished {
    /// A system call failed: the operation, and its error.
    Refused(&'static str, io::Error),
    /// A program that creates the files failed.
    Failed(Error),
    /// The configuration contains a mistake.
    Mistake(String),
}

impl Core {
    /// Finds the program of a ready-made service, and creates its files in the private directory.
    pub(super) fn provide(
        &self,
        context: &Context,
        mut prepared: Prepared,
        deadline: Deadline,
    ) -> Result<Prepared> {
        let Some(provision) = &self.config.provision else {
            return Ok(prepared);
        };
        if self.config.shape.shell {
            let mistake = "a ready-made service runs without a shell: remove `shell`";
            return Err(self.invalid(mistake.to_owned()));
        }
        let found = provision.program(deadline);
        let program = found.map_err(|missing| {
            let mut scene = self.scene().reason(missing.reason);
            scene.advice = missing.advice;
            scene.source = Some(io::ErrorKind::NotFound.into());
            scene.into_error(ErrorKind::Spawn)
        })?;
        if let Some(first) = prepared.words.first_mut() {
            program.as_os_str().clone_into(first);
        }
        let place = &context.start.place;
        let Some(tmpdir) = &place.tmpdir else {
            return Ok(prepared);
        };
        let shape = &self.config.shape;
        let site = Site {
            tmpdir,
            place,
            user: shape.user().zip(shape.other_user()),
            deadline,
        };
        let furnished = provision.furnish(&program, &site);
        let furnished = furnished.map_err(|unfurnished| match unfurnished {
            Unfurnished::Refused(what, error) => self.refused(what, error),
            Unfurnished::Failed(error) => error,
            Unfurnished::Mistake(mistake) => self.invalid(mistake),
        });
        furnished.map(|()| prepared)
    }
}
