//! Ports: leases on free ones, conflicts over fixed ones, and strangers. A file per behaviour; the
//! last five are what they share.

mod directory;
mod fail;
mod free;
mod reuse;
mod strangers;
mod wait;

mod holder;
#[path = "../executors/lifeline.rs"]
#[expect(
    dead_code,
    reason = "what the tests of executors have, of which this needs a part"
)]
mod lifeline;
mod programs;
mod stranger;
#[path = "../executors/told.rs"]
#[expect(
    dead_code,
    reason = "what the tests of executors have, of which this needs a part"
)]
mod told;
