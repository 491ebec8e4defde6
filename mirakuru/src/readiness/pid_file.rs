//! Ready when a file exists.

use std::path::{Path, PathBuf};

use super::{ConfigError, Context, Manner, NotReady, Readiness, Target};
use crate::paths::absolute;

/// Ready when the file exists: most often a pid file, which a service writes once it is up.
///
/// Where the file is there before the start, something runs already, or ended without removing it:
/// the start is `AlreadyRunning`. What the service writes is removed once its tree is gone, should
/// it have left it. A relative name begins at the test's working directory, also where the service has another.
#[derive(Clone, Debug)]
pub struct PidFile {
    filename: PathBuf,
}

impl PidFile {
    /// Checks for a file with this name.
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
