//! The expansion compiles under strict lints, without the prelude, and next to any names of the user.

#[deny(
    warnings,
    missing_docs,
    unsafe_code,
    unused,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
#[deny(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::shadow_unrelated
)]
mod lints {
    use std::error::Error;

    use mirakuru::{HttpExecutor, OutputExecutor, Signal, TcpExecutor, with_process};

    use crate::PROGRAM;

    #[with_process(tcp = [PROGRAM, "listens_late", "{port}"])]
    #[tokio::test]
    async fn asynchronous(service: &TcpExecutor) -> Result<(), Box<dyn Error>> {
        tokio::net::TcpStream::connect(service.addr()).await?;
        Ok(())
    }

    #[with_process(tcp = [PROGRAM, "listens_late", "{port}"], bind = db)]
    #[with_process(
        http = [PROGRAM, "http_service", "{port}"],
        url = "http://127.0.0.1:{port}/",
        status = 200,
        method = "GET",
        payload = { a = "b" },
        headers = { "X-A" = "b" },
        env = { DB = "{db.port}" },
        timeout = "60s",
        stop_signal = SIGINT,
        kill_signal = Signal::KILL,
        on_conflict = wait,
    )]
    #[test]
    fn unit(tcp: &TcpExecutor, http: &HttpExecutor) {
        assert_ne!(tcp.port(), http.port());
    }

    #[with_process(output = [PROGRAM, "prints", "ready"], banner = "ready", stream = stdout)]
    #[test]
    fn result(prints: &OutputExecutor) -> Result<(), Box<dyn Error>> {
        prints.stop()?;
        Ok(())
    }

    #[with_process(output = [PROGRAM, "prints", "ready"], banner = "ready")]
    #[tokio::test]
    async fn async_result(prints: &OutputExecutor) -> Result<(), Box<dyn Error>> {
        tokio::task::yield_now().await;
        prints.stop()?;
        Ok(())
    }

    #[with_process(output = [PROGRAM, "prints", "ready"], banner = "ready")]
    #[test]
    #[should_panic(expected = "the expected panic")]
    fn panics(prints: &OutputExecutor) {
        assert!(!prints.running(), "the expected panic");
    }

    /// Helps.
    #[with_process(simple = "sleep 60")]
    #[must_use]
    pub(super) fn helper() -> u8 {
        1
    }

    #[test]
    fn helped() {
        assert_eq!(helper(), 1);
    }
}

/// Bodies of one expression on one line, whose braces belong to the function.
#[deny(warnings, unused, clippy::all, clippy::pedantic)]
#[rustfmt::skip]
mod one_line {
    use std::fmt;

    use mirakuru::{SimpleExecutor, with_process};

    #[with_process(simple = "sleep 60")]
    #[test]
    fn with_a_parameter(sleep: &SimpleExecutor) { assert!(sleep.running()) }

    #[with_process(simple = "sleep 60")]
    #[test]
    fn with_a_value(sleep: &SimpleExecutor) -> mirakuru::Result<()> { sleep.stop().map(drop) }

    #[with_process(simple = "sleep 60")]
    #[test]
    fn without_a_parameter() { assert_eq!(helped().to_string(), "1") }

    #[with_process(simple = "sleep 60")]
    #[tokio::test]
    async fn asynchronous(sleep: &SimpleExecutor) { assert!(sleep.running()) }

    #[with_process(simple = "sleep 60")]
    #[tokio::test]
    async fn asynchronous_with_a_value() -> Result<(), fmt::Error> { std::future::ready(Ok(())).await }

    #[with_process(simple = "sleep 60")]
    #[test]
    #[should_panic(expected = "the expected panic")]
    fn panics(sleep: &SimpleExecutor) { assert!(!sleep.running(), "the expected panic") }

    #[with_process(simple = "sleep 60")]
    fn refuses() -> Result<(), fmt::Error> { Err(fmt::Error) }

    #[with_process(simple = "sleep 60")]
    fn helped() -> impl fmt::Display { 1 }

    #[test]
    fn refused() {
        assert_eq!(refuses(), Err(fmt::Error));
    }
}

#[no_implicit_prelude]
mod bare {
    use ::mirakuru::{OutputExecutor, TcpExecutor, with_process};
    // The expansion of tokio names its crate.
    use ::tokio;

    use crate::PROGRAM;

    #[with_process(tcp = [PROGRAM, "listens_late", "{port}"], timeout = "60s", stop_signal = SIGINT, bind = db)]
    #[with_process(output = [PROGRAM, "prints", "{db.port}"], banner = ".", on_conflict = fail)]
    #[::std::prelude::v1::test]
    fn unit(service: &TcpExecutor, _prints: &OutputExecutor) {
        ::std::assert!(service.running());
    }

    #[with_process(output = [PROGRAM, "prints", "ready"], banner = "ready")]
    #[::tokio::test]
    async fn result(prints: &OutputExecutor) -> ::mirakuru::Result<()> {
        prints.stop()?;
        ::std::result::Result::Ok(())
    }

    #[with_process(output = [PROGRAM, "prints", "ready"], banner = "ready")]
    #[::std::prelude::v1::test]
    #[should_panic = "running"]
    fn panics(prints: &OutputExecutor) {
        ::std::assert!(!prints.running());
    }
}

/// Names of the user that the library or the language has too.
#[allow(dead_code, reason = "they only shadow other names")]
mod names {
    use mirakuru::{SimpleExecutor, with_process};

    struct Some;
    struct Option;
    struct Result;
    mod core {}
    mod std {}
    struct Test;
    fn drop() {}

    #[with_process(simple = "sleep 60", timeout = "60s")]
    #[test]
    #[should_panic(expected = "the expected panic")]
    fn panics(sleep: &SimpleExecutor) {
        assert!(!sleep.running(), "the expected panic");
    }

    #[with_process(simple = "sleep 60")]
    #[test]
    fn unit(caught: &SimpleExecutor) {
        assert!(caught.running());
    }
}
