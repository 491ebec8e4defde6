//! A command must not contain a comment, unless a shell runs it.

use mirakuru::with_process;

#[with_process(tcp = "redis-server --port {port} # the cache")]
#[with_process(simple = "#!/bin/sh")]
#[with_process(simple = "paint #ff0000", exec = "true\n# always", shell = false)]
#[with_process(simple = "sleep 60 # a shell's", exec = "true #", shell = true)]
#[with_process(simple = "paint '#ff0000' a#b \\#c")]
#[with_process(simple = ["paint", "#ff0000"])]
#[test]
fn paints() {}

fn main() {}
