//! The messages that a service sends about itself by `sd_notify(3)`.

use std::time::Duration;

use super::serve::Server;
use crate::protocol::{Event, Notice};
use crate::sys::{self, Notices, Pid};

/// The most messages that are taken in one pass of the loop.
const MOST: usize = 64;

impl Server {
    /// Takes the messages that have arrived, and passes them to the test processes.
    pub(super) fn take_notices(&mut self) {
        // The bound: a service that sends without end must not hold up the loop.
        for _ in 0..MOST {
            let notices = self.service.notices.as_ref();
            let Some((text, sender)) = notices.and_then(Notices::receive) else {
                return;
            };
            if sender.is_none_or(|(pid, user)| self.is_of_service(pid, user)) {
                let mut notice = parse(&String::from_utf8_lossy(&text));
                let main = notice.main.and_then(sys::process_of);
                let follows = main.is_some_and(|main| self.service.tree.follow(main));
                notice.main = notice.main.filter(|_| follows);
                if let Some(main) = notice.main {
                    // The process that was started may have ended, as a daemon's parent does.
                    self.service.description.pid = main;
                    self.service.description.exit = None;
                }
                // No test process reads while the service is idle, and unread events would fill its socket.
                let is_awaited =
                    self.service.description.ready.is_none() && self.stopping.is_none();
                if notice.main.is_some() || (is_awaited && notice != Notice::default()) {
                    self.clients.send_to_all(&Event::Notified(notice));
                }
            }
        }
    }

    /// Returns whether the sender is in the tree, or has ended and had the service's user. The helper of a shell script
    /// has ended before its message is read.
    fn is_of_service(&self, sender: Pid, user: u32) -> bool {
        let order = self.service.order.as_ref();
        let own = order.and_then(|order| order.identity.as_ref());
        let own = own.map_or_else(sys::user, |identity| identity.user);
        sys::is_below_this(sender).unwrap_or(user == own)
    }
}

/// Parses the assignments of a message, one on each line. Unknown assignments are ignored.
fn parse(text: &str) -> Notice {
    let mut notice = Notice::default();
    for line in text.lines() {
        match line.split_once('=') {
            Some(("READY", "1")) => notice.ready = true,
            Some(("STATUS", status)) => notice.status = Some(status.to_owned()),
            Some(("EXTEND_TIMEOUT_USEC", time)) => {
                notice.extension = time.parse().ok().map(Duration::from_micros);
            }
            Some(("MAINPID", pid)) => notice.main = pid.parse().ok(),
            _ => {}
        }
    }
    notice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_assignments_are_read_and_others_ignored() {
        let text =
            "READY=1\nSTATUS=a=b c\nEXTEND_TIMEOUT_USEC=2000000\nMAINPID=7\nWATCHDOG=1\nnoise\n";
        let notice = Notice {
            ready: true,
            status: Some("a=b c".to_owned()),
            extension: Some(Duration::from_secs(2)),
            main: Some(7),
        };
        assert_eq!(parse(text), notice);
        assert_eq!(
            parse("READY=0\nEXTEND_TIMEOUT_USEC=x\nSTATUS"),
            Notice::default()
        );
    }
}
