//! Ports: leases on free ones, conflicts over fixed ones, and strangers. A file per behaviour; the
//! last six are what they share.

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
mod silent;
mod stranger;
#[path = "../executors/told.rs"]
#[expect(
    dead_code,
    reason = "what the tests of executors have, of which this needs a part"
)]
mod told;

/// The program of every service; its first word names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
/// The program of every other test process (see `test_processes/main.rs`).
const TEST_PROCESS: &str = env!("CARGO_BIN_EXE_test_processes");
