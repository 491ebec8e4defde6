//! The attribute with `#[tokio::test]`, in both flavours.

use std::{
    error::Error,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use mirakuru::{HttpExecutor, SimpleExecutor, TcpExecutor, with_process};
use tokio::net::TcpStream;

use crate::{
    PROGRAM,
    bodies::panic_of,
    recorded::{Notes, counted, made, note, notes},
};

#[with_process(tcp = [PROGRAM, "listens_late", "{port}"])]
#[tokio::test]
async fn one_thread(service: &TcpExecutor) -> std::io::Result<()> {
    TcpStream::connect(service.addr()).await?;
    Ok(())
}

#[with_process(tcp = [PROGRAM, "listens_late", "{port}"])]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_threads(service: &TcpExecutor) -> Result<(), Box<dyn Error>> {
    let addr = service.addr();
    tokio::spawn(async move { TcpStream::connect(addr).await.map(drop) }).await??;
    Ok(())
}

#[with_process(simple = "sleep 60")]
#[tokio::test]
async fn values_are_coerced(sleep: &SimpleExecutor) -> Result<(), Box<dyn Error>> {
    if !sleep.running() {
        return Err(Box::new(std::fmt::Error));
    }
    assert_eq!(coerced().await, Some(&b"ab"[..]));
    Ok(())
}

#[with_process(simple = "sleep 60")]
async fn coerced() -> Option<&'static [u8]> {
    tokio::task::yield_now().await;
    Some(b"ab")
}

#[with_process(http = [PROGRAM, "http_service", "{port}"], url = "http://127.0.0.1:{port}/")]
#[tokio::test]
async fn http_in_one_thread(service: &HttpExecutor) {
    assert!(service.running());
}

#[with_process(http = [PROGRAM, "http_service", "{port}"], url = "http://127.0.0.1:{port}/")]
#[tokio::test(flavor = "multi_thread")]
async fn http_in_several_threads(service: &HttpExecutor) {
    assert!(service.running());
}

#[tokio::test]
#[with_process(executor = counted())]
#[with_process(executor = counted())]
async fn below() {
    tokio::task::yield_now().await;
    assert_eq!(made(), 2);
}

async fn made_later() -> SimpleExecutor {
    tokio::task::yield_now().await;
    counted()
}

#[tokio::test]
#[with_process(executor = counted())]
#[should_panic(expected = "the expected panic")]
async fn panics_below() {
    tokio::task::yield_now().await;
    assert_ne!(made(), 1, "the expected panic");
}

#[with_process(executor = made_later().await)]
#[tokio::test]
async fn made_by_an_async_expression(sleep: &SimpleExecutor) {
    assert!(sleep.running());
}

#[with_process(executor = made_later().await)]
#[tokio::test]
#[should_panic(expected = "the expected panic")]
async fn panics(sleep: &SimpleExecutor) {
    tokio::task::yield_now().await;
    assert!(!sleep.running(), "the expected panic");
}

#[with_process(executor = notes("first"))]
#[with_process(executor = notes("second"))]
async fn panics_after_a_while() {
    tokio::task::yield_now().await;
    note("body");
    panic!("the expected panic");
}

#[test]
fn processes_stop_in_reverse_after_a_panic() {
    let all = Notes::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let reported = panic_of(|| runtime.block_on(panics_after_a_while()));
    assert_eq!(reported, "the expected panic");
    assert_eq!(all.text(), "first+, second+, body, second-, first-");
}

#[with_process(executor = notes("first"))]
#[with_process(executor = notes("second"))]
async fn never_ends() {
    note("body");
    std::future::pending::<()>().await;
}

#[test]
fn processes_stop_in_reverse_if_the_future_is_dropped() {
    let all = Notes::new();
    {
        let mut test = pin!(never_ends());
        let polled = test.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Pending);
        assert_eq!(all.text(), "first+, second+, body");
    }
    assert_eq!(all.text(), "first+, second+, body, second-, first-");
}

#[with_process(simple = "sleep 60")]
async fn gives_a_value() -> Result<u8, Box<dyn Error + Send + Sync>> {
    tokio::task::yield_now().await;
    Ok("1".parse()?)
}

/// The expanded future is `Send`.
#[tokio::test(flavor = "multi_thread")]
async fn the_future_can_run_as_a_task() -> Result<(), Box<dyn Error + Send + Sync>> {
    assert_eq!(tokio::spawn(gives_a_value()).await??, 1);
    Ok(())
}
