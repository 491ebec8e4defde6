//! The supervisor: the test binary, started again as the parent of one service and of all that the service starts.
//!
//! The supervisor is an ordinary single-threaded program. It lives until its executor is dropped or the test process is
//! gone. It owns all that must be removed with it: the process tree and the private directory. The test process's end
//! of the connection is [`link`](crate::link).
//!
//! In the order of its life, a supervisor meets `Lease` and `MakeDirectory`, `Launch`, the watches, and `Stop`. After
//! `Gone`, another `Launch` starts the service again with the same port and directory. `Bye`, the end of the socket or
//! the end of the owner ends the supervisor: it stops the tree, removes the directory and gives back the leases last.

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
