//! Executors that start at the same time, by hand and as one fixture.

use std::net::TcpStream;

use mirakuru::{
    ErrorKind, Fixture, OutputExecutor, Result, Shared, SimpleExecutor, TcpExecutor, start_all,
    start_all_of,
};
use mirakuru_tests::told::error_of;

use crate::PROGRAM;

/// A process that becomes ready after it has reached its peer.
fn meets(name: &str, peer: &str) -> TcpExecutor {
    let peer = format!("{{{peer}.port:peer}}");
    TcpExecutor::new(
        [PROGRAM, "meets", "{port}", "{port:peer}", &peer],
        "127.0.0.1",
        0,
    )
    .name(name)
}

fn is_up(executor: &TcpExecutor) -> bool {
    executor.running() && TcpStream::connect(executor.addr()).is_ok()
}

#[test]
fn processes_that_wait_for_each_other_start() -> Result<()> {
    let (first, second) = (meets("first", "second"), meets("second", "first"));
    start_all([&first, &second])?;
    assert!(is_up(&first) && is_up(&second));
    let met = format!("met {}\n", second.port_named("peer"));
    assert_eq!(first.output().text(), met);
    Ok(())
}

#[test]
fn kinds_and_numbers_of_executors_do_not_matter() -> Result<()> {
    let pair = [meets("first", "second"), meets("second", "first")];
    let output = OutputExecutor::new([PROGRAM, "prints", "ready"], "ready");
    let several = (
        SimpleExecutor::new("sleep 60"),
        vec![SimpleExecutor::new("sleep 61")],
    );
    let fixtures: [&dyn Fixture; 3] = [&pair, &output, &several];
    start_all_of(&fixtures)?;
    assert!(pair.iter().all(is_up) && output.running());
    assert!(several.0.running() && several.1[0].running());
    Ok(())
}

#[test]
fn one_that_runs_already_stays_as_it_is() -> Result<()> {
    let first = SimpleExecutor::new("sleep 60").started()?;
    let (second, pid) = (SimpleExecutor::new("sleep 60"), first.pid());
    start_all([&first, &second])?;
    assert_eq!(first.pid(), pid);
    assert!(second.running());
    Ok(())
}

#[test]
fn all_stop_if_some_fail_and_every_failure_is_shown() {
    let fails =
        |word: &str| OutputExecutor::new([PROGRAM, "prints", "--then-exit", "1", word], "x");
    let (works, one, two) = (
        SimpleExecutor::new("sleep 60"),
        fails("no luck"),
        fails("no room"),
    );
    let error = error_of(start_all([&works, &one, &two]));
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    let text = error.to_string();
    assert!(
        text.contains("| no luck") && text.contains("| no room"),
        "{text}"
    );
    assert_eq!(
        text.matches("ended before it was ready").count(),
        2,
        "{text}"
    );
    assert!(!works.running());
}

#[test]
fn a_port_that_the_other_does_not_have_is_a_mistake() {
    let (first, second) = (
        meets("first", "second"),
        SimpleExecutor::new("sleep 60").name("second"),
    );
    let error = error_of(start_all([&first, &second]));
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error.to_string().contains(r#"second has no port "peer""#),
        "{error}"
    );
    assert!(!second.running());
}

#[test]
fn a_fixture_of_several_starts_as_one() -> Result<()> {
    static PAIR: Shared<[TcpExecutor; 2]> =
        Shared::new(|| [meets("first", "second"), meets("second", "first")]);
    let [first, second] = PAIR.get()?;
    assert!(is_up(first) && is_up(second));
    // One that has died starts again, and the other stays.
    let pid = second.pid();
    first.kill()?;
    let [first, second] = PAIR.get()?;
    assert!(is_up(first));
    assert_eq!(second.pid(), pid);
    Ok(())
}

#[test]
fn a_fixture_is_a_tuple_or_a_vec_too() -> Result<()> {
    static TUPLE: Shared<(TcpExecutor, SimpleExecutor)> = Shared::new(|| {
        let server = [PROGRAM, "listens_late", "{port}"];
        let client = SimpleExecutor::new("sleep 60").env("SERVER", "{server.addr}");
        (
            TcpExecutor::new(server, "127.0.0.1", 0).name("server"),
            client,
        )
    });
    static VEC: Shared<Vec<SimpleExecutor>> =
        Shared::new(|| (0..3).map(|_| SimpleExecutor::new("sleep 60")).collect());
    let guard = TUPLE.lock()?;
    assert!(is_up(&guard.0) && guard.1.running());
    assert!(VEC.iter().all(SimpleExecutor::running));
    Ok(())
}
