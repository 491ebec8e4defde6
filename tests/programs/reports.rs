//! Sends notifications as `sd_notify(3)` does: `reports [--then-exit] MESSAGE...` sends each message to
//! `NOTIFY_SOCKET`.
//!
//! Some messages are commands: `own-pid` sends `MAINPID=` with the own pid, `wait MS` waits, `flood N` sends a status N
//! times, and `barrier` sends a descriptor and waits until the receiver has closed it.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{
    env,
    io::{IoSlice, Read},
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    thread,
    time::Duration,
};

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let path = env::var("NOTIFY_SOCKET")?;
    let socket = UnixDatagram::unbound()?;
    let mut stays = true;
    for message in args {
        match message.split_once(' ') {
            _ if message == "--then-exit" => stays = false,
            Some(("wait", time)) => thread::sleep(Duration::from_millis(time.parse()?)),
            Some(("flood", times)) => {
                for number in 0..times.parse::<u32>()? {
                    socket.send_to(format!("STATUS={number}\nWATCHDOG=1").as_bytes(), &path)?;
                }
                println!("flooded");
            }
            _ if message == "own-pid" => {
                let text = format!("MAINPID={}", std::process::id());
                socket.send_to(text.as_bytes(), &path)?;
            }
            _ if message == "barrier" => {
                let (mut reader, writer) = std::io::pipe()?;
                let rights = [writer.as_raw_fd()];
                let rights = [ControlMessage::ScmRights(&rights)];
                let address = UnixAddr::new(path.as_str())?;
                let text = [IoSlice::new(b"BARRIER=1")];
                sendmsg(
                    socket.as_raw_fd(),
                    &text,
                    &rights,
                    MsgFlags::empty(),
                    Some(&address),
                )?;
                drop(writer);
                reader.read_to_end(&mut Vec::new())?;
                println!("the barrier is open");
            }
            _ => {
                socket.send_to(message.as_bytes(), &path)?;
                println!("sent {message}");
            }
        }
    }
    if !stays {
        return Ok(());
    }
    loop {
        thread::park();
    }
}
