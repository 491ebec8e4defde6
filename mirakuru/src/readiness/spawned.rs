//! The check that is ready as soon as the process is spawned.

use super::{Context, Manner, NotReady, Readiness};

/// Ready as soon as the process is spawned. [`SimpleExecutor`](crate::SimpleExecutor) uses this check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spawned;

impl Readiness for Spawned {
    fn after_start_check(&self, _cx: &Context) -> Result<(), NotReady> {
        Ok(())
    }

    fn describe(&self, _cx: &Context) -> String {
        "the process to be spawned".to_owned()
    }

    fn manner(&self, _cx: &Context) -> Manner {
        Manner {
            at_spawn: true,
            ..Manner::non_blocking()
        }
    }
}
