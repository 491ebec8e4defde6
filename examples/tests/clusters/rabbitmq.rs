//! Two brokers at the same time. Each has ports of its own for clients, for the distribution of Erlang, and for the
//! daemon that maps names of nodes to ports (epmd). A broker that stops therefore does not affect the other.

use std::error::Error;

use mirakuru::services::{self, RabbitmqExecutor};
use mirakuru::start_all;

/// Runs `rabbitmqctl status`, and returns its output, which lists the ports of the broker.
fn listeners(broker: &RabbitmqExecutor) -> Result<String, Box<dyn Error>> {
    let output = broker.rabbitmqctl()?.arg("status").output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
#[cfg_attr(
    not(has_rabbitmq),
    ignore = "RabbitMQ is not installed: apt-get install rabbitmq-server"
)]
fn a_broker_that_stops_does_not_affect_another() -> Result<(), Box<dyn Error>> {
    let (one, two) = (services::rabbitmq(), services::rabbitmq());
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
