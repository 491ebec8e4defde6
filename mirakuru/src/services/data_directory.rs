//! Makes the data directory of a database server. The server's own program makes it once, and each start copies the
//! result from the cache.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::cache::Entries;
use super::program::{real, run_to_end, unscaled};
use crate::events;
use crate::executor::{SimpleExecutor, Site, Unfurnished};
use crate::sys;

/// The name of the data directory in the private directory.
const DATA: &str = "data";

/// The program and the arguments that make a server's data directory.
pub(super) struct Recipe {
    /// The prefix of the cache entry's name.
    pub(super) name: &'static str,
    /// The program that makes the data directory.
    pub(super) program: PathBuf,
    /// The arguments. `{tmpdir}/data` stands for the directory.
    pub(super) arguments: Vec<OsString>,
}

impl Recipe {
    /// Makes the data directory, unless an earlier start has made it.
    pub(super) fn furnish(&self, server: &Path, site: &Site<'_>) -> Result<(), Unfurnished> {
        let data = site.tmpdir.join(DATA);
        if data.symlink_metadata().is_ok() {
            return Ok(());
        }
        // Until the first launch, the private directory belongs to the test's user, so no other user can interfere.
        if site.own_directory().is_none() {
            let gone = io::Error::other("the service's user has removed it");
            return Err(Unfurnished::Refused("find its data directory", gone));
        }
        let new = site.tmpdir.join("data.new");
        let refused = |error| Unfurnished::Refused("make its data directory", error);
        let _ = fs::remove_dir_all(&new);
        sys::make_private_directory(&new).map_err(refused)?;
        self.fill(&new, server, site)?;
        fs::rename(new, data).map_err(refused)
    }

    /// Fills a new directory from the cache, or by the program if the cache cannot be used.
    fn fill(&self, new: &Path, server: &Path, site: &Site<'_>) -> Result<(), Unfurnished> {
        let refused = |error| Unfurnished::Refused("copy its data directory", error);
        let owner = site.user.as_ref().map(|(_, user)| (user.user, user.group));
        let user = sys::user();
        let maker = owner.map_or(user, |(maker, _)| maker);
        let copy = |from: File, maker| {
            let to = sys::open_directory(new).map_err(refused)?;
            sys::copy_tree(from, maker, to, owner).map_err(refused)
        };
        // `made` keeps the program's directory until the end of this call. If the cache cannot store the directory, it
        // is copied from there.
        let mut made = None;
        let cached = match Entries::open() {
            Ok(None) => None,
            Ok(Some(entries)) => {
                let fill = |new: File| -> Result<(), Uncached> {
                    let made = made.insert(self.make(site).map_err(Uncached::Failed)?);
                    Ok(sys::copy_tree(made.open(maker)?, maker, new, None)?)
                };
                let copy = |from: File| copy(from, user).map_err(Uncached::Failed);
                Some(entries.with(
                    &self.name_of_entry(server, site),
                    server,
                    site.deadline,
                    fill,
                    copy,
                ))
            }
            Err(why) => Some(Err(Uncached::Refused(why))),
        };
        match cached {
            Some(Ok(())) => return Ok(()),
            Some(Err(Uncached::Failed(unfurnished))) => return Err(unfurnished),
            Some(Err(Uncached::Refused(why))) => warn(&why),
            None => {}
        }
        let made = made.map_or_else(|| self.make(site), Ok)?;
        copy(made.open(maker).map_err(refused)?, maker)
    }

    /// Runs the program, as the service's user, in a private directory of its own.
    fn make(&self, site: &Site<'_>) -> Result<Made, Unfurnished> {
        let words = [self.program.clone().into_os_string()].into_iter();
        let words: Vec<_> = words.chain(self.arguments.iter().cloned()).collect();
        let mut program = SimpleExecutor::new(words)
            .cwd("{tmpdir}")
            // All tests share the result, so it must not depend on the time zone of this test.
            .env("TZ", "UTC")
            // Next to the private directory, so that both are in memory or both are on disk.
            .tmpdir_in(site.tmpdir.parent().unwrap_or(site.tmpdir))
            .keep_tmpdir(false)
            .timeout(unscaled(site.deadline));
        if let Some((name, _)) = &site.user {
            program = program.user(*name);
        }
        run_to_end(&program).map_err(Unfurnished::Failed)?;
        Ok(Made(program))
    }

    /// Returns the name of the entry, which is unique to the programs, the options and the service's user. A new
    /// release of a program is a different file. The user can change the directory before it is copied, so no other
    /// user gets the copy.
    fn name_of_entry(&self, server: &Path, site: &Site<'_>) -> String {
        let mut hasher = DefaultHasher::new();
        site.user.as_ref().map(|(name, _)| name).hash(&mut hasher);
        for program in [&self.program, server] {
            let program = real(program);
            let found = fs::metadata(&program);
            // These values are equal on machines with the same package, so a CI run can reuse the cache of an earlier
            // run.
            let found = found.map(|found| (found.len(), sys::changed_at(&found)));
            (program, found.ok()).hash(&mut hasher);
        }
        self.arguments.hash(&mut hasher);
        format!("{}-{:016x}", self.name, hasher.finish())
    }
}

/// A data directory in the private directory of the program that made it.
struct Made(SimpleExecutor);

impl Made {
    /// Opens the data directory. Fails if the private directory has another owner: the service's user may have replaced
    /// it.
    fn open(&self, maker: u32) -> io::Result<File> {
        let private = sys::open_directory(&self.0.tmpdir())?;
        let owner = sys::owner_of(&private.metadata()?);
        if owner != maker {
            return Err(sys::of_another_user(owner));
        }
        sys::open_directory_in(&private, DATA)
    }
}

/// The reason why no copy from the cache was made.
enum Uncached {
    /// The failure of the start.
    Failed(Unfurnished),
    /// The reason why the cache cannot be used. The start continues without it.
    Refused(String),
}

impl From<io::Error> for Uncached {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Prints once per process why the cache is not used.
fn warn(why: &str) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        events::print_uncaptured(&format!(
            "mirakuru: data directories of services are not cached, and each start makes its own ({why}); set MIRAKURU_CACHE to a directory, or to off"
        ));
    }
}
