//! The supervisor: the test's own binary, run again, as parent of one service and all that it
//! starts.
//!
//! It is an ordinary single-threaded program. It lives until its executor is dropped or the test
//! process is gone, and owns all that must go with it: the tree and the private directory. The
//! test's end of it is [`link`](crate::link).

mod clients;
mod drain;
mod entry;
mod execs;
mod launch;
mod notices;
mod requests;
mod serve;
mod service;
mod stopping;
#[cfg(test)]
mod tests;
mod timeline;
mod watches;

pub(crate) use entry::enter_if_called;
