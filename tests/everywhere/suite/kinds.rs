//! Tests that each kind of executor returns once its service is ready.

use std::net::TcpStream;

use mirakuru::{
    Executor, HttpExecutor, OutputExecutor, PidExecutor, Result, SimpleExecutor, TcpExecutor,
    readiness::{Context, Stream},
};
use mirakuru_everywhere::{life::Life, service};

use crate::{NOW, waits};

#[test]
fn a_simple_executor_returns_once_it_is_spawned() -> Result<()> {
    let life = Life::new();
    let executor = SimpleExecutor::new(service(&[&life.step(), "wait"])).started()?;
    assert_eq!(Some(life.wait_for(1)[0]), executor.pid());
    assert!(executor.running());
    executor.stop()?;
    assert!(!executor.running());
    assert_eq!(executor.pid(), None);
    life.all_gone_within(NOW);
    Ok(())
}

#[test]
fn a_custom_condition_is_checked() -> Result<()> {
    let is_up = |cx: &Context| cx.tmpdir().join("up").exists();
    let command = service(&["after=50", "append={tmpdir}/up=yes", "wait"]);
    let executor = Executor::when(command, is_up).started()?;
    assert!(executor.tmpdir().join("up").exists());
    Ok(())
}

#[test]
fn a_banner_is_seen_in_the_output() -> Result<()> {
    let executor = waits(&["say=first", "warn=other", "after=50"]).started()?;
    assert_eq!(executor.output().text(), "first\nready\n");
    executor.wait_for(|| executor.err_output().text() == "other\n")?;
    Ok(())
}

#[test]
fn a_banner_is_seen_in_the_error_output() -> Result<()> {
    let command = service(&["say=up 1", "after=50", "warn=up 2", "wait"]);
    let executor = OutputExecutor::new(command, r"up (?<number>\d)").stream(Stream::Stderr);
    assert_eq!(executor.started()?.captured("number").as_deref(), Some("2"));
    Ok(())
}

#[test]
fn a_banner_reports_the_port() -> Result<()> {
    let banner = r"^listens on port (?<port>\d+)$";
    let executor = OutputExecutor::new(service(&["listen=0", "wait"]), banner).started()?;
    TcpStream::connect(executor.addr()).expect("it listens");
    Ok(())
}

#[test]
fn a_port_is_ready_once_it_accepts() -> Result<()> {
    let command = service(&["after=100", "listen={port}", "wait"]);
    let executor = TcpExecutor::new(command, "127.0.0.1", 0).started()?;
    TcpStream::connect(executor.addr()).expect("it listens");
    Ok(())
}

#[test]
fn a_url_is_ready_once_it_answers_with_success() -> Result<()> {
    let command = service(&["http={port}", "wait"]);
    let executor = HttpExecutor::new(command, "http://127.0.0.1:{port}/health").started()?;
    let text = executor.output().text();
    let refused = text.matches("answers 503").count();
    assert_eq!((refused, text.contains("answers 200")), (3, true), "{text}");
    Ok(())
}

#[test]
fn a_pid_file_is_ready_once_it_exists() -> Result<()> {
    let command = service(&["after=50", "write-pid={pidfile}", "wait"]);
    let executor = PidExecutor::new(command, "{pidfile}").started()?;
    let pid = std::fs::read_to_string(executor.filename()).expect("it is there");
    assert_eq!(executor.pid(), pid.parse().ok());
    Ok(())
}

#[test]
fn a_wait_sees_output_after_readiness() -> Result<()> {
    let executor = OutputExecutor::new(service(&["chat"]), "^line 2$").started()?;
    assert_eq!(executor.output().wait_for(r"^line \d*9$")?, "line 9");
    let next = executor.output().from_now().wait_for(r"^line \d+$")?;
    assert!(next.starts_with("line "), "{next}");
    Ok(())
}
