//! Named ports: `{port:NAME}` is another free port of the same executor.

use std::{collections::BTreeSet, fs, net::TcpStream, time::Duration};

use mirakuru::{
    ErrorKind, Executor, HttpExecutor, OutputExecutor, PidExecutor, Result, SimpleExecutor,
    TcpExecutor, UnixSocketExecutor, readiness::Context,
};
use mirakuru_tests::error_text::error_of;

use crate::PROGRAM;

#[test]
fn named_ports_are_distinct_and_stay_the_same() -> Result<()> {
    let words = [
        "sleep",
        "60",
        "{port}",
        "{port:a}",
        "{port:a_1}",
        "{port:a}",
    ];
    let service = SimpleExecutor::new(words);
    let ports = [
        service.port(),
        service.port_named("a"),
        service.port_named("a_1"),
    ];
    assert_eq!(BTreeSet::from(ports).len(), 3, "{ports:?}");
    let words_of = || service.command_parts();
    let wanted: Vec<_> = [ports[0], ports[1], ports[2], ports[1]]
        .map(|port| port.to_string())
        .into();
    for _ in 0..2 {
        // `sleep` fails with these arguments, after it was spawned.
        let _ = service.start();
        assert_eq!(words_of()[2..], wanted);
        service.kill()?;
    }
    assert_eq!(service.port_named("a"), ports[1]);
    Ok(())
}

#[test]
fn a_named_port_can_be_in_every_text() -> Result<()> {
    let service = OutputExecutor::new(
        "sh -c 'mkdir d; cd d; echo $A {port:in_text}; exec sleep 60'",
        "^\\d",
    )
    .env("A", "{port:in_env}")
    .cwd("{tmpdir}");
    let wanted = ["in_env", "in_text"].map(|name| service.port_named(name));
    let service = service.started()?;
    assert_eq!(
        service.output().text(),
        format!("{} {}\n", wanted[0], wanted[1])
    );
    Ok(())
}

#[test]
fn a_named_port_can_be_in_every_path() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(format!("{name}-{{port:{name}}}"));
    let filled = |name: &str, port| directory.path().join(format!("{name}-{port}"));
    let socket = UnixSocketExecutor::new([PROGRAM, "binds_unix", "{socket}"], path("socket"));
    let of_socket = filled("socket", socket.port_named("socket"));
    assert_eq!(socket.socket(), of_socket);
    assert!(socket.started()?.socket().exists());

    let file = PidExecutor::new([PROGRAM, "writes_pid", "{pidfile}"], path("file")).started()?;
    let of_file = filled("file", file.port_named("file"));
    assert!(file.filename() == of_file && of_file.exists());

    let log = SimpleExecutor::new("sleep 60").log_file(path("log"));
    let log = log.timeout(Duration::from_millis(500));
    let of_log = filled("log", log.port_named("log"));
    fs::create_dir(&of_log).expect("own directory");
    log.start()?;
    let error = error_of(log.output().wait_for("never"));
    let note = format!(
        "its log file {}: it is not a regular file",
        of_log.display()
    );
    assert!(error.to_string().contains(&note), "{error}");

    let place = OutputExecutor::new("sh -c 'pwd -P; exec sleep 60'", "^/").cwd(path("cwd"));
    let of_cwd = filled("cwd", place.port_named("cwd"));
    fs::create_dir(&of_cwd).expect("own directory");
    let text = place.started()?.output().text();
    let of_cwd = of_cwd.canonicalize().expect("it exists");
    assert_eq!(text, format!("{}\n", of_cwd.display()));
    Ok(())
}

/// `127.N` is an address of the loopback interface.
#[test]
fn a_named_port_can_be_in_a_host() -> Result<()> {
    let command = [PROGRAM, "listens_late", "{port}", "0", "{host}"];
    let service = TcpExecutor::new(command, "127.{port:a}", 0);
    let host = service.host();
    assert_eq!(host, format!("127.{}", service.port_named("a")));
    assert_eq!(service.addr(), format!("{host}:{}", service.port()));
    let service = service.started()?;
    assert_eq!(service.command_parts()[4], host);
    TcpStream::connect(service.addr()).expect("it listens there");
    let command = "python3 -m http.server --bind {host} {port:b}";
    let service = HttpExecutor::new(command, "http://127.{port:a}:{port:b}/").started()?;
    let (host, port) = (service.host(), service.port_named("b"));
    assert_eq!(host, format!("127.{}", service.port_named("a")));
    assert_eq!(service.url(), format!("http://{host}:{port}/"));
    assert_eq!(service.port(), port);
    Ok(())
}

#[test]
fn a_check_can_use_a_named_port() -> Result<()> {
    let command = "sh -c '\"$0\" http_service {port:monitor} & exec \"$0\" listens_late {port}'";
    let words = shell_words_with_program(command);
    let service =
        HttpExecutor::new(words, "http://127.0.0.1:{port:monitor}/status/204").status(204);
    service.start()?;
    assert_ne!(service.port(), service.port_named("monitor"));
    let url = format!(
        "http://127.0.0.1:{}/status/204",
        service.port_named("monitor")
    );
    assert_eq!(service.url(), url);
    // The check does not use this port.
    service.output().wait_for("^listening$")?;
    TcpStream::connect(service.addr()).expect("it listens there");
    Ok(())
}

fn shell_words_with_program(command: &str) -> Vec<String> {
    let script = command.trim_start_matches("sh -c '").trim_end_matches('\'');
    ["sh", "-c", script, PROGRAM].map(str::to_owned).to_vec()
}

#[test]
fn the_only_named_port_of_a_check_is_the_port() -> Result<()> {
    let make = || HttpExecutor::new("serve", "http://127.0.0.1:{port:monitor}/");
    let service = make();
    assert_eq!(service.port(), service.port_named("monitor"));
    let service = make();
    service.prepare()?;
    assert_eq!(service.port(), service.port_named("monitor"));
    Ok(())
}

#[test]
fn a_closure_can_use_named_ports() -> Result<()> {
    let words = [PROGRAM, "listens_late", "{port:admin}"];
    let ready = |cx: &Context| TcpStream::connect(("127.0.0.1", cx.port_named("admin"))).is_ok();
    Executor::when(words, ready).started().map(drop)
}

#[test]
fn a_malformed_port_name_is_invalid() {
    for name in ["Monitor", "mon-itor", "x-1", "portY"] {
        let error = error_of(SimpleExecutor::new(["sleep", &format!("{{port:{name}}}")]).start());
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        let text = format!("{{port:{name}}} does not name a port: write lower-case letters");
        assert!(error.to_string().contains(&text), "{error}");
    }
}

#[test]
fn other_text_after_a_colon_is_kept() -> Result<()> {
    let text = "{port:3000} {port:>5} {port:a.b} {{port:x}}";
    let service = OutputExecutor::new([PROGRAM, "prints", text], "port").started()?;
    assert_eq!(
        service.output().text(),
        "{port:3000} {port:>5} {port:a.b} {port:x}\n"
    );
    Ok(())
}

#[test]
fn every_executor_has_a_port_before_its_start() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("port");
    let script = format!("cat {}; exec sleep 60", file.display());
    let output = OutputExecutor::new(["sh", "-c", &script], r"^\d+$");
    fs::write(&file, format!("{}\n", output.port())).expect("own directory");
    output.start()?;
    assert_eq!(output.output().text(), format!("{}\n", output.port()));
    assert_ne!(SimpleExecutor::new("x").port(), 0);
    assert_ne!(PidExecutor::new("x", "{pidfile}").port(), 0);
    Ok(())
}

#[test]
fn prepare_makes_ports_and_the_directory() -> Result<()> {
    let service = TcpExecutor::new("server {port:b} {tmpdir}", "127.0.0.1", 0);
    service.prepare()?;
    assert!(service.tmpdir().is_dir());
    assert_ne!(service.port(), service.port_named("b"));
    let mistaken = SimpleExecutor::new("x {nothing}");
    assert_eq!(
        error_of(mistaken.prepare()).kind(),
        ErrorKind::InvalidConfig
    );
    Ok(())
}

#[test]
fn free_ports_leave_room_for_higher_ports() {
    for _ in 0..30 {
        let port = SimpleExecutor::new("x {port}").port();
        assert!((10_000..=55_535).contains(&port), "{port}");
    }
}
