//! One start of an executor: its process, its output, and the events that it emits.

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

/// A start of an executor that has spawned its process.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) link: Arc<Link>,
    pub(super) pid: u32,
    /// The number by which the supervisor knows the service.
    pub(super) number: u64,
    pub(super) context: Context,
    /// The plan for a stop by drop.
    pub(super) plan: StopPlan,
    /// Whether the service was neither stopped nor killed since its start.
    pub(super) up: bool,
    /// Whether the service was ready once, so that tests that share it may use it.
    pub(super) ready: bool,
    /// Which files stay after the end of the service.
    pub(super) keep: Keep,
    /// The human-readable name of the executor.
    pub(super) title: Arc<str>,
    pub(super) is_named: bool,
    /// The threads that print the output of the service.
    pub(super) printers: Option<Printers>,
}

/// The threads that print output. A stop waits for their end.
pub(super) type Printers = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// A point in time in the life of a service.
#[cfg(feature = "macros")]
#[derive(Debug)]
pub(crate) struct Moment {
    /// The name of the supervisor, and the number of the service there.
    service: (String, u64),
    /// How much the service had printed to each stream.
    printed: Printed,
}

/// The lengths of the captured standard output, the captured standard error, and the log file.
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

    /// Returns the moment at which this service started.
    pub(crate) fn of_its_start(self) -> Self {
        Self {
            printed: Printed::default(),
            ..self
        }
    }

    /// Returns how much the service had printed at this moment, or `None` if the run is another service.
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

    /// Returns the captured standard output, the captured standard error, and the text added to the log file.
    pub(super) fn captures(&self) -> [Option<&Capture>; 3] {
        let stream = |stream| self.context.captured_stream(stream).map(Arc::as_ref);
        let log = self.context.log_file().map(LogFile::capture);
        [stream(Stream::Stdout), stream(Stream::Stderr), log]
    }

    /// Returns how much the service has printed until now.
    pub(super) fn printed(&self) -> Printed {
        self.link.drain();
        if let Some(log) = self.context.log_file() {
            log.update();
        }
        self.captures()
            .map(|capture| capture.map_or(0, Capture::len))
    }

    /// Emits an event that names the directory in which the files stay, and lists it for the run.
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

    /// Keeps the files after a failure, if the user wants the files of failures. Must be called before a stop, so that
    /// the supervisor knows in time.
    pub(super) fn keep_after_failure(&self) {
        if self.keep == Keep::OfFailures {
            self.link.keep();
            self.announce_files();
        }
    }

    /// Prints each line of the service as it arrives, if `MIRAKURU_LOG=output` is set.
    pub(super) fn print_output(&mut self) {
        if !environment::log_output() {
            return;
        }
        let outputs = [self.context.output(), self.context.err_output()];
        let print = |output: Output| {
            let title = Arc::clone(&self.title);
            let print = move |line: &str| events::print(&format!("{title}: {line}"));
            let printer = thread::Builder::new().name(self.title.to_string());
            printer.spawn(move || output.for_each_line(print)).ok()
        };
        let printers = outputs.into_iter().filter_map(print).collect();
        self.printers = Some(Arc::new(Mutex::new(printers)));
    }

    /// Waits until this process has printed the whole output of a service that is gone.
    pub(super) fn end_printing(&self) {
        let printers = self.printers.as_ref().map(|printers| printers.lock());
        let printers = printers.and_then(|locked| locked.ok().map(|mut all| take(&mut *all)));
        for printer in printers.into_iter().flatten() {
            let _ = printer.join();
        }
    }

    /// Emits an event that reports how the service ended.
    pub(super) fn emit_end(&self, gone: Option<&Gone>, elapsed: Duration) {
        let pid = self.pid;
        let Some(gone) = gone else {
            return self.emit(Step::warn(format!(
                "lost its supervisor, which was killed from outside; every process of its tree (pid {pid}) that could be found was killed"
            )));
        };
        if !gone.survivors.is_empty() {
            let survivors = listed(&gone.survivors);
            return self.emit(Step::warn(format!(
                "left processes that could not be killed: {survivors}"
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
    let shown: Vec<_> = processes
        .iter()
        .take(10)
        .map(|(pid, command)| match pid {
            0 => command.clone(),
            _ => format!("pid {pid}: {command}"),
        })
        .collect();
    let more = processes.len().saturating_sub(shown.len());
    if more > 0 {
        format!("{}; and {more} more", shown.join("; "))
    } else {
        shown.join("; ")
    }
}
