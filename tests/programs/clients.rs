//! Counts its clients: `clients PORT [MOST=0] [HOST=127.0.0.1] [BACKLOG=128]`.
//!
//! It prints `listening`, and `client N` for each connection that it accepts, one at a time. When the client has closed
//! the connection, it prints the text that the client sent. It exits after `MOST` clients. With a `BACKLOG`, it accepts
//! the first one after a line of standard input or its end.

use std::{
    io::{self, Read},
    net::SocketAddr,
    os::fd::AsRawFd,
};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt::ReuseAddr,
};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let port: u16 = args.next().ok_or("PORT is missing")?.parse()?;
    let most: u32 = args.next().map_or(Ok(0), |most| most.parse())?;
    let host = args.next().unwrap_or_else(|| "127.0.0.1".to_owned());
    let backlog: Option<i32> = args.next().map(|backlog| backlog.parse()).transpose()?;

    let address = SocketAddr::new(host.parse()?, port);
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let listener = socket(family, SockType::Stream, SockFlag::empty(), None)?;
    setsockopt(&listener, ReuseAddr, &true)?;
    bind(listener.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&listener, Backlog::new(backlog.unwrap_or(128))?)?;
    println!("listening");
    if backlog.is_some() {
        io::stdin().read_line(&mut String::new())?;
    }
    let listener = std::net::TcpListener::from(listener);
    for number in 1_u32.. {
        let (mut client, _) = listener.accept()?;
        println!("client {number}");
        let mut text = String::new();
        let _ = client.read_to_string(&mut text);
        println!("client {number} sent {text:?} and left");
        if number == most {
            break;
        }
    }
    Ok(())
}
