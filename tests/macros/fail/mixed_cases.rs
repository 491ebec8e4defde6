//! Either all cases of a function expect a panic, or none.

use mirakuru::with_process;

#[with_process(simple = "sleep 60")]
#[test_case::test_case(1)]
#[test_case::test_case(2 => panics)]
fn cases(number: u8) {}

#[with_process(simple = "sleep 60")]
#[rstest::rstest]
#[case(1)]
#[should_panic]
#[case::two(2)]
fn cases_of_rstest(#[case] number: u8) {}

fn main() {}
