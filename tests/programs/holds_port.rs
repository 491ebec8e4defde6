//! A test process of its own that has a service on a fixed port: `holds_port PORT POLICY COMMAND`, where
//! POLICY is `fail`, `wait` or `reuse` and COMMAND is for a shell.
//!
//! Prints `held` once the service is ready, and the error where it cannot be started. It stops the
//! service and ends at the end of its standard input.

use std::{
    env,
    error::Error,
    io::{self, Read},
};

use mirakuru::{OnConflict, TcpExecutor};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let port = args.next().ok_or("PORT is missing")?.parse()?;
    let policy = match args.next().as_deref() {
        Some("fail") => OnConflict::Fail,
        Some("wait") => OnConflict::Wait,
        Some("reuse") => OnConflict::Reuse,
        _ => return Err("POLICY is fail, wait or reuse".into()),
    };
    let command = args.next().ok_or("COMMAND is missing")?;
    let executor = TcpExecutor::new(command, "127.0.0.1", port)
        .shell(true)
        .on_conflict(policy);
    match executor.start() {
        Ok(service) => {
            println!("held");
            io::stdin().read_to_end(&mut Vec::new())?;
            service.stop()?;
        }
        Err(error) => println!("{:?}\n{error}", error.kind()),
    }
    Ok(())
}
