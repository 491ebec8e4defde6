//! The log file of a service.
//!
//! The text that the service adds after the start is copied into a capture of this process, and the readers read that
//! capture. So only this file has to handle rotation and truncation.

use std::fs::{File, Metadata};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::capture::Capture;
use crate::error::Scene;
use crate::locks::{Owner, lock_unless_lost};
use crate::protocol::{Identity, Stream};
use crate::sys::{self, FileTime};
use crate::wait;

/// The log file of one start.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    /// The user of the service, if the test runs as another one. The user of the service may make the path lead to any
    /// file.
    user: Option<Identity>,
    added: Arc<Capture>,
    owner: Owner,
    reading: Mutex<Reading>,
}

/// How far the file has been read.
#[derive(Debug, Default)]
struct Reading {
    /// The open file, which may have been renamed since.
    file: Option<File>,
    place: u64,
    /// The bytes before `place`. If the file was truncated and has grown since, it has other bytes there.
    before: Vec<u8>,
    modified: FileTime,
    /// The time of a change that added no text, and the moment at which it was first noticed.
    odd: Option<(FileTime, Instant)>,
}

/// How many bytes before [`Reading::place`] are compared.
const COMPARED: u64 = 1024;
/// How many bytes one update reads at most. Of more bytes, it reads the last ones.
const MOST: u64 = 16 << 20;
/// The time after which a write that has changed the modification time has also changed the size.
const WRITTEN: Duration = Duration::from_millis(20);
/// The longest tick of a kernel's clock. Two writes within one tick may have the same modification time.
const TICK: Duration = Duration::from_millis(10);

impl LogFile {
    /// Opens the file, which may be missing, and skips its text, which belongs to earlier starts.
    pub(crate) fn begin(path: PathBuf, user: Option<Identity>) -> io::Result<Self> {
        let mut reading = Reading::default();
        let other = user.as_ref().map(Identity::as_other);
        if let Ok(file) = sys::open_regular_file(&path, other) {
            reading.file = Some(file);
            reading.skip_to_end();
        }
        Ok(Self {
            path,
            user,
            // The log file is a stream of its own. The value `Stdout` is not used.
            added: Arc::new(Capture::new(Stream::Stdout, Duration::ZERO)?),
            reading: Mutex::new(reading),
            owner: Owner::this_process(),
        })
    }

    /// Waits for the next tick of the clock, if the file was changed within this one. Otherwise, a service that starts
    /// now could write the same text again at the same time, and the file would look unchanged.
    pub(crate) fn await_tick(&self) {
        let age = self.reading().file.as_ref().and_then(|file| {
            let changed = file.metadata().ok()?.modified().ok()?;
            changed.elapsed().ok()
        });
        wait::pause(TICK.saturating_sub(age.unwrap_or(TICK)));
    }

    /// Returns the text that was added until the last update.
    pub(crate) fn capture(&self) -> &Capture {
        &self.added
    }

    /// Adds the path of the file to an error, and the reason if the file cannot be read. [`capture`](Self::capture)
    /// returns the text of the file.
    pub(crate) fn describe(&self, scene: &mut Scene) {
        // A thread that a forked child does not have may hold the lock in this child.
        let is_readable = lock_unless_lost(&self.reading, !self.owner.is_this_process()).is_some();
        let unread = is_readable.then(|| self.update()).flatten();
        scene.log_file = self.path.display().to_string();
        let note = |why| format!("its log file {}: {why}", scene.log_file);
        scene.notes.extend(unread.map(note));
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies the added text. If the file cannot be read, returns the reason.
    pub(crate) fn update(&self) -> Option<String> {
        let mut reading = self.reading();
        loop {
            // After a rotation, the former file is read to its end before the new one.
            reading.copy_added(&self.added);
            let is_known = |file| sys::leads_to(&self.path, file);
            match reading.file.as_ref().map_or(Ok(false), is_known) {
                Ok(true) => return None,
                Ok(false) => {}
                Err(error) => return Some(error.to_string()),
            }
            // A file that is not regular may have no end, or lose what this process reads, as a pipe does.
            let other = self.user.as_ref().map(Identity::as_other);
            match sys::open_regular_file(&self.path, other) {
                Ok(file) => {
                    *reading = Reading {
                        file: Some(file),
                        ..Reading::default()
                    }
                }
                Err(error) => return Some(error.to_string()),
            }
        }
    }
}

impl Reading {
    fn copy_added(&mut self, added: &Capture) {
        let Some(found) = self.file.as_ref().and_then(|file| file.metadata().ok()) else {
            return;
        };
        if self.was_rewritten(&found) {
            self.place = 0;
        }
        let size = found.len();
        self.place = self.place.max(size.saturating_sub(MOST));
        let mut buffer = vec![0; 64 * 1024];
        while let Some(file) = &self.file {
            // Text that is added now belongs to the next update: the time that this one notes is older.
            let rest = usize::try_from(size - self.place).unwrap_or(usize::MAX);
            let part = buffer.len().min(rest);
            let read = sys::read_at(file, &mut buffer[..part], self.place).unwrap_or(0);
            let added = sys::write_all_at(added.file(), &buffer[..read], added.len());
            if read == 0 || added.is_err() {
                break;
            }
            self.place += read as u64;
        }
        self.note(&found);
    }

    fn skip_to_end(&mut self) {
        if let Some(found) = self.file.as_ref().and_then(|file| file.metadata().ok()) {
            self.place = found.len();
            self.note(&found);
        }
    }

    fn note(&mut self, found: &Metadata) {
        let is_odd = found.len() == self.place && self.odd.is_some();
        if !is_odd {
            self.modified = sys::changed_at(found);
        }
        self.before = self.before_place().unwrap_or_default();
    }

    fn before_place(&self) -> Option<Vec<u8>> {
        let length = self.place.min(COMPARED);
        let mut before = vec![0; usize::try_from(length).ok()?];
        let file = self.file.as_ref()?;
        sys::read_exact_at(file, &mut before, self.place - length).ok()?;
        Some(before)
    }

    /// Returns whether the file was truncated since the last update, and written from its beginning.
    fn was_rewritten(&mut self, found: &Metadata) -> bool {
        if found.len() < self.place || self.before_place().as_ref() != Some(&self.before) {
            self.odd = None;
            return true;
        }
        // The service may have rewritten the file with equal text. A write changes the time before the size, so the
        // size must not change for a while. A mere `touch` also sets the access time, to the same value.
        let time = sys::changed_at(found);
        // If `open_regular_file` cannot prevent it, this process's reads change the access time too. So the access time
        // counts only when the change is first noticed.
        let is_known = self.odd.is_some_and(|(seen, _)| seen == time);
        let is_odd = found.len() == self.place
            && time != self.modified
            && (is_known || sys::accessed_at(found) != time);
        if !is_odd {
            self.odd = None;
            return false;
        }
        let since = match self.odd {
            Some((seen, since)) if seen == time => since,
            _ => self.odd.insert((time, Instant::now())).1,
        };
        let rests = since.elapsed() >= WRITTEN;
        if rests {
            self.odd = None;
        }
        rests
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    struct Log {
        home: tempfile::TempDir,
        log: LogFile,
    }

    impl Log {
        fn with(earlier: Option<&str>) -> Self {
            let home = tempfile::tempdir().expect("a temporary directory");
            let path = home.path().join("log");
            if let Some(earlier) = earlier {
                fs::write(&path, earlier).expect("own directory");
            }
            let log = LogFile::begin(path, None).expect("a temporary file");
            Self { home, log }
        }

        fn append(&self, text: &str) {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.log.path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .expect("own file");
        }

        #[track_caller]
        fn await_text(&self, text: &str, round: u32) {
            let begun = Instant::now();
            while self.added() != text {
                let waited = begun.elapsed();
                assert!(
                    waited < Duration::from_secs(20),
                    "not noticed, round {round}"
                );
            }
        }

        /// Asserts that the file adds no text within the time after which a rewrite counts.
        #[track_caller]
        fn stays(&self, text: &str) {
            let until = Instant::now() + WRITTEN * 2;
            while Instant::now() < until {
                assert_eq!(self.added(), text);
            }
        }

        fn added(&self) -> String {
            self.log.update();
            String::from_utf8(self.log.capture().read_all().0).expect("text")
        }
    }

    #[test]
    fn only_text_added_since_the_start_counts() {
        let log = Log::with(Some("earlier\n"));
        assert_eq!(log.added(), "");
        log.append("one\n");
        assert_eq!(log.added(), "one\n");
        log.append("two\n");
        assert_eq!(log.added(), "one\ntwo\n");
    }

    #[test]
    fn a_file_that_stays_as_it_is_is_read_once() {
        let log = Log::with(Some("earlier\n"));
        log.stays("");
        log.append("one\n");
        log.stays("one\n");
    }

    #[test]
    fn a_file_may_appear_later() {
        let log = Log::with(None);
        let reported = log.log.update().expect("the file is missing");
        assert!(reported.contains("os error"), "{reported}");
        log.append("one\n");
        assert_eq!(log.added(), "one\n");
    }

    #[test]
    fn a_rotated_file_is_read_before_the_new_one() {
        let log = Log::with(Some("earlier\n"));
        log.append("one\n");
        fs::rename(&log.log.path, log.home.path().join("log.1")).expect("own file");
        log.append("two\n");
        assert_eq!(log.added(), "one\ntwo\n");
    }

    #[test]
    fn a_truncated_file_is_read_from_its_beginning() {
        let log = Log::with(Some("a long text of an earlier start\n"));
        fs::write(&log.log.path, "one\n").expect("own file");
        assert_eq!(log.added(), "one\n");
        fs::write(
            &log.log.path,
            "this has grown beyond the place of the last update\n",
        )
        .expect("own file");
        assert_eq!(
            log.added(),
            "one\nthis has grown beyond the place of the last update\n"
        );
    }

    // Wine sets the access time at every read, so it may hide such a rewrite.
    #[cfg(unix)]
    #[test]
    fn a_rewrite_with_equal_text_after_an_earlier_start_counts() {
        for round in 0..20 {
            let log = Log::with(Some("ready\n"));
            log.log.await_tick();
            let found = fs::metadata(&log.log.path).expect("own file");
            let age = found.modified().expect("a time").elapsed();
            assert!(age.expect("a change in the past") >= TICK);
            fs::write(&log.log.path, "ready\n").expect("own file");
            log.await_text("ready\n", round);
        }
    }

    // Wine sets the access time at every read, so it may hide such a rewrite.
    #[cfg(unix)]
    #[test]
    fn a_rewrite_with_equal_text_during_an_update_counts() {
        for round in 0..50 {
            let log = Log::with(Some("ready\n"));
            log.log.await_tick();
            thread::scope(|scope| {
                let path = &log.log.path;
                let (sender, receiver) = mpsc::channel();
                scope.spawn(move || {
                    receiver.recv().expect("the other thread updates");
                    let file = File::options().write(true).open(path).expect("own file");
                    sys::write_all_at(&file, b"ready\n", 0).expect("room");
                });
                assert_eq!(log.added(), "");
                sender.send(()).expect("the thread waits");
                log.await_text("ready\n", round);
            });
        }
    }

    #[test]
    fn a_rewrite_with_equal_text_counts_and_a_touch_does_not() {
        let log = Log::with(Some("ready\n"));
        let file = File::options()
            .write(true)
            .open(&log.log.path)
            .expect("own file");
        let long_ago = fs::FileTimes::new()
            .set_accessed(std::time::UNIX_EPOCH)
            .set_modified(std::time::UNIX_EPOCH);
        file.set_times(long_ago).expect("own file");
        log.stays("");
        fs::write(&log.log.path, "ready\n").expect("own file");
        log.await_text("ready\n", 0);
    }

    #[test]
    fn a_rewrite_with_equal_text_counts_when_the_file_rests() {
        let log = Log::with(Some("ready\n"));
        let times = |accessed, modified| {
            let time = |seconds| std::time::UNIX_EPOCH + Duration::from_secs(seconds);
            let times = fs::FileTimes::new().set_accessed(time(accessed));
            let file = File::options().write(true).open(&log.log.path);
            file.and_then(|file| file.set_times(times.set_modified(time(modified))))
                .expect("own file");
        };
        for modified in 1..4 {
            times(0, modified);
            assert_eq!(log.added(), "");
            wait::pause(WRITTEN);
        }
        // A read of the changed file may set the access time.
        times(3, 3);
        log.await_text("ready\n", 0);
        log.stays("ready\n");
    }

    #[test]
    fn a_file_that_grows_during_an_update_is_read_once() {
        let log = Log::with(None);
        // In some rounds, the last line arrives during an update.
        for round in 1..=20 {
            thread::scope(|scope| {
                let writer = scope.spawn(|| (0..100).for_each(|_| log.append("a line\n")));
                while !writer.is_finished() {
                    log.added();
                }
            });
            log.stays(&"a line\n".repeat(100 * round));
        }
    }

    #[test]
    fn an_error_waits_for_an_update_by_another_thread() {
        let log = Log::with(None);
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let updates = log.log.reading();
            scope.spawn(|| {
                let mut scene = Scene::default();
                log.log.describe(&mut scene);
                sender.send(scene.notes).expect("the test waits");
            });
            let early = receiver.recv_timeout(Duration::from_millis(200));
            assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
            drop(updates);
            let notes = receiver.recv().expect("it describes the file");
            assert!(notes[0].contains("its log file"), "{notes:?}");
        });
    }

    /// The kernel reports the size of a page for a file of sysfs, whose text is shorter.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_shorter_than_its_reported_size_is_read_to_its_end() {
        let log = Log::with(None);
        let file = "/sys/kernel/uevent_seqnum";
        assert!(fs::metadata(file).expect("sysfs").len() > 100);
        std::os::unix::fs::symlink(file, &log.log.path).expect("own directory");
        let added = log.added();
        assert!(added.trim_end().parse::<u64>().is_ok(), "{added:?}");
    }
}
