//! Implements claims of processes. A claim is a file that one process has open exclusively, and that the system deletes
//! with the last handle. The text in the file names the holder for other processes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_FLAG_DELETE_ON_CLOSE, FILE_GENERIC_WRITE, FILE_SHARE_READ,
};

use super::process::{code_of, has_ended, process_of};
use crate::sys::Claimed;

/// A claim of this process.
///
/// Dropping it removes the file, and the directory with the last file. If the holder is killed, the system removes the
/// file.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The file and its path, until the claim is released.
    held: Option<(File, PathBuf)>,
}

impl Claim {
    /// Claims the file at this path, unless another process holds it. Other processes can read the text `reported`.
    pub(crate) fn make(path: &Path, reported: &str) -> io::Result<Claimed> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        options.access_mode(FILE_GENERIC_WRITE | DELETE);
        options
            .share_mode(FILE_SHARE_READ)
            .custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
        let mut file = match options.open(path) {
            Ok(file) => file,
            Err(error) => return elsewhere(path, error),
        };
        let own = std::process::id();
        file.write_all(format!("{own}\n{reported}").as_bytes())?;
        let held = Some((file, path.to_owned()));
        Ok(Claimed::Acquired(Self { held }))
    }

    /// Closes the file, which removes it. From then on, another process can take the claim.
    pub(crate) fn give_back(&mut self) {
        let Some((file, path)) = self.held.take() else {
            return;
        };
        drop(file);
        if let Some(directory) = path.parent() {
            let _ = fs::remove_dir(directory);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn elsewhere(path: &Path, error: io::Error) -> io::Result<Claimed> {
    match code_of(&error) {
        Some(ERROR_SHARING_VIOLATION) => match fs::read_to_string(path) {
            Ok(text) => {
                // The file may be open in a virus scanner instead of in a holder.
                let (number, reported) = text.split_once('\n').unwrap_or_default();
                let holder = number.parse().ok().and_then(process_of);
                Ok(match holder.filter(|holder| !has_ended(*holder)) {
                    Some(_) => Claimed::HeldBy(reported.to_owned()),
                    None => Claimed::Removing,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Claimed::Removed),
            Err(_) => Ok(Claimed::Removing),
        },
        Some(ERROR_ACCESS_DENIED) => Ok(Claimed::Removing),
        _ => Err(error),
    }
}

/// Returns the process that holds the claim on this file. Its number is the first line.
pub(crate) fn claimant(path: &Path) -> Option<u32> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next()?.parse().ok()
}

/// Does nothing: the system has removed the file of a holder that was killed.
pub(crate) fn remove_unclaimed(_path: &Path) {}
