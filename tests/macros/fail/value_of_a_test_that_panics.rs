//! A test that expects a panic must be able to end without one, so it must return `()`.

use mirakuru::with_process;

#[with_process(simple = "sleep 60")]
#[test]
#[should_panic]
fn value() -> Result<(), String> {
    panic!("the expected panic");
}

fn main() {}
