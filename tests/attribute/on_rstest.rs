//! The attribute with `#[rstest]`: cases, values and fixtures.

use mirakuru::{SimpleExecutor, TcpExecutor, with_process};
use rstest::{fixture, rstest};

use crate::{
    PROGRAM,
    recorded::{counted, made},
};

#[fixture]
fn number() -> u32 {
    7
}

#[fixture]
#[once]
fn text() -> String {
    "text".to_owned()
}

#[with_process(tcp = [PROGRAM, "listens_late", "{port}"])]
#[rstest]
#[case(1, "one")]
#[case::two(2, "two")]
fn cases(service: &TcpExecutor, #[case] number: usize, #[case] word: &str) {
    assert!(service.running());
    assert_eq!(word.len(), 3, "{number}");
}

#[with_process(simple = "sleep 60")]
#[with_process(simple = "sleep 61")]
#[rstest]
fn fixtures(first: &SimpleExecutor, second: &SimpleExecutor, number: u32) {
    assert_ne!(first.command(), second.command());
    assert_eq!(number, 7);
}

#[with_process(simple = "sleep 60")]
#[rstest]
fn a_fixture_that_is_a_reference(_: &SimpleExecutor, text: &String) {
    assert_eq!(text, "text");
}

#[with_process(simple = "sleep 60")]
#[rstest]
fn values(sleep: &SimpleExecutor, #[values(1, 2)] number: u8, #[values("a", "b")] word: &str) {
    assert!(sleep.running(), "{number} {word}");
}

#[with_process(simple = "sleep 60")]
#[rstest]
#[case(1)]
#[tokio::test]
async fn async_cases(sleep: &SimpleExecutor, #[case] number: u8) -> std::io::Result<()> {
    tokio::task::yield_now().await;
    assert!(sleep.running(), "{number}");
    Ok(())
}

#[rstest]
#[with_process(executor = counted())]
fn below() {
    assert_eq!(made(), 1);
}

#[with_process(simple = "sleep 60")]
#[rstest]
#[should_panic(expected = "three")]
fn panics(sleep: &SimpleExecutor, #[values(3)] number: u8) {
    assert!(!sleep.running() || number != 3, "three");
}

#[with_process(simple = "sleep 60")]
#[rstest]
#[case(1)]
#[case::two(2)]
#[should_panic(expected = "the expected panic")]
fn all_cases_panic(sleep: &SimpleExecutor, #[case] number: u8) {
    assert!(!sleep.running(), "the expected panic: {number}");
}

#[with_process(simple = "sleep 60")]
#[rstest]
#[should_panic(expected = "this is 1")]
#[case(1)]
#[should_panic(expected = "this is 2")]
#[case::two(2)]
fn each_case_panics(sleep: &SimpleExecutor, #[case] number: u8) {
    assert!(!sleep.running(), "this is {number}");
}
