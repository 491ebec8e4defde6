//! Appends a row to a timeline file that all supervisors of a run share. The row shows when a service was started,
//! ready, stopped and gone.
//!
//! The format is the JSON array of Chrome's "Trace Event Format", which Perfetto opens. The file is a complete JSON
//! text at any time: a supervisor that appends locks the file and overwrites the closing bracket.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::protocol::{Service, TraceRow};
use crate::sys;
use crate::wait::{self, Deadline};

const BEGIN: &str = "[\n";
const BETWEEN: &str = ",\n";
const END: &str = "\n]\n";
/// The longest wait for other writers of the file. A row that cannot be written within this time is left out.
const PATIENCE: Duration = Duration::from_secs(1);

/// Appends the row of a service that is gone: its command, and the time of each step.
pub(super) fn append(
    row: &TraceRow,
    service: &Service,
    launched: Duration,
    stop: Option<Duration>,
) {
    let gone = sys::monotonic_time();
    let (process, pid) = (row.process, service.pid);
    let ids = format!(r#""pid": {process}, "tid": {}"#, std::process::id());
    let name = |what: &str, name: &str| {
        let name = quoted(name);
        format!(r#"{{"ph": "M", "name": "{what}", {ids}, "args": {{"name": {name}}}}}"#)
    };
    let mut events = vec![
        name("process_name", &row.program),
        name(
            "thread_name",
            &format!("{} {}", row.executor, service.command),
        ),
    ];
    let (command, test) = (quoted(&service.command), quoted(&row.test));
    let args = format!(r#"{{"command": {command}, "test": {test}, "pid": {pid}}}"#);
    // The stop may have arrived before the supervisor read that the service was ready.
    let ready = service.ready.as_ref().map(|ready| ready.at);
    let stopped = stop.unwrap_or(gone).max(ready.unwrap_or_default());
    for (name, from, to) in [
        ("waiting", Some(launched), ready.unwrap_or(stopped)),
        ("ready", ready, stopped),
        ("stopping", stop, gone),
    ] {
        let Some(from) = from else { continue };
        // Rounded first, so that a row has no gaps.
        let (begin, end) = (from.as_micros(), to.as_micros());
        let lasted = end.saturating_sub(begin);
        events.push(format!(
            r#"{{"ph": "X", "name": "{name}", "cat": "mirakuru", "ts": {begin}, "dur": {lasted}, {ids}, "args": {args}}}"#
        ));
    }
    // The timeline is an aid for readers, and no client is left to report a failure to.
    let _ = write(&row.file, &events.join(BETWEEN));
}

fn write(path: &Path, events: &str) -> io::Result<()> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let deadline = Deadline::after(PATIENCE);
    let file = loop {
        match sys::try_lock(options.open(path)?)? {
            Some(file) => break file,
            None if deadline.has_passed() => return Err(io::ErrorKind::WouldBlock.into()),
            None => wait::pause(Duration::from_millis(1)),
        }
    };
    let size = file.metadata()?.len();
    let end = END.len() as u64;
    let mut last = [0; END.len()];
    let continues = size >= end
        && sys::read_exact_at(&file, &mut last, size - end).is_ok()
        && last == *END.as_bytes();
    let (from, lead) = if continues {
        (size - end, BETWEEN)
    } else {
        (size, BEGIN)
    };
    sys::write_all_at(&file, format!("{lead}{events}{END}").as_bytes(), from)
}

/// Returns `text` as a JSON string (RFC 8259, section 7).
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
    fn strings_are_quoted_as_json_requires() {
        assert_eq!(quoted("a \"b\"\\\n\té"), r#""a \"b\"\\\u000a\u0009é""#);
    }

    #[test]
    fn the_file_is_valid_json_after_each_row() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        write(file.path(), "1").expect("room");
        write(file.path(), "2").expect("room");
        let text = std::fs::read_to_string(file.path()).expect("own file");
        assert_eq!(text, "[\n1,\n2\n]\n");
    }
}
