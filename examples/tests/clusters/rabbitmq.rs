//! Two brokers side by side. Each has ports of its own for clients, for the distribution of Erlang, and for the daemon
//! that maps names of nodes to ports (epmd), so that a broker which stops takes nothing away from the other.

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use mirakuru::{OutputExecutor, readiness::Amqp, start_all};

const SERVER: &str = concat!(env!("RABBITMQ_BIN"), "/rabbitmq-server");
const CONTROL: &str = concat!(env!("RABBITMQ_BIN"), "/rabbitmqctl");

fn broker() -> OutputExecutor {
    let places = [
        ("HOME", ""),
        ("RABBITMQ_MNESIA_BASE", "/mnesia"),
        ("RABBITMQ_LOG_BASE", "/log"),
        ("RABBITMQ_PID_FILE", "/rabbitmq.pid"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "/plugins"),
        ("RABBITMQ_GENERATED_CONFIG_DIR", "/config"),
    ];
    OutputExecutor::new([SERVER], "Server startup complete")
        .also(Amqp::new("127.0.0.1", 0))
        .env("RABBITMQ_NODENAME", "broker@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "{host}")
        .env("RABBITMQ_NODE_PORT", "{port}")
        .env("RABBITMQ_DIST_PORT", "{port:distribution}")
        .env("ERL_EPMD_PORT", "{port:epmd}")
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_LOGS", "-")
        .envs(places.map(|(name, place)| (name, format!("{{tmpdir}}{place}"))))
        // The virtual machine of Erlang would spin while it waits for work.
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+sbwt none")
        .cwd("/")
        .user_if_root("rabbitmq")
        .timeout(Duration::from_secs(120))
}

/// Asks a broker for its ports, by the client program.
fn listeners(broker: &OutputExecutor) -> Result<String, Box<dyn Error>> {
    let mut command = if cfg!(root) {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=rabbitmq",
            "--regid=rabbitmq",
            "--clear-groups",
            CONTROL,
        ]);
        command
    } else {
        Command::new(CONTROL)
    };
    command
        .args(["-n", "broker@localhost", "status"])
        .env("HOME", broker.tmpdir())
        .env("ERL_EPMD_PORT", broker.port_named("epmd").to_string())
        .current_dir("/");
    let output = command.output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
#[cfg_attr(
    not(has_rabbitmq),
    ignore = "RabbitMQ is not installed: apt-get install rabbitmq-server"
)]
fn a_broker_stops_and_the_other_goes_on() -> Result<(), Box<dyn Error>> {
    let (one, two) = (broker(), broker());
    start_all([&one, &two])?;
    for broker in [&one, &two] {
        let port = format!("port: {},", broker.port());
        assert!(listeners(broker)?.contains(&port));
    }
    one.stop()?;
    let port = format!("port: {},", two.port());
    assert!(listeners(&two)?.contains(&port));
    Ok(())
}
