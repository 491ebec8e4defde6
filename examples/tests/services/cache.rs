//! Tests of the cache of data directories. An entry is complete or absent, whatever happens to the process that makes
//! it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;

#[cfg(target_os = "linux")]
use super::in_another_namespace;
use super::{Outcome, in_another_process};

/// The name of a test that starts a server. Other processes run it with another cache.
const TEST: &str = "postgres_server::answers_a_query_and_takes_options";

fn started(cache: &Path) -> Outcome<Child> {
    Ok(in_another_process(TEST)
        .env("MIRAKURU_CACHE", cache)
        .spawn()?)
}

/// Returns the output of the process, which must succeed.
fn finished(child: Child) -> Outcome<String> {
    let output = child.wait_with_output()?;
    let printed =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let printed = printed.concat();
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
    Ok(printed)
}

/// Returns the number of files in a directory and in the directories below it.
fn files(directory: &Path) -> usize {
    let listed = fs::read_dir(directory).into_iter().flatten().flatten();
    let counts = listed.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files(&entry.path()),
        _ => 1,
    });
    counts.sum()
}

fn entries(cache: &Path) -> Vec<String> {
    let listed = fs::read_dir(cache).into_iter().flatten().flatten();
    let directories = listed.filter(|entry| entry.path().is_dir());
    directories
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn killed_makers_leave_no_part_of_an_entry() -> Outcome {
    let home = tempfile::tempdir()?;
    let cache = home.path().join("cache");
    for round in 0..10 {
        let mut child = started(&cache)?;
        // Each round kills the process at a later moment: when the cache has this many files.
        let is_due = || files(&cache) >= 120 * round;
        while !is_due() && child.try_wait()?.is_none() {
            std::thread::yield_now();
        }
        child.kill()?;
        child.wait()?;
        let parts: Vec<_> = entries(&cache)
            .into_iter()
            .filter(|name| !name.contains(".new"))
            .collect();
        for part in parts {
            let version = cache.join(part).join("PG_VERSION");
            assert!(version.exists(), "after round {round}");
        }
    }
    finished(started(&cache)?)?;
    assert_eq!(entries(&cache).len(), 1);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn processes_that_start_together_make_one_entry() -> Outcome {
    let home = tempfile::tempdir()?;
    let children = (0..4).map(|_| started(home.path()));
    for child in children.collect::<Outcome<Vec<_>>>()? {
        finished(child)?;
    }
    assert_eq!(entries(home.path()).len(), 1);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn a_cache_that_cannot_be_used_is_reported() -> Outcome {
    let home = tempfile::tempdir()?;
    let file = home.path().join("file");
    fs::write(&file, "")?;
    let printed = finished(started(&file.join("cache"))?)?;
    assert!(printed.contains("are not cached"), "{printed}");
    // Another user could put a file into this directory.
    let open = home.path().join("open");
    fs::create_dir(&open)?;
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777))?;
    let printed = finished(started(&open)?)?;
    assert!(printed.contains("other users may write to it"), "{printed}");
    assert_eq!(entries(&open), [""; 0]);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn the_cache_can_be_off() -> Outcome {
    let mut child = in_another_process(TEST)
        .env("MIRAKURU_CACHE", "off")
        .spawn()?;
    let mut printed = String::new();
    child
        .stderr
        .take()
        .ok_or("stderr is not a pipe")?
        .read_to_string(&mut printed)?;
    assert!(!printed.contains("cached"), "{printed}");
    finished(child)?;
    let relative = in_another_process(TEST)
        .env("MIRAKURU_CACHE", "a/b")
        .output()?;
    let printed = String::from_utf8_lossy(&relative.stdout);
    assert!(
        printed.contains("MIRAKURU_CACHE must be `on`, `off` or an absolute path"),
        "{printed}"
    );
    Ok(())
}

/// Starts a server whose cache is on a file system of its own, mounted with these options. Returns the output.
#[cfg(target_os = "linux")]
fn on_its_own_file_system(options: &str) -> Outcome<String> {
    let cache = tempfile::tempdir()?;
    let script = format!(
        "mount -t tmpfs -o mode=700,{options} none \"$MIRAKURU_CACHE\" && \"$0\" --exact {TEST} 2>&1 && \
         echo left: $(ls \"$MIRAKURU_CACHE\" | grep -v lock)"
    );
    let mut command = in_another_namespace(&script);
    let output = command.env("MIRAKURU_CACHE", cache.path()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}");
    Ok(printed)
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(
    not(all(namespaces, has_postgres)),
    ignore = "the right to make namespaces is needed, and PostgreSQL: apt-get install postgresql"
)]
fn a_full_or_read_only_disk_disables_only_the_cache() -> Outcome {
    for (options, why) in [
        ("size=1m", "No space left on device"),
        ("ro", "Read-only file system"),
    ] {
        let printed = on_its_own_file_system(options)?;
        let warning = printed.lines().find(|line| line.contains("not cached"));
        let warning = warning.ok_or("no warning")?;
        assert!(warning.contains(why), "{warning}");
        assert!(printed.contains("1 passed"), "{printed}");
        assert!(printed.trim_end().ends_with("left:"), "{printed}");
    }
    Ok(())
}
