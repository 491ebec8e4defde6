//! Paths for who stands elsewhere: a supervisor, another test process, or a person that reads an error.

use std::path::{Path, PathBuf};

/// Where a relative path leads from here; as it is where here cannot be told.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The part of a supervisor's name that is in the names of its files.
pub(crate) fn beginning_of(name: &str) -> &str {
    name.get(..16).unwrap_or(name)
}
