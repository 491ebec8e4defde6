//! Makes paths usable for a supervisor, another test process or a reader of an error, whose working directories differ.

use std::path::{Path, PathBuf};

/// Returns the absolute form of a path, or the path itself if the working directory is not known.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the part of a supervisor's name that the names of its files contain.
pub(crate) fn beginning_of(name: &str) -> &str {
    name.get(..16).unwrap_or(name)
}
