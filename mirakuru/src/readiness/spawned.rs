//! Ready as soon as it is spawned.

use super::{Context, Manner, NotReady, Readiness};

/// Ready as soon as it is spawned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spawned;

impl Readiness for Spawned {
    fn after_start_check(&self, _cx: &Context) -> Result<(), NotReady> {
        Ok(())
    }

    fn describe(&self, _cx: &Context) -> String {
        "nothing but its start".to_owned()
    }

    fn manner(&self, _cx: &Context) -> Manner {
        Manner::non_blocking()
    }
}
