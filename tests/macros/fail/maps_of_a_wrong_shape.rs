//! Maps are names and values in braces.

use mirakuru::with_process;

#[with_process(simple = "sleep 60", env = "A=b")]
#[with_process(simple = "sleep 60", env = { A: "b" })]
#[with_process(simple = "sleep 60", env = { "A=B" = "b" })]
#[with_process(simple = "sleep 60", env = { A = 5 })]
#[with_process(http = "service", url = "http://127.0.0.1/", payload = ["a", "b"])]
#[with_process(http = "service", url = "http://127.0.0.1/", payload = { a })]
#[with_process(http = "service", url = "http://127.0.0.1/", headers = { X = { Y = "z" } })]
#[with_process(http = "service", url = "http://127.0.0.1/", headers = { "a b" = "c" })]
#[test]
fn maps() {}

fn main() {}
