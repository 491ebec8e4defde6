//! One start of an executor, and its events.

use std::mem::take;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::environment::{self, Keep};
use crate::error::seconds;
use crate::events::{self, Step};
use crate::link::Link;
use crate::output::{Capture, LogFile, Output};
use crate::protocol::{Gone, StopPlan, Stream};
use crate::readiness::Context;
use crate::run;
use crate::signal::describe_exit;
use crate::sys;

#[derive(Clone)]
pub(super) struct Run {
    pub(super) link: Arc<Link>,
    pub(super) pid: u32,
    /// The number of the service at its supervisor.
    pub(super) number: u64,
    pub(super) context: Context,
    /// The stop that a drop makes.
    pub(super) plan: StopPlan,
    /// The service was neither stopped nor killed since its start.
    pub(super) up: bool,
    /// The service was ready once, so tests that share it may have it.
    pub(super) ready: bool,
    /// Whose files stay.
    pub(super) keep: Keep,
    /// The executor's name for people.
    pub(super) title: Arc<str>,
    pub(super) is_named: bool,
    /// The threads that print its output.
    pub(super) printers: Option<Printers>,
}

/// Threads that the stop waits for.
pub(super) type Printers = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// A moment in the life of a service.
#[cfg(feature = "macros")]
#[derive(Debug)]
pub(crate) struct Moment {
    /// The name of its supervisor, and its number there.
    service: (String, u64),
    /// How much it has printed to each stream.
    printed: Printed,
}

/// How much is in the file of each stream, and in that of the log.
pub(super) type Printed = [u64; 3];

#[cfg(feature = "macros")]
impl Moment {
    pub(super) fn of(run: &Run) -> Self {
        Self {
            service: (run.link.name().to_owned(), run.number),
            printed: run
                .captures()
                .map(|capture| capture.map_or(0, Capture::len)),
        }
    }

    /// The beginning of this service.
    pub(crate) fn of_its_start(self) -> Self {
        Self {
            printed: Printed::default(),
            ..self
        }
    }

    /// How much this service had printed at that moment; `None` for another one.
    pub(super) fn printed_by(&self, run: &Run) -> Option<Printed> {
        let is_same = self.service.1 == run.number && self.service.0 == run.link.name();
        is_same.then_some(self.printed)
    }
}

impl Run {
    /// Returns whether this is the same service. Each supervisor counts its services from 1.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.number == other.number && self.link.name() == other.link.name()
    }

    /// Returns whether the main process has ended and the supervisor has not reported its code yet.
    pub(super) fn has_just_ended(&self) -> bool {
        let main = self.link.cached(|state| state.notified.main);
        let main = sys::process_of(main.unwrap_or(self.pid));
        let ended = main.is_some_and(sys::has_ended);
        ended && !self.link.current(|state| state.has_left(self.number))
    }

    pub(super) fn emit(&self, step: Step) {
        let step = Step {
            pid: Some(self.pid),
            ..step
        };
        let command = || self.context.start.command.to_string();
        events::emit(step, &self.title, self.is_named, command);
    }

    /// What it printed to each stream, and added to its log file.
    pub(super) fn captures(&self) -> [Option<&Capture>; 3] {
        let stream = |stream| self.context.captured_stream(stream).map(Arc::as_ref);
        let log = self.context.log_file().map(LogFile::capture);
        [stream(Stream::Stdout), stream(Stream::Stderr), log]
    }

    /// How much it has printed by now.
    pub(super) fn printed(&self) -> Printed {
        self.link.drain();
        if let Some(log) = self.context.log_file() {
            log.update();
        }
        self.captures()
            .map(|capture| capture.map_or(0, Capture::len))
    }

    /// Emits the directory in which its files stay.
    pub(super) fn announce_files(&self) {
        if let Some(directory) = &self.context.start.place.tmpdir {
            let test = thread::current();
            let test = test.name().unwrap_or("a thread");
            let command = &self.context.start.command;
            run::list_kept(directory, &format!("{test}: {} {command:?}", self.title));
            self.emit(Step {
                always_shown: true,
                ..Step::info(format!("keeps its files in {}", directory.display()))
            });
        }
    }

    /// Keeps the files after a failure, if the user wants those of failures. Called before a stop, so that
    /// the supervisor knows in time.
    pub(super) fn keep_after_failure(&self) {
        if self.keep == Keep::OfFailures {
            self.link.keep();
            self.announce_files();
        }
    }

    /// Prints each line of the service as it arrives, if the user wants that.
    pub(super) fn print_output(&mut self) {
        if !environment::log_output() {
            return;
        }
        let outputs = [self.context.output(), self.context.err_output()];
        let print = |output: Output| {
            let title = Arc::clone(&self.title);
            let print = move |line: &str| events::say(&format!("{title}: {line}"));
            let printer = thread::Builder::new().name(self.title.to_string());
            printer.spawn(move || output.for_each_line(print)).ok()
        };
        let printers = outputs.into_iter().filter_map(print).collect();
        self.printers = Some(Arc::new(Mutex::new(printers)));
    }

    /// Waits until all that a service printed which is gone was printed here.
    pub(super) fn end_printing(&self) {
        let printers = self.printers.as_ref().map(|printers| printers.lock());
        let printers = printers.and_then(|locked| locked.ok().map(|mut all| take(&mut *all)));
        for printer in printers.into_iter().flatten() {
            let _ = printer.join();
        }
    }

    pub(super) fn emit_end(&self, gone: Option<&Gone>, elapsed: Duration) {
        let pid = self.pid;
        let Some(gone) = gone else {
            return self.emit(Step::warn(format!(
                "lost its supervisor, which was killed from outside; the tree of pid {pid} was swept"
            )));
        };
        if !gone.survivors.is_empty() {
            let survivors = listed(&gone.survivors);
            return self.emit(Step::warn(format!(
                "left what could not be killed: {survivors}"
            )));
        }
        if gone.forced {
            self.emit(Step::warn(format!(
                "did not stop in time and was killed: pid {pid}"
            )));
        }
        let exit_code = self.link.current(|state| state.exit_of(self.number));
        let end = exit_code.map_or_else(String::new, |code| format!(" {}", describe_exit(code)));
        self.emit(Step {
            elapsed: Some(elapsed),
            ..Step::info(format!(
                "is gone after {}: pid {pid}{end}",
                seconds(elapsed)
            ))
        });
    }
}

/// Lists processes, each by pid and command.
pub(super) fn listed(processes: &[(u32, String)]) -> String {
    let reported: Vec<_> = processes
        .iter()
        .take(10)
        .map(|(pid, command)| format!("pid {pid}: {command}"))
        .collect();
    let more = processes.len().saturating_sub(reported.len());
    if more > 0 {
        format!("{}; and {more} more", reported.join("; "))
    } else {
        reported.join("; ")
    }
}
