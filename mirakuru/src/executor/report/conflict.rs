//! Describes conflicts over ports.

use crate::error::{Error, ErrorKind};
use crate::executor::core::Core;
use crate::port::Circle;
use crate::wait::Deadline;

/// The headline while it is not known whether anything answers at the port.
const TAKEN: &str = "was not started: its port is taken";

impl Core {
    pub(in crate::executor) fn held_elsewhere(&self, holder: &str) -> Error {
        let mut scene = self
            .scene()
            .reason("another executor has the lease on its port");
        scene.headline = Some(TAKEN.to_owned());
        scene.held_by = Some(holder.to_owned());
        scene.advice = Some(
            "`OnConflict::Wait` queues for the port; `{port}` is one that nobody else has"
                .to_owned(),
        );
        scene.into_error(ErrorKind::AlreadyRunning)
    }

    pub(in crate::executor) fn held_for_ever(&self, port: u16, holder: &str) -> Error {
        let mut scene = self.scene().reason(format!(
            "port {port} is not given back while this thread waits: the wait would never end"
        ));
        scene.headline = Some(TAKEN.to_owned());
        scene.held_by = Some(holder.to_owned());
        scene.advice =
            Some("stop or drop the other one first, or give one of them another port".to_owned());
        scene.into_error(ErrorKind::AlreadyRunning)
    }

    pub(in crate::executor) fn waits_in_a_circle(&self, port: u16, circle: &Circle) -> Error {
        let Circle { held, other } = circle;
        let mut scene = self.scene().reason(format!(
            "port {port} would never become free: here is port {held}, and who has port {port} waits for that"
        ));
        scene.headline = Some(TAKEN.to_owned());
        scene.held_by = Some(other.clone());
        scene.advice = Some(
            "take fixed ports in one order everywhere, the lower one first, or use `{port}`"
                .to_owned(),
        );
        scene.into_error(ErrorKind::AlreadyRunning)
    }

    pub(in crate::executor) fn not_free_in_time(
        &self,
        port: u16,
        holder: &str,
        queue: Deadline,
    ) -> Error {
        let mut scene = self.scene();
        scene.headline = Some("was not started: its port did not become free".to_owned());
        scene.waited_for = Some(format!("the lease on port {port}"));
        scene.waited = Some(queue.elapsed());
        scene.held_by = Some(holder.to_owned());
        scene.advice = Some(
            "stop what holds it, give each test a port of its own with `{port}`, or let the queue be longer (MIRAKURU_QUEUE_TIMEOUT, in seconds)"
                .to_owned(),
        );
        scene.into_error(ErrorKind::TimeoutExpired)
    }
}
