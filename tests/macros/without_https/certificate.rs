//! An option of a feature that is not enabled.

use mirakuru::with_process;

#[with_process(http = "server", url = "https://localhost:{port}/", certificate = "own.pem")]
#[with_process(tcp = "server {port}", certificate = "own.pem")]
#[test]
fn asks() {}

fn main() {}
