//! memcached as a ready-made service.

use std::error::Error;

use mirakuru::services;

#[test]
#[cfg_attr(
    not(has_memcached),
    ignore = "memcached is not in PATH: apt-get install memcached"
)]
fn keeps_a_value() -> Result<(), Box<dyn Error>> {
    let memcached = services::memcached().started()?;

    let client = memcache::connect(memcached.url())?;
    client.set("answer", 42, 0)?;
    assert_eq!(client.get::<i32>("answer")?, Some(42));
    Ok(())
} // The server is stopped here.
