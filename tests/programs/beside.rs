//! Where the other helper programs are: beside this one.

use std::env;

/// The path of this program.
pub(crate) fn beside(name: &str) -> String {
    let own = env::current_exe().unwrap_or_default();
    own.with_file_name(name).display().to_string()
}
