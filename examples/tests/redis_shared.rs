//! One Redis server for the whole run: for all tests of `cargo test`, and all processes of a nextest run.

use std::error::Error;

use mirakuru::services::{self, RedisExecutor};
use mirakuru::{Shared, with_process};
use redis::{Client, Commands};

static REDIS: Shared<RedisExecutor> = Shared::per_run("redis", services::redis);

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[with_process(shared = REDIS)]
        #[test]
        #[cfg_attr(
            not(has_redis),
            ignore = "redis-server is not in PATH: apt-get install redis-server"
        )]
        fn $name(redis: &RedisExecutor) -> Result<(), Box<dyn Error>> {
            // The database is empty, and no other running test has it.
            let own = redis.database()?;
            let mut database = Client::open(own.url())?.get_connection()?;
            for visits in 1..=100 {
                assert_eq!(database.incr::<_, _, i32>("visits", 1)?, visits);
            }
            Ok(())
        }
    )*};
}

tests! { counts_alone_0 counts_alone_1 counts_alone_2 counts_alone_3 counts_alone_4 counts_alone_5 }
