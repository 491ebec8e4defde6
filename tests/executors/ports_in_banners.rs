//! The service picks its own port and reports it in its banner: no race is possible.

use std::net::TcpStream;

use mirakuru::{
    Executor, OutputExecutor, Result,
    readiness::{Http, Output, Readiness, Tcp},
};

use crate::PROGRAM;

const BANNER: &str = r"listening on (?<port>\d+)";

#[test]
fn the_executor_has_the_port_of_the_banner() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "http_service", "0"], BANNER).started()?;
    let reported = service.captured("port").expect("it is in the banner");
    assert_eq!(service.port().to_string(), reported);
    assert_eq!(service.addr(), format!("127.0.0.1:{reported}"));
    assert_eq!(service.url(), format!("http://127.0.0.1:{reported}"));
    TcpStream::connect(service.addr()).expect("it listens there");
    Ok(())
}

#[test]
fn each_start_has_the_port_of_its_own_banner() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "http_service", "0"], BANNER).started()?;
    for _ in 0..3 {
        service.restart()?;
        let text = service.output().text();
        assert_eq!(text, format!("listening on {}\n", service.port()));
        TcpStream::connect(service.addr()).expect("it listens there");
    }
    Ok(())
}

#[test]
fn the_checks_that_follow_use_the_port_of_the_banner() -> Result<()> {
    let check = Output::new(BANNER)
        .then(Tcp::new("127.0.0.1", 0))
        .then(Http::new("http://127.0.0.1:{port}/status/204").status(204));
    let service = Executor::with_readiness([PROGRAM, "http_service", "0"], check).started()?;
    TcpStream::connect(service.addr()).expect("it listens there");
    assert_eq!(
        service.url(),
        format!("http://{}/status/204", service.addr())
    );
    Ok(())
}

#[test]
fn a_group_that_holds_no_valid_port_is_an_ordinary_group() -> Result<()> {
    let service = OutputExecutor::new(
        [PROGRAM, "prints", "port 99999 {{port}}"],
        r"port (?<port>\d+)",
    );
    service.start()?;
    assert_eq!(service.captured("port").as_deref(), Some("99999"));
    let port = std::panic::catch_unwind(|| service.port());
    let text = port.expect_err("no number was captured");
    let text = text.downcast_ref::<String>().expect("a text");
    assert!(
        text.contains("no line has matched the banner yet"),
        "{text}"
    );
    Ok(())
}
