//! Ten tests that each start a server on the same fixed port. The tests run one after the other, under `cargo test` and
//! under `cargo nextest run`, because only one process can listen on the port.

use mirakuru::{TcpExecutor, with_process};
use redis::Client;

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[with_process(tcp = "redis-server", port = 6379, cwd = "{tmpdir}")]
        #[test]
        #[cfg_attr(
            not(has_redis),
            ignore = "redis-server is not in PATH: apt-get install redis-server"
        )]
        fn $name(redis: &TcpExecutor) -> Result<(), Box<dyn std::error::Error>> {
            assert_eq!(redis.port(), 6379);
            let mut client = Client::open("redis://127.0.0.1/")?;
            let pid = pid_of_server(&mut client)?;
            assert_eq!(Some(pid), redis.pid(), "another server answers");
            Ok(())
        }
    )*};
}

/// Returns the pid of the server that answers.
fn pid_of_server(client: &mut Client) -> Result<u32, Box<dyn std::error::Error>> {
    let server: redis::InfoDict = redis::cmd("INFO").arg("server").query(client)?;
    Ok(server.get("process_id").ok_or("no pid")?)
}

tests!(one two three four five six seven eight nine ten);
