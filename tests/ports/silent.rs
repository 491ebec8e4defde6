//! A service that has a port and does not listen there: only the lease shows that the port is in use.

use mirakuru::{Context, Executor, NotReady, Readiness, readiness::Target};

/// A check that passes at once.
pub(crate) struct Silent(u16);

impl Readiness for Silent {
    fn after_start_check(&self, _cx: &Context) -> std::result::Result<(), NotReady> {
        Ok(())
    }

    fn target(&self) -> Target {
        let mut target = Target::default();
        target.port = Some(self.0);
        target
    }
}

pub(crate) fn silent(port: u16) -> Executor<Silent> {
    Executor::with_readiness("sleep 60", Silent(port))
}
