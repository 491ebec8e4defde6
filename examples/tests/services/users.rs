//! Tests of the users of servers: root starts a server as another user, and an ordinary user starts it as itself.

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use mirakuru::{SimpleExecutor, services};

use super::{Outcome, left};

fn owner_of(pid: u32) -> Outcome<u32> {
    Ok(fs::metadata(format!("/proc/{pid}"))?.uid())
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(
    not(all(root, has_postgres)),
    ignore = "root is needed, and PostgreSQL: apt-get install postgresql"
)]
fn root_starts_a_server_as_its_usual_user_or_another() -> Outcome {
    let own = services::postgres().started()?;
    assert_ne!(owner_of(own.pid().ok_or("the server is not running")?)?, 0);
    let other = services::postgres().user("nobody").started()?;
    let uid = owner_of(other.pid().ok_or("the server is not running")?)?;
    assert_ne!(uid, 0);
    assert_ne!(
        uid,
        owner_of(own.pid().ok_or("the server is not running")?)?
    );
    assert_eq!(
        fs::metadata(other.tmpdir().join("data/PG_VERSION"))?.uid(),
        uid
    );
    let database = other.database()?;
    drop(database);
    let directories = [own.tmpdir(), other.tmpdir()];
    own.stop()?;
    other.stop()?;
    drop((own, other));
    assert!(!directories.iter().any(|directory| directory.exists()));
    Ok(())
}

/// The tests that also run as an ordinary user.
const TESTS: [&str; 5] = [
    "postgres_server::",
    "databases::",
    "others::memcached",
    "others::nats",
    "others::etcd",
];

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(
    not(all(root, has_postgres)),
    ignore = "root is needed, and PostgreSQL: apt-get install postgresql"
)]
fn an_ordinary_user_starts_all_servers() -> Outcome {
    // The other user cannot enter the directory of the test binary, or the current directory.
    let home = tempfile::tempdir()?;
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o1777))?;
    let program = home.path().join("services");
    fs::copy(env::current_exe()?, &program)?;
    let run = SimpleExecutor::new([program.as_path()])
        .args(TESTS)
        .user("nobody")
        .cwd(home.path())
        .env("MIRAKURU_CACHE", home.path().join("cache"))
        .env("TMPDIR", home.path());
    let run = run.timeout(Duration::from_secs(300)).started()?;
    run.wait_for(|| run.exit_code() == Some(0))?;
    let printed = run.output().text();
    assert!(printed.contains("test result: ok"), "{printed}");
    assert_eq!(left(&home.path().to_string_lossy(), "mirakuru-"), [""; 0]);
    Ok(())
}
