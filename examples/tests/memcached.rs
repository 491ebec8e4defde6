//! memcached over TCP.

use std::error::Error;

use mirakuru::TcpExecutor;

/// memcached does not run as root unless it is told as whom: for everybody else `-u` means nothing.
const COMMAND: &str = "memcached -l {host} -p {port} -u nobody";

#[test]
#[cfg_attr(
    not(has_memcached),
    ignore = "memcached is not in PATH: apt-get install memcached"
)]
fn keeps_a_value() -> Result<(), Box<dyn Error>> {
    let memcached = TcpExecutor::new(COMMAND, "127.0.0.1", 0).started()?;

    let client = memcache::connect(format!("memcache://{}", memcached.addr()))?;
    client.set("answer", 42, 0)?;
    assert_eq!(client.get::<i32>("answer")?, Some(42));
    Ok(())
} // It is stopped here, and gone.
