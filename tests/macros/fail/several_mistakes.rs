//! All mistakes are reported at once, except those that only follow from another.

use mirakuru::{HttpExecutor, TcpExecutor, with_process};

#[with_process(tcp = "redis-server 'x", prot = 6379, timeout = "soon", stop_signal = SIGNIT)]
#[with_process(http = "{hots}", url = "nowhere", status = 1, banner = "(")]
#[test]
fn many(redis: &TcpExecutor, service: HttpExecutor) -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = redis.port();
    assert_eq!(service.port(), port);
    Ok(())
}

fn main() {}
