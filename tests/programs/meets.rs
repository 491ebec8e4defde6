//! Listens on a port for its peers at once, and on its own port after it has reached a peer:
//! `meets PORT PEER_PORT PEER`. Two of these services must start at the same time.
#![expect(clippy::disallowed_methods, reason = "it polls a peer that starts")]

use std::{
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let mut next = |name: &str| args.next().ok_or(format!("{name} is missing"));
    let (port, own, peer) = (next("PORT")?, next("PEER_PORT")?, next("PEER")?);
    let _for_peers = TcpListener::bind(format!("127.0.0.1:{own}"))?;
    while TcpStream::connect(format!("127.0.0.1:{peer}")).is_err() {
        thread::sleep(Duration::from_millis(5));
    }
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    println!("met {peer}");
    loop {
        drop(listener.accept());
    }
}
