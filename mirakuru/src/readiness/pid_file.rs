//! The check that is ready when a file exists.

use std::path::{Path, PathBuf};

use super::{ConfigError, Context, Manner, NotReady, Readiness, Target};
use crate::paths::absolute;

/// Ready when the file exists, usually a pid file that the service writes once it is up.
///
/// If the file exists before the start, another instance is running, or ended without removing its file. The start then
/// fails with `AlreadyRunning`. If the service does not remove its file, the file is removed after the service's tree
/// has ended. A relative name begins at the working directory of the test, even if the service has another one.
#[derive(Clone, Debug)]
pub struct PidFile {
    filename: PathBuf,
}

impl PidFile {
    /// Creates a check for a file with this name. Placeholders are filled in.
    ///
    /// ```
    /// use mirakuru::{Executor, readiness::PidFile};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo $$ > {pidfile}; exec sleep 60'";
    /// let service = Executor::with_readiness(command, PidFile::new("{pidfile}")).started()?;
    /// assert!(service.filename().exists());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(filename: impl AsRef<Path>) -> Self {
        Self {
            filename: filename.as_ref().to_owned(),
        }
    }

    fn filename(&self, cx: &Context) -> Result<PathBuf, String> {
        cx.fill_path(&self.filename)
    }
}

impl Readiness for PidFile {
    fn pre_start_check(&self, cx: &Context) -> bool {
        self.after_start_check(cx).is_ok()
    }

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        let filename = self.filename(cx).map_err(NotReady::new)?;
        match std::fs::metadata(&filename) {
            Ok(metadata) if metadata.is_dir() => Err(NotReady::new("it is a directory")),
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn describe(&self, cx: &Context) -> String {
        let filename = self.filename(cx).unwrap_or_else(|_| self.filename.clone());
        format!("the file {} to exist", absolute(&filename).display())
    }

    fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
        let filename = self.filename(cx)?;
        if filename.as_os_str().is_empty() {
            Err("the file's name is empty".into())
        } else {
            Ok(())
        }
    }

    fn target(&self) -> Target {
        Target {
            filename: Some(self.filename.clone()),
            ..Target::default()
        }
    }

    fn manner(&self, cx: &Context) -> Manner {
        Manner {
            on_path: self.filename(cx).ok(),
            ..Manner::non_blocking()
        }
    }
}
