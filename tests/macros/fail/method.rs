//! The attribute cannot be used on a method.

use mirakuru::with_process;

struct Service(u8);

impl Service {
    #[with_process(simple = "sleep 60")]
    fn method(&self) -> u8 {
        self.0
    }
}

fn main() {}
