//! A service that depends on another: `bind` gives the later one the address of the earlier one.

use std::error::Error;

use mirakuru::{OutputExecutor, TcpExecutor, with_process};
use redis::{Client, Commands};

/// The servers start in this order, and stop in reverse. The replica is ready once it has all data of the primary.
#[with_process(
    tcp = "redis-server --port {port} --save '' --dir {tmpdir} --repl-diskless-sync-delay 0",
    bind = primary
)]
#[with_process(
    output = "redis-server --port {port} --save '' --dir {tmpdir} --replicaof {primary.host} {primary.port}",
    banner = "sync: Finished with success"
)]
#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn a_replica_copies_its_primary(
    primary: &TcpExecutor,
    replica: &OutputExecutor,
) -> Result<(), Box<dyn Error>> {
    let connect = |addr| Client::open(format!("redis://{addr}/"))?.get_connection();
    let mut to_primary = connect(primary.addr())?;
    let mut to_replica = connect(replica.addr())?;

    let _: () = to_primary.set("answer", 42)?;
    // Waits until one replica has the value that this connection wrote, for at most ten seconds.
    let replicas: i32 = redis::cmd("WAIT")
        .arg(1)
        .arg(10_000)
        .query(&mut to_primary)?;
    assert_eq!(replicas, 1);
    assert_eq!(to_replica.get::<_, i32>("answer")?, 42);
    Ok(())
}
