//! Proves that processes live or are gone, without system calls.
//!
//! Each process connects to a listener of the test and keeps the connection. The system closes the connection only when
//! the process ends.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// A bound that is longer than any program takes to start.
const START: Duration = Duration::from_secs(30);
const LOOK: &str = "look";
const END: &str = "end";

/// A listener for the processes of a tree.
#[derive(Debug)]
pub struct Life {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    lives: Mutex<Lives>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lives {
    /// The pids of all processes that have connected, in the order of the connections.
    born: Vec<u32>,
    /// The pids of those processes that have not ended.
    alive: Vec<u32>,
}

impl Life {
    /// Creates a listener on a free port.
    #[must_use]
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Seen::default());
        let of_thread = Arc::clone(&seen);
        thread::spawn(move || accept(&listener, &of_thread));
        Self { address, seen }
    }

    /// Returns the step that connects a service to this listener.
    #[must_use]
    pub fn step(&self) -> String {
        format!("life={}", self.address)
    }

    /// Returns the address of the listener.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Waits until `count` processes have connected, and returns their pids in the order of the connections.
    #[expect(clippy::must_use_candidate, reason = "most callers need only the wait")]
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<u32> {
        let lives = self.seen.wait(START, |lives| lives.born.len() >= count);
        let born = lives.born.clone();
        drop(lives);
        assert!(
            born.len() >= count,
            "only these of {count} processes connected: {born:?}"
        );
        born
    }

    /// Waits until exactly `count` of the connected processes live.
    #[track_caller]
    pub fn wait_for_alive(&self, count: usize) {
        self.look();
        let lives = self.seen.wait(START, |lives| lives.alive.len() == count);
        let alive = lives.alive.clone();
        drop(lives);
        assert_eq!(alive.len(), count, "live processes: {alive:?}");
    }

    /// Returns how many processes have connected until now, and how many of them live.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        self.look();
        let lives = self.seen.lives();
        (lives.born.len(), lives.alive.len())
    }

    /// Waits until every process that has connected is gone.
    ///
    /// # Panics
    ///
    /// If a process still lives after this time, or if no process has ever connected: the check would prove nothing
    /// then.
    #[track_caller]
    pub fn all_gone_within(&self, bound: Duration) {
        self.look();
        let lives = self.seen.wait(bound, |lives| lives.alive.is_empty());
        let (born, alive) = (lives.born.clone(), lives.alive.clone());
        drop(lives);
        assert!(!born.is_empty(), "no process ever connected");
        assert!(alive.is_empty(), "still alive: {alive:?} of {born:?}");
    }

    /// Waits until every earlier connection is counted: the system accepts connections in their order.
    fn look(&self) {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        writeln!(stream, "{LOOK}").expect("it reads");
        let _ = stream.read(&mut [0]);
    }
}

impl Default for Life {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let stream = TcpStream::connect(self.address);
        let _ = stream.and_then(|mut stream| writeln!(stream, "{END}"));
    }
}

impl Seen {
    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, bound: Duration, done: impl Fn(&Lives) -> bool) -> MutexGuard<'_, Lives> {
        let waited = self
            .changed
            .wait_timeout_while(self.lives(), bound, |lives| !done(lives));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn change(&self, change: impl FnOnce(&mut Lives)) {
        change(&mut self.lives());
        self.changed.notify_all();
    }
}

/// Counts each process that connects, until the test has ended.
fn accept(listener: &TcpListener, seen: &Arc<Seen>) {
    for stream in listener.incoming().flatten() {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        // A process that ended before it wrote its line is not counted.
        let _ = stream.read_line(&mut line);
        match line.trim_end() {
            LOOK => {}
            END => return,
            pid => {
                let Ok(pid) = pid.parse() else { continue };
                seen.change(|lives| {
                    lives.born.push(pid);
                    lives.alive.push(pid);
                });
                let seen = Arc::clone(seen);
                thread::spawn(move || watch(&mut stream, pid, &seen));
            }
        }
    }
}

/// Waits for the end of a process, which may reset the connection.
fn watch(stream: &mut BufReader<TcpStream>, pid: u32, seen: &Seen) {
    let _ = io::copy(stream, &mut io::sink());
    seen.change(|lives| {
        let place = lives.alive.iter().position(|alive| *alive == pid);
        lives.alive.remove(place.expect("it was alive"));
    });
}
