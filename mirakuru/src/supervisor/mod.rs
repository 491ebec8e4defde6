//! The supervisor: the test's own binary, run again, as parent of one service and all that it
//! starts.
//!
//! It is an ordinary single-threaded program. It lives until its executor is dropped or the test
//! process is gone, and owns all that must go with it: the tree and the private directory. The
//! test's end of it is [`link`]; the rest runs in the other process.

mod clients;
mod codec;
mod directory;
mod drain;
mod encoding;
mod entry;
mod launch;
pub(crate) mod link;
pub(crate) mod protocol;
mod requests;
mod serve;
mod stopping;
mod timeline;
mod tree;
mod wire;

pub(crate) use drain::{HEAD, kept_from};
