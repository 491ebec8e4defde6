//! The name of a ready-made server takes no value.

use mirakuru::with_process;

#[with_process(postgres = "16")]
#[test]
fn has_a_value() {}

#[with_process(redis =, bind = cache)]
#[test]
fn has_a_sign() {}

#[with_process(postgre)]
#[test]
fn is_misspelled() {}

#[with_process(nats, etcd)]
#[with_process(tcp = "server {port}", redis)]
#[test]
fn are_two() {}

#[with_process(memcached, timeout)]
#[test]
fn has_an_option_without_a_value() {}

fn main() {}
