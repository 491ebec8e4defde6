//! The user of a service, and the limits that it runs within.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use mirakuru::{ErrorKind, OutputExecutor, Resource, Result, SimpleExecutor, Stdio};
use mirakuru_tests::error_text::error_of;
use nix::unistd::{Uid, seteuid};

use crate::{
    PROGRAM,
    rerun::{alone, alone_by, is_alone},
};

fn shown(shape: impl FnOnce(OutputExecutor) -> OutputExecutor) -> Result<String> {
    let service = shape(OutputExecutor::new(
        [PROGRAM, "shows_environment"],
        "^done$",
    ))
    .started()?;
    Ok(service.output().text())
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|shown| shown == line)
}

#[test]
fn the_umask_is_set() -> Result<()> {
    let text = shown(|service| service.umask(0o027))?;
    assert!(has_line(&text, "umask=027"), "{text}");
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn the_niceness_is_raised() -> Result<()> {
    let own = fs::read_to_string("/proc/self/stat").expect("procfs");
    let own: i32 = own
        .rsplit(") ")
        .next()
        .and_then(|fields| fields.split(' ').nth(16)?.parse().ok())
        .expect("a number");
    let text = shown(|service| service.nice(3))?;
    assert!(
        has_line(&text, &format!("nice={}", (own + 3).min(19))),
        "{text}"
    );
    Ok(())
}

#[test]
fn the_limits_are_set() -> Result<()> {
    let text = shown(|service| {
        service
            .rlimit(Resource::OpenFiles, 64, 128)
            .rlimit(Resource::Core, 0, u64::MAX)
    })?;
    assert!(has_line(&text, "nofile=64:128"), "{text}");
    Ok(())
}

#[test]
fn a_limit_is_enforced() -> Result<()> {
    let command = "ulimit -f; ulimit -c; ulimit -t; exec sleep 60";
    let service = OutputExecutor::new(command, "^77$")
        .shell(true)
        .rlimit(Resource::FileSize, 51200, 51200)
        .rlimit(Resource::Core, 0, 0)
        .rlimit(Resource::Cpu, 77, 77)
        .started()?;
    // A shell counts file sizes in blocks of 512 bytes.
    assert_eq!(service.output().text(), "100\n0\n77\n");
    Ok(())
}

#[test]
fn few_open_files_are_enough_to_start() -> Result<()> {
    // The streams that lead to `/dev/null` are open too.
    let service = OutputExecutor::new("ulimit -n; exec sleep 60", "^8$")
        .shell(true)
        .stderr(Stdio::null())
        .rlimit(Resource::OpenFiles, 8, 8)
        .started()?;
    assert!(service.running());
    Ok(())
}

/// A shell script that prints its user, and checks that the user may write where it should.
const PRINTS_USER: &str = "id -u; id -g; id -G; touch {tmpdir}/mine; echo reported; exec sleep 60";

fn printed_by(user: impl ToString) -> Result<Vec<String>> {
    let service = OutputExecutor::new(PRINTS_USER, "^reported$")
        .shell(true)
        .cwd("/")
        .user(user)
        .started()?;
    assert!(fs::exists(service.tmpdir().join("mine")).expect("root sees all"));
    let text = service.output().text();
    service.stop()?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn the_user_is_found_by_name() -> Result<()> {
    let reported = printed_by("nobody")?;
    let nobody = nix::unistd::User::from_name("nobody")
        .expect("a user database")
        .expect("every system has it");
    assert_eq!(
        reported[..2],
        [nobody.uid.to_string(), nobody.gid.to_string()]
    );
    assert!(
        !reported[2].split(' ').any(|group| group == "0"),
        "{reported:?}"
    );
    // On other systems, the service has only the user's own group.
    if cfg!(target_os = "linux") {
        let known = Command::new("id").args(["-G", "nobody"]).output();
        let known = String::from_utf8(known.expect("coreutils").stdout).expect("numbers");
        let groups =
            |text: &str| -> BTreeSet<_> { text.split_whitespace().map(str::to_owned).collect() };
        assert_eq!(groups(&reported[2]), groups(&known));
    }
    Ok(())
}

/// Other systems give a service only the user's own group.
#[cfg(target_os = "linux")]
#[test]
#[cfg_attr(
    not(namespaces),
    ignore = "needs namespaces, to mount another list of groups"
)]
fn a_service_has_all_groups_of_its_user_and_none_of_ours() -> Result<()> {
    if !is_alone() {
        let list = tempfile::NamedTempFile::new().expect("a temporary file");
        let change = "{ cat /etc/group; echo extra:x:54321:nobody; } >\"$0\" && \
            mount --bind \"$0\" /etc/group && exec setpriv --groups=12345 \"$@\"";
        let list = list.path().to_str().expect("a plain name");
        let words = ["unshare", "--mount", "sh", "-c", change, list];
        let test = "identity::a_service_has_all_groups_of_its_user_and_none_of_ours";
        alone_by(&words, test);
        return Ok(());
    }
    let reported = printed_by("nobody")?;
    let groups: Vec<_> = reported[2].split(' ').collect();
    assert!(groups.contains(&"54321"), "{groups:?}");
    assert!(!groups.contains(&"12345"), "{groups:?}");
    Ok(())
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn the_user_is_found_by_number() -> Result<()> {
    let nobody = nix::unistd::User::from_name("nobody")
        .expect("a user database")
        .expect("every system has it");
    assert_eq!(printed_by(nobody.uid.as_raw())?, printed_by("nobody")?);
    Ok(())
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_user_number_needs_no_entry_in_the_user_database() -> Result<()> {
    assert_eq!(
        printed_by(23_456_789)?,
        ["23456789", "23456789", "23456789", "reported"]
    );
    Ok(())
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn limits_beyond_the_users_rights_are_set_as_root() -> Result<()> {
    let service = OutputExecutor::new("nice; ulimit -n; exec sleep 60", "^70$")
        .shell(true)
        .cwd("/")
        .user("nobody")
        .nice(-2)
        .rlimit(Resource::OpenFiles, 70, 80)
        .started()?;
    assert_eq!(service.output().text().lines().count(), 2);
    Ok(())
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_service_of_another_user_can_reopen_output_and_be_stopped() -> Result<()> {
    let command = "echo err >/dev/stderr; echo out >/dev/stdout; exec sleep 60";
    let service = OutputExecutor::new(command, "^out$")
        .shell(true)
        .cwd("/")
        .user("nobody")
        .started()?;
    assert_eq!(service.output().text(), "out\n");
    assert_eq!(service.err_output().wait_for("")?, "err");
    assert_eq!(service.stop()?.exit_code(), Some(-15));
    Ok(())
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_link_at_the_private_directory_keeps_its_targets_owner() -> Result<()> {
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let service = SimpleExecutor::new("sleep 60").cwd("/").user("nobody");
    let directory = service.tmpdir();
    fs::remove_dir(&directory).expect("own directory");
    symlink(elsewhere.path(), &directory).expect("its place is free");

    service.start()?;
    let owner = |path: &Path| fs::symlink_metadata(path).expect("it exists").uid();
    assert_eq!(owner(elsewhere.path()), 0);
    assert_ne!(owner(&directory), 0, "the link is the user's");

    drop(service);
    assert!(
        fs::symlink_metadata(&directory).is_err(),
        "the link is left"
    );
    assert!(elsewhere.path().exists());
    Ok(())
}

/// A program that such a process runs counts as set-user-id (`AT_SECURE`), and such a program may not supervise.
#[test]
#[cfg_attr(not(root), ignore = "needs root, to give up its rights")]
fn dropped_rights_of_the_test_are_named_in_the_error() {
    if !is_alone() {
        let name = "identity::dropped_rights_of_the_test_are_named_in_the_error";
        alone(name, "", |_| {});
        return;
    }
    let service = SimpleExecutor::new("sleep 60");
    seteuid(Uid::from_raw(23_456_789)).expect("root may change its user");
    let error = error_of(service.start());
    seteuid(Uid::from_raw(0)).expect("the real user is root");
    assert!(error.to_string().contains("(`seteuid`)"), "{error}");
    service.start().expect("it has its rights again");
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_user_without_access_to_the_tests_directory_can_start() -> Result<()> {
    if !is_alone() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let closed = fs::Permissions::from_mode(0o700);
        fs::set_permissions(directory.path(), closed).expect("own directory");
        alone(
            "identity::a_user_without_access_to_the_tests_directory_can_start",
            "",
            |command| _ = command.current_dir(directory.path()),
        );
        return Ok(());
    }
    let here = std::env::current_dir().expect("the directory exists");
    let service = OutputExecutor::new("id -u; readlink /proc/self/cwd; exec sleep 60", "^/")
        .shell(true)
        .user(23_456_789)
        .started()?;
    assert_eq!(
        service.output().text(),
        format!("23456789\n{}\n", here.display())
    );
    // An explicitly configured directory must be open to the user.
    let refused = SimpleExecutor::new("sleep 60").user("nobody").cwd(&here);
    let error = error_of(refused.start());
    assert_eq!(error.kind(), ErrorKind::Spawn);
    assert!(
        error
            .to_string()
            .contains(&format!("directory {}: Permission denied", here.display())),
        "{error}"
    );
    Ok(())
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to become another user")]
fn user_if_root_applies_to_a_service_of_root() -> Result<()> {
    let text = shown(|service| service.user("root").user_if_root("nobody"))?;
    let nobody = nix::unistd::User::from_name("nobody").expect("a database of users");
    let uid = nobody.expect("every system has it").uid;
    assert!(has_line(&text, &format!("uid={uid}")), "{text}");
    Ok(())
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to become another user")]
fn user_if_root_is_ignored_without_root() -> Result<()> {
    let name = "identity::user_if_root_is_ignored_without_root";
    if !is_alone() {
        let user = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        alone_by(&user, name);
        return Ok(());
    }
    let service = OutputExecutor::new("id -u", r"^\d+$").user_if_root("there is no such user");
    assert_eq!(service.started()?.output().text(), "65534\n");
    Ok(())
}
