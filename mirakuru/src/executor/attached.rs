//! An executor whose service a whole run shares: started by one test process, used by all.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::Executor;
use super::run::Run;
#[cfg(feature = "macros")]
use super::run::Which;
use super::start::MOST_FAILURES;
use crate::environment;
use crate::error::Result;
use crate::link::{Link, State};
use crate::locks::FileLock;
use crate::output::Capture;
use crate::protocol::{StopPlan, Stream};
use crate::readiness::{Context, Readiness, Situation};
use crate::run::RunPlace;
use crate::wait::Deadline;

impl<R: Readiness> Executor<R> {
    /// Has the service of the run be up: the one that is there, or one that is started now.
    pub(crate) fn join(&self, place: &Arc<RunPlace>) -> Result<()> {
        if self.session.is_foreign() {
            return Ok(());
        }
        if self.session.shared_link().is_some() && self.is_up() && !self.session.is_in_outage() {
            return Ok(());
        }
        self.beside_outages(|| self.join_in_turn(place))
    }

    fn join_in_turn(&self, place: &Arc<RunPlace>) -> Result<()> {
        let _turn = self.session.turn();
        if self.session.shared_link().is_some() && self.is_up() {
            return Ok(());
        }
        // Whoever has the lock may queue for this thread's port.
        self.may_wait_for_others()?;
        let _exclusive = self.lock(place)?;
        self.session.settle_in(Arc::clone(place));
        if self
            .session
            .shared_link()
            .is_none_or(|link| link.look(|state| state.lost))
            && let Some(link) = self.supervisor_of(place)?
            && !self.adopt(&link, self.session.run().as_ref())
        {
            self.session.take_over(&link);
            self.end_what_nobody_knows();
        }
        if self.session.shared_link().is_some() && self.is_up() {
            return Ok(());
        }
        self.start_for_the_run(place)
    }

    /// Who started a service was killed before it was ready: nobody else has it, and nobody starts it
    /// while we have the lock.
    pub(super) fn end_what_nobody_knows(&self) {
        if let Some(link) = self.session.shared_link()
            && !link.look(|state| state.lost)
        {
            link.stop(StopPlan::ABRUPT, None);
        }
    }

    /// The run's supervisor, where there is one. One that does not answer is one all the same: a second
    /// beside it would be worse than an error.
    fn supervisor_of(&self, place: &RunPlace) -> Result<Option<Arc<Link>>> {
        match Link::connect(&place.socket()) {
            Ok(link) => Ok(Some(link)),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(self.refused("reach the supervisor that the run shares", error)),
            },
        }
    }

    /// Starts it, once more where it died, and hands it over to the run.
    fn start_for_the_run(&self, place: &RunPlace) -> Result<()> {
        let failures = place.failures();
        if failures >= MOST_FAILURES {
            return Err(self.not_tried_again(failures));
        }
        self.tell_of_death();
        let tried = self.session.failures();
        let shared = self.start_in_turn().and_then(|_| {
            let handed_over = self.hand_over(place);
            handed_over.inspect_err(|_| self.session.note_failure())
        });
        if shared.is_ok() {
            place.note_failures(0);
        } else if self.session.failures() > tried {
            place.note_failures(failures + 1);
        }
        shared
    }

    fn hand_over(&self, place: &RunPlace) -> Result<()> {
        let Some(run) = self.session.run().filter(|run| !run.link.is_shared()) else {
            return Ok(());
        };
        // Ahead of the share: a supervisor of the run that is not noted would be queued for in vain.
        place.note_supervisor(run.link.supervisor());
        match run.link.share(&place.runner, place.socket()) {
            Some(Ok(())) => {
                // From now on the run has the port, and any of its processes may give it back.
                self.session.hand_over_port();
                Ok(())
            }
            Some(Err(failure)) => {
                // Nobody would know of it.
                self.session.bring_down(&run, run.plan.kill(), None);
                self.give_back();
                Err(self.refused("share it with the run", failure.error()))
            }
            None => Err(self.lost(&run.link)),
        }
    }

    /// Reports to the supervisor what only this process knows of a service that is ready.
    pub(super) fn report_ready(run: &Run) {
        let begin = |stream| {
            let capture = run.context.captured_stream(stream);
            capture.map_or(0, |capture| capture.begin())
        };
        let begins = [begin(Stream::Stdout), begin(Stream::Stderr)];
        run.link.report_ready(run.context.all_captured(), begins);
    }

    /// The latest run, of whatever test process.
    pub(super) fn run(&self) -> Option<Run> {
        self.follow();
        self.session.run()
    }

    /// Which service that is.
    #[cfg(feature = "macros")]
    pub(crate) fn which(&self) -> Option<Which> {
        self.run()
            .map(|run| (run.link.name().to_owned(), run.number))
    }

    /// The run that is up, of whatever test process.
    pub(super) fn up(&self) -> Option<Run> {
        self.follow();
        self.session.up()
    }

    /// Another test process may have started it anew.
    fn follow(&self) {
        if self.session.is_foreign() {
            return;
        }
        let Some(link) = self.session.shared_link() else {
            return;
        };
        // Before the look: another thread of this process may be starting it anew meanwhile.
        let known = self.session.run();
        let known = known.as_ref();
        if link.look(|state| state.lost) {
            // It is left behind where it did not listen for long; the supervisor may live.
            let place = self.session.place();
            let anew = place.and_then(|place| Link::connect(&place.socket()).ok());
            if let Some(link) = anew
                && !self.adopt(&link, known)
            {
                self.session.outdated(known);
            }
            return;
        }
        let number = link.look(State::current);
        if known.is_none_or(|run| run.number != number) && !self.adopt(&link, known) {
            self.session.outdated(known);
        }
    }

    /// Takes over what a supervisor of the run tells of its service. Not one that is being started this
    /// moment, or whose start nobody saw to its end. It takes the place of what was known before.
    fn adopt(&self, link: &Arc<Link>, known: Option<&Run>) -> bool {
        let Some((service, files)) = link.attach() else {
            return false;
        };
        let Some(ready) = &service.ready else {
            return false;
        };
        let port = service.port.unwrap_or_default();
        let Ok(place) = self.place(service.directory.clone(), port) else {
            return false;
        };
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
        let context = Context::new(Situation {
            pid: Some(service.pid),
            stdout,
            stderr,
            command: service.command.clone().into(),
            captured: Mutex::new(ready.groups.iter().cloned().collect()),
            ..self.situation(place, Some(Arc::clone(link)), deadline)
        });
        let run = Run {
            link: Arc::clone(link),
            pid: service.pid,
            number: service.number,
            context,
            plan: self.stop_plan(self.config.stop_signal),
            up: true,
            ready: true,
            title: self.title().into(),
        };
        self.session.adopt(run, service, known);
        true
    }

    /// The run's lock, where the run shares it and this executor has not got it already.
    pub(super) fn exclusive(&self) -> Result<Option<FileLock>> {
        match self.session.place() {
            Some(place) if !self.session.has_lock() => self.lock(&place).map(Some),
            _ => Ok(None),
        }
    }

    fn lock(&self, place: &RunPlace) -> Result<FileLock> {
        self.lock_file(&place.lock(), Deadline::after(environment::queue_bound()))
    }

    pub(crate) fn lock_file(&self, path: &Path, queue: Deadline) -> Result<FileLock> {
        FileLock::take(path, queue).map_err(|error| {
            let why = format!("failed to lock what the run shares: {error}");
            self.not_locked(&why, queue)
        })
    }
}
