//! What a stop asks a tree and does to it. The system's half of a tree is [`Tree`]; the unit tests of a
//! stop use one that has no processes.

pub(super) use crate::sys::Tree;

use crate::signal::Signal;

/// A tree that can be brought down.
pub(super) trait Stoppable {
    fn is_empty(&self) -> bool;
    fn main_is_alive(&self) -> bool;
    /// Whether the main process's group has a living member.
    fn group_is_alive(&self) -> bool;
    /// Lists what lives: pid and command.
    fn living(&self) -> Vec<(u32, String)>;
    /// Signals the service.
    fn ask_service(&self, signal: Signal);
    /// Signals every process once.
    fn ask_all(&self, signal: Signal);
    /// Kills what can be found now.
    fn kill_pass(&self);
}

impl Stoppable for Tree {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn main_is_alive(&self) -> bool {
        self.main_is_alive()
    }

    fn group_is_alive(&self) -> bool {
        self.group_is_alive()
    }

    fn living(&self) -> Vec<(u32, String)> {
        self.living()
    }

    fn ask_service(&self, signal: Signal) {
        self.signal_service(signal.as_raw());
    }

    fn ask_all(&self, signal: Signal) {
        self.signal_all(signal.as_raw());
    }

    fn kill_pass(&self) {
        self.kill_pass();
    }
}
