//! Reuses a service that is already running (`OnConflict::Reuse`), once it passes the readiness check.

use std::time::Duration;

use super::core::Core;
use super::port::Wanted;
use super::together::is_called_off;
use crate::command::Template;
use crate::error::Result;
use crate::events::Step;
use crate::port::OnConflict;
use crate::readiness::probe::Question;
use crate::readiness::{Context, NotReady};
use crate::wait::{self, Deadline, Pace};

/// The minimum time for a check of a service that may be reused.
const LOOK: Duration = Duration::from_secs(1);

/// The result of a check for a service that this executor did not start.
enum Existing {
    Absent,
    NotReady(NotReady, Context),
    /// The service is ready at this address. `None` if the check asks no address.
    Ready(Option<String>),
}

/// The wait for a service that answers but is not ready. `None` until a check has found that service.
#[derive(Default)]
pub(super) struct Warming(Option<(Deadline, Pace)>);

impl Warming {
    /// Returns the deadline of the start that follows. After a wait, the start gets its full time.
    pub(super) fn deadline(&self, core: &Core, unwaited: Deadline) -> Deadline {
        match &self.0 {
            Some(_) => Deadline::after(core.config.start_bound()),
            None => unwaited,
        }
    }
}

impl Core {
    /// Returns a mistake if the policy is `Reuse`, but only a process of this executor can pass the check.
    pub(super) fn ensure_reusable(&self) -> Result<(), String> {
        if self.policy() == OnConflict::Reuse && self.check.needs_own_process() {
            let mistake = "only a process that this executor starts can pass the check, so `OnConflict::Reuse` \
                           has no effect: use a check of the service's port, URL or socket instead";
            return Err(mistake.to_owned());
        }
        Ok(())
    }

    /// Waits until a service that is already running is ready or goes away. Returns whether this executor reuses it.
    pub(super) fn reuses(&self, deadline: Deadline, warming: &mut Warming) -> Result<bool> {
        if self.policy() != OnConflict::Reuse || !self.has_known_place() {
            return Ok(false);
        }
        loop {
            // The check may take the rest of the start's time. After a queue for the port it gets at least `LOOK`.
            let bound = warming.0.as_ref().map_or(deadline, |(bound, _)| *bound);
            match self.existing(bound.at_least(LOOK))? {
                Existing::Absent => return Ok(false),
                Existing::Ready(answered) => {
                    self.note_reuse(answered);
                    return Ok(true);
                }
                Existing::NotReady(why, context) => {
                    let (bound, pace) = warming.0.get_or_insert_with(|| {
                        let bound = Deadline::after(self.config.start_bound());
                        (bound, Pace::new(self.config.poll_interval))
                    });
                    if is_called_off() {
                        return Err(self.called_off());
                    }
                    if bound.has_passed() {
                        return Err(self.never_ready(&context, why, *bound));
                    }
                    wait::pause(pace.interval());
                }
            }
        }
    }

    /// Returns whether the service that a start reused still answers.
    pub(super) fn still_answers(&self) -> bool {
        let look = || {
            let deadline = Deadline::after(self.config.start_bound());
            let context = self.context_without_process(deadline)?;
            self.answers_already(&self.probe(&context)?, &context, deadline)
        };
        self.state(|state| state.port.reused) && look().unwrap_or(false)
    }

    /// Checks whether a service answers, and whether it is ready.
    fn existing(&self, deadline: Deadline) -> Result<Existing> {
        let context = self.context_without_process(deadline)?;
        let probe = self.probe(&context)?;
        if !self.answers_already(&probe, &context, deadline)? {
            return Ok(Existing::Absent);
        }
        // The context has no process, so the check accepts any listener.
        let answer = probe.ask(Question::AfterStart, &context, deadline, &|| false);
        Ok(match answer {
            Some(Ok(())) => Existing::Ready(context.answered()),
            Some(Err(why)) => Existing::NotReady(why, context),
            None => {
                let why = NotReady::new("the check did not answer in time");
                Existing::NotReady(why, context)
            }
        })
    }

    /// Returns whether the check asks an address that another process can know: a fixed port, or a socket outside
    /// the private directory.
    fn has_known_place(&self) -> bool {
        let is_known = |socket| {
            let private = Template::parse(socket).mentions("tmpdir");
            !private && !self.lies_in_directory("socket")
        };
        match self.wanted_port() {
            Wanted::Fixed(_) => true,
            Wanted::Free => false,
            Wanted::None => self.check.target().socket.is_some_and(is_known),
        }
    }

    fn context_without_process(&self, deadline: Deadline) -> Result<Context> {
        let port = match self.wanted_port() {
            Wanted::Fixed(port) => Some((String::new(), port)),
            Wanted::Free | Wanted::None => None,
        };
        let place = self.place(None, port.into_iter().collect());
        let place = place.map_err(|mistake| self.invalid(mistake))?;
        Ok(Context::new(self.start_before_spawn(place, None, deadline)))
    }

    fn note_reuse(&self, answered: Option<String>) {
        let port = match self.wanted_port() {
            Wanted::Fixed(port) => Some(port),
            Wanted::Free | Wanted::None => None,
        };
        self.state(|state| {
            state.port.reused = true;
            state.port.answered = answered;
        });
        let place = port.map_or_else(
            || format!("at {}", self.filled("{socket}")),
            |port| format!("on port {port}"),
        );
        self.emit(Step {
            port,
            ..Step::info(format!("reuses the service that answers {place}"))
        });
    }
}
