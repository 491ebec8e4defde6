//! The destinations of the three standard streams.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Seek, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use mirakuru::{ErrorKind, OutputExecutor, Result, SimpleExecutor, Stdio};
use mirakuru_tests::{bounds::comes_to_an_end, error_text::error_of};
use nix::{sys::stat::Mode, unistd::mkfifo};
use tempfile::TempDir;

use crate::rerun::{alone, is_alone};

/// A shell script that copies its input, reports the end of it, and prints to both outputs.
const COPIES: &str = "cat; echo end; echo failed >&2";

fn copying() -> SimpleExecutor {
    let copying = SimpleExecutor::new(COPIES).shell(true);
    copying.stdin(Stdio::null())
}

/// Starts the executor, waits for its end, and returns both captured outputs.
fn run(executor: &SimpleExecutor) -> Result<(String, String)> {
    executor.start()?;
    executor.wait_for(|| executor.exit_code().is_some())?;
    executor.stop()?;
    Ok((executor.output().text(), executor.err_output().text()))
}

#[test]
fn outputs_are_captured_separately_by_default() -> Result<()> {
    assert_eq!(run(&copying())?, ("end\n".into(), "failed\n".into()));
    Ok(())
}

#[test]
fn an_unusable_directory_for_captured_output_is_named() {
    if !is_alone() {
        let name = "streams::an_unusable_directory_for_captured_output_is_named";
        alone(name, "", |command| _ = command.env("TMPDIR", "/no/such"));
        return;
    }
    let error = error_of(copying().start()).to_string();
    assert!(
        error.contains("(os error 2), for a file in /no/such"),
        "{error}"
    );
}

#[test]
fn input_that_is_captured_is_null() -> Result<()> {
    assert_eq!(run(&copying().stdin(Stdio::captured()))?.0, "end\n");
    assert_eq!(run(&copying().stdin(Stdio::null()))?.0, "end\n");
    Ok(())
}

#[test]
fn input_is_read_from_a_file() -> Result<()> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(b"some input\n").expect("room");
    assert_eq!(run(&copying().stdin(file.path()))?.0, "some input\nend\n");
    let open = File::open(file.path()).expect("own file");
    assert_eq!(run(&copying().stdin(open))?.0, "some input\nend\n");
    Ok(())
}

#[test]
fn outputs_to_null_are_not_captured() -> Result<()> {
    let executor = copying().stdout(Stdio::null()).stderr(Stdio::null());
    assert_eq!(run(&executor)?, (String::new(), String::new()));
    assert_eq!(executor.output().lines().count(), 0);
    Ok(())
}

#[test]
fn outputs_are_appended_to_files() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    fs::write(path("err"), "before\n").expect("own directory");
    let executor = copying()
        .stdout(Stdio::file(path("out")))
        .stderr(path("err"));
    assert_eq!(run(&executor)?, (String::new(), String::new()));
    run(&executor)?;
    let read = |name: &str| fs::read_to_string(path(name)).expect("own directory");
    assert_eq!(read("out"), "end\nend\n");
    assert_eq!(read("err"), "before\nfailed\nfailed\n");
    Ok(())
}

#[test]
fn outputs_can_go_to_open_descriptors() -> Result<()> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    let other: OwnedFd = file.try_clone().expect("a descriptor").into();
    let same = file.try_clone().expect("a descriptor");
    run(&copying().stdout(other).stderr(same))?;
    let mut text = String::new();
    file.rewind().expect("a file");
    file.read_to_string(&mut text).expect("text");
    assert_eq!(text, "end\nfailed\n");
    Ok(())
}

#[test]
fn a_file_that_cannot_be_opened_is_reported() {
    for executor in [
        copying().stdin(Path::new("/no/such/file")),
        copying().stdout(Path::new("/no/such/file")),
    ] {
        let error = error_of(executor.start());
        assert_eq!(error.kind(), ErrorKind::Io);
        let text = error.to_string();
        assert!(
            text.contains("/no/such/file: No such file or directory"),
            "{text}"
        );
        assert!(!executor.running());
    }
}

#[test]
fn all_three_streams_can_be_inherited() -> Result<()> {
    if !is_alone() {
        let output = alone(
            "streams::all_three_streams_can_be_inherited",
            "handed through\n",
            |_| {},
        );
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(stdout.contains("handed through\nend\n"), "{stdout}");
        assert!(stderr.contains("failed\n"), "{stderr}");
        return Ok(());
    }
    let executor = copying()
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit());
    assert_eq!(run(&executor)?, (String::new(), String::new()));
    Ok(())
}

fn named_pipe(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("pipe");
    mkfifo(&path, Mode::S_IRWXU).expect("a named pipe");
    path
}

#[test]
fn input_from_a_pipe_without_a_writer_does_not_block() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let executor = copying().stdin(named_pipe(&directory));
    let reported = comes_to_an_end(move || run(&executor));
    assert_eq!(reported?, ("end\n".into(), "failed\n".into()));
    Ok(())
}

#[test]
fn output_to_a_pipe_without_a_reader_does_not_block() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = named_pipe(&directory);
    let script = "echo into the pipe; echo ready >&2; exec sleep 60";
    let executor = OutputExecutor::new(script, "^ready$").shell(true);
    let executor = executor.stdout(Stdio::file(&path));
    let service = comes_to_an_end(move || executor.started())?;
    // The service keeps the pipe open itself, so a reader that comes later gets what the service wrote.
    let mut line = String::new();
    let reader = File::open(&path).expect("own pipe");
    BufReader::new(reader).read_line(&mut line).expect("text");
    assert_eq!(line, "into the pipe\n");
    service.stop()?;
    Ok(())
}

/// Without the right to write to it, a second attempt would fail for another reason. Root needs no such right, unless it
/// gives up a capability.
#[test]
#[cfg(target_os = "linux")]
fn a_read_only_socket_as_input_is_refused_as_a_socket() {
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};

    if nix::unistd::Uid::current().is_root() && !is_alone() {
        let test = "streams::a_read_only_socket_as_input_is_refused_as_a_socket";
        crate::rerun::alone_by(&["setpriv", "--bounding-set=-dac_override"], test);
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("socket");
    let _listener = UnixListener::bind(&path).expect("own directory");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("own socket");
    let error = error_of(copying().stdin(Stdio::file(&path)).start()).to_string();
    assert!(error.contains("No such device or address"), "{error}");
}

#[test]
fn a_pipe_with_both_ends_open_is_like_any_file() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = named_pipe(&directory);
    let mut both = File::options()
        .read(true)
        .write(true)
        .open(&path)
        .expect("own pipe");
    both.write_all(b"first\nsecond\n").expect("a pipe's room");
    // The service waits when there is nothing to read, as with any pipe.
    let executor = OutputExecutor::new("cat", "^second$").stdin(path.as_path());
    let service = comes_to_an_end(move || executor.started())?;
    both.write_all(b"third\n").expect("a pipe's room");
    assert_eq!(service.output().wait_for("third")?, "third");
    assert!(service.running());
    Ok(())
}
