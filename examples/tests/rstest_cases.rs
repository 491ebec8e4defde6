//! Cases of rstest with a server each. The server's parameter comes before the values and the fixtures of the case.

use std::error::Error;

use mirakuru::{TcpExecutor, with_process};
use redis::{Client, Commands};
use rstest::{fixture, rstest};

#[fixture]
fn greeting() -> String {
    "hello".to_owned()
}

#[with_process(tcp = "redis-server --port {port} --save ''")]
#[rstest]
#[case::english("Anna")]
#[case::japanese("アンナ")]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn greets(redis: &TcpExecutor, #[case] name: &str, greeting: String) -> Result<(), Box<dyn Error>> {
    let mut client = Client::open(format!("redis://{}/", redis.addr()))?;
    let before: Option<String> = client.get("guest")?;
    assert_eq!(before, None, "another case left a value");
    let _: () = client.set("guest", format!("{greeting} {name}"))?;
    assert_eq!(
        client.get::<_, String>("guest")?,
        format!("{greeting} {name}")
    );
    Ok(())
}
