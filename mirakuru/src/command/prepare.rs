//! From what the user wrote to what is run: words split, placeholders filled in, the whole
//! environment listed, the user looked up. Every mistake found here is one of configuration.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::line::{Command, Shown};
use super::{EnvChange, Place, Shape, user};
use crate::protocol::{Directory, Identity};
use crate::sys;

pub(crate) struct Prepared {
    pub(crate) words: Vec<OsString>,
    /// The command for people.
    pub(crate) shown: Shown,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) cwd: Directory,
    pub(crate) identity: Option<Identity>,
}

/// Fills in the place, or says what is wrong with the configuration. `of_the_run` is whether the
/// service outlives the test that starts it.
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
        sys::shell(place.fill(&command.text)?)
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
        // The kernel's interface would cut it short.
        return Err("the command holds a NUL byte".to_owned());
    }
    Ok(words)
}

/// The whole environment of the new process: the supervisor's own does not count.
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
                        "the value of the environment variable \"{}\" holds a NUL byte",
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

/// Whether it differs from test to test, so that a service of the run must not depend on it.
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
    // Cargo gives the directory of a package's build script to its tests.
    name == b"OUT_DIR"
        || PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix.as_bytes()))
}

/// Absolute, as the supervisor stands elsewhere; the test's own directory by default.
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
