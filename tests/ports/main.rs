//! Ports: leases on free ones, conflicts over fixed ones, and strangers. A file per behaviour; the
//! last seven are what they share.

mod directory;
mod fail;
mod free;
mod reuse;
mod strangers;
mod wait;

#[path = "../executors/bounds.rs"]
mod bounds;
mod holder;
#[path = "../executors/lifeline.rs"]
#[expect(
    dead_code,
    reason = "what the tests of executors have, of which this needs a part"
)]
mod lifeline;
mod programs;
mod silent;
mod stranger;
#[path = "../executors/told.rs"]
#[expect(
    dead_code,
    reason = "what the tests of executors have, of which this needs a part"
)]
mod told;
