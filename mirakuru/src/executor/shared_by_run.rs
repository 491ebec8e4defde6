//! An executor whose service a whole run shares: one test process starts it, all use it.

use std::io::{
    self,
    ErrorKind::{ConnectionRefused, NotFound, TimedOut},
};
use std::sync::{Arc, Mutex};

use super::core::Core;
use super::failures::count_failures;
#[cfg(feature = "macros")]
use super::run::Moment;
use super::run::Run;
use crate::command::Shown;
use crate::error::{Error, Result};
use crate::link::Link;
use crate::output::Capture;
use crate::protocol::{Service, Stream};
use crate::readiness::{Context, Start};
use crate::run::RunPlace;
use crate::sys::Handle;
use crate::wait::Deadline;

impl Core {
    /// Makes sure that the service of the run is up: attaches to it, or starts it.
    /// What it starts is handed over to the run at once, or by a later call.
    pub(crate) fn join(&self, place: &Arc<RunPlace>, at_once: bool) -> Result<()> {
        if self.has_joined() && !self.is_in_outage() {
            return Ok(());
        }
        self.outside_outages(|| self.join_in_turn(place, at_once))
    }

    /// Returns whether a supervisor of the run holds what the executor has leased.
    pub(crate) fn is_known_to_run(&self) -> bool {
        let link = self.shared_link();
        link.is_some_and(|link| !link.current(|state| state.lost))
    }

    pub(crate) fn has_joined(&self) -> bool {
        self.shared_link().is_some() && self.is_up()
    }

    /// Attaches to the service of the run, if there is one.
    pub(crate) fn join_if_there(&self, place: &Arc<RunPlace>) -> Result<()> {
        // An outage of another thread keeps the run's lock, and ends with this turn.
        self.outside_outages(|| {
            let _turn = self.turn();
            if self.has_joined() {
                return Ok(());
            }
            let _run_lock = self.lock(place)?;
            self.attach_unless_known(place)
        })
    }

    fn join_in_turn(&self, place: &Arc<RunPlace>, at_once: bool) -> Result<()> {
        let _turn = self.turn();
        if self.has_joined() {
            return Ok(());
        }
        // The process that has the run's lock may queue for this thread's port.
        self.ensure_may_wait_for_others()?;
        let _run_lock = self.lock(place)?;
        self.attach_unless_known(place)?;
        if self.has_joined() {
            return Ok(());
        }
        self.start_for_the_run(place, at_once)
    }

    /// The caller has the turn and the run's lock.
    fn attach_unless_known(&self, place: &Arc<RunPlace>) -> Result<()> {
        self.state(|state| state.place = Some(Arc::clone(place)));
        let known = self.shared_link();
        if known.is_none_or(|link| link.current(|state| state.lost)) {
            self.attach(place)?;
        }
        Ok(())
    }

    /// Connects to the supervisor of the run, if there is one, and adopts its service.
    fn attach(&self, place: &RunPlace) -> Result<()> {
        let Some(link) = self.reach(place)? else {
            return Ok(());
        };
        if !self.adopt(&link, self.state(|state| state.run.clone()).as_ref()) {
            if link.is_out_of_reach() {
                return Err(self.not_reached(TimedOut.into()));
            }
            // Started again with the same supervisor.
            drop(self.state(|state| state.link.replace(link)));
            self.stop_orphaned_service();
        }
        Ok(())
    }

    /// Connects to the supervisor of the run, if there is one. A second supervisor beside one that does not answer
    /// would be worse than an error.
    pub(super) fn reach(&self, place: &RunPlace) -> Result<Option<Arc<Link>>> {
        match Link::connect(place, self.home()) {
            Ok(link) => Ok(Some(link)),
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => Ok(None),
            Err(error) => Err(self.not_reached(error)),
        }
    }

    fn not_reached(&self, error: io::Error) -> Error {
        self.refused("reach the supervisor that the run shares", error)
    }

    /// Stops a service of the run whose starter died before it was ready. No other process uses it, and the
    /// caller holds the run's lock, so none starts it.
    pub(super) fn stop_orphaned_service(&self) {
        let link = self.shared_link();
        if let Some(link) = link.filter(|link| !link.current(|state| state.lost)) {
            link.stop(self.stop_plan(self.config.stop_signal).hasty(), None);
        }
    }

    /// Starts the service and hands it over to the run. Counts failures for all tests of the run.
    fn start_for_the_run(&self, place: &RunPlace, at_once: bool) -> Result<()> {
        let note = |failures| place.note_failures(&failures);
        count_failures(&[self], &place.failures(), note, || {
            self.emit_death();
            self.start_in_turn()?;
            let handed_over = if at_once {
                self.hand_over(place)
            } else {
                Ok(())
            };
            handed_over.inspect_err(|_| self.state(|state| state.failures.count += 1))
        })
    }

    fn hand_over(&self, place: &RunPlace) -> Result<()> {
        let run = self.state(|state| state.run.clone());
        let Some(run) = run.filter(|run| !run.link.is_shared()) else {
            return Ok(());
        };
        // Before the share: a process that queues for a port must find the supervisor among the run's.
        place.note_supervisor(run.link.supervisor());
        match run.link.share(place) {
            Some(Ok(())) => {
                // From now on the run has the port, and any of its processes may give it back.
                drop(self.state(|state| state.port.drop_claim()));
                Ok(())
            }
            Some(Err(failure)) => {
                // No other process would know the service.
                self.bring_down(&run, run.plan.hasty(), None);
                self.give_port_back();
                Err(self.refused("share it with the run", failure.error()))
            }
            None => Err(self.lost(run.link.swept())),
        }
    }

    /// The latest run, of whatever test process.
    pub(super) fn run(&self) -> Option<Run> {
        self.follow();
        self.state(|state| state.run.clone())
    }

    /// The run that is up, of whatever test process.
    pub(super) fn up(&self) -> Option<Run> {
        self.run().filter(|run| run.up)
    }

    /// Keeps the files of the service, if the user wants those of failures.
    #[cfg(feature = "macros")]
    pub(crate) fn keep_after_failure(&self) {
        if let Some(run) = self.up() {
            run.keep_after_failure();
        }
    }

    /// What the latest run is and has printed by now.
    #[cfg(feature = "macros")]
    pub(crate) fn moment(&self) -> Option<Moment> {
        let run = self.run()?;
        run.link.drain();
        Some(Moment::of(&run))
    }

    /// Adopts a service that another test process has started since. Does nothing in a forked child.
    fn follow(&self) {
        let Some(link) = self.unless_forked().and_then(Self::shared_link) else {
            return;
        };
        // Read before the look: another thread of this process may start the service meanwhile.
        let known = self.state(|state| state.run.clone());
        let (lost, number) = link.current(|state| (state.lost, state.current()));
        let current = if lost {
            // The supervisor drops a client that did not read for long, and may live: connect again.
            let place = self.state(|state| state.place.clone());
            match place.and_then(|place| Link::connect(&place, self.home()).ok()) {
                Some(link) => link,
                None => return,
            }
        } else if known.as_ref().is_none_or(|run| run.number != number) {
            link
        } else {
            return;
        };
        if self.adopt(&current, known.as_ref()) {
            return;
        }
        if let Some(known) = &known {
            // Another process starts the service: the known one is gone.
            self.state(|state| state.is_down(known));
        }
    }

    /// Replaces what was known by the service of the run, unless another thread has noted a newer one. Returns
    /// `false` if there is none, or one whose start is not complete.
    fn adopt(&self, link: &Arc<Link>, known: Option<&Run>) -> bool {
        let Some((service, files)) = link.attach() else {
            return false;
        };
        let Some(run) = self.run_of(link, &service, files) else {
            return false;
        };
        let words = service.words.iter();
        let shown = Shown {
            line: service.command.into(),
            words: words
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
        };
        let former = self.state(|state| {
            let number = |run: &Run| run.context.start.number;
            if state.run.as_ref().map(number) != known.map(number) {
                return None;
            }
            state.shown = Some(Arc::new(shown));
            for (name, port) in service.ports {
                state.port.adopt(&name, port, link.name());
            }
            state.run = Some(run);
            state.link.replace(Arc::clone(link))
        });
        // The supervisor of a start by this process that failed.
        if let Some(former) = former.filter(|former| !former.is_shared()) {
            self.close(&former);
        }
        true
    }

    /// The run of the service that a supervisor describes, once that service is ready.
    fn run_of(&self, link: &Arc<Link>, service: &Service, files: Vec<Handle>) -> Option<Run> {
        let ready = service.ready.as_ref()?;
        let ports = service.ports.iter().cloned().collect();
        let place = self.place(service.directory.clone(), ports).ok()?;
        let mut files = files.into_iter();
        let streams = [Stream::Stdout, Stream::Stderr];
        let [stdout, stderr] = streams.map(|stream| {
            let index = stream as usize;
            let file = service.captured[index].then(|| files.next()).flatten()?;
            Some(Arc::new(Capture::of_another(
                stream,
                self.config.start_bound(),
                file,
                ready.begins[index],
                service.number,
                link,
            )))
        });
        let deadline = Deadline::after(self.config.start_bound());
        let start = self.start_before_spawn(place, Some(Arc::clone(link)), deadline);
        let log = self.log_file(&start.place, start.user.clone()).ok()?;
        let context = Context::new(Start {
            pid: Some(service.pid),
            stdout,
            stderr,
            log,
            command: service.command.as_str().into(),
            captured: Mutex::new(ready.groups.iter().cloned().collect()),
            ..start
        });
        Some(Run {
            link: Arc::clone(link),
            pid: service.pid,
            number: service.number,
            context,
            plan: self.stop_plan(self.config.stop_signal),
            up: true,
            ready: true,
            printers: None,
            keep: self.config.keep(),
            title: self.title().into(),
            is_named: self.is_named(),
        })
    }
}
