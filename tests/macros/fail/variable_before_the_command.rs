//! Only a shell reads an assignment before the program.

use mirakuru::with_process;

#[with_process(tcp = "PATH=/usr/bin redis-server --port {port}")]
#[with_process(simple = " _LEVEL2='a b' OTHER= sleep 60", shell = false)]
#[with_process(simple = ["PORT=1", "sleep", "60"])]
#[test]
fn reported() {}

fn main() {}
