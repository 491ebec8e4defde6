//! The clients of a supervisor: the test process that started it, and every test process of the run if a run shares its
//! service.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use crate::protocol::frames::{self, Inbox, Received};
use crate::protocol::{Call, Event, KILL_BOUND, Message, Reply};
use crate::sys::{self, Door, Handle, Socket, Wakeup};
use crate::wait::Deadline;

/// The most parts of 16 KiB that are received from one client at once: a flood from one must not starve the others.
const PARTS: usize = 256;

/// The interval at which a supervisor with no free handle looks for a waiting client.
const LOOK: Duration = Duration::from_millis(100);

/// A test process that is connected.
pub(super) struct Client {
    /// Unique among all clients, and never 0.
    pub(super) id: u64,
    stream: Socket,
    inbox: Inbox,
    /// The number of bytes already read from each captured stream, if the reader waits for more.
    pub(super) watched_output: [Option<u64>; 2],
}

pub(super) struct Clients {
    list: Vec<Client>,
    last_id: u64,
    door: Option<Door>,
    /// Another client has connected, and this process had no handle left for it.
    is_full: bool,
}

impl Clients {
    pub(super) fn new(first: Socket) -> Self {
        let mut clients = Self {
            list: Vec::new(),
            last_id: 0,
            door: None,
            is_full: false,
        };
        clients.add(first);
        clients
    }

    fn add(&mut self, stream: Socket) -> u64 {
        self.last_id += 1;
        self.list.push(Client {
            id: self.last_id,
            stream,
            inbox: Inbox::default(),
            watched_output: [None, None],
        });
        self.last_id
    }

    /// Lets other test processes connect to the socket at this path.
    pub(super) fn open_door(&mut self, path: &Path) -> io::Result<()> {
        // A socket at this path belongs to a supervisor that was killed: the process that shares the service holds the
        // lock.
        let _ = std::fs::remove_file(path);
        self.door = Some(Door::open(path)?);
        Ok(())
    }

    pub(super) fn door(&self) -> Option<&Path> {
        self.door.as_ref().map(Door::path)
    }

    pub(super) fn wakeups(&self) -> impl Iterator<Item = Wakeup<'_>> {
        // Without a free handle the door would stay readable, and the loop would never rest.
        let door = self.door.iter().filter(|_| !self.is_full);
        let door = door.map(sys::wakeup_of);
        let streams = self.list.iter().map(|client| &client.stream);
        door.chain(streams.map(sys::wakeup_of))
    }

    /// Accepts the clients that have connected, and sends them the supervisor's name.
    pub(super) fn accept(&mut self, name: &str) {
        while let Some(came) = self.door.as_ref().map(Door::accept) {
            match came {
                Ok(stream) => {
                    let id = self.add(stream);
                    self.send_event(id, Event::Named(name.to_owned()), &[]);
                }
                Err(error) => {
                    self.is_full = error.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    /// Returns how long the loop may wait before it accepts again.
    pub(super) fn next_look(&self) -> Duration {
        if self.is_full { LOOK } else { Duration::MAX }
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

    pub(super) fn receive(&mut self, id: u64) -> Received<Call> {
        let received = |client: &mut Client| client.inbox.receive(&client.stream, PARTS);
        self.get(id).map(received).unwrap_or_default()
    }

    /// Returns whether a client has closed its socket and can no longer receive replies.
    pub(super) fn has_closed(&mut self, id: u64) -> bool {
        let client = self.get(id);
        client.is_none_or(|client| sys::is_hung_up(&client.stream))
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.list.retain(|client| client.id != id);
    }

    /// Sends a reply to a client, if it waits for one.
    pub(super) fn reply(&mut self, id: u64, number: Option<u64>, reply: Reply, files: &[Handle]) {
        if let Some(number) = number {
            self.send(id, &Message::Reply(number, reply), files, KILL_BOUND);
        }
    }

    /// Sends an event. If a run shares the service, a client that does not take the event at once is disconnected. It
    /// connects again when it needs the service.
    pub(super) fn send_event(&mut self, id: u64, event: Event, handles: &[Handle]) {
        let bound = self.door.as_ref().map_or(KILL_BOUND, |_| Duration::ZERO);
        self.send(id, &Message::Event(event), handles, bound);
    }

    /// Sends an event to every client but one.
    pub(super) fn send_to_others(&mut self, id: u64, event: &Event) {
        for other in self.ids().into_iter().filter(|other| *other != id) {
            self.send_event(other, event.clone(), &[]);
        }
    }

    pub(super) fn send_to_all(&mut self, event: &Event) {
        self.send_to_others(0, event);
    }

    /// Sends a message. The client may have gone: the next request, or its absence, shows that.
    fn send(&mut self, id: u64, message: &Message, handles: &[Handle], bound: Duration) {
        let shared = self.door.is_some();
        let Some(client) = self.get(id) else {
            return;
        };
        let sent = frames::send(&client.stream, message, handles, Deadline::after(bound));
        if sent.is_err() && shared {
            self.remove(id);
        }
    }
}
