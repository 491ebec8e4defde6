//! Finds the installed program of a service, of the version that the test asks for.

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

/// A server, and where packages put it.
#[derive(Debug)]
pub struct Server {
    pub(super) title: &'static str,
    /// The names of the program. The first one that is installed counts.
    pub(super) programs: &'static [&'static str],
    /// Directories besides those of `PATH`. A `*` in a name stands for any text.
    pub(super) directories: &'static [&'static str],
    /// A program that must be in the same directory.
    pub(super) beside: Option<&'static str>,
    /// Another program of the package, which prints the version.
    pub(super) versioned_by: Option<&'static str>,
    /// The arguments with which a program prints the version.
    pub(super) version: &'static [&'static str],
    /// The packages of apt, dnf and brew.
    pub(super) packages: [&'static str; 3],
    /// The command for an executor that runs it in a container.
    pub(super) container: &'static str,
}

/// Directories of programs that a user may not have in `PATH`.
const DIRECTORIES: [&str; 5] = [
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/opt/homebrew/bin",
    "/opt/homebrew/sbin",
];

/// The directory of programs for which a package has wrappers in `PATH`.
const WRAPPED: [&str; 1] = ["rabbitmq/bin"];

/// Which of the installed programs the test asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) version: Option<String>,
    pub(super) program: Option<PathBuf>,
}

impl Server {
    /// Returns the path of the program.
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

    /// Returns the programs that are installed, in the order in which they count.
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
        let is_beside = |name| is_executable(&real(program).with_file_name(name));
        is_executable(program) && self.beside.is_none_or(is_beside)
    }

    /// Returns the directories of `PATH`, and those of packages, the newest version first.
    fn directories(&self) -> Vec<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::split_paths(&path).filter(|directory| directory.is_absolute());
        let usual = DIRECTORIES.iter().map(PathBuf::from);
        let of_packages = self.directories.iter().flat_map(|pattern| expand(pattern));
        // The programs of some packages in `PATH` are wrappers that change the user.
        let (wrapped, others): (Vec<_>, Vec<_>) = of_packages
            .partition(|directory| WRAPPED.iter().any(|known| directory.ends_with(known)));
        let all = wrapped.into_iter().chain(path).chain(usual);
        all.chain(others).collect()
    }

    /// Returns the version: the first number that the program prints.
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
        // Some print their own path first.
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
                "there is no program {}, which `program` names as {title}",
                program.display()
            ),
            _ if seen.is_empty() => format!(
                "{title} is not installed: no directory of PATH, and none of its packages, has {}",
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

/// Returns the path of a program without links: a link in a directory of `PATH` may lead to the directory of a package.
pub(super) fn real(program: &Path) -> PathBuf {
    fs::canonicalize(program).unwrap_or_else(|_| program.to_owned())
}

/// Returns the path of a program that belongs to another one: in the same directory, in the `bin` beside it, or in `PATH`.
pub(super) fn tool(program: &Path, name: &str) -> Option<PathBuf> {
    let in_path = || {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut all = env::split_paths(&path).map(|directory| directory.join(name));
        all.find(|path| is_executable(path))
    };
    tool_beside(program, name).or_else(in_path)
}

/// Does the same without a look into `PATH`.
pub(super) fn tool_beside(program: &Path, name: &str) -> Option<PathBuf> {
    let real = real(program);
    let parents = [program, &real]
        .into_iter()
        .filter_map(Path::parent)
        .flat_map(|directory| {
            let beside = |name| directory.parent().map(|parent| parent.join(name));
            [Some(directory.to_owned()), beside("bin"), beside("scripts")]
        });
    let mut all = parents.flatten().map(|directory| directory.join(name));
    all.find(|path| is_executable(path))
}

/// Returns what is left until a deadline, for an executor, which scales its timeout itself.
pub(super) fn unscaled(deadline: Deadline) -> Duration {
    let scale = environment::timeout_scale().unwrap_or(1.0);
    let left = deadline.remaining().as_secs_f64() / scale;
    Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX)
}

/// Runs a program to its end.
///
/// # Errors
///
/// The program could not be started, exited with an error, or did not end in time.
pub(super) fn run_to_end(program: &SimpleExecutor) -> Result<()> {
    program.start()?;
    program.core().wait_for_end()
}

fn same(one: &Path, other: &Path) -> bool {
    real(one) == real(other)
}

/// Returns whether a version is the wanted one, or one of its releases: `16.3` of `16`.
fn is_of_version(version: &str, wanted: &str) -> bool {
    let rest = version.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Returns the directories that a pattern with at most one `*` names, the highest number first.
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

/// Returns the numbers in a name, which order `9` before `16`.
fn numbers_of(name: &str) -> Vec<u64> {
    let numbers = name.split(|found: char| !found.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_names_its_releases_and_no_others() {
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
