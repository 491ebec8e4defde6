//! The bare loop, the baseline for all figures. It starts, awaits and stops the same services with system calls alone.
//! It tries to connect every 50 µs, awaits a file with inotify, output by reading a pipe, and an end with `waitpid`. It
//! has no deadline, no handling of the process tree and no error reports.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::service::{Kind, Order, now};

pub(crate) struct Bare {
    child: Child,
    /// Dropped after the clock was read, because closing it takes long.
    _watch: Option<Inotify>,
}

impl Bare {
    /// Starts the service and waits until it is ready. Returns the time at which that was.
    pub(crate) fn start(order: &Order) -> io::Result<(Self, i64)> {
        let words = order.words()?;
        let mut command = Command::new(&words[0]);
        let to_read = order.kind == Kind::Output;
        let stdout = if to_read {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        command
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::null());
        let watch = match order.kind {
            Kind::UnixSocket | Kind::PidFile => Some(watch(order)?),
            _ => None,
        };
        let mut child = command.spawn()?;
        match (order.kind, &watch) {
            (Kind::Tcp, _) => drop(connect(order.port)),
            (Kind::Http, _) => ask(connect(order.port))?,
            (Kind::UnixSocket, Some(watch)) => {
                await_file(watch, order)?;
                // The file exists before the service listens.
                retry(|| UnixStream::connect(order.path()));
            }
            (Kind::PidFile, Some(watch)) => await_file(watch, order)?,
            (Kind::Output, _) => {
                let output = child.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
                await_line(output)?;
            }
            _ => {}
        }
        let returned = now();
        let bare = Self {
            child,
            _watch: watch,
        };
        Ok((bare, returned))
    }

    /// Stops the service and returns when it is gone.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        kill(Pid::from_raw(pid), Signal::SIGTERM)?;
        self.child.wait().map(drop)
    }
}

fn connect(port: u16) -> TcpStream {
    retry(|| TcpStream::connect(("127.0.0.1", port)))
}

fn retry<T>(mut attempt: impl FnMut() -> io::Result<T>) -> T {
    loop {
        if let Ok(done) = attempt() {
            return done;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the loop to compare with"
        )]
        thread::sleep(Duration::from_micros(50));
    }
}

fn ask(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)
}

fn watch(order: &Order) -> io::Result<Inotify> {
    let watch = Inotify::init(InitFlags::IN_CLOEXEC)?;
    let changes = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
    watch.add_watch(order.directory(), changes)?;
    Ok(watch)
}

fn await_file(watch: &Inotify, order: &Order) -> io::Result<()> {
    while !order.path().exists() {
        watch.read_events()?;
    }
    Ok(())
}

fn await_line(output: &mut impl Read) -> io::Result<()> {
    let mut part = [0; 256];
    loop {
        let len = output.read(&mut part)?;
        if len == 0 || part[..len].contains(&b'\n') {
            return Ok(());
        }
    }
}
