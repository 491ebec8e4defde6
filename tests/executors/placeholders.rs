//! Placeholders: their values, and the options that accept them.

use std::{fs, net::TcpStream};

use mirakuru::{
    Executor, HttpExecutor, OutputExecutor, PidExecutor, Result, SimpleExecutor, TcpExecutor,
    UnixSocketExecutor, readiness::Context,
};

use crate::PROGRAM;

fn shown(executor: &OutputExecutor, line: &str) -> bool {
    executor.output().text().lines().any(|shown| shown == line)
}

#[test]
fn placeholders_are_replaced_in_the_command() -> Result<()> {
    let command = [
        PROGRAM,
        "shows_environment",
        "{host}:{port}",
        "{tmpdir}/x",
        "--s={socket}",
        "{pidfile}",
    ];
    let service = OutputExecutor::new(command, "^done$").started()?;
    let (port, tmpdir) = (service.port(), service.tmpdir());
    let (socket, pidfile) = (service.socket(), service.filename());
    assert!(socket.starts_with(&tmpdir) && pidfile.starts_with(&tmpdir));
    let words = [
        format!("127.0.0.1:{port}"),
        format!("{}/x", tmpdir.display()),
        format!("--s={}", socket.display()),
        pidfile.display().to_string(),
    ];
    assert!(
        shown(&service, &format!("args={words:?}")),
        "{}",
        service.output().text()
    );
    assert_eq!(service.command_parts()[2..], words);
    Ok(())
}

#[test]
fn placeholders_are_replaced_in_environment_and_directory() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "shows_environment", "URL", "NAME"], "^done$")
        .env("URL", "tcp://{host}:{port}{socket}")
        .envs([("NAME", "{tmpdir}")])
        .cwd("{tmpdir}");
    let tmpdir = service.tmpdir();
    service.start()?;
    let (port, socket) = (service.port(), service.socket());
    assert_ne!(port, 0);
    assert!(shown(
        &service,
        &format!("URL=tcp://127.0.0.1:{port}{}", socket.display())
    ));
    assert!(shown(&service, &format!("NAME={}", tmpdir.display())));
    let cwd = tmpdir.canonicalize().expect("it exists");
    assert!(shown(&service, &format!("cwd={}", cwd.display())));
    Ok(())
}

#[test]
fn placeholders_are_replaced_in_a_shell_script() -> Result<()> {
    let script = "echo ${HOME:+home} {1..3} {port}; exec sleep 60";
    let service = OutputExecutor::new(script, "^home").shell(true).started()?;
    let text = service.output().text();
    assert!(text.ends_with(&format!(" {}\n", service.port())), "{text}");
    Ok(())
}

#[test]
fn placeholders_are_replaced_in_a_url() -> Result<()> {
    let url = "http://{host}:{port}/status/204?at={port}";
    let service = HttpExecutor::new([PROGRAM, "http_service", "{port}"], url).started()?;
    let port = service.port();
    let filled = format!("http://127.0.0.1:{port}/status/204?at={port}");
    assert_eq!(service.url(), filled);
    let asked = service.output().wait_for("HEAD")?;
    assert_eq!(asked, format!("HEAD /status/204?at={port} "));
    Ok(())
}

#[test]
fn placeholders_are_replaced_in_the_paths_of_checks() -> Result<()> {
    let service =
        UnixSocketExecutor::new([PROGRAM, "binds_unix", "{socket}"], "{tmpdir}/s").started()?;
    assert_eq!(service.socket(), service.tmpdir().join("s"));
    let service =
        PidExecutor::new([PROGRAM, "writes_pid", "{pidfile}"], "{tmpdir}/of-{port}").started()?;
    let name = format!("of-{}", service.port());
    assert_eq!(service.filename(), service.tmpdir().join(name));
    assert!(service.filename().exists());
    Ok(())
}

#[test]
fn placeholders_have_the_values_of_the_check() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("given");
    let service = PidExecutor::new([PROGRAM, "writes_pid", "{pidfile}"], &path).started()?;
    assert_eq!(service.filename(), path);
    // The lease on the port ends with its executor.
    let port = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0).port();
    let command = [PROGRAM, "listens_late", "{port}", "0", "{host}"];
    let service = TcpExecutor::new(command, "localhost", port).started()?;
    assert_eq!(
        service.command_parts()[2..],
        [&*port.to_string(), "0", "localhost"]
    );
    Ok(())
}

#[test]
fn host_and_port_are_those_of_a_full_url() -> Result<()> {
    let port = SimpleExecutor::new("x {port}").port();
    let url = format!("http://127.0.0.1:{port}/");
    let service = HttpExecutor::new([PROGRAM, "http_service", "{port}"], url).started()?;
    assert_eq!(
        (service.host(), service.port()),
        ("127.0.0.1".to_owned(), port)
    );
    Ok(())
}

#[test]
fn host_and_port_are_those_that_the_client_requests() -> Result<()> {
    for (before, path) in [
        ("HTTP://127.1:0", "/"),
        ("http://%31%32%37.0.0.1:", "\\@other:81/"),
        (" http://u:81@0x7f.1:000", "#:81"),
    ] {
        let free = format!("{before}{{port}}{path}");
        let service = HttpExecutor::new([PROGRAM, "http_service", "{port}"], free).started()?;
        assert_eq!(service.host(), "127.0.0.1", "{before}");
        let port = service.port();
        service.output().wait_for("^HEAD /")?;
        service.stop()?;
        let fixed = HttpExecutor::new("x", format!("{before}{port}{path}"));
        assert_eq!(fixed.addr(), format!("127.0.0.1:{port}"));
    }
    Ok(())
}

#[test]
fn an_open_host_is_the_default() -> Result<()> {
    let service = TcpExecutor::new(
        [PROGRAM, "listens_late", "{port}", "0", "{host}"],
        "{host}",
        0,
    );
    let address = format!("127.0.0.1:{}", service.port());
    assert_eq!(
        (service.host(), service.addr()),
        ("127.0.0.1".into(), address)
    );
    service.start()?;
    TcpStream::connect(service.addr()).expect("it listens there");
    Ok(())
}

#[test]
fn every_other_brace_is_kept() -> Result<()> {
    let words = [
        "{{port}}",
        "${HOME}",
        "${port}",
        "{1..9}",
        r#"{"a": {"b": 1}}"#,
        "{{.ID}}",
        "{}",
        "{Port}",
        "{a b}",
    ];
    let command = [&[PROGRAM, "shows_environment"], &words[..]].concat();
    let service = OutputExecutor::new(command, "^done$").started()?;
    let mut expected = words;
    expected[0] = "{port}";
    assert!(
        shown(&service, &format!("args={expected:?}")),
        "{}",
        service.output().text()
    );
    assert_ne!(service.port(), 0, "every executor has a port");
    Ok(())
}

#[test]
fn settings_can_be_written_before_the_start() -> Result<()> {
    let command = "cat {tmpdir}/settings; exec sleep 60";
    let service = OutputExecutor::new(command, "^port")
        .shell(true)
        .env("PORT", "{port}");
    let settings = format!("port {}\n", service.port());
    fs::write(service.tmpdir().join("settings"), &settings).expect("own directory");
    assert_eq!(service.start()?.output().text(), settings);
    Ok(())
}

#[test]
fn each_private_directory_is_private_and_unique() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let (one, two) = (
        SimpleExecutor::new("sleep 60"),
        SimpleExecutor::new("sleep 60"),
    );
    assert_ne!(one.tmpdir(), two.tmpdir());
    assert_eq!(one.tmpdir(), one.start()?.tmpdir());
    let mode = fs::metadata(one.tmpdir())
        .expect("it exists")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    Ok(())
}

#[test]
fn a_closure_receives_the_free_port() -> Result<()> {
    let ready = |cx: &Context| TcpStream::connect((cx.host(), cx.port())).is_ok();
    Executor::when([PROGRAM, "listens_late", "{port}", "100"], ready).start()?;
    Ok(())
}
