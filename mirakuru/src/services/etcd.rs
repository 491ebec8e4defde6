//! The ready-made etcd server, a cluster of one member.

use super::kind::{Kind, Service, Setting};
use super::program::Server;
use crate::executor::Executor;
use crate::readiness::{self, Readiness};

/// An etcd server. See [`etcd`].
pub type EtcdExecutor = Executor<Service<Etcd>>;

/// The kind of [`EtcdExecutor`].
#[derive(Clone, Debug)]
pub struct Etcd {
    check: readiness::Etcd,
}

/// Creates an executor for an etcd server, a cluster of one member.
///
/// The server listens on `127.0.0.1`, for clients at `{port}` and for other members at `{port:peer}`. `url()` returns
/// `http://127.0.0.1:PORT`. The executor waits until the member is healthy; see [`readiness::Etcd`].
///
/// ```no_run
/// use mirakuru::services;
///
/// # fn main() -> mirakuru::Result<()> {
/// let etcd = services::etcd().config("max-txn-ops", 512).started()?;
/// println!("{}", etcd.url()); // http://127.0.0.1:24816
/// # Ok(())
/// # }
/// ```
pub fn etcd() -> EtcdExecutor {
    let check = readiness::Etcd::new("127.0.0.1", 0);
    let words = [
        "--data-dir={tmpdir}/data",
        "--listen-client-urls=http://{host}:{port}",
        "--advertise-client-urls=http://{host}:{port}",
        "--listen-peer-urls=http://{host}:{port:peer}",
        "--initial-advertise-peer-urls=http://{host}:{port:peer}",
        "--initial-cluster=default=http://{host}:{port:peer}",
    ];
    Service::executor("EtcdExecutor", Etcd { check }, words)
}

impl Kind for Etcd {
    const SERVER: Server = Server {
        title: "etcd",
        programs: &["etcd"],
        directories: &[],
        companion: None,
        versioned_by: None,
        version: &["--version"],
        packages: ["etcd-server", "etcd", "etcd"],
        container: "docker run --rm -p 127.0.0.1:{port}:2379 quay.io/coreos/etcd etcd --listen-client-urls=http://0.0.0.0:2379 --advertise-client-urls=http://127.0.0.1:{port}",
    };
    const URL: &'static str = "http://{host}:{port}";

    fn check(&self) -> &dyn Readiness {
        &self.check
    }

    fn setting(key: &str, value: &str) -> Setting {
        Setting::Words(vec![format!("--{key}={value}")])
    }
}
