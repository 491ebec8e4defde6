//! Looks up a program that could not be run, and explains why. The lookup uses the service's PATH and its working
//! directory, as the spawn did.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::command::Prepared;
use crate::protocol::Directory;
use crate::sys;

/// The result of a lookup of the first word of the command.
pub(super) struct Found {
    /// The service's working directory.
    cwd: PathBuf,
    /// The PATH that was searched. `None` if the command names the program with its directory.
    searched: Option<String>,
    /// The first file of that name, if there is one.
    file: Option<(PathBuf, Metadata)>,
}

impl Found {
    /// Looks the program up in the service's PATH, or from its working directory.
    pub(super) fn look_up(prepared: &Prepared) -> Self {
        let cwd = match &prepared.cwd {
            Directory::Root => "/".into(),
            Directory::Inherited(path) | Directory::Given(path) => path.clone(),
        };
        let program = Path::new(prepared.words.first().map_or(OsStr::new(""), |word| word));
        let has_directory = program.components().nth(1).is_some();
        let path = || prepared.env.iter().find(|(name, _)| name == "PATH");
        let searched = (!has_directory)
            .then(|| path().map_or(sys::DEFAULT_PATH.as_ref(), |(_, value)| value.as_os_str()));
        let candidates: Vec<_> = match searched {
            // An empty part of PATH stands for the working directory.
            Some(path) => env::split_paths(path)
                .map(|part| cwd.join(part).join(program))
                .collect(),
            None => vec![cwd.join(program)],
        };
        let is_program = |path: PathBuf| {
            let metadata = fs::metadata(&path).ok()?;
            (has_directory || metadata.is_file()).then_some((path, metadata))
        };
        Self {
            searched: searched.map(|path| path.to_string_lossy().into_owned()),
            file: candidates.into_iter().find_map(is_program),
            cwd,
        }
    }

    /// Returns the advice if the system reported that a file does not exist.
    pub(super) fn missing(&self, program: &str) -> String {
        let Some((file, _)) = &self.file else {
            return self.not_found(program);
        };
        let file = file.display();
        match self.interpreter() {
            Some(interpreter) if interpreter.ends_with('\r') => format!(
                "the first line of {file} ends with a carriage return, which becomes a part of the interpreter's name: save the file with LF line endings"
            ),
            Some(interpreter) => format!(
                "{file} exists, but the interpreter in its first line does not: {interpreter}"
            ),
            None => format!(
                "{file} exists, but the loader that it needs does not: was it built for this system?"
            ),
        }
    }

    fn not_found(&self, program: &str) -> String {
        let here = self.cwd.join(program);
        match &self.searched {
            None => format!(
                "{} does not exist; a relative path starts from the working directory",
                here.display()
            ),
            Some(_) if here.is_file() => format!(
                "no directory of the service's PATH has {program}: write ./{program} for the one in its working directory"
            ),
            Some(path) => {
                let is_own = env::var_os("PATH").is_some_and(|own| own == path.as_str());
                let path = if is_own {
                    String::new()
                } else {
                    format!(" The service's PATH is {path:?}.")
                };
                format!("is {program} installed, and is its directory in PATH?{path}")
            }
        }
    }

    /// Returns the advice if the system refused to run the program.
    pub(super) fn refused(&self, program: &str) -> String {
        let Some((file, metadata)) = &self.file else {
            return format!("is {program} executable for this user?");
        };
        let file = file.display();
        match self.interpreter() {
            _ if metadata.is_dir() => format!("{file} is a directory"),
            Some(interpreter) if sys::may_be_executed(metadata) => format!(
                "is {file} executable for this user, and is its interpreter {interpreter} executable, too?"
            ),
            _ => format!("is {file} executable for this user?"),
        }
    }

    /// Returns the interpreter that the first line of a script names.
    fn interpreter(&self) -> Option<String> {
        // Only a regular file is opened: opening a named pipe would block.
        let (file, _) = self.file.as_ref().filter(|(_, found)| found.is_file())?;
        let mut line = Vec::new();
        // The kernel reads 256 bytes at most.
        let mut start = BufReader::new(File::open(file).ok()?).take(256);
        start.read_until(b'\n', &mut line).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let words = line
            .strip_prefix("#!")?
            .trim_end_matches('\n')
            .trim_start_matches([' ', '\t']);
        words.split([' ', '\t']).next().map(str::to_owned)
    }
}
