//! A method is no test.

use mirakuru::with_process;

struct Service;

impl Service {
    #[with_process(simple = "sleep 60")]
    fn method(&self) {}
}

fn main() {}
