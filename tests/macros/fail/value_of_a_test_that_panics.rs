//! A test that is to panic has to be able to end without one, so it returns nothing.

use mirakuru::with_process;

#[with_process(simple = "sleep 60")]
#[test]
#[should_panic]
fn value() -> Result<(), String> {
    panic!("as it has to");
}

fn main() {}
