//! Describes conflicts over ports.

use crate::error::{Error, ErrorKind};
use crate::executor::core::Core;
use crate::port::Circle;
use crate::readiness::{Context, NotReady};
use crate::sys;
use crate::wait::Deadline;

impl Core {
    /// It is not known whether anything answers at the port.
    fn taken(&self, port: u16, reason: &str, holder: &str, advice: &str) -> Error {
        let mut scene = self.scene().reason(reason);
        scene.headline = format!("was not started: its port {port} is taken");
        scene.held_by = holder.into();
        scene.advice = advice.into();
        scene.into_error(ErrorKind::AlreadyRunning)
    }

    pub(crate) fn held_elsewhere(&self, port: u16, holder: &str) -> Error {
        let advice = "`OnConflict::Wait` queues for the port; `{port}` is one that nobody else has";
        let reason = "another executor has the lease on its port";
        self.taken(port, reason, holder, advice)
    }

    pub(crate) fn held_for_ever(&self, port: u16, holder: &str) -> Error {
        let reason = format!(
            "port {port} is not given back while this thread waits: the wait would never end"
        );
        let advice = "stop or drop the other one first, or give one of them another port";
        self.taken(port, &reason, holder, advice)
    }

    pub(crate) fn waits_in_a_circle(&self, port: u16, circle: &Circle) -> Error {
        let Circle { held, other } = circle;
        let reason = format!(
            "port {port} would never become free: here is port {held}, and who has port {port} waits for that"
        );
        let advice =
            "take fixed ports in one order everywhere, the lower one first, or use `{port}`";
        self.taken(port, &reason, other, advice)
    }

    /// The service that was to be reused answered, and did not pass the check in time.
    pub(crate) fn never_ready(&self, context: &Context, why: NotReady, wait: Deadline) -> Error {
        let mut scene = self.scene();
        scene.headline = "was not started: the service that runs there already is not ready".into();
        scene.waited_for = self.check.describe(context);
        scene.waited(wait);
        scene.last_check = why.reason;
        let port = Some(context.port_of(&self.check.target())).filter(|port| *port != 0);
        scene.held_by = port.and_then(sys::holder_of_port).unwrap_or_default();
        scene.advice =
            "stop that service, so that this one is started, or correct the check".into();
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    pub(crate) fn not_free_in_time(&self, port: u16, holder: &str, queue: Deadline) -> Error {
        let mut scene = self.scene();
        scene.headline = "was not started: its port did not become free".into();
        scene.waited_for = format!("the lease on port {port}");
        scene.waited(queue);
        scene.held_by = holder.into();
        scene.advice = "stop what holds it, give each test a port of its own with `{port}`, or let the queue be longer (MIRAKURU_QUEUE_TIMEOUT, in seconds)".into();
        scene.into_error(ErrorKind::TimeoutExpired)
    }
}
