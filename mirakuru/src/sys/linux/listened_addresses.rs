//! Lists the addresses that the processes of a tree listen on, for errors: the inodes of their sockets, joined with the
//! kernel's table of connections (`/proc/net/tcp`, `proc_pid_net(5)`).

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use nix::unistd::Pid;

use super::descendants::descendants_of;
use super::open_files::open_files;

/// The state of a listening socket, as the table writes it.
const LISTENS: &str = "0A";

/// Returns the TCP addresses that a supervisor's tree listens on, in this network namespace.
pub(crate) fn listening(supervisor: Pid) -> BTreeSet<SocketAddr> {
    let tree = descendants_of(supervisor);
    let sockets: BTreeSet<_> = tree.iter().flat_map(|one| sockets_of(one.pid)).collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let lines = tables.iter().flatten().flat_map(|table| table.lines());
    lines
        .filter_map(listener_in)
        .filter(|(_, inode)| sockets.contains(*inode))
        .map(|(address, _)| address)
        .collect()
}

/// Returns the inodes of the sockets that a process has open.
fn sockets_of(pid: Pid) -> Vec<String> {
    let open = open_files(pid).unwrap_or_default();
    let inode = |to: &PathBuf| {
        let inode = to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(inode.to_owned())
    };
    open.iter().filter_map(inode).collect()
}

/// Returns the address and the inode of the socket in a line, if it listens.
fn listener_in(line: &str) -> Option<(SocketAddr, &str)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (ip, port) = local.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address = SocketAddr::new(ip_in(ip)?, port);
    (*state == LISTENS).then_some((address, *inode))
}

/// Parses an address. The table writes it as numbers of 32 bits, each in the byte order of this machine.
fn ip_in(text: &str) -> Option<IpAddr> {
    let numbers = text.as_bytes().chunks(8);
    let bytes = numbers.map(|number| {
        let number = std::str::from_utf8(number).ok()?;
        Some(u32::from_str_radix(number, 16).ok()?.to_ne_bytes())
    });
    let bytes = bytes.collect::<Option<Vec<_>>>()?.concat();
    let v4 = <[u8; 4]>::try_from(&*bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(&*bytes).map(IpAddr::from);
    v4.or_else(|_| v6()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = "   1: 0100007F:401B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 91213 1 0 100 0 0 10 0";
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        assert_eq!(
            listener_in(line),
            Some((address("127.0.0.1:16411"), "91213"))
        );
        let line_of_6 = line.replace("0100007F", "00000000000000000000000001000000");
        assert_eq!(
            listener_in(&line_of_6),
            Some((address("[::1]:16411"), "91213"))
        );
        assert_eq!(listener_in(&line.replace("0A ", "01 ")), None);
        assert_eq!(listener_in("  sl  local_address rem_address   st"), None);
    }
}
