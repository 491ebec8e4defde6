//! Who talks to a supervisor: the test process that started it, and where a run shares its service,
//! every test process of the run.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::protocol::frames::{self, Arrived, Frame, Inbox};
use crate::protocol::{Event, KILL_BOUND, Wire};
use crate::wait::Deadline;

/// One test process.
pub(super) struct Client {
    /// Nobody else's.
    pub(super) id: u64,
    stream: UnixStream,
    inbox: Inbox,
    /// How far the captured streams were read, where their reader waits for more.
    pub(super) watched_output: [Option<u64>; 2],
}

/// What a look at a client brought.
pub(super) struct Received {
    pub(super) frames: Vec<Frame>,
    pub(super) ended: bool,
}

pub(super) struct Clients {
    list: Vec<Client>,
    last_id: u64,
    /// Where others come, and the file of it.
    door: Option<(UnixListener, PathBuf)>,
    /// Whose request is being served.
    pub(super) asking: u64,
}

impl Clients {
    /// Nobody has this id.
    pub(super) const NOBODY: u64 = 0;

    pub(super) fn new(first: UnixStream) -> Self {
        let mut clients = Self {
            list: Vec::new(),
            last_id: 0,
            door: None,
            asking: 1,
        };
        clients.add(first);
        clients
    }

    fn add(&mut self, stream: UnixStream) -> u64 {
        self.last_id += 1;
        self.list.push(Client {
            id: self.last_id,
            stream,
            inbox: Inbox::default(),
            watched_output: [None, None],
        });
        self.last_id
    }

    /// Lets others come by this socket.
    pub(super) fn open_door(&mut self, path: &Path) -> io::Result<()> {
        // A socket there is that of a supervisor that was killed: who shares has the lock.
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        self.door = Some((listener, path.to_owned()));
        Ok(())
    }

    pub(super) fn door(&self) -> Option<&Path> {
        self.door.as_ref().map(|(_, path)| path.as_path())
    }

    pub(super) fn wakeups(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let door = self.door.iter().map(|(listener, _)| listener.as_fd());
        let links = self.list.iter().map(|client| client.stream.as_fd());
        door.chain(links)
    }

    /// Takes in who has come, and tells them whose supervisor this is.
    pub(super) fn accept(&mut self, name: &str) {
        while let Some(Ok((stream, _))) = self.door.as_ref().map(|(door, _)| door.accept()) {
            let id = self.add(stream);
            self.tell(id, &Event::Named(name.to_owned()), &[]);
        }
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.list.iter().map(|client| client.id).collect()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.list.iter_mut()
    }

    pub(super) fn get(&mut self, id: u64) -> Option<&mut Client> {
        self.list.iter_mut().find(|client| client.id == id)
    }

    pub(super) fn receive(&mut self, id: u64) -> Received {
        let mut received = Received {
            frames: Vec::new(),
            ended: false,
        };
        let Some(client) = self.get(id) else {
            return received;
        };
        loop {
            match client.inbox.receive(&client.stream) {
                Ok(Arrived::Something) => {}
                Ok(Arrived::Nothing) => break,
                Ok(Arrived::End) | Err(_) => {
                    received.ended = true;
                    break;
                }
            }
        }
        received.frames = std::iter::from_fn(|| client.inbox.next()).collect();
        received
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.list.retain(|client| client.id != id);
    }

    /// Nobody may be there to hear it: the next request, or its absence, shows that. The socket holds
    /// all that can be on its way to who asks. Of what a run shares, one that does not listen to what
    /// others do is left; it comes anew when it is to know again.
    pub(super) fn tell(&mut self, id: u64, event: &Event, fds: &[BorrowedFd<'_>]) {
        let shared = self.door.is_some();
        let bound = if id == self.asking || !shared {
            KILL_BOUND
        } else {
            Duration::ZERO
        };
        let Some(client) = self.get(id) else {
            return;
        };
        let sent = frames::send(
            &client.stream,
            &event.to_bytes(),
            fds,
            Deadline::after(bound),
        );
        if sent.is_err() && shared {
            self.remove(id);
        }
    }

    pub(super) fn tell_all(&mut self, event: &Event) {
        for id in self.ids() {
            self.tell(id, event, &[]);
        }
    }
}
