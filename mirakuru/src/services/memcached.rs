//! The ready-made memcached server.

use super::kind::{Kind, Service, Setting};
use super::program::Server;
use crate::executor::Executor;
use crate::readiness::{self, Readiness};
use crate::signal::Signal;

/// A memcached server. See [`memcached`].
pub type MemcachedExecutor = Executor<Service<Memcached>>;

/// The kind of [`MemcachedExecutor`].
#[derive(Clone, Debug)]
pub struct Memcached {
    check: readiness::Memcached,
}

/// Creates an executor for a memcached server.
///
/// The server listens on `127.0.0.1`, only over TCP. `url()` returns `memcache://127.0.0.1:PORT`. The executor waits
/// until the server answers `version`; see [`readiness::Memcached`]. As root, the server runs as the user `memcache` or
/// `memcached`, or else as `nobody`.
///
/// ```no_run
/// use mirakuru::services;
///
/// # fn main() -> mirakuru::Result<()> {
/// let memcached = services::memcached().config("max-item-size", "2m").started()?;
/// println!("{}", memcached.url()); // memcache://127.0.0.1:24816
/// # Ok(())
/// # }
/// ```
pub fn memcached() -> MemcachedExecutor {
    let check = readiness::Memcached::new("127.0.0.1", 0);
    let words = ["-l", "{host}", "-p", "{port}", "-U", "0"];
    let executor = Service::executor("MemcachedExecutor", Memcached { check }, words);
    // The server checks for other signals only once a second, and has nothing to clean up.
    let executor = executor.stop_signal(Signal::KILL);
    executor.user_if_root(super::user_of(&["memcache", "memcached"]))
}

impl Kind for Memcached {
    const SERVER: Server = Server {
        title: "memcached",
        programs: &["memcached"],
        directories: &[],
        companion: None,
        versioned_by: None,
        version: &["--version"],
        packages: ["memcached"; 3],
        container: "docker run --rm -p 127.0.0.1:{port}:11211 memcached",
    };
    const URL: &'static str = "memcache://{host}:{port}";

    fn check(&self) -> &dyn Readiness {
        &self.check
    }

    fn setting(key: &str, value: &str) -> Setting {
        Setting::Words(vec![format!("--{key}={value}")])
    }
}
