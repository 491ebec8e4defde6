//! Tests of endings in which a server has no time to clean up.

use mirakuru::services;

use super::Outcome;

/// Returns the number of System V segments that a process has made.
#[cfg(target_os = "linux")]
fn segments_of(pid: u32) -> Outcome<usize> {
    let table = std::fs::read_to_string("/proc/sysvipc/shm")?;
    let makers = table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(4));
    Ok(makers.filter(|maker| maker.parse() == Ok(pid)).count())
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn a_killed_server_leaves_no_segment() -> Outcome {
    let postgres = services::postgres().started()?;
    let server = postgres.pid().ok_or("the server is not running")?;
    assert_eq!(segments_of(server)?, 1);
    postgres.kill()?;
    assert_eq!(segments_of(server)?, 0);
    // A kill of the supervisor also kills its server.
    postgres.start()?;
    let server = postgres.pid().ok_or("the server is not running")?;
    let status = std::fs::read_to_string(format!("/proc/{server}/status"))?;
    let supervisor = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .ok_or("no parent")?;
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-KILL", supervisor.trim()]).status()?.success());
    postgres.stop().expect_err("the supervisor was killed");
    assert_eq!(segments_of(server)?, 0);
    Ok(())
}
