//! Async tests. The server is ready before the first await of the body, and stops after the last one.

use mirakuru::{TcpExecutor, with_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Sends a command to a Redis server, and returns the first line of the answer.
async fn ask(addr: &str, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(answer.trim_end().to_owned())
}

#[with_process(tcp = "redis-server --port {port} --save ''")]
#[tokio::test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
async fn answers_a_ping(redis: &TcpExecutor) -> std::io::Result<()> {
    assert_eq!(ask(&redis.addr(), "PING").await?, "+PONG");
    Ok(())
}

#[with_process(tcp = "redis-server --port {port} --save ''")]
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
async fn counts_the_visits_of_many_tasks(redis: &TcpExecutor) -> std::io::Result<()> {
    let visits: Vec<_> = (0..10)
        .map(|_| {
            let addr = redis.addr();
            tokio::spawn(async move { ask(&addr, "INCR visits").await })
        })
        .collect();
    for visit in visits {
        visit.await??;
    }
    assert_eq!(ask(&redis.addr(), "INCR visits").await?, ":11");
    Ok(())
}
