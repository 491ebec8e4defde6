//! Mosquitto, an MQTT broker. Subscribers receive the messages that a client publishes.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

use mirakuru::services;

/// A packet of MQTT 3.1.1 that opens a clean session. The next two subscribe to a topic and publish a message.
const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";
const SUBSCRIBE: &[u8] = b"\x82\x0e\x00\x01\x00\x09greetings\x00";
const PUBLISH: &[u8] = b"\x30\x10\x00\x09greetingshello";

fn read<const N: usize>(stream: &mut TcpStream) -> std::io::Result<[u8; N]> {
    let mut packet = [0; N];
    stream.read_exact(&mut packet).map(|()| packet)
}

#[test]
#[cfg_attr(
    not(has_mosquitto),
    ignore = "mosquitto is not in PATH: apt-get install mosquitto"
)]
fn delivers_a_message() -> Result<(), Box<dyn Error>> {
    let mosquitto = services::mosquitto().started()?;
    let mut stream = TcpStream::connect(mosquitto.addr())?;
    stream.write_all(CONNECT)?;
    assert_eq!(
        read(&mut stream)?,
        *b"\x20\x02\x00\x00",
        "the broker refused the session"
    );
    stream.write_all(SUBSCRIBE)?;
    assert_eq!(
        read(&mut stream)?,
        *b"\x90\x03\x00\x01\x00",
        "the broker refused the subscription"
    );
    stream.write_all(PUBLISH)?;
    assert_eq!(read::<18>(&mut stream)?, *PUBLISH);
    Ok(())
}
