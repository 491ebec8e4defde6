//! A `bool` is a literal, a constant or a parameter of the function.

use mirakuru::{SimpleExecutor, with_process};

static SLEEP: mirakuru::Shared<SimpleExecutor> =
    mirakuru::Shared::new(|| SimpleExecutor::new("sleep 60"));

#[with_process(shared = SLEEP, lock = yes)]
#[with_process(simple = "sleep 60", shell = on)]
#[with_process(simple = "sleep 60", shell = False)]
#[with_process(simple = "sleep 60", shell = 1)]
#[test]
fn words() {}

fn main() {}
