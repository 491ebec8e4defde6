//! The ready-made NATS server, with JetStream.

use super::kind::{CONFIG, Kind, Service, Setting};
use super::program::Server;
use crate::executor::Executor;
use crate::readiness::{self, Readiness};
use crate::signal::Signal;

/// A NATS server. See [`nats`].
pub type NatsExecutor = Executor<Service<Nats>>;

/// The kind of [`NatsExecutor`].
#[derive(Clone, Debug)]
pub struct Nats {
    check: readiness::Nats,
}

/// Creates an executor for a NATS server with JetStream, which keeps its files in the private directory.
///
/// The server listens on `127.0.0.1`. `url()` returns `nats://127.0.0.1:PORT`. The executor waits until the server
/// answers `PING` and offers JetStream; see [`readiness::Nats`]. [`config`](Executor::config) adds a line to the
/// server's configuration file.
///
/// ```no_run
/// use mirakuru::services;
///
/// # fn main() -> mirakuru::Result<()> {
/// let nats = services::nats().config("max_payload", "2MB").started()?;
/// println!("{}", nats.url()); // nats://127.0.0.1:24816
/// # Ok(())
/// # }
/// ```
pub fn nats() -> NatsExecutor {
    let check = readiness::Nats::new("127.0.0.1", 0).jet_stream();
    let executor = Service::executor("NatsExecutor", Nats { check }, ["-c"]);
    // Some versions exit with 1 after `Signal::TERM`.
    let executor = executor.stop_signal(Signal::INT);
    executor.arg(format!("{{tmpdir}}/{CONFIG}"))
}

impl Kind for Nats {
    const SERVER: Server = Server {
        title: "NATS",
        programs: &["nats-server"],
        directories: &[],
        companion: None,
        versioned_by: None,
        version: &["--version"],
        packages: ["nats-server"; 3],
        container: "docker run --rm -p 127.0.0.1:{port}:4222 nats -js",
    };
    const URL: &'static str = "nats://{host}:{port}";

    fn check(&self) -> &dyn Readiness {
        &self.check
    }

    fn setting(key: &str, value: &str) -> Setting {
        Setting::Line(format!("{key}: {value}"))
    }

    fn head(&self) -> Vec<String> {
        let lines = [
            "listen: \"{host}:{port}\"",
            "jetstream { store_dir: \"{tmpdir}/jetstream\" }",
        ];
        lines.map(str::to_owned).into()
    }
}
