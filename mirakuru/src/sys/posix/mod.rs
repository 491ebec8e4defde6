//! Implements what all Unixes have in common, one file for each subject.

mod access;
pub(in crate::sys) mod before_exec;
mod claims;
#[cfg(feature = "services")]
mod copy;
pub(in crate::sys) mod directories;
mod door;
mod files;
mod names;
mod paths_of_others;
mod ports;
mod process;
pub(crate) mod signals;
mod sockets;
pub(in crate::sys) mod spawn;
mod streams;
mod supervisor;
mod tree;

pub(crate) use access::*;
pub(crate) use claims::*;
#[cfg(feature = "services")]
pub(crate) use copy::{copy_tree, size_of_tree};
#[cfg(feature = "services")]
pub(crate) use directories::open_directory_in;
pub(crate) use directories::{
    Access, append_in, empty, is_empty, keep_open, open_directory, remove_directory,
};
pub(crate) use door::*;
pub(crate) use files::*;
pub(crate) use names::*;
pub(crate) use paths_of_others::{OtherUser, open_regular_file, open_stream, remove_file};
pub(crate) use ports::{connect, is_free, loopback_is_up};
pub(crate) use process::*;
pub(crate) use signals::{check_signal, describe_death, exit_status_of};
pub(in crate::sys) use sockets::bind_for_everyone;
pub(crate) use sockets::*;
pub(crate) use spawn::Spawn;
pub(crate) use streams::*;
pub(crate) use supervisor::*;
pub(in crate::sys) use tree::Descendant;
pub(crate) use tree::Tree;
