//! Manages the place of the files that `MIRAKURU_KEEP` keeps: one directory for all services of a run, which is
//! reported once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::runner::{self, Kind};
use crate::events;
use crate::locks::get_or_make;
use crate::sys::{self, Access, Pid};
use crate::tmpdir;

/// Returns the parent of the private directories of this run. The first service of the run makes the directory.
pub(crate) fn kept() -> PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    let place = || {
        let runner = runner::find().map(|runner| (runner.pid, Some(runner.started)));
        // If the runner is not known, the run is this process.
        let (pid, started) = runner.unwrap_or_else(|_| (Pid::this(), sys::started_at(Pid::this())));
        tmpdir::kept(&format!("{pid}-{}", started.unwrap_or_default()))
    };
    get_or_make(&PLACE, place).clone()
}

/// Lists a service whose files stay in this private directory. The first service of the run reports the common parent.
pub(crate) fn list_kept(directory: &Path, service: &str) {
    let place = kept();
    if directory.parent() != Some(&place) {
        return;
    }
    let Ok(place_of_all) = tmpdir::open_shared_parent(&place) else {
        return;
    };
    let open = |new| sys::append_in(&place_of_all, "services.txt", new);
    let is_first = open(Some(Access::Private)).is_ok();
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let line = format!("{name} {service}\n");
    // Failures are ignored: nothing depends on the list.
    let _ = open(None).and_then(|mut list| list.write_all(line.as_bytes()));
    if is_first {
        report(&format!(
            "mirakuru: the files of this run stay in {}",
            place.display()
        ));
    }
}

/// Prints a line where the runner prints its own lines, as nextest hides the output of a test that passes.
fn report(line: &str) {
    let runner = runner::find()
        .ok()
        .filter(|runner| runner.kind == Kind::Nextest);
    let written = runner.and_then(|runner| {
        let mut output = sys::standard_error_of(runner.pid)?;
        output.write_all(format!("{line}\n").as_bytes()).ok()
    });
    if written.is_none() {
        events::print_uncaptured(line);
    }
}
