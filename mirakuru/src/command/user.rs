//! Finds the user that a service runs as.

use std::ffi::CString;

use nix::unistd::{Uid, User};

use crate::protocol::Identity;
use crate::sys;

/// The user with this name or number, with all of their groups.
pub(crate) fn find(name: &str) -> Result<Identity, String> {
    let found = match name.parse::<u32>() {
        Ok(id) => User::from_uid(Uid::from_raw(id)),
        Err(_) => User::from_name(name),
    };
    match (found, name.parse()) {
        (Ok(Some(user)), _) => {
            let groups = CString::new(user.name.clone()).map_or_else(
                |_| vec![user.gid.as_raw()],
                |name| sys::groups_of(&name, user.gid),
            );
            Ok(Identity {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
                groups,
            })
        }
        // A number needs no entry in the user database: containers run that way.
        (_, Ok(id)) => Ok(Identity {
            uid: id,
            gid: id,
            groups: vec![id],
        }),
        _ => Err(format!("there is no user {name:?} on this system")),
    }
}
