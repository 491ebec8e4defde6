//! Prepares a command: splits its words, fills in placeholders, lists the whole environment and looks the user up.
//!
//! Every mistake found here is a mistake of configuration.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::line::{Command, Shown};
use super::{EnvChange, Place, Shape, user};
use crate::protocol::{Directory, Identity};
use crate::sys;

pub(crate) struct Prepared {
    pub(crate) words: Vec<OsString>,
    /// The command as errors and log lines show it.
    pub(crate) shown: Shown,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) cwd: Directory,
    pub(crate) identity: Option<Identity>,
}

/// Fills in the placeholders of the command and its options.
///
/// `of_the_run` is `true` if the service outlives the test that starts it.
///
/// # Errors
///
/// A message that names the mistake in the configuration.
pub(crate) fn prepare(
    command: &Command,
    shape: &Shape,
    place: &Place,
    of_the_run: bool,
) -> Result<Prepared, String> {
    let words = words(command, shape.shell, place)?;
    Ok(Prepared {
        shown: command.filled(&words, place)?,
        words,
        env: environment(&shape.env, place, of_the_run)?,
        cwd: working_directory(shape, place)?,
        identity: shape.user().map(user::find).transpose()?,
    })
}

fn words(command: &Command, shell: bool, place: &Place) -> Result<Vec<OsString>, String> {
    let words: Vec<OsString> = if shell {
        sys::shell(command.script(place)?)?
    } else {
        let words = command.words.as_ref().map_err(String::clone)?;
        words
            .iter()
            .map(|word| place.fill(word))
            .collect::<Result<_, _>>()?
    };
    let script = words.last().filter(|_| shell);
    let script = script.map(|script| script.to_string_lossy());
    let is_empty = script.map_or_else(
        || words.first().is_none_or(|program| program.is_empty()),
        |script| script.trim().is_empty(),
    );
    if is_empty {
        return Err("the command is empty".to_owned());
    }
    let holds_nul = |word: &OsString| word.as_encoded_bytes().contains(&0);
    if words.iter().any(holds_nul) {
        // The system call would cut the word short at the NUL byte.
        return Err("the command contains a NUL byte".to_owned());
    }
    Ok(words)
}

/// Returns the whole environment of the new process. It replaces the supervisor's own environment.
fn environment(
    changes: &[EnvChange],
    place: &Place,
    of_the_run: bool,
) -> Result<Vec<(OsString, OsString)>, String> {
    let mut env: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    if of_the_run {
        env.retain(|name, _| !is_of_one_test(name));
    }
    for change in changes {
        match change {
            EnvChange::Clear => env.clear(),
            EnvChange::Remove(name) => env.retain(|known, _| !sys::is_same_variable(known, name)),
            EnvChange::Set(name, value) => {
                let bytes = name.as_encoded_bytes();
                if bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0) {
                    return Err(format!(
                        "\"{}\" cannot be the name of an environment variable",
                        Path::new(name).display()
                    ));
                }
                let value = place.fill(value)?;
                if value.as_encoded_bytes().contains(&0) {
                    return Err(format!(
                        "the value of the environment variable \"{}\" contains a NUL byte",
                        Path::new(name).display()
                    ));
                }
                env.retain(|known, _| !sys::is_same_variable(known, name));
                env.insert(name.clone(), value);
            }
        }
    }
    Ok(env.into_iter().collect())
}

/// Returns whether the variable differs from test to test. A service that the whole run shares must not depend on it.
fn is_of_one_test(name: &std::ffi::OsStr) -> bool {
    const PREFIXES: [&str; 7] = [
        "NEXTEST",
        "__NEXTEST",
        "RUST_TEST_",
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ];
    let name = name.as_encoded_bytes();
    // Cargo passes the output directory of a package's build script to the tests of that package.
    name == b"OUT_DIR"
        || PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix.as_bytes()))
}

/// Returns the working directory as an absolute path, as the supervisor has another one. The default is the test's own
/// directory.
fn working_directory(shape: &Shape, place: &Place) -> Result<Directory, String> {
    let here = std::env::current_dir().ok();
    let Some(cwd) = &shape.cwd else {
        return Ok(here.map_or(Directory::Root, Directory::Inherited));
    };
    let cwd = PathBuf::from(place.fill(cwd)?);
    Ok(Directory::Given(
        here.map_or_else(|| cwd.clone(), |here| here.join(&cwd)),
    ))
}
