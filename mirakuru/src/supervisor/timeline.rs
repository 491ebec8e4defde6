//! One row of a timeline: when a service was started, ready, stopped and gone, appended to a file that
//! all supervisors of a run share.
//!
//! The format is the JSON array of Chrome's "Trace Event Format", which Perfetto opens. The file is a
//! whole JSON text at any time: who appends takes the lock on it and writes over the last bracket.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crate::protocol::Row;
use crate::sys::{self, LockedFile};
use crate::wait::{self, Deadline};

const BEGIN: &str = "[\n";
const BETWEEN: &str = ",\n";
const END: &str = "\n]\n";
/// How long others may have the file; what cannot be written by then is left out.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a row shows of a service: its command, and when it went through each step.
pub(super) struct Life<'a> {
    pub(super) row: &'a Row,
    pub(super) command: &'a str,
    pub(super) pid: u32,
    pub(super) launched: Duration,
    pub(super) ready: Option<Duration>,
    pub(super) stopped: Option<Duration>,
}

impl Life<'_> {
    /// Writes the row of a service that is gone.
    pub(super) fn append(&self) {
        // For people who look on; nobody is left to be told that it failed.
        let _ = append(&self.row.file, &self.events(sys::monotonic_time()));
    }

    fn events(&self, gone: Duration) -> String {
        let Row {
            program,
            process,
            executor,
            test,
            ..
        } = self.row;
        let command = self.command;
        let row = std::process::id();
        let ids = format!(r#""pid": {process}, "tid": {row}"#);
        let name = |what: &str, name: &str| {
            let name = quoted(name);
            format!(r#"{{"ph": "M", "name": "{what}", {ids}, "args": {{"name": {name}}}}}"#)
        };
        let mut events = vec![
            name("process_name", program),
            name("thread_name", &format!("{executor} {command}")),
        ];
        let args = format!(
            r#"{{"command": {}, "test": {}, "pid": {}}}"#,
            quoted(command),
            quoted(test),
            self.pid
        );
        // It may have been ready and stopped before any of that came to be read here.
        let stopped = self
            .stopped
            .unwrap_or(gone)
            .max(self.ready.unwrap_or_default());
        let waited = self.ready.unwrap_or(stopped);
        for (name, from, to) in [
            ("waiting", Some(self.launched), waited),
            ("ready", self.ready, stopped),
            ("stopping", self.stopped, gone),
        ] {
            let Some(from) = from else { continue };
            // Rounded first, so that a row has no gaps.
            let (begin, end) = (from.as_micros(), to.as_micros());
            let lasted = end.saturating_sub(begin);
            events.push(format!(
                r#"{{"ph": "X", "name": "{name}", "cat": "mirakuru", "ts": {begin}, "dur": {lasted}, {ids}, "args": {args}}}"#
            ));
        }
        events.join(BETWEEN)
    }
}

fn append(path: &std::path::Path, events: &str) -> io::Result<()> {
    let options = || {
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    };
    let deadline = Deadline::after(PATIENCE);
    let file = loop {
        match LockedFile::try_lock(options()?)? {
            Some(file) => break file,
            None if deadline.has_passed() => return Err(io::ErrorKind::WouldBlock.into()),
            None => {}
        }
        wait::pause(Duration::from_millis(1));
    };
    let size = file.metadata()?.len();
    let end = END.len() as u64;
    let mut last = [0; END.len()];
    let continues =
        size >= end && file.read_exact_at(&mut last, size - end).is_ok() && last == *END.as_bytes();
    let (from, lead) = if continues {
        (size - end, BETWEEN)
    } else {
        (size, BEGIN)
    };
    file.write_all_at(format!("{lead}{events}{END}").as_bytes(), from)
}

/// A JSON string (RFC 8259, section 7).
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            control if control < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_json_has_them() {
        assert_eq!(quoted("a \"b\"\\\n\té"), r#""a \"b\"\\\u000a\u0009é""#);
    }

    #[test]
    fn a_file_is_a_whole_text_after_each_row() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        append(file.path(), "1").expect("room");
        append(file.path(), "2").expect("room");
        let text = std::fs::read_to_string(file.path()).expect("own file");
        assert_eq!(text, "[\n1,\n2\n]\n");
    }
}
