//! Async tests: the service is up before the first await, and gone after the last. Nothing needs to
//! be installed.

use mirakuru::{HttpExecutor, OutputExecutor, with_process};
use mirakuru_examples::own_binary;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One request by hand, so that this file needs no HTTP client.
async fn ask(addr: &str, method: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    let length = body.len();
    let request = format!("{method} / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer
        .split_once("\r\n\r\n")
        .map_or(String::new(), |(_, body)| body.to_owned()))
}

#[with_process(http = [own_binary("guestbook"), "{port}"], url = "http://127.0.0.1:{port}/")]
#[tokio::test]
async fn keeps_a_note(guestbook: &HttpExecutor) -> std::io::Result<()> {
    ask(&guestbook.addr(), "POST", "hello").await?;
    assert_eq!(ask(&guestbook.addr(), "GET", "").await?, "hello");
    Ok(())
}

/// The service picks its port and says so: a group named `port` sets `port()`.
#[with_process(output = [own_binary("guestbook")], banner = r"listens on port (?<port>\d+)")]
#[tokio::test(flavor = "multi_thread")]
async fn keeps_notes_of_many(guestbook: &OutputExecutor) -> std::io::Result<()> {
    let guests: Vec<_> = (0..10)
        .map(|guest| {
            let addr = guestbook.addr();
            tokio::spawn(async move { ask(&addr, "POST", &format!("guest {guest}")).await })
        })
        .collect();
    for guest in guests {
        guest.await??;
    }
    let notes = ask(&guestbook.addr(), "GET", "").await?;
    assert!(
        (0..10).all(|guest| notes.contains(&format!("guest {guest}"))),
        "{notes}"
    );
    Ok(())
}
