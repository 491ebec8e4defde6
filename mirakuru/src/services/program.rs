//! Finds the installed program of a service, in the version that the test selects.
//!
//! The search covers `PATH`, the usual directories of programs, and the directories where packages put a server.
//! If the test selects a version, the search runs each program, which prints its version.

use std::cmp::Reverse;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::environment;
use crate::error::Result;
use crate::executor::{Missing, SimpleExecutor};
use crate::sys;
use crate::wait::Deadline;

/// The description of a server: its programs, and the directories where packages put them.
#[derive(Debug)]
pub struct Server {
    pub(super) title: &'static str,
    /// The names of the program. The first installed one is used.
    pub(super) programs: &'static [&'static str],
    /// Directories to search in addition to those of `PATH`. A `*` in a name stands for any text.
    pub(super) directories: &'static [&'static str],
    /// Another program that must be in the same directory.
    pub(super) companion: Option<&'static str>,
    /// Another program of the package, which prints the version.
    pub(super) versioned_by: Option<&'static str>,
    /// The arguments with which a program prints the version.
    pub(super) version: &'static [&'static str],
    /// The names of the packages for apt, dnf and brew.
    pub(super) packages: [&'static str; 3],
    /// The command of an executor that runs the server in a container.
    pub(super) container: &'static str,
}

/// Usual directories of programs, which the user's `PATH` may lack.
const DIRECTORIES: [&str; 5] = [
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/opt/homebrew/bin",
    "/opt/homebrew/sbin",
];

/// The directory of programs for which a package puts wrappers into `PATH`.
const WRAPPED: [&str; 1] = ["rabbitmq/bin"];

/// The version and the program that the test selects.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) version: Option<String>,
    pub(super) program: Option<PathBuf>,
}

impl Server {
    /// Returns the path of the installed program that fits the choice.
    pub(super) fn find(&self, choice: &Choice, deadline: Deadline) -> Result<PathBuf, Missing> {
        let directories = self.directories();
        let mut seen = Vec::new();
        for path in self.candidates(choice, &directories) {
            let fits = choice.version.as_ref().is_none_or(|wanted| {
                let version = self.version_of(&path, deadline);
                let version = version.unwrap_or_else(|| "of an unknown version".to_owned());
                let fits = is_of_version(&version, wanted);
                seen.push(format!("{} is {version}", path.display()));
                fits
            });
            if fits {
                return Ok(path);
            }
        }
        Err(self.missing(choice, &seen))
    }

    /// Returns the installed programs, the preferred one first.
    fn candidates(&self, choice: &Choice, directories: &[PathBuf]) -> Vec<PathBuf> {
        let given = choice.program.as_deref();
        if let Some(path) = given.filter(|path| path.components().count() > 1) {
            let path = crate::paths::absolute(path);
            return is_executable(&path).then_some(path).into_iter().collect();
        }
        let names: Vec<&Path> = match given {
            Some(name) => vec![name],
            None => self.programs.iter().map(Path::new).collect(),
        };
        let in_directories = |name: &Path| -> Vec<PathBuf> {
            let paths = directories.iter().map(|directory| directory.join(name));
            paths.filter(|path| self.is_complete(path)).collect()
        };
        let mut found: Vec<PathBuf> = Vec::new();
        for path in names.into_iter().flat_map(in_directories) {
            let is_known = |known: &PathBuf| same(known, &path);
            if !found.iter().any(is_known) {
                found.push(path);
            }
        }
        found
    }

    fn is_complete(&self, program: &Path) -> bool {
        let is_installed = |name| is_executable(&real(program).with_file_name(name));
        is_executable(program) && self.companion.is_none_or(is_installed)
    }

    /// Returns the directories to search: those of `PATH`, the usual ones, and those of packages. The newest version of
    /// a package comes first.
    fn directories(&self) -> Vec<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::split_paths(&path).filter(|directory| directory.is_absolute());
        let usual = DIRECTORIES.iter().map(PathBuf::from);
        let of_packages = self.directories.iter().flat_map(|pattern| expand(pattern));
        // Some packages put wrappers that change the user into `PATH`, so the wrapped programs come first.
        let (wrapped, others): (Vec<_>, Vec<_>) = of_packages
            .partition(|directory| WRAPPED.iter().any(|known| directory.ends_with(known)));
        let all = wrapped.into_iter().chain(path).chain(usual);
        all.chain(others).collect()
    }

    /// Returns the version of a program: the first number with a point that the program prints.
    fn version_of(&self, program: &Path, deadline: Deadline) -> Option<String> {
        let program = match self.versioned_by {
            Some(name) => tool(program, name)?,
            None => program.to_owned(),
        };
        let words = [program.clone().into_os_string()].into_iter();
        let words = words.chain(self.version.iter().map(OsString::from));
        let asked = SimpleExecutor::new(words.collect::<Vec<_>>())
            .timeout(unscaled(deadline))
            .keep_tmpdir(false);
        // Some programs that print their version exit with an error.
        let _ = run_to_end(&asked);
        let printed = format!("{}\n{}", asked.output().text(), asked.err_output().text());
        // Some programs print their own path first.
        let printed = printed.replace(&*program.to_string_lossy(), "");
        let mut words =
            printed.split(|found: char| !(found.is_ascii_alphanumeric() || found == '.'));
        words.find_map(|word| {
            let word = word.trim_start_matches(|found: char| !found.is_ascii_digit());
            let is_number =
                |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
            Some(word).filter(is_number).map(str::to_owned)
        })
    }

    fn missing(&self, choice: &Choice, seen: &[String]) -> Missing {
        let title = self.title;
        let wanted = choice.version.as_ref();
        let wanted = wanted.map_or_else(String::new, |version| format!(" {version}"));
        let reason = match &choice.program {
            Some(program) if seen.is_empty() => format!(
                "the program {}, which the option `program` selects for {title}, was not found",
                program.display()
            ),
            _ if seen.is_empty() => format!(
                "{title} is not installed: neither PATH nor the directories of its packages contain {}",
                self.programs.join(" or ")
            ),
            _ => format!("{title}{wanted} is not installed: {}", seen.join(", ")),
        };
        let [apt, dnf, brew] = self.packages;
        let advice = format!(
            "`apt-get install {apt}`, `dnf install {dnf}` or `brew install {brew}`; or run it in a container: `{}` as the command of an executor",
            self.container
        );
        Missing { reason, advice }
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| sys::may_be_executed(&found))
}

/// Returns the path of a program with all links resolved. A link in a directory of `PATH` may lead to the directory of
/// a package.
pub(super) fn real(program: &Path) -> PathBuf {
    fs::canonicalize(program).unwrap_or_else(|_| program.to_owned())
}

/// Returns the path of a program that belongs to another one. The search covers the same directory, `bin` and `scripts`
/// next to it, and `PATH`.
pub(super) fn tool(program: &Path, name: &str) -> Option<PathBuf> {
    let in_path = || {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut all = env::split_paths(&path).map(|directory| directory.join(name));
        all.find(|path| is_executable(path))
    };
    tool_of_package(program, name).or_else(in_path)
}

/// Returns the path of a program that belongs to another one, without a search of `PATH`.
pub(super) fn tool_of_package(program: &Path, name: &str) -> Option<PathBuf> {
    let real = real(program);
    let parents = [program, &real]
        .into_iter()
        .filter_map(Path::parent)
        .flat_map(|directory| {
            let sibling = |name| directory.parent().map(|parent| parent.join(name));
            [
                Some(directory.to_owned()),
                sibling("bin"),
                sibling("scripts"),
            ]
        });
    let mut all = parents.flatten().map(|directory| directory.join(name));
    all.find(|path| is_executable(path))
}

/// Returns the time until a deadline, divided by the timeout scale, because an executor scales its timeout itself.
pub(super) fn unscaled(deadline: Deadline) -> Duration {
    let scale = environment::timeout_scale().unwrap_or(1.0);
    let left = deadline.remaining().as_secs_f64() / scale;
    Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX)
}

/// Runs a program to its end.
///
/// # Errors
///
/// Fails if the program cannot be started, exits with an error, or does not end in time.
pub(super) fn run_to_end(program: &SimpleExecutor) -> Result<()> {
    program.start()?;
    program.core().wait_for_end()
}

fn same(one: &Path, other: &Path) -> bool {
    real(one) == real(other)
}

/// Returns whether a version is the wanted one or one of its releases. `16.3` is a release of `16`.
fn is_of_version(version: &str, wanted: &str) -> bool {
    let rest = version.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Returns the directories that match a pattern with at most one `*`, the highest number first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((start, end)) = pattern.split_once('*') else {
        return vec![pattern.into()];
    };
    let (parent, prefix) = start.rsplit_once('/').unwrap_or(("", start));
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_by_key(|name| Reverse(numbers_of(name)));
    let path = |name: String| PathBuf::from(format!("{parent}/{name}{end}"));
    names.into_iter().map(path).collect()
}

/// Returns the numbers in a name. As numbers, `9` sorts before `16`.
fn numbers_of(name: &str) -> Vec<u64> {
    let numbers = name.split(|found: char| !found.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_matches_only_its_own_releases() {
        assert!(is_of_version("16.3", "16") && is_of_version("16", "16"));
        assert!(!is_of_version("160.1", "16") && !is_of_version("15.6", "16"));
        assert!(is_of_version("10.11.19", "10.11") && !is_of_version("10.1", "10.11"));
    }

    #[test]
    fn the_highest_version_of_several_comes_first() {
        let home = tempfile::tempdir().expect("a temporary directory");
        for version in ["9.6", "16", "15"] {
            fs::create_dir_all(home.path().join(format!("pg-{version}/bin"))).expect("own");
        }
        let pattern = format!("{}/pg-*/bin", home.path().display());
        let found = expand(&pattern);
        let expected =
            ["16", "15", "9.6"].map(|version| home.path().join(format!("pg-{version}/bin")));
        assert_eq!(found, expected);
        assert_eq!(expand("/no/pattern"), [PathBuf::from("/no/pattern")]);
    }
}
