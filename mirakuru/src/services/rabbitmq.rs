//! The ready-made RabbitMQ broker, with a node, a distribution port and a port mapper of its own.

use std::process::Command;

use super::kind::{CONFIG, Kind, Service, Setting};
use super::program::{Server, tool};
use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Executor, Provision};
use crate::readiness::{self, Readiness};
use crate::sys;
use crate::wait::Deadline;

/// A RabbitMQ broker. See [`rabbitmq`].
pub type RabbitmqExecutor = Executor<Service<Rabbitmq>>;

/// The name of the node. All brokers can use the same name, because each has a port mapper of its own.
const NODE: &str = "mirakuru@localhost";

/// The kind of [`RabbitmqExecutor`].
#[derive(Clone, Debug)]
pub struct Rabbitmq {
    check: readiness::Amqp,
}

/// Creates an executor for a RabbitMQ broker.
///
/// The broker listens on `127.0.0.1`, for clients at `{port}` and for other nodes at `{port:distribution}`. Its Erlang
/// port mapper (epmd) listens at `{port:epmd}`. Several brokers can therefore run at the same time. `url()` returns
/// `amqp://guest:guest@127.0.0.1:PORT`. The executor waits until the broker answers with `Connection.Start`; see
/// [`readiness::Amqp`]. [`config`](Executor::config) adds a line to the broker's configuration file.
///
/// ```no_run
/// use mirakuru::services;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let rabbitmq = services::rabbitmq().config("channel_max", 100).started()?;
/// println!("{}", rabbitmq.url()); // amqp://guest:guest@127.0.0.1:24816
/// let queues = rabbitmq.rabbitmqctl()?.arg("list_queues").output()?;
/// # Ok(())
/// # }
/// ```
pub fn rabbitmq() -> RabbitmqExecutor {
    let check = readiness::Amqp::new("127.0.0.1", 0);
    let variables = [
        ("HOME", "{tmpdir}"),
        ("RABBITMQ_NODENAME", NODE),
        ("RABBITMQ_NODE_IP_ADDRESS", "{host}"),
        ("RABBITMQ_NODE_PORT", "{port}"),
        ("RABBITMQ_DIST_PORT", "{port:distribution}"),
        ("ERL_EPMD_PORT", "{port:epmd}"),
        ("ERL_EPMD_ADDRESS", "127.0.0.1"),
        // The broker must not read the configuration of the broker that the machine itself runs.
        ("RABBITMQ_CONF_ENV_FILE", sys::NULL_DEVICE),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", "{tmpdir}/advanced.config"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "{tmpdir}/plugins"),
        ("RABBITMQ_GENERATED_CONFIG_DIR", "{tmpdir}/config"),
        ("RABBITMQ_MNESIA_BASE", "{tmpdir}/mnesia"),
        ("RABBITMQ_LOG_BASE", "{tmpdir}/log"),
        ("RABBITMQ_PID_FILE", "{tmpdir}/rabbitmq.pid"),
        ("RABBITMQ_LOGS", "-"),
        // By default, the virtual machine of Erlang spins while it waits for work.
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "+sbwt none +sbwtdcpu none +sbwtdio none",
        ),
    ];
    let executor = Service::executor("RabbitmqExecutor", Rabbitmq { check }, []);
    let file = format!("{{tmpdir}}/{CONFIG}");
    executor
        .envs(variables)
        .env("RABBITMQ_CONFIG_FILE", file)
        .cwd("{tmpdir}")
}

impl RabbitmqExecutor {
    /// Returns a command that runs `rabbitmqctl` for this broker.
    ///
    /// The broker must be running: otherwise `rabbitmqctl` would start a port mapper that nothing stops.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let rabbitmq = services::rabbitmq().started()?;
    /// let added = rabbitmq.rabbitmqctl()?.args(["add_vhost", "orders"]).status()?;
    /// assert!(added.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Io`: the broker is not running. `Spawn`: RabbitMQ, or its `rabbitmqctl`, is not installed.
    ///
    /// # Panics
    ///
    /// Panics if [`tmpdir`](Executor::tmpdir) or [`port_named`](Executor::port_named) panics.
    pub fn rabbitmqctl(&self) -> Result<Command> {
        if !self.core().is_up() {
            return Err(self.core().not_running("asked for its rabbitmqctl"));
        }
        let server = self.check().and_then(|service| {
            let deadline = Deadline::after(std::time::Duration::from_secs(60));
            service.program(deadline).ok()
        });
        let program = server.and_then(|server| tool(&server, "rabbitmqctl"));
        let Some(program) = program else {
            return Err(Error::of(
                "rabbitmqctl",
                "it is not installed",
                ErrorKind::Spawn,
            ));
        };
        let mut command = Command::new(program);
        command
            .args(["--node", NODE])
            .env("HOME", self.tmpdir())
            .env("ERL_EPMD_PORT", self.port_named("epmd").to_string())
            .env("RABBITMQ_CONF_ENV_FILE", sys::NULL_DEVICE)
            // The command starts no port mapper, even if the broker ends first.
            .env("ERL_FLAGS", "-start_epmd false")
            .current_dir(self.tmpdir());
        Ok(command)
    }
}

impl Kind for Rabbitmq {
    const SERVER: Server = Server {
        title: "RabbitMQ",
        programs: &["rabbitmq-server"],
        directories: &["/usr/lib/rabbitmq/bin"],
        companion: None,
        versioned_by: Some("rabbitmqctl"),
        version: &["version"],
        packages: ["rabbitmq-server", "rabbitmq-server", "rabbitmq"],
        container: "docker run --rm -p 127.0.0.1:{port}:5672 rabbitmq",
    };
    const URL: &'static str = "amqp://guest:guest@{host}:{port}";

    fn check(&self) -> &dyn Readiness {
        &self.check
    }

    fn setting(key: &str, value: &str) -> Setting {
        Setting::Line(format!("{key} = {value}"))
    }

    fn head(&self) -> Vec<String> {
        vec!["log.console = true".to_owned()]
    }
}
