//! Lets other processes of a run connect to a supervisor that they share.
//!
//! The supervisor listens on a port. A file contains the port and a secret. By the secret, a process shows that it may
//! read the file.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::windows::io::AsSocket;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::unless_in_removal;
use super::names::secret;
use super::process::{Pid, Process, number_of, process_of, started_at};
use super::sockets::{Socket, Source, Wakeup, keep_sockets_at_exit};
use crate::wait::Deadline;

/// The time that a connected process may take to identify itself.
const INTRODUCTION: Duration = Duration::from_secs(1);

/// The listener of a shared supervisor.
pub(crate) struct Door {
    listener: TcpListener,
    secret: String,
    path: PathBuf,
}

impl Door {
    /// Opens a listener, and writes its port and secret to the file at this path.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        keep_sockets_at_exit();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let secret = secret();
        let (port, own) = (listener.local_addr()?.port(), Pid::this());
        let started = started_at(own).ok_or(ErrorKind::NotFound)?;
        // The file is complete before it gets its name.
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, format!("{port} {own} {started} {secret}"))?;
        // Another program, such as a virus scanner, may have a new file open for a moment.
        unless_in_removal(|| fs::rename(&unfinished, path))?;
        Ok(Self {
            listener,
            secret,
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Accepts the first process in the queue that knows the secret. Waits a moment for each to send it.
    pub(crate) fn accept(&self) -> io::Result<Socket> {
        loop {
            let (stream, _) = match self.listener.accept() {
                // The process has closed the connection before it was accepted.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => continue,
                accepted => accepted?,
            };
            // A process that does not know the secret is disconnected.
            if let Ok(socket) = self.introduced(stream) {
                return Ok(socket);
            }
        }
    }

    fn introduced(&self, mut stream: TcpStream) -> io::Result<Socket> {
        stream.set_nonblocking(false)?;
        let deadline = Deadline::after(INTRODUCTION);
        let mut sent = vec![0; self.secret.len() + size_of::<u32>()];
        let mut arrived = 0;
        while arrived < sent.len() {
            // A timeout of 0 is an error, which ends the introduction.
            stream.set_read_timeout(Some(deadline.remaining()))?;
            match stream.read(&mut sent[arrived..])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => arrived += read,
            }
        }
        let (secret, number) = sent.split_at(self.secret.len());
        if secret != self.secret.as_bytes() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let number = number.try_into().map_err(io::Error::other)?;
        connected(stream, u32::from_le_bytes(number))
    }
}

impl Source for Door {
    fn wakeup(&self) -> Wakeup<'_> {
        Wakeup::Socket(self.listener.as_socket())
    }
}

/// Connects to the supervisor whose file is at this path.
pub(crate) fn come_to(door: &Path, wait: Duration) -> io::Result<Option<Socket>> {
    keep_sockets_at_exit();
    let reported = fs::read_to_string(door)?;
    let mut parts = reported.split(' ');
    let mut next = || parts.next().ok_or(ErrorKind::InvalidData);
    let (port, supervisor, started, secret) = (next()?, next()?, next()?, next()?);
    let port = port.parse().map_err(io::Error::other)?;
    let supervisor = supervisor.parse().map_err(io::Error::other)?;
    let pid = process_of(supervisor).ok_or(ErrorKind::InvalidData)?;
    // If the supervisor has ended, its port may belong to another process.
    if started_at(pid).map(|at| at.to_string()).as_deref() != Some(started) {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // A timeout of 0 would be an error.
    let wait = wait.max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&address, wait)?;
    let own = number_of(Pid::this()).to_le_bytes();
    stream.write_all(&[secret.as_bytes(), &own].concat())?;
    connected(stream, supervisor).map(Some)
}

fn connected(stream: TcpStream, number: u32) -> io::Result<Socket> {
    let pid = process_of(number).ok_or(ErrorKind::InvalidData)?;
    Socket::new(stream, pid, Process::open(pid)?)
}
