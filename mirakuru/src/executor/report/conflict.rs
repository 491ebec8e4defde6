//! Creates the errors for conflicts over ports.

use crate::error::{Error, ErrorKind};
use crate::executor::core::Core;
use crate::readiness::{Context, NotReady};
use crate::sys;
use crate::wait::Deadline;

impl Core {
    /// Returns the error for a port that another executor holds. It is not known whether a service answers there.
    fn taken(&self, port: u16, reason: &str, holder: &str, advice: &str) -> Error {
        let mut scene = self.scene().reason(reason);
        scene.headline = format!("was not started: its port {port} is taken");
        scene.held_by = holder.into();
        scene.advice = advice.into();
        scene.into_error(ErrorKind::AlreadyRunning)
    }

    /// Returns the error for a lease that another executor holds.
    pub(crate) fn held_elsewhere(&self, port: u16, holder: &str) -> Error {
        let advice = "wait for the port with `on_conflict(OnConflict::Wait)` (in the attribute: `on_conflict = wait`), or use a free port, `{port}`";
        let reason = "another executor has reserved the port";
        self.taken(port, reason, holder, advice)
    }

    /// Returns the error for a port whose holder cannot release it while this thread waits.
    pub(crate) fn never_released(&self, port: u16, holder: &str) -> Error {
        let reason = format!(
            "waiting for port {port} would deadlock: its holder does not release it while this thread waits"
        );
        let advice = "stop or drop the other executor first, or give one of the two another port";
        self.taken(port, &reason, holder, advice)
    }

    /// Returns the error for processes that wait for each other's ports.
    pub(crate) fn would_deadlock(&self, port: u16, held: u16, holder: &str) -> Error {
        let reason = format!(
            "waiting for port {port} would deadlock: this test holds port {held}, and the holder of port {port} waits for port {held}, directly or through other tests"
        );
        let advice =
            "take fixed ports in one order everywhere, the lower one first, or use `{port}`";
        self.taken(port, &reason, holder, advice)
    }

    /// Returns the error for a service that should be reused, and that answered but did not become ready in time.
    pub(crate) fn never_ready(&self, context: &Context, why: NotReady, wait: Deadline) -> Error {
        let mut scene = self.scene();
        scene.headline =
            "was not started: the service that already runs at its address is not ready".into();
        scene.waited_for = self.check.describe(context);
        scene.waited(wait);
        scene.last_check = why.reason;
        let port = Some(context.port_of(&self.check.target())).filter(|port| *port != 0);
        scene.held_by = port.and_then(sys::holder_of_port).unwrap_or_default();
        scene.advice =
            "stop that service, so that this executor starts its own, or correct the check".into();
        scene.into_error(ErrorKind::TimeoutExpired)
    }

    /// Returns the error for a wait for a port that took too long.
    pub(crate) fn not_free_in_time(&self, port: u16, holder: &str, queue: Deadline) -> Error {
        let mut scene = self.scene();
        scene.headline = "was not started: its port did not become free".into();
        scene.waited_for = format!("port {port} to become free");
        scene.waited(queue);
        scene.held_by = holder.into();
        scene.advice = "stop the process that holds it, give each test its own port with `{port}`, or raise the limit (MIRAKURU_QUEUE_TIMEOUT, in seconds)".into();
        scene.into_error(ErrorKind::TimeoutExpired)
    }
}
