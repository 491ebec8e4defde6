//! A container as the service. It is compiled where a container engine answers; nothing here installs one.
#![cfg(has_docker)]

use std::net::TcpStream;

use mirakuru::{OutputExecutor, with_process};

/// The client passes the stop signal on, and removes the container. The engine's proxy would accept
/// connections before Redis does, so it is Redis' own word that counts.
#[with_process(
    output = "docker run --rm --init -p 127.0.0.1:{port}:6379 redis:7",
    banner = "Ready to accept connections",
    timeout = "300s"
)]
#[test]
fn answers(redis: &OutputExecutor) -> std::io::Result<()> {
    TcpStream::connect(redis.addr()).map(drop)
}
