//! Annotated tests with several fixed ports, in both orders of the annotations.

use std::{env, process::Command};

use mirakuru::with_process;

use crate::{PROGRAM, holder::Holder, wait::two_ports};

const ORDER: &str = "ORDER_OF_FIXED_PORTS";
const PORTS: [&str; 2] = ["LOW_FIXED_PORT", "HIGH_FIXED_PORT"];

fn fixed(name: &str) -> u16 {
    let port = env::var(name).expect("the test runs itself again with it");
    port.parse().expect("a port")
}

#[with_process(tcp = [PROGRAM, "listens_late", "{port}"], port = fixed(PORTS[0]))]
#[with_process(tcp = [PROGRAM, "listens_late", "{port}"], port = fixed(PORTS[1]))]
fn up() {}

#[with_process(tcp = [PROGRAM, "listens_late", "{port}"], port = fixed(PORTS[1]))]
#[with_process(tcp = [PROGRAM, "listens_late", "{port}"], port = fixed(PORTS[0]))]
fn down() {}

/// Runs this test again, in its own process that reports each step.
fn again(order: &str, ports: [u16; 2]) -> Holder {
    let mut command = Command::new(env::current_exe().expect("this binary"));
    let test = "annotated::fixed_ports_are_leased_in_ascending_order";
    command
        .args(["--exact", test, "--nocapture"])
        .env(ORDER, order)
        .envs(PORTS.into_iter().zip(ports.map(|port| port.to_string())))
        .env("MIRAKURU_QUEUE_TIMEOUT", "60")
        .env("MIRAKURU_LOG", "1");
    Holder::of(command)
}

#[test]
fn fixed_ports_are_leased_in_ascending_order() {
    if let Some(order) = env::var_os(ORDER) {
        return if order == "up" { up() } else { down() };
    }
    let [low, high] = two_ports();
    let mut first = Holder::start(low, "wait");
    assert_eq!(first.outcome(), "held");
    let mut both = ["up", "down"].map(|order| again(order, [low, high]));
    for test in &mut both {
        test.wait_for_line(&format!("queues for port {low}"));
    }
    // While both tests wait for the lower port, neither of them holds the higher one.
    let mut other = Holder::start(high, "fail");
    assert_eq!(other.outcome(), "held");
    other.end();
    first.end();
    // Each test gets both ports at last.
    for test in both {
        let reported = test.rest();
        assert!(reported.contains("1 passed"), "{reported}");
    }
}
