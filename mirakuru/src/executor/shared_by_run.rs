//! Executors whose service all test processes of a run share. The first process starts the service. The other
//! processes connect to its supervisor and adopt the service.

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
use crate::link::{Link, State};
use crate::output::Capture;
use crate::protocol::{Service, Stream};
use crate::readiness::{Context, Start};
use crate::run::RunPlace;
use crate::sys::Handle;
use crate::wait::Deadline;

impl Core {
    /// Ensures that the service of the run is up: attaches to it, or starts it. If `at_once` is `false`, a later call
    /// hands a service that this one started over to the run.
    pub(crate) fn join(&self, place: &Arc<RunPlace>, at_once: bool) -> Result<()> {
        if self.has_joined() && !self.is_in_outage() {
            return Ok(());
        }
        self.outside_outages(|| self.join_in_turn(place, at_once))
    }

    /// Returns whether a supervisor of the run holds the leases of the executor.
    pub(crate) fn is_known_to_run(&self) -> bool {
        let link = self.shared_link();
        link.is_some_and(|link| !link.current(|state| state.lost))
    }

    /// Returns whether the executor is attached to the service of the run, and the service is up.
    pub(crate) fn has_joined(&self) -> bool {
        self.shared_link().is_some() && self.is_up()
    }

    /// Attaches to the service of the run, if there is one.
    pub(crate) fn join_if_there(&self, place: &Arc<RunPlace>) -> Result<()> {
        // An outage of another thread holds the run's lock, and its end needs the turn. So this waits for the end of
        // the outage before it takes the turn.
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
        // The process that holds the run's lock may queue for a port of this thread.
        self.ensure_may_wait_for_others()?;
        let _run_lock = self.lock(place)?;
        self.attach_unless_known(place)?;
        if self.has_joined() {
            return Ok(());
        }
        self.start_for_the_run(place, at_once)
    }

    /// Attaches to the service of the run, unless this executor has a live supervisor of the run. The caller has the
    /// turn and the run's lock.
    fn attach_unless_known(&self, place: &Arc<RunPlace>) -> Result<()> {
        self.state(|state| state.place = Some(Arc::clone(place)));
        let known = self.shared_link();
        let Some(link) = known.filter(|link| !link.current(|state| state.lost)) else {
            return self.attach(place);
        };
        // Another process may have started the service again.
        let run = self.state(|state| state.run.clone());
        let number = link.current(State::current);
        if run.as_ref().is_some_and(|run| run.number != number) {
            self.adopt(&link, run.as_ref())?;
        }
        Ok(())
    }

    /// Connects to the supervisor of the run, if there is one, and adopts its service.
    fn attach(&self, place: &RunPlace) -> Result<()> {
        let Some(link) = self.reach(place)? else {
            return Ok(());
        };
        if !self.adopt(&link, self.state(|state| state.run.clone()).as_ref())? {
            if link.is_out_of_reach() {
                return Err(self.not_reached(TimedOut.into()));
            }
            // The supervisor has no service that is ready: the caller starts the service with it.
            drop(self.state(|state| state.link.replace(link)));
            self.stop_orphaned_service();
        }
        Ok(())
    }

    /// Connects to the supervisor of the run, if there is one. If it does not answer, returns an error: a second
    /// supervisor would be worse.
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
            if at_once {
                self.hand_over(place)?;
            }
            Ok(())
        })
    }

    fn hand_over(&self, place: &RunPlace) -> Result<()> {
        let run = self.state(|state| state.run.clone());
        let Some(run) = run.filter(|run| !run.link.is_shared()) else {
            return Ok(());
        };
        // Noted before the share: a process that queues for a port must find it among the supervisors of the run.
        place.note_supervisor(run.link.supervisor());
        match run.link.share(place) {
            Some(Ok(())) => {
                // From now on the run has the port, and each of its processes may release it.
                drop(self.state(|state| {
                    state.failures.count = 0;
                    state.port.drop_claim()
                }));
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

    /// Returns the latest run, which any test process may have started.
    pub(super) fn run(&self) -> Option<Run> {
        self.follow();
        self.state(|state| state.run.clone())
    }

    /// Returns the run that is up, which any test process may have started.
    pub(super) fn up(&self) -> Option<Run> {
        self.run().filter(|run| run.up)
    }

    /// Keeps the files of the service, if the user wants the files of failed tests.
    #[cfg(feature = "macros")]
    pub(crate) fn keep_after_failure(&self) {
        if let Some(run) = self.up() {
            run.keep_after_failure();
        }
    }

    /// Returns which service the latest run is, and how much it has printed until now.
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
        // Read before the lookup below: another thread of this process may start the service meanwhile.
        let known = self.state(|state| state.run.clone());
        let (lost, number) = link.current(|state| (state.lost, state.current()));
        let current = if lost {
            // The supervisor may live, as it drops a client that has not read for long. So connect again.
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
        // An error is about the files of this process, and not about the service.
        let is_gone = matches!(self.adopt(&current, known.as_ref()), Ok(false));
        if let Some(known) = known.as_ref().filter(|_| is_gone) {
            // Another process is starting the service, so the known one is gone.
            self.state(|state| state.is_down(known));
        }
    }

    /// Replaces the known service with the service of the run, unless another thread has noted a newer one. Returns
    /// `false` if the run has no service, or if its start is not complete.
    ///
    /// # Errors
    ///
    /// Returns an error if this process cannot open what it needs to use the service.
    fn adopt(&self, link: &Arc<Link>, known: Option<&Run>) -> Result<bool> {
        let Some((service, files)) = link.attach() else {
            return Ok(false);
        };
        let Some(run) = self.run_of(link, &service, files)? else {
            return Ok(false);
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
        // The former supervisor belongs to a failed start by this process.
        if let Some(former) = former.filter(|former| !former.is_shared()) {
            self.close(&former);
        }
        Ok(true)
    }

    /// Returns the run of the service that a supervisor describes, or `None` if that service is not ready.
    ///
    /// # Errors
    ///
    /// Returns an error if this process cannot open what it needs to use the service.
    fn run_of(
        &self,
        link: &Arc<Link>,
        service: &Service,
        files: Vec<Handle>,
    ) -> Result<Option<Run>> {
        let Some(ready) = service.ready.as_ref() else {
            return Ok(None);
        };
        let ports = service.ports.iter().cloned().collect();
        let place = self.place(service.directory.clone(), ports);
        let place = place.map_err(|mistake| self.invalid(mistake))?;
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
        let log = self.log_file(&start.place, start.user.clone())?;
        let context = Context::new(Start {
            pid: Some(service.pid),
            stdout,
            stderr,
            log,
            command: service.command.as_str().into(),
            captured: Mutex::new(ready.groups.iter().cloned().collect()),
            ..start
        });
        Ok(Some(Run {
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
        }))
    }
}
