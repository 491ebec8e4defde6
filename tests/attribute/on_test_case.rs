//! The attribute with `#[test_case]`, which fills the last parameters.

use mirakuru::{OutputExecutor, SimpleExecutor, with_process};
use test_case::test_case;

#[with_process(simple = "sleep 60")]
#[test_case(1, "one")]
#[test_case(2, "two"; "the second")]
fn arguments(sleep: &SimpleExecutor, number: u8, word: &str) {
    assert!(sleep.running());
    assert_eq!(word.len(), 3, "{number}");
}

#[with_process(simple = "sleep 60")]
#[test_case(2 => 4)]
#[test_case(3 => 9; "another square")]
fn value(sleep: &SimpleExecutor, number: u32) -> u32 {
    assert!(sleep.running());
    number * number
}

#[with_process(simple = "sleep 60")]
#[test_case("a" => panics "no number"; "a letter")]
fn panics(sleep: &SimpleExecutor, word: &str) {
    assert!(sleep.running());
    word.parse::<u8>().expect("no number");
}

#[with_process(simple = "sleep 60")]
#[test_case(&[1, 2])]
fn references(sleep: &SimpleExecutor, numbers: &[u8]) {
    assert!(sleep.running());
    assert_eq!(numbers.len(), 2);
}

/// A comma within an argument does not begin another argument.
#[with_process(simple = "sleep 60")]
#[test_case(Vec::<(u8, u8)>::new(), |a: u8, b: u8| a >= b; "commas")]
#[test_case(std::collections::HashMap::<u8, u8>::new().into_iter().collect(), |a: u8, b: u8| a == b; "more commas")]
fn commas(sleep: &SimpleExecutor, pairs: Vec<(u8, u8)>, compare: fn(u8, u8) -> bool) {
    assert!(sleep.running());
    assert!(pairs.is_empty() && compare(1, 1));
}

#[with_process(output = "echo $0", banner = ".", shell = by_a_shell)]
#[test_case(false, "$0\n")]
#[test_case(true, "/bin/sh\n")]
fn an_option_from_an_argument(echo: &OutputExecutor, by_a_shell: bool, printed: &str) {
    assert_eq!(echo.output().text(), printed);
}

#[with_process(simple = "sleep 60")]
#[test_case(1)]
#[tokio::test]
async fn asynchronous(sleep: &SimpleExecutor, number: u8) {
    tokio::task::yield_now().await;
    assert!(sleep.running(), "{number}");
}

/// The harness may expect an `Err`, so the harness decides whether the test fails.
#[with_process(simple = "sleep 60")]
#[test_case("1" => Ok(1); "a number")]
#[test_case("a" => Err("no number"); "a letter that is none")]
fn results(_sleep: &SimpleExecutor, word: &str) -> Result<u8, &'static str> {
    word.parse().map_err(|_| "no number")
}
