//! Finds the user that a service runs as.

use crate::protocol::Identity;
use crate::sys;

/// Returns the user with this name or number, with all groups of that user.
pub(crate) fn find(name: &str) -> Result<Identity, String> {
    // A number needs no entry in the user database: containers often run with such numbers.
    let number = || name.parse().ok().map(|id| (id, id, vec![id]));
    let found = sys::user_of(name).or_else(number);
    let (user, group, groups) = found.ok_or_else(|| format!("this system has no user {name:?}"))?;
    Ok(Identity {
        user,
        group,
        groups,
    })
}
