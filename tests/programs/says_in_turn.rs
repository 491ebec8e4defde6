//! Sends one ANSWER to each client, in turn, and the last one to all further clients: `says_in_turn PORT ANSWER...`.
//!
//! `%HH` in an answer is a byte. The service prints `client` for each client before it answers. It keeps the connection
//! open until the client has closed its end.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let port: u16 = args.next().ok_or("PORT is missing")?.parse()?;
    let answers: Vec<_> = args.map(|answer| decoded(&answer)).collect();
    let last = answers.last().ok_or("ANSWER is missing")?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for answer in answers.iter().chain(std::iter::repeat(last)) {
        let (client, _) = listener.accept()?;
        println!("client");
        let answer = answer.clone();
        thread::spawn(move || drop(serve(client, &answer)));
    }
    Ok(())
}

fn serve(mut client: TcpStream, answer: &[u8]) -> io::Result<()> {
    client.write_all(answer)?;
    client.read_to_end(&mut Vec::new()).map(drop)
}

fn decoded(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(code, 16).expect("two digits"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}
