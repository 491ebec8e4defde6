//! Six nodes of a Redis cluster. The cluster bus of each node has a free port of its own, because the default, the
//! node's port plus 10000, may be in use. The option for this port needs Redis 7.

use std::error::Error;
use std::process::Command;

use mirakuru::{Fixture, TcpExecutor, start_all_of};

fn node() -> TcpExecutor {
    let command = "redis-server --port {port} --save '' --dir {tmpdir} --cluster-enabled yes";
    // On a busy machine a node may be silent for longer than the default of 15 seconds.
    let options = [
        "--cluster-port",
        "{port:bus}",
        "--cluster-node-timeout",
        "120000",
    ];
    TcpExecutor::new(command, "127.0.0.1", 0).args(options)
}

fn redis_cli(port: u16, words: &[&str]) -> Result<String, Box<dyn Error>> {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &port.to_string()]).args(words);
    let output = command.output()?;
    Ok(String::from_utf8([output.stdout, output.stderr].concat())?)
}

#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn six_nodes_become_a_cluster() -> Result<(), Box<dyn Error>> {
    let nodes: Vec<_> = (0..6).map(|_| node()).collect();
    let fixtures: Vec<&dyn Fixture> = nodes.iter().map(|node| node as &dyn Fixture).collect();
    start_all_of(&fixtures)?;

    let address = |node: &TcpExecutor| format!("{}@{}", node.addr(), node.port_named("bus"));
    let addresses: Vec<_> = nodes.iter().map(address).collect();
    let mut words = vec![
        "--cluster",
        "create",
        "--cluster-replicas",
        "1",
        "--cluster-yes",
    ];
    words.extend(addresses.iter().map(String::as_str));
    let created = redis_cli(nodes[0].port(), &words)?;
    assert!(created.contains("All 16384 slots covered"), "{created}");

    let last = &nodes[5];
    last.wait_for(|| {
        let info = redis_cli(last.port(), &["cluster", "info"]).unwrap_or_default();
        info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6")
    })?;
    Ok(())
}
