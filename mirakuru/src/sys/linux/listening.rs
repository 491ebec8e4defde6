//! Which ports the processes of a tree listen on: their sockets' inodes, joined with the
//! kernel's table of connections (`/proc/net/tcp`, `proc_pid_net(5)`). For what an error tells.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use nix::unistd::Pid;

use super::descendants::descendants_of;
use super::open_files::open_files;

/// As the table writes the state of a socket that listens.
const LISTENS: &str = "0A";

/// The TCP ports that a supervisor's tree listens on, in this network namespace.
pub(crate) fn listening(supervisor: Pid) -> BTreeSet<u16> {
    let tree = descendants_of(supervisor);
    let sockets: BTreeSet<_> = tree.iter().flat_map(|one| sockets_of(one.pid)).collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let lines = tables.iter().flatten().flat_map(|table| table.lines());
    lines
        .filter_map(listener_in)
        .filter(|(_, inode)| sockets.contains(*inode))
        .map(|(port, _)| port)
        .collect()
}

/// The inodes of what it has open.
fn sockets_of(pid: Pid) -> Vec<String> {
    let open = open_files(pid).unwrap_or_default();
    let inode = |to: &PathBuf| {
        let inode = to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(inode.to_owned())
    };
    open.iter().filter_map(inode).collect()
}

/// The port and the inode of a line's socket, where that listens.
fn listener_in(line: &str) -> Option<(u16, &str)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (_, port) = local.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    (*state == LISTENS).then_some((port, *inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = "   1: 0100007F:401B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 91213 1 0 100 0 0 10 0";
        assert_eq!(listener_in(line), Some((16411, "91213")));
        assert_eq!(listener_in(&line.replace("0A ", "01 ")), None);
        assert_eq!(listener_in("  sl  local_address rem_address   st"), None);
    }
}
