//! Async tests: both flavours of tokio's runtime, and each way in which a check runs. No client of a check panics,
//! although some clients must not be used in a runtime.

use std::net::TcpStream;

use mirakuru::{Executor, HttpExecutor, OutputExecutor, Result, TcpExecutor, readiness::Context};

use crate::PROGRAM;

/// Runs the life of services whose checks run on a separate thread, on this one, and at each line of output.
fn live() -> Result<()> {
    let url = "http://127.0.0.1:{port}/";
    let service = HttpExecutor::new([PROGRAM, "http_service", "{port}", "3"], url).started()?;
    TcpStream::connect(service.addr()).expect("it is ready");
    service.restart()?.stop()?;
    let service =
        TcpExecutor::new([PROGRAM, "listens_late", "{port}", "50"], "127.0.0.1", 0).started()?;
    drop(service.stopped()?);
    service.wait_for(|| true)?;
    let service = OutputExecutor::new([PROGRAM, "prints", "ready", "more"], "ready").started()?;
    assert_eq!(service.output().wait_for("more")?, "more");
    Executor::when([PROGRAM, "prints", "up"], |cx: &Context| cx.pid().is_some())
        .start()?
        .kill()?;
    // The drop in the runtime stops the other services.
    Ok(())
}

#[tokio::test]
async fn services_run_in_a_runtime_of_one_thread() -> Result<()> {
    live()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_run_in_a_runtime_of_many_threads() -> Result<()> {
    live()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_run_in_a_task_and_across_an_await() -> Result<()> {
    let url = "http://127.0.0.1:{port}/";
    let executor = HttpExecutor::new([PROGRAM, "http_service", "{port}"], url);
    let task = tokio::spawn(async move { executor.started() });
    let service = task.await.expect("no panic")?;
    tokio::task::yield_now().await;
    assert!(service.running());
    tokio::task::spawn_blocking(move || service.stop().map(drop))
        .await
        .expect("no panic")
}
