//! Opens and removes files by paths that another user may change, such as paths below the private directory of a
//! service that runs as that user. After the first directory or link that the other user can change, this process does
//! nothing that the other user could not do.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
#[cfg(target_os = "linux")]
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::access::of_another_user;
use super::directories::{OPEN, kind};
use super::files::open_at_once;

/// A user's number, and the groups of that user.
pub(crate) type OtherUser<'a> = (u32, &'a [u32]);

/// Opens a file to read from it, or else to append to it (see [`open_at_once`]). An append makes a missing file. The
/// file then belongs to the other user if that user can change its directory.
pub(crate) fn open_stream(
    path: &Path,
    other: Option<OtherUser<'_>>,
    to_read: bool,
) -> io::Result<File> {
    match other.filter(|_| !is_own_descriptor(path)) {
        Some(other) => Reached::by(path, other, true)?.open(to_read),
        None if to_read => open_at_once(AT_FDCWD, path, OFlag::O_RDONLY),
        None => open_at_once(AT_FDCWD, path, APPEND | OFlag::O_CREAT),
    }
}

/// Opens a regular file to read it. Opening any other kind of file might block or have side effects. On Linux, reads do
/// not set the access time of the file, if this process may request that.
pub(crate) fn open_regular_file(path: &Path, other: Option<OtherUser<'_>>) -> io::Result<File> {
    let irregular = || io::Error::other("it is not a regular file");
    let file = match other {
        Some(other) => {
            let reached = Reached::by(path, other, true)?;
            if reached.kind()? != SFlag::S_IFREG {
                return Err(irregular());
            }
            reached.open(true)?
        }
        None if !fs::metadata(path)?.is_file() => return Err(irregular()),
        None => open_at_once(AT_FDCWD, path, OFlag::O_RDONLY)?,
    };
    // Only the owner of the file and root may request this (`open(2)`).
    #[cfg(target_os = "linux")]
    if let Ok(flags) = fcntl(&file, FcntlArg::F_GETFL) {
        let flags = OFlag::from_bits_retain(flags) | OFlag::O_NOATIME;
        let _ = fcntl(&file, FcntlArg::F_SETFL(flags));
    }
    let is_regular = file.metadata()?.is_file();
    is_regular.then_some(file).ok_or_else(irregular)
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path, other: Option<OtherUser<'_>>) -> io::Result<()> {
    match other {
        Some(other) => Reached::by(path, other, false)?.remove(),
        None => fs::remove_file(path),
    }
}

/// The most links that are followed in a path.
const MOST_LINKS: usize = 40;

/// The flags to open a file in order to append to it.
const APPEND: OFlag = OFlag::O_WRONLY.union(OFlag::O_APPEND);

const READ: u32 = 4;
const WRITE: u32 = 2;
const ENTER: u32 = 1;

/// The directory that a path leads to, and the name of the file in it.
struct Reached<'a> {
    directory: File,
    name: OsString,
    other: OtherUser<'a>,
    /// The other user can make the path lead elsewhere.
    is_changeable: bool,
}

impl<'a> Reached<'a> {
    /// Walks along a path, and follows its links one by one. Follows a link at the end only with `to_end`.
    fn by(path: &Path, other: OtherUser<'a>, to_end: bool) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let mut left = names(&path);
        let mut directory = open_directory(AT_FDCWD, "/".as_ref())?;
        let (mut is_changeable, mut links) = (false, 0);
        while let Some(name) = left.pop() {
            let found = fstatat(&directory, &*name, AtFlags::AT_SYMLINK_NOFOLLOW);
            let link_of = found
                .ok()
                .filter(|found| kind(found.st_mode) == SFlag::S_IFLNK);
            match link_of.filter(|_| to_end || !left.is_empty()) {
                Some(link) if links < MOST_LINKS => {
                    links += 1;
                    is_changeable |= link.st_uid == other.0;
                    let to = PathBuf::from(readlinkat(&directory, &*name)?);
                    if to.is_absolute() {
                        directory = open_directory(AT_FDCWD, "/".as_ref())?;
                    }
                    left.extend(names(&to));
                }
                Some(_) => return Err(Errno::ELOOP.into()),
                None if left.is_empty() => {
                    return Ok(Self {
                        directory,
                        name,
                        other,
                        is_changeable,
                    });
                }
                None => {
                    directory = open_directory(&directory, &name)?;
                    let found = directory.metadata()?;
                    if is_changeable && !allows(&found, other, ENTER) {
                        return Err(of_another_user(found.uid()));
                    }
                    is_changeable |= can_replace_in(&found, other);
                }
            }
        }
        Err(ErrorKind::IsADirectory.into())
    }

    fn kind(&self) -> io::Result<SFlag> {
        let found = fstatat(&self.directory, &*self.name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        Ok(kind(found.st_mode))
    }

    fn open(&self, to_read: bool) -> io::Result<File> {
        if let Some(made) = (!to_read).then(|| self.make()).transpose()?.flatten() {
            return Ok(made);
        }
        let (flags, needed) = if to_read {
            (OFlag::O_RDONLY, READ)
        } else {
            (APPEND, WRITE)
        };
        let name = Path::new(&self.name);
        let file = open_at_once(&self.directory, name, flags | OFlag::O_NOFOLLOW)?;
        let found = file.metadata()?;
        // The other user may have given the file this name.
        let is_suspect = self.is_changeable || found.nlink() > 1;
        if is_suspect && !allows(&found, self.other, needed) {
            return Err(of_another_user(found.uid()));
        }
        Ok(file)
    }

    /// Makes the file. Returns `None` if it already exists, or if the other user could not make it.
    fn make(&self) -> io::Result<Option<File>> {
        let directory = self.directory.metadata()?;
        if self.is_changeable && !allows(&directory, self.other, WRITE) {
            return Ok(None);
        }
        let new = APPEND | OFlag::O_CREAT | OFlag::O_EXCL;
        let rights = Mode::from_bits_truncate(0o666);
        match openat(&self.directory, &*self.name, new | OFlag::O_CLOEXEC, rights) {
            Err(Errno::EEXIST) => Ok(None),
            opened => {
                let opened = File::from(opened?);
                if self.is_changeable {
                    fchown(&opened, Some(self.other.0), None)?;
                }
                Ok(Some(opened))
            }
        }
    }

    fn remove(&self) -> io::Result<()> {
        let directory = self.directory.metadata()?;
        if self.is_changeable && !can_replace_in(&directory, self.other) {
            return Err(of_another_user(directory.uid()));
        }
        Ok(unlinkat(
            &self.directory,
            &*self.name,
            UnlinkatFlags::NoRemoveDir,
        )?)
    }
}

fn open_directory(at: impl std::os::fd::AsFd, name: &std::ffi::OsStr) -> io::Result<File> {
    Ok(openat(at, name, OPEN, Mode::empty())?.into())
}

/// Returns the names of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().rev();
    let is_name = |part: &Component<'_>| !matches!(part, Component::RootDir | Component::CurDir);
    names
        .filter(is_name)
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

/// Returns whether a path names an open file of this process. Such a path has another meaning as a text.
fn is_own_descriptor(path: &Path) -> bool {
    let mut all = [
        "/proc",
        "/dev/fd",
        "/dev/stdin",
        "/dev/stdout",
        "/dev/stderr",
    ]
    .iter();
    all.any(|start| path.starts_with(start))
}

/// Returns whether the modes give a user these rights. An owner can take any right.
fn allows(found: &Metadata, (user, groups): OtherUser<'_>, rights: u32) -> bool {
    let class = if groups.contains(&found.gid()) { 3 } else { 0 };
    found.uid() == user || (found.mode() >> class) & rights == rights
}

/// Returns whether a user can replace a file in this directory.
fn can_replace_in(directory: &Metadata, other: OtherUser<'_>) -> bool {
    let is_sticky = directory.mode() & 0o1000 != 0;
    directory.uid() == other.0 || (!is_sticky && allows(directory, other, WRITE))
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::fs::Permissions;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use tempfile::TempDir;

    use super::*;
    use crate::sys;

    /// A user who does not exist.
    const OTHER: OtherUser<'static> = (23_456_789, &[]);

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("own file");
    }

    /// Returns a directory and a file in it, with these modes.
    fn scene(of_directory: u32, of_file: u32) -> (TempDir, PathBuf) {
        let home = tempfile::tempdir().expect("a temporary directory");
        let real = home.path().canonicalize().expect("it exists");
        let file = real.join("file");
        fs::write(&file, "text").expect("own directory");
        set_mode(&file, of_file);
        set_mode(home.path(), of_directory);
        (home, file)
    }

    fn text_of(opened: io::Result<File>) -> io::Result<String> {
        let mut text = String::new();
        opened?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn read(path: &Path, other: OtherUser<'_>) -> io::Result<String> {
        text_of(open_stream(path, Some(other), true))
    }

    #[track_caller]
    fn assert_refused<T: Debug>(ended: io::Result<T>) {
        let error = ended.expect_err("it belongs to this user");
        assert_eq!(error.to_string(), of_another_user(sys::user()).to_string());
    }

    #[test]
    fn only_a_file_that_others_can_replace_needs_their_rights() {
        for (of_directory, of_file, is_member, is_read) in [
            (0o755, 0o600, false, true),
            (0o775, 0o600, false, true),
            (0o1777, 0o600, false, true),
            (0o777, 0o600, false, false),
            (0o777, 0o602, false, false),
            (0o777, 0o604, false, true),
            (0o775, 0o604, true, false),
            (0o775, 0o640, true, true),
        ] {
            let (home, file) = scene(of_directory, of_file);
            let group = home.path().metadata().expect("it exists").gid();
            let groups = is_member.then_some(group);
            let read = read(&file, (OTHER.0, groups.as_slice()));
            let case = format!("{of_directory:o} {of_file:o} {is_member}");
            if is_read {
                assert_eq!(read.expect(&case), "text");
            } else {
                assert_refused(read);
            }
        }
    }

    /// The other user may have given the file this name before the directory was closed.
    #[test]
    fn a_file_with_two_names_needs_the_rights_of_the_other_user() {
        let (home, file) = scene(0o755, 0o600);
        fs::hard_link(&file, home.path().join("second")).expect("own file");
        assert_refused(read(&file, OTHER));
        set_mode(&file, 0o604);
        assert_eq!(read(&file, OTHER).expect("all users may read it"), "text");
    }

    #[test]
    fn a_link_that_others_can_replace_leads_where_they_can_go() {
        let (home, file) = scene(0o755, 0o600);
        let (link, open) = (home.path().join("link"), home.path().join("open"));
        symlink("file", &link).expect("own directory");
        assert_eq!(read(&link, OTHER).expect("this user's own link"), "text");
        fs::create_dir(&open).expect("own directory");
        set_mode(&open, 0o777);
        symlink("../file", open.join("link")).expect("own directory");
        assert_refused(read(&open.join("link"), OTHER));
        symlink("..", open.join("up")).expect("own directory");
        assert_refused(remove_file(&open.join("up/file"), Some(OTHER)));
        assert!(file.exists());
        remove_file(&open.join("up"), Some(OTHER)).expect("the other user can remove it");
    }

    #[test]
    fn forty_links_are_followed_and_not_one_more() {
        let (home, _) = scene(0o755, 0o600);
        let mut to = PathBuf::from("file");
        let links = (1..=41).map(|number| {
            let name = PathBuf::from(number.to_string());
            let link = home.path().canonicalize()?.join(&name);
            symlink(std::mem::replace(&mut to, name), &link)?;
            read(&link, OTHER)
        });
        let mut links: Vec<_> = links.collect();
        let last = links.pop().expect("there are 41").expect_err("a loop");
        assert_eq!(last.raw_os_error(), Some(nix::libc::ELOOP));
        assert!(
            links
                .iter()
                .all(|read| matches!(read.as_deref(), Ok("text")))
        );
    }

    #[test]
    fn a_removal_takes_a_link_and_not_its_target() {
        let (home, file) = scene(0o755, 0o600);
        let link = home.path().join("link");
        symlink("file", &link).expect("own directory");
        symlink(".", home.path().join("here")).expect("own directory");
        remove_file(&home.path().join("here/link"), Some(OTHER)).expect("own link");
        assert!(!link.is_symlink() && file.exists());
        remove_file(&file, Some(OTHER)).expect("own file");
        assert!(!file.exists());
    }

    #[test]
    fn text_is_appended_to_a_file_that_exists() {
        for (of_directory, of_file) in [(0o755, 0o600), (0o777, 0o602)] {
            let (_home, file) = scene(of_directory, of_file);
            let mut opened = open_stream(&file, Some(OTHER), false).expect("it can be written");
            opened.write_all(b" and more").expect("open to write");
            let text = fs::read_to_string(&file).expect("own file");
            assert_eq!(text, "text and more");
        }
        let (_home, file) = scene(0o777, 0o604);
        assert_refused(open_stream(&file, Some(OTHER), false));
    }

    #[test]
    fn a_descriptor_of_this_process_is_opened_for_another_user() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(b"text").expect("it is open");
        file.rewind().expect("it is a file");
        let path = format!("/dev/fd/{}", file.as_raw_fd());
        assert_eq!(read(path.as_ref(), OTHER).expect("it is open"), "text");
    }

    #[test]
    fn sockets_and_pipes_are_not_opened_as_regular_files() {
        let (_home, file) = scene(0o755, 0o600);
        let [socket, pipe] = ["socket", "pipe"].map(|name| file.with_file_name(name));
        let _listener = UnixListener::bind(&socket).expect("own directory");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).expect("own directory");
        for other in [None, Some(OTHER), Some((sys::user(), &[][..]))] {
            let opened = open_regular_file(&file, other);
            assert_eq!(text_of(opened).expect("own file"), "text");
            for path in [&socket, &pipe] {
                let error = open_regular_file(path, other).expect_err("it is another kind");
                assert_eq!(error.to_string(), "it is not a regular file");
            }
        }
    }
}
