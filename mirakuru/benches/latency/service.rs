//! The service that the benchmark starts and stops: this program, run again. It becomes ready after a delay. It writes
//! stamps of the monotonic clock, which all processes share, to a file: when its first instruction ran, when it was
//! ready, and when it was about to die.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, raise};
use nix::time::{ClockId, clock_gettime};

/// The first argument with which this program runs as the service.
pub(crate) const ROLE: &str = "--service";
/// The line that the service prints when it is ready.
pub(crate) const BANNER: &str = "the service is ready";

/// The way in which a service shows that it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    UnixSocket,
    PidFile,
    Output,
    Http,
    /// The service does not show it.
    Silent,
}

impl Kind {
    pub(crate) const READY: [Self; 5] = [
        Self::Tcp,
        Self::UnixSocket,
        Self::PidFile,
        Self::Output,
        Self::Http,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::UnixSocket => "Unix socket",
            Self::PidFile => "pid file",
            Self::Output => "output",
            Self::Http => "HTTP",
            Self::Silent => "silent",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let mut all = Self::READY.into_iter().chain([Self::Silent]);
        all.find(|kind| kind.name() == name)
    }
}

/// Returns the time of the monotonic clock in nanoseconds.
pub(crate) fn now() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has this clock");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

/// A stamp in the file of a service.
#[derive(Clone, Copy)]
pub(crate) enum Stamp {
    Begun,
    Ready,
    Dying,
}

/// The parameters of one service, for both mirakuru and the loop.
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) delay: Duration,
    pub(crate) port: u16,
    stamps: File,
    /// Contains the stamps, the socket and the pid file.
    directory: tempfile::TempDir,
}

impl Order {
    pub(crate) fn new(kind: Kind, delay: Duration, port: u16) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let stamps = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(directory.path().join("stamps"))?;
        Ok(Self {
            kind,
            delay,
            port,
            stamps,
            directory,
        })
    }

    /// Returns the path of the socket or of the pid file.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("here")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The index of the port in the words.
    pub(crate) const PORT_WORD: usize = 4;

    pub(crate) fn words(&self) -> io::Result<Vec<String>> {
        Ok(vec![
            std::env::current_exe()?.display().to_string(),
            ROLE.to_owned(),
            self.kind.name().to_owned(),
            self.delay.as_micros().to_string(),
            self.port.to_string(),
            self.directory.path().display().to_string(),
        ])
    }

    /// Removes the stamps, so that the next start writes new ones.
    pub(crate) fn forget_stamps(&self) -> io::Result<()> {
        self.stamps.set_len(0)
    }

    /// Waits until the service has written this stamp. It may do so after this process has seen that it is ready.
    pub(crate) fn stamp(&self, stamp: Stamp) -> io::Result<i64> {
        let end = Instant::now() + Duration::from_secs(10);
        let mut bytes = [0; 8];
        while Instant::now() < end {
            let read = self.stamps.read_at(&mut bytes, stamp as u64 * 8)?;
            let time = i64::from_le_bytes(bytes);
            if read == bytes.len() && time != 0 {
                return Ok(time);
            }
            thread::yield_now();
        }
        Err(io::Error::other("the service left no stamp"))
    }
}

/// The `main` of the service. `args` are the arguments after [`ROLE`].
pub(crate) fn run(mut args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let begun = now();
    let mut next = || args.next().ok_or("an argument is missing");
    let kind = Kind::named(&next()?).ok_or("no such kind")?;
    let delay = Duration::from_micros(next()?.parse()?);
    let port: u16 = next()?.parse()?;
    let directory = PathBuf::from(next()?);
    let stamps = File::options().write(true).open(directory.join("stamps"))?;
    let write =
        |stamp: Stamp, time: i64| stamps.write_all_at(&time.to_le_bytes(), stamp as u64 * 8);
    write(Stamp::Begun, begun)?;

    // The signal is blocked before any thread starts, so that all threads have it blocked and the wait below takes it.
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    term.thread_block()?;

    #[expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]
    thread::sleep(delay);
    let _held = become_ready(kind, port, &directory.join("here"))?;
    write(Stamp::Ready, now())?;

    term.wait()?;
    write(Stamp::Dying, now())?;
    term.thread_unblock()?;
    raise(Signal::SIGTERM)?;
    Ok(())
}

/// The listener that must stay open.
enum Held {
    Nothing,
    Tcp(#[expect(dead_code, reason = "held only")] TcpListener),
    Unix(#[expect(dead_code, reason = "held only")] UnixListener),
}

/// Makes the service ready and does nothing else, so that the stamp follows at once.
fn become_ready(kind: Kind, port: u16, path: &Path) -> io::Result<Held> {
    Ok(match kind {
        Kind::Tcp => Held::Tcp(TcpListener::bind(("127.0.0.1", port))?),
        Kind::UnixSocket => Held::Unix(UnixListener::bind(path)?),
        Kind::PidFile => {
            let draft = path.with_extension("draft");
            fs::write(&draft, std::process::id().to_string())?;
            fs::rename(&draft, path)?;
            Held::Nothing
        }
        Kind::Output => {
            io::stdout().write_all(format!("{BANNER}\n").as_bytes())?;
            Held::Nothing
        }
        Kind::Http => {
            let listener = TcpListener::bind(("127.0.0.1", port))?;
            let clients = listener.try_clone()?;
            thread::spawn(move || {
                for client in clients.incoming().flatten() {
                    // The client may be gone.
                    drop(answer(client));
                }
            });
            Held::Tcp(listener)
        }
        Kind::Silent => Held::Nothing,
    })
}

fn answer(mut client: TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match client.read(&mut part)? {
            0 => return Ok(()),
            len => request.extend_from_slice(&part[..len]),
        }
    }
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
