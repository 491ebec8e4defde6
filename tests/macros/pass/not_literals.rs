//! Expressions other than literals are checked when the process starts.

use std::{panic::catch_unwind, time::Duration};

use mirakuru::with_process;

const COMMAND: &str = "redis-server 'x";
const URL: &str = "nowhere";
const BANNER: &str = "(";

#[with_process(simple = COMMAND)]
fn command() {}

#[with_process(http = concat!("service ", "{prot}"), url = "http://127.0.0.1:{port}/")]
fn placeholder() {}

#[with_process(http = "service", url = URL, status = 100 + 100)]
fn url() {}

#[with_process(output = ["service"], banner = BANNER, timeout = Duration::from_secs(10))]
fn banner() {}

fn main() {
    for helper in [command, placeholder, url, banner] {
        let payload = catch_unwind(helper).expect_err("it cannot start");
        let reported = payload.downcast_ref::<String>().expect("a message");
        assert!(reported.contains("cannot be started: the configuration is invalid"), "{reported}");
    }
}
