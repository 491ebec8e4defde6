//! Copies a tree of directories and regular files.
//!
//! Every step starts from open directories and takes one name at a time, so that no link leads elsewhere, even if
//! another user changes the tree meanwhile. That user can link or move a third user's file into the tree. Therefore
//! each part must belong to the user who made the tree.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::sync::Arc;
use std::thread;

use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat, mkdirat};

use super::access::of_another_user;
use super::directories::{OPEN, entries};

/// The user and the group to which a copy belongs.
pub(crate) type Owner = Option<(u32, u32)>;

/// The most threads that copy files.
const MOST_THREADS: usize = 4;

/// The user who must own a tree, and the owner of its copy.
#[derive(Clone, Copy)]
struct Owners {
    maker: u32,
    owner: Owner,
}

/// A file to copy.
struct Job {
    from: Arc<File>,
    to: Arc<File>,
    name: CString,
}

/// Copies the content of one directory, which `maker` has made, into another directory, with its modes. The copy
/// belongs to `owner`.
///
/// # Errors
///
/// Returns an error for the first file that could not be copied, that belongs to another user than `maker`, or that is
/// neither a directory nor a regular file with one hard link.
pub(crate) fn copy_tree(from: File, maker: u32, to: File, owner: Owner) -> io::Result<()> {
    let owners = Owners { maker, owner };
    let mut jobs = Vec::new();
    collect(&Arc::new(from), &Arc::new(to), owners, &mut jobs)?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = jobs.len().div_ceil(threads.min(MOST_THREADS)).max(1);
    thread::scope(|scope| {
        let copies = jobs.chunks(share).map(|jobs| {
            let copy = move || jobs.iter().try_for_each(|job| job.copy(owners));
            thread::Builder::new().spawn_scoped(scope, copy)
        });
        let copies: Vec<_> = copies.collect();
        copies.into_iter().try_for_each(|copy| {
            let ended = copy?.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Returns the number of bytes in all files of a tree, plus one for each file and directory.
pub(crate) fn size_of_tree(directory: &File) -> io::Result<u64> {
    let mut size = 0;
    for entry in entries(directory)? {
        size += 1;
        size += if entry.is_directory {
            let below = openat(directory, &*entry.name, OPEN, Mode::empty())?;
            size_of_tree(&below.into())?
        } else {
            let found = fstatat(directory, &*entry.name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            u64::try_from(found.st_size).unwrap_or_default()
        };
    }
    Ok(size)
}

/// Makes the directories, and lists the files.
fn collect(
    from: &Arc<File>,
    to: &Arc<File>,
    owners: Owners,
    jobs: &mut Vec<Job>,
) -> io::Result<()> {
    for entry in entries(from)? {
        if !entry.is_directory {
            let (from, to) = (Arc::clone(from), Arc::clone(to));
            let name = entry.name;
            jobs.push(Job { from, to, name });
            continue;
        }
        let below: File = openat(&**from, &*entry.name, OPEN, Mode::empty())?.into();
        mkdirat(&**to, &*entry.name, Mode::S_IRWXU)?;
        let made: File = openat(&**to, &*entry.name, OPEN, Mode::empty())?.into();
        collect(&Arc::new(below), &Arc::new(made.try_clone()?), owners, jobs)?;
    }
    finish(from, to, owners)
}

impl Job {
    fn copy(&self, owners: Owners) -> io::Result<()> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let read = flags | OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        let mut from = File::from(openat(&*self.from, &*self.name, read, Mode::empty())?);
        let found = from.metadata()?;
        // This user's own files may have other names, as tools that save room link them.
        let is_linked_elsewhere = owners.maker != crate::sys::user() && found.nlink() != 1;
        if !found.is_file() || is_linked_elsewhere {
            let name = self.name.to_string_lossy();
            let reported = format!("{name} is not a regular file, or has several hard links");
            return Err(io::Error::new(ErrorKind::InvalidData, reported));
        }
        let write = flags | OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        // No other process opens the copy before it has the mode of the original.
        let mut to = File::from(openat(&*self.to, &*self.name, write, Mode::empty())?);
        // The kernel copies the data, and shares the blocks if the file system can.
        io::copy(&mut from, &mut to)?;
        finish(&from, &to, owners)
    }
}

/// Gives the copy its owner and its mode.
///
/// # Errors
///
/// Returns an error if the maker does not own the original. The copied data then stays with this process's user alone.
fn finish(from: &File, to: &File, owners: Owners) -> io::Result<()> {
    let found = from.metadata()?;
    if found.uid() != owners.maker {
        return Err(of_another_user(found.uid()));
    }
    if let Some((user, group)) = owners.owner {
        fchown(to, Some(user), Some(group))?;
    }
    to.set_permissions(std::fs::Permissions::from_mode(found.mode() & 0o777))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use nix::unistd::mkfifo;

    use super::*;

    fn copy(from: &Path, to: &Path) -> io::Result<()> {
        let open = |path| File::open(path).expect("own directory");
        copy_tree(open(from), crate::sys::user(), open(to), None)
    }

    #[test]
    fn a_file_of_another_user_with_two_names_is_not_copied() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
        let elsewhere = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::hard_link(elsewhere.path(), from.path().join("file")).expect("own directory");
        copy(from.path(), to.path()).expect("it is this user's");
        let open = |path| Arc::new(File::open(path).expect("own directory"));
        let job = Job {
            from: open(from.path()),
            to: open(to.path()),
            name: c"file".to_owned(),
        };
        let owners = Owners {
            maker: crate::sys::user() + 1,
            owner: None,
        };
        let refused = job.copy(owners).expect_err("another user has linked it");
        let refused = refused.to_string();
        assert!(refused.contains("several hard links"), "{refused}");
    }

    #[test]
    fn a_tree_of_another_user_is_not_copied() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
        fs::create_dir(from.path().join("a")).expect("own directory");
        fs::write(from.path().join("a/file"), "secret").expect("own directory");
        let open = |path| File::open(path).expect("own directory");
        let another = crate::sys::user() + 1;
        let copied = copy_tree(open(from.path()), another, open(to.path()), None);
        copied.expect_err("another user has made it");
        assert!(!to.path().join("a/file").exists());
    }

    #[test]
    fn a_copy_has_all_files_with_their_modes() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
        fs::create_dir_all(from.path().join("a/b")).expect("own directory");
        for number in 0..50 {
            fs::write(
                from.path().join(format!("a/b/{number}")),
                number.to_string(),
            )
            .expect("own");
        }
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(from.path().join("a/b/7"), mode).expect("own file");
        copy(from.path(), to.path()).expect("it can be copied");
        let read = |number: u32| fs::read_to_string(to.path().join(format!("a/b/{number}")));
        for number in 0..50 {
            assert_eq!(read(number).expect("it is there"), number.to_string());
        }
        let found = fs::metadata(to.path().join("a/b/7")).expect("it is there");
        assert_eq!(found.mode() & 0o777, 0o640);
    }

    #[test]
    fn a_named_pipe_is_refused_without_a_wait_for_its_writer() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
        mkfifo(&from.path().join("pipe"), Mode::S_IRWXU).expect("own directory");
        let refused = copy(from.path(), to.path()).expect_err("it is a pipe");
        let refused = refused.to_string();
        assert!(refused.contains("not a regular file"), "{refused}");
    }

    #[test]
    fn a_link_is_neither_followed_nor_copied() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
        symlink("/etc/hostname", from.path().join("link")).expect("own directory");
        copy(from.path(), to.path()).expect_err("it is a link");
        assert!(fs::symlink_metadata(to.path().join("link")).is_err());
    }
}
