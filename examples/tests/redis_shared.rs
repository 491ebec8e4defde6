//! One Redis for the whole run: for all tests of `cargo test`, and all processes of a nextest run.

use std::error::Error;

use mirakuru::{Shared, TcpExecutor, with_process};
use redis::{Client, Commands, Connection};

static REDIS: Shared<TcpExecutor> = Shared::per_run("redis", || {
    let command = "redis-server --port {port} --save '' --dir {tmpdir} --databases 256";
    TcpExecutor::new(command, "127.0.0.1", 0)
});

/// An empty database for this test alone: no other one that runs now has its slot.
fn own_database() -> Result<Connection, Box<dyn Error>> {
    let number = mirakuru::slot();
    let mut database =
        Client::open(format!("redis://{}/{number}", REDIS.addr()))?.get_connection()?;
    let _: () = redis::cmd("FLUSHDB").query(&mut database)?;
    Ok(database)
}

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[with_process(shared = REDIS)]
        #[test]
        #[cfg_attr(
            not(has_redis),
            ignore = "redis-server is not in PATH: apt-get install redis-server"
        )]
        fn $name() -> Result<(), Box<dyn Error>> {
            let mut database = own_database()?;
            for visits in 1..=100 {
                assert_eq!(database.incr::<_, _, i32>("visits", 1)?, visits);
            }
            Ok(())
        }
    )*};
}

tests! { counts_alone_0 counts_alone_1 counts_alone_2 counts_alone_3 counts_alone_4 counts_alone_5 }
