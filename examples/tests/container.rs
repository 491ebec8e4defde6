//! A container as the service. This file is compiled only if a container engine answers. No script here installs one.
#![cfg(has_docker)]

use std::io;
use std::net::TcpStream;
use std::process::{self, Command};
use std::time::Duration;

use mirakuru::{OutputExecutor, Signal, with_process};

/// The client forwards signals and removes the container, but SIGKILL would end only the client. The engine's proxy
/// accepts connections before Redis does, so the test waits for a line that Redis itself prints.
#[with_process(
    output = "docker run --rm --init -p 127.0.0.1:{port}:6379 redis:7",
    banner = "Ready to accept connections",
    kill_signal = SIGTERM,
    timeout = "300s"
)]
#[test]
fn a_container_accepts_connections(redis: &OutputExecutor) -> io::Result<()> {
    TcpStream::connect(redis.addr()).map(drop)
}

#[test]
fn no_container_is_left() -> Result<(), Box<dyn std::error::Error>> {
    let name = format!("mirakuru-{}", process::id());
    let command = format!("docker run --rm --init --name {name} redis:7");
    let redis = OutputExecutor::new(command, "Ready to accept connections")
        .kill_signal(Signal::TERM)
        .timeout(Duration::from_secs(300))
        .started()?;
    assert_eq!(containers(&name)?, [name.as_str()]);
    redis.stop()?;
    assert_eq!(containers(&name)?, [""; 0]);
    redis.start()?.kill()?;
    assert_eq!(containers(&name)?, [""; 0]);
    Ok(())
}

/// Returns the names of all containers with this name, whether they run or not.
fn containers(name: &str) -> io::Result<Vec<String>> {
    let filter = format!("name=^{name}$");
    let listed = Command::new("docker")
        .args(["ps", "--all", "--format", "{{.Names}}", "--filter", &filter])
        .output()?;
    assert!(listed.status.success(), "{listed:?}");
    let names = String::from_utf8_lossy(&listed.stdout);
    Ok(names.lines().map(str::to_owned).collect())
}
