//! Attacks by services of other users on root, which starts them. A service cannot use a link or a replaced file to
//! make root change, remove, write or show a file that the service's user cannot.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use mirakuru::{OutputExecutor, PidExecutor, SimpleExecutor};
use mirakuru_tests::{error_text::error_of, hold::Hold};

use crate::{PROGRAM, TEST_PROCESS, processes::unused_user, victim::Victim};

/// The contents of root's files.
const SECRET: &str = "only root may read this\n";

/// A user, a directory in which every user may create files, and a directory of root.
struct Scene {
    hold: Hold,
    user: u32,
    program: String,
    /// The directory of root. Other users cannot list it; it contains the names that the attacks use.
    of_root: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let hold = Hold::new();
        set_mode(hold.scratch().as_ref(), 0o1777);
        let of_root = Path::new(hold.scratch()).join("of-root");
        fs::create_dir_all(of_root.join("closed")).expect("own directory");
        for name in ["pid", "log", "closed/file"] {
            let file = of_root.join(name);
            fs::write(&file, SECRET).expect("own directory");
            set_mode(&file, 0o600);
        }
        set_mode(&of_root.join("closed"), 0o500);
        set_mode(&of_root, 0o710);
        Self {
            program: hold.program_for_everyone(PROGRAM),
            hold,
            user: unused_user(),
            of_root,
        }
    }

    fn target(&self) -> &str {
        self.of_root.to_str().expect("a plain directory")
    }

    fn in_scratch(&self, name: &str) -> PathBuf {
        Path::new(self.hold.scratch()).join(name)
    }

    /// Returns a service that runs `script` in its private directory before it is ready. `$ROOT` is root's directory.
    fn service(&self, script: &str) -> OutputExecutor {
        let script = format!("cd {{tmpdir}} && {script} && echo ready && exec sleep 1000");
        OutputExecutor::new(script, "^ready$")
            .shell(true)
            .env("ROOT", self.target())
            .user(self.user)
            .cwd("/")
            .tmpdir_in(self.hold.scratch())
    }

    /// Starts a test process of root with such a service. A low limit on open files applies to the process.
    fn victim(&self, script: &str, keep: bool) -> Victim {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""]);
        if keep {
            command.env("KEEP_IN", self.hold.scratch());
        }
        self.victim_of(command, script)
    }

    /// Starts a test process of root with such a service. The program of `command` changes the process and runs the
    /// words that follow.
    fn victim_of(&self, mut command: Command, script: &str) -> Victim {
        let script = format!("cd \"$SCRATCH\" && {script} && exec \"$0\" \"$@\"");
        command
            .args([TEST_PROCESS, "victim", "local", "return"])
            .args(["sh", "-c", &script])
            .args(self.hold.command(&[&self.program, "holds"]))
            .env("SERVICE_USER", self.user.to_string())
            .env("ROOT", self.target())
            .env("TMPDIR", self.hold.scratch());
        Victim::start(&mut command)
    }

    fn end(&self, mut victim: Victim) {
        victim.go_on();
        assert_eq!(victim.wait().code(), Some(0));
        assert!(self.hold.is_free(), "a process of the tree is left");
    }

    /// Runs a script as the service's user, with these paths as `$1`, `$2` and so on.
    fn as_user(&self, script: &str, paths: &[&Path]) {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args(paths);
        let status = command.uid(self.user).gid(self.user).current_dir("/");
        assert!(status.status().expect("a shell").success(), "{script}");
    }

    #[track_caller]
    fn assert_untouched(&self) {
        let found = |name: &str| fs::metadata(self.of_root.join(name)).expect("the file exists");
        for (name, mode) in [("", 0o710), ("closed", 0o500), ("closed/file", 0o600)] {
            assert_eq!(found(name).mode() & 0o777, mode, "the mode of {name:?}");
        }
        for name in ["pid", "log", "closed/file"] {
            let text = fs::read_to_string(self.of_root.join(name));
            assert_eq!(text.expect("the file exists"), SECRET);
            assert_eq!(found(name).uid(), 0, "the owner of {name}");
        }
        let mut names: Vec<_> = fs::read_dir(&self.of_root)
            .expect("the directory exists")
            .map(|entry| entry.expect("listed").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["closed", "log", "pid"]);
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own file");
}

/// A process of the user that replaces a directory with a link again and again.
struct Attacker(Child);

impl Attacker {
    fn start(scene: &Scene, directory: &Path) -> Self {
        let mut child = Command::new(&scene.program)
            .arg("swaps")
            .args([directory, &scene.of_root])
            .uid(scene.user)
            .gid(scene.user)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a helper program");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("text");
        assert_eq!(line, "swapping\n");
        Self(child)
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Each round is one race: the attacker swaps while root removes. The variable `ROUNDS` sets the number of rounds. One
/// directory is deeper than the limit on open files, so the removal takes longer.
#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_directory_swapped_for_a_link_does_not_redirect_removal() {
    let rounds = env::var("ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    for _ in 0..rounds.unwrap_or(8) {
        let scene = Scene::new();
        let script = "mkdir -p a/closed \"$(printf 'd/%.0s' $(seq 150))\"";
        let victim = scene.victim(script, false);
        let attacker = Attacker::start(&scene, &victim.directory.join("a"));
        scene.end(victim);
        drop(attacker);
        scene.assert_untouched();
    }
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn kept_output_is_not_written_through_a_link() {
    let scene = Scene::new();
    let script = "cd / && rmdir \"$SCRATCH\" && ln -s \"$ROOT\" \"$SCRATCH\"";
    scene.end(scene.victim(script, true));
    scene.assert_untouched();
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_pid_file_is_not_removed_through_a_link() {
    let scene = Scene::new();
    let script = "mkdir {tmpdir}/d && trap 'mv {tmpdir}/d {tmpdir}/e; ln -s \"$ROOT\" {tmpdir}/d; exit 0' TERM; \
        echo $$ >{tmpdir}/d/pid; while :; do sleep 1 & wait; done";
    let service = PidExecutor::new(script, "{tmpdir}/d/pid")
        .shell(true)
        .env("ROOT", scene.target())
        .user(scene.user)
        .cwd("/")
        .tmpdir_in(scene.hold.scratch());
    service.start().expect("it writes the file");
    service.stop().expect("it ends as asked");
    assert!(service.tmpdir().join("d").is_symlink());
    scene.assert_untouched();
    drop(service);
    scene.assert_untouched();
    assert_eq!(scene.hold.left_in_scratch(), ["of-root"]);
}

/// Any user can make a hard link to a file that every user may write.
#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_hard_link_in_place_of_the_directory_keeps_its_owner() {
    let scene = Scene::new();
    let shared = scene.in_scratch("shared");
    fs::write(&shared, SECRET).expect("own directory");
    set_mode(&shared, 0o666);
    let service = SimpleExecutor::new("sleep 1000")
        .env("USES", "{tmpdir}")
        .user(scene.user)
        .cwd("/")
        .tmpdir_in(scene.hold.scratch());
    service.start().expect("it starts");
    service.stop().expect("it ends as asked");
    scene.as_user(
        "rmdir \"$1\" && ln \"$2\" \"$1\"",
        &[&service.tmpdir(), &shared],
    );
    service.start().expect("it needs no directory");
    assert_eq!(fs::metadata(&shared).expect("the file exists").uid(), 0);
    drop(service);
    assert_eq!(fs::metadata(&shared).expect("the file exists").nlink(), 1);
}

/// Asserts that the error of a failed start does not show root's file, to which `script` makes the log file lead.
fn assert_not_shown(script: &str, log_file: &str) {
    let scene = Scene::new();
    let service = scene
        .service(&format!("{script} && exit 7"))
        .log_file(log_file)
        .timeout(Duration::from_secs(20));
    let error = error_of(service.start()).to_string();
    assert!(error.contains("exited with code 7"), "{error}");
    assert!(!error.contains(SECRET.trim_end()), "{error}");
    assert!(
        error.contains("it belongs to another user (uid 0)"),
        "{error}"
    );
    drop(service);
    scene.assert_untouched();
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_log_file_that_links_to_a_file_of_root_is_not_shown() {
    assert_not_shown("ln -s \"$ROOT/log\" log", "{tmpdir}/log");
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_log_file_in_a_linked_directory_of_root_is_not_shown() {
    assert_not_shown("ln -s \"$ROOT\" logs", "{tmpdir}/logs/log");
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_log_file_of_the_services_user_is_shown() {
    let scene = Scene::new();
    let script = "mkdir logs && ln -s logs/new log && echo why >logs/new && exit 7";
    let service = scene.service(script).log_file("{tmpdir}/log");
    let error = error_of(service.start()).to_string();
    assert!(error.contains("why"), "{error}");
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn output_is_not_appended_to_a_file_of_root() {
    let scene = Scene::new();
    let home = scene.in_scratch("home");
    fs::create_dir(&home).expect("own directory");
    chown(&home, Some(scene.user), Some(scene.user)).expect("root may");
    let out = home.join("out");
    let service = SimpleExecutor::new("echo text; exec sleep 1000")
        .shell(true)
        .stdout(mirakuru::Stdio::file(&out))
        .user(scene.user)
        .cwd("/");
    for _ in 0..2 {
        service.start().expect("it starts");
        service.stop().expect("it ends as asked");
    }
    let file = scene.of_root.join("log");
    scene.as_user("rm \"$1\" && ln -s \"$2\" \"$1\"", &[&out, &file]);
    let error = error_of(service.start()).to_string();
    assert!(
        error.contains("it belongs to another user (uid 0)"),
        "{error}"
    );

    let link = home.join("link");
    scene.as_user("ln -s \"$2\" \"$1\"", &[&link, &scene.of_root]);
    let service = SimpleExecutor::new("sleep 1000")
        .stdout(mirakuru::Stdio::file(link.join("new")))
        .user(scene.user)
        .cwd("/");
    assert!(service.start().is_err());
    scene.assert_untouched();
}

/// A user may move a directory of their own, even if it contains files of root.
#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn a_directory_of_root_moved_into_the_private_one_stays() {
    let scene = Scene::new();
    let moved = scene.in_scratch("moved");
    fs::create_dir_all(moved.join("by-root")).expect("own directory");
    fs::write(moved.join("by-root/file"), SECRET).expect("own directory");
    chown(&moved, Some(scene.user), Some(scene.user)).expect("root may");
    let script = "mkdir a && mv ../moved a && touch a/file";
    let victim = scene.victim(script, false);
    let directory = victim.directory.clone();
    scene.end(victim);
    let text = fs::read_to_string(directory.join("a/moved/by-root/file"));
    assert_eq!(text.expect("the file exists"), SECRET);
    assert!(!directory.join("a/file").exists());
}

/// The user may move a directory with a mount in it, so root would unmount what the user chooses.
#[test]
#[cfg_attr(not(namespaces), ignore = "needs the right to make namespaces")]
fn a_mount_of_root_in_the_private_directory_stays() {
    let scene = Scene::new();
    let mut command = Command::new("unshare");
    command.arg("--mount");
    let victim = scene.victim_of(command, "mkdir a");
    let directory = victim.directory.join("a");
    let mut mount = victim.in_its_mounts();
    mount.args(["mount", "--bind"]);
    let status = mount.args([&scene.of_root, &directory]).status();
    assert!(status.expect("util-linux").success());
    scene.end(victim);
    // The mount has ended with its namespace.
    assert!(directory.is_dir());
    scene.assert_untouched();
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn files_that_root_made_before_the_start_are_removed() {
    let scene = Scene::new();
    let service = scene.service("mkdir own && touch own/file");
    fs::create_dir_all(service.tmpdir().join("a/b")).expect("own directory");
    fs::write(service.tmpdir().join("a/b/file"), "text").expect("own directory");
    service.start().expect("it starts");
    drop(service);
    assert_eq!(scene.hold.left_in_scratch(), ["of-root"]);
}
