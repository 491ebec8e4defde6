//! A test process with services on fixed ports: `holds_port POLICY PORT COMMAND [PORT COMMAND]…`, where POLICY is
//! `fail`, `wait` or `reuse` and each COMMAND is for a shell.
//!
//! Prints `held` when a service is ready, and the error if it cannot be started. Stops its services and exits at the
//! end of its standard input.

use std::io::{self, Read};

use mirakuru::{OnConflict, TcpExecutor};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let policy = match args.next().as_deref() {
        Some("fail") => OnConflict::Fail,
        Some("wait") => OnConflict::Wait,
        Some("reuse") => OnConflict::Reuse,
        _ => return Err("POLICY is fail, wait or reuse".into()),
    };
    let mut services = Vec::new();
    while let Some(port) = args.next() {
        let command = args.next().ok_or("COMMAND is missing")?;
        let executor = TcpExecutor::new(command, "127.0.0.1", port.parse()?)
            .shell(true)
            .on_conflict(policy);
        match executor.started() {
            Ok(service) => {
                println!("held");
                services.push(service);
            }
            Err(error) => {
                println!("{:?}\n{error}", error.kind());
                break;
            }
        }
    }
    if !services.is_empty() {
        io::stdin().read_to_end(&mut Vec::new())?;
    }
    services
        .iter()
        .try_for_each(|service| service.stop().map(drop))?;
    Ok(())
}
