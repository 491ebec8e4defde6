//! Defines the messages that the test process and its supervisor send to each other. Both ends use this module, and it
//! uses neither.
//!
//! [`messages`] defines every message and [`order`] the order for a service. [`codec`] derives the bytes, and
//! [`frames`] carries the bytes and handles over a socket. [`capture`] defines the layout of a file of captured output.

pub(crate) mod capture;
mod codec;
pub(crate) mod frames;
#[cfg(test)]
#[path = "../../../tests/fuzz/frames.rs"]
mod fuzz_frames;
mod messages;
mod order;
#[cfg(test)]
mod tests;

pub(crate) use messages::*;
pub(crate) use order::*;
