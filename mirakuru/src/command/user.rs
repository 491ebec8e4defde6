//! Finds the user that a service runs as.

use crate::protocol::Identity;
use crate::sys;

/// The user with this name or number, with all of their groups.
pub(crate) fn find(name: &str) -> Result<Identity, String> {
    // A number needs no entry in the user database: containers run that way.
    let number = || name.parse().ok().map(|id| (id, id, vec![id]));
    let found = sys::user_of(name).or_else(number);
    let (user, group, groups) =
        found.ok_or_else(|| format!("there is no user {name:?} on this system"))?;
    Ok(Identity {
        user,
        group,
        groups,
    })
}
