//! `OnConflict::Reuse`: what answers already is used, and left.

use std::{
    net::{TcpListener, TcpStream},
    time::Duration,
};

use mirakuru::{OnConflict, Result, TcpExecutor};
use mirakuru_tests::bounds::comes_to_an_end;

use crate::{
    PROGRAM,
    holder::{Holder, fixed_port},
};

fn reusing(port: u16) -> TcpExecutor {
    TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port)
        .on_conflict(OnConflict::Reuse)
}

#[test]
fn what_answers_is_used_and_never_stopped() -> Result<()> {
    let port = fixed_port();
    let stranger = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let service = reusing(port).started()?;
    assert!(service.running());
    assert_eq!(service.pid(), None);
    service.start()?.stop()?.start()?.kill()?.start()?;
    drop(service);
    TcpStream::connect(("127.0.0.1", port)).expect("it is left");
    drop(stranger);
    Ok(())
}

#[test]
fn what_does_not_answer_is_started_and_stopped() -> Result<()> {
    let port = fixed_port();
    let service = reusing(port).started()?;
    assert!(service.pid().is_some());
    service.stop()?;
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    Ok(())
}

#[test]
fn what_another_test_process_is_starting_is_waited_for() -> Result<()> {
    let port = fixed_port();
    let command = format!("exec {PROGRAM} listens_late {port} 500");
    let mut other = Holder::with(port, "reuse", &command, |_| {});
    let service = reusing(port).started()?;
    assert_eq!(other.outcome(), "held");
    assert!(service.running());
    TcpStream::connect(("127.0.0.1", port)).expect("one of both has started it");
    Ok(())
}

#[test]
fn what_takes_longer_than_its_own_timeout_is_used_all_the_same() -> Result<()> {
    let port = fixed_port();
    let command = format!("exec {PROGRAM} listens_late {port} 4000");
    let mut other = Holder::with(port, "fail", &command, |holder| {
        holder.env("MIRAKURU_LOG", "1");
    });
    other.await_word("runs with pid");
    let service = reusing(port).timeout(Duration::from_secs(2));
    let service = comes_to_an_end(|| service.started())?;
    assert_eq!(service.pid(), None, "it is the other one's");
    TcpStream::connect(("127.0.0.1", port)).expect("it answers");
    Ok(())
}

#[test]
fn processes_use_what_one_of_them_started() {
    let port = fixed_port();
    let mut first = Holder::start(port, "reuse");
    assert_eq!(first.outcome(), "held");
    let mut second = Holder::start(port, "reuse");
    assert_eq!(second.outcome(), "held");
    second.end();
    TcpStream::connect(("127.0.0.1", port)).expect("it is the first one's, and stays");
    first.end();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
