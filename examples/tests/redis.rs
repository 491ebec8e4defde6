//! Redis as a ready-made service, over a Unix socket, and as a daemon that writes a pid file.

use std::error::Error;

use mirakuru::{PidExecutor, UnixSocketExecutor, services};
use redis::{Client, Commands};

/// Each server has a free port and a private directory, so any number of servers can run at the same time.
#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn keeps_a_value_over_tcp() -> Result<(), Box<dyn Error>> {
    let redis = services::redis().started()?;

    let mut client = Client::open(redis.url())?;
    let _: () = client.set("answer", 42)?;
    assert_eq!(client.get::<_, i32>("answer")?, 42);
    Ok(())
} // The server is stopped here.

/// `{socket}` is a path in the private directory. With port 0, Redis does not listen on TCP.
#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn counts_over_a_unix_socket() -> Result<(), Box<dyn Error>> {
    let command = "redis-server --port 0 --unixsocket {socket} --save '' --dir {tmpdir}";
    let redis = UnixSocketExecutor::new(command, "{socket}").started()?;

    let mut client = Client::open(format!("redis+unix://{}", redis.socket().display()))?;
    assert_eq!(client.incr::<_, _, i32>("visits", 1)?, 1);
    assert_eq!(client.incr::<_, _, i32>("visits", 1)?, 2);
    Ok(())
}

/// The started program exits at once, and leaves a daemon in a session of its own. The pid file shows that the daemon
/// is up, and the stop ends the daemon.
#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn stops_a_daemon() -> Result<(), Box<dyn Error>> {
    let command =
        "redis-server --daemonize yes --pidfile {pidfile} --port {port} --save '' --dir {tmpdir}";
    let redis = PidExecutor::new(command, "{pidfile}").started()?;

    let client = Client::open(format!("redis://{}/", redis.addr()))?;
    // Redis 7.2 and later write the file just before they listen.
    redis.wait_for(|| client.get_connection().is_ok())?;
    // The started process exits, and the daemon stays.
    redis.wait_for(|| redis.exit_code() == Some(0))?;
    assert!(redis.filename().exists());

    redis.stop()?;
    assert!(client.get_connection().is_err(), "the daemon still answers");
    Ok(())
}

/// A restart loses the values that were only in memory, and keeps the port.
#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn forgets_at_a_restart() -> Result<(), Box<dyn Error>> {
    let redis = services::redis().started()?;

    let mut client = Client::open(redis.url())?;
    let _: () = client.set("answer", 42)?;
    redis.restart()?;
    assert_eq!(client.get::<_, Option<i32>>("answer")?, None);
    Ok(())
}
