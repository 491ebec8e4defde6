//! The values of options for checks and standard input.

use mirakuru::with_process;

#[with_process(output = "server", banner = "ready", times = 0, stream = files)]
#[with_process(output = "server", banner = "ready", times = "2")]
#[with_process(simple = "server", exec = "", stdin = "null")]
#[with_process(simple = "server", exec = "A=b is_ready", stdin = nul, log_file = 3)]
#[with_process(simple = "server", exec = "A=b is_ready", shell = true)]
#[with_process(notify = "server", banner = "ready")]
#[test]
fn values() {}

fn main() {}
