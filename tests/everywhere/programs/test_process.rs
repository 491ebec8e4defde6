//! Implements a test process: `everywhere-test-process ENDING ADDRESS [PORT]`.
//!
//! It starts a tree of services that connect to the [`Life`](mirakuru_everywhere::life::Life) at the address, and
//! prints the path of its private directory. After the end of its standard input, it ends in the way of ENDING:
//! `returns`, `panics`, `exits` or `aborts`. With a port, the service listens there.
//!
//! `in-a-run` uses a fixture of the run instead and prints its pid. `reports` runs an annotated function that panics.

use std::{
    env,
    io::{self, Read},
    process,
    sync::OnceLock,
};

use mirakuru::{AnyExecutor, OutputExecutor, Shared, TcpExecutor, with_process};
use mirakuru_everywhere::service;

static SERVICE: OnceLock<AnyExecutor> = OnceLock::new();

static OF_THE_RUN: Shared<OutputExecutor> = Shared::per_run("of the run", || {
    OutputExecutor::new(service(&[life().as_str(), "say=ready", "wait"]), "ready")
});

/// Returns the step that connects a service.
fn life() -> String {
    let address = env::args().nth(2).expect("an address");
    format!("life={address}")
}

fn main() {
    let ending = env::args().nth(1).expect("an ending");
    match ending.as_str() {
        "in-a-run" => {
            let service = OF_THE_RUN.get().expect("it starts");
            println!("pid {}", service.pid().expect("it runs"));
        }
        "reports" => reports(),
        _ => ends(&ending),
    }
}

#[with_process(executor = OutputExecutor::new(service(&["warn=no space", "say=ready", "wait"]), "ready"))]
fn reports() {
    panic!("the body's own panic");
}

fn ends(ending: &str) {
    let life = life();
    let steps = |last| service(&[&life, "tree=2", "daemon", last, "say=ready", "wait"]);
    let executor = match env::args().nth(3) {
        Some(port) => {
            let port = port.parse().expect("a port");
            TcpExecutor::new(steps("listen={port}"), "127.0.0.1", port).boxed()
        }
        None => OutputExecutor::new(steps("pid"), "ready").boxed(),
    };
    let executor = executor.started().expect("it starts");
    println!("{}", executor.tmpdir().display());
    io::stdin().read_to_end(&mut Vec::new()).expect("a pipe");
    match ending {
        // A static is never dropped.
        "returns" => SERVICE.set(executor).expect("it is set once"),
        "panics" => panic!("as asked"),
        "exits" => process::exit(3),
        "aborts" => process::abort(),
        _ => panic!("there is no ending {ending}"),
    }
}
