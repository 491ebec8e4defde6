//! The ready-made Mosquitto broker for MQTT.

use super::kind::{CONFIG, Kind, Service, Setting};
use super::program::Server;
use crate::executor::Executor;
use crate::readiness::{self, Readiness};
use crate::sys;

/// A Mosquitto broker. See [`mosquitto`].
pub type MosquittoExecutor = Executor<Service<Mosquitto>>;

/// The kind of [`MosquittoExecutor`].
#[derive(Clone, Debug)]
pub struct Mosquitto {
    check: readiness::Mqtt,
}

/// Creates an executor for a Mosquitto broker, which accepts clients without a password.
///
/// The broker listens on `127.0.0.1` and keeps messages in memory. `url()` returns `mqtt://127.0.0.1:PORT`. The
/// executor waits until the broker answers `CONNECT`; see [`readiness::Mqtt`]. [`config`](Executor::config) adds a line
/// to the broker's configuration file.
///
/// ```no_run
/// use mirakuru::services;
///
/// # fn main() -> mirakuru::Result<()> {
/// let mosquitto = services::mosquitto().config("max_keepalive", 60).started()?;
/// println!("{}", mosquitto.url()); // mqtt://127.0.0.1:24816
/// # Ok(())
/// # }
/// ```
pub fn mosquitto() -> MosquittoExecutor {
    let check = readiness::Mqtt::new("127.0.0.1", 0);
    let executor = Service::executor("MosquittoExecutor", Mosquitto { check }, ["-c"]);
    executor.arg(format!("{{tmpdir}}/{CONFIG}"))
}

impl Kind for Mosquitto {
    const SERVER: Server = Server {
        title: "Mosquitto",
        programs: &["mosquitto"],
        directories: &[],
        companion: None,
        // The help begins with the version.
        versioned_by: None,
        version: &["-h"],
        packages: ["mosquitto"; 3],
        container: "docker run --rm -p 127.0.0.1:{port}:1883 eclipse-mosquitto mosquitto -c /mosquitto-no-auth.conf",
    };
    const URL: &'static str = "mqtt://{host}:{port}";

    fn check(&self) -> &dyn Readiness {
        &self.check
    }

    fn setting(key: &str, value: &str) -> Setting {
        Setting::Line(format!("{key} {value}"))
    }

    fn head(&self) -> Vec<String> {
        let lines = [
            "listener {port} {host}",
            "allow_anonymous true",
            "persistence false",
            "log_dest stderr",
        ];
        let mut lines: Vec<_> = lines.map(str::to_owned).into();
        if sys::is_root() {
            // By default the broker changes to another user, which cannot read the private directory.
            lines.push("user root".to_owned());
        }
        lines
    }
}
