//! Paths for who stands elsewhere: a supervisor, or a person that reads an error.

use std::path::{Path, PathBuf};

/// Where a relative path leads from here; as it is where here cannot be told.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
