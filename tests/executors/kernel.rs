//! The kernel shows which process listens, so a server meets no connection of the check.
#![cfg(target_os = "linux")]

use std::{
    fs::File,
    io::Write,
    net::{TcpListener, TcpStream},
    time::Duration,
};

use mirakuru::{
    Context, Error, ErrorKind, Executor, HttpExecutor, NotReady, Readiness, Result, TcpExecutor,
    readiness::{Http, Manner, Output, Tcp, UnixSocket},
};
use mirakuru_tests::{bounds::at_once, error_text::error_of};
use nix::{sys::stat::Mode, unistd::mkfifo};

use crate::PROGRAM;

#[test]
fn a_server_of_one_client_still_serves_the_test() -> Result<()> {
    for host in ["127.0.0.1", "localhost"] {
        let service = TcpExecutor::new([PROGRAM, "clients", "{port}", "1"], host, 0).started()?;
        let client = TcpStream::connect(service.addr()).expect("it is the only client");
        assert_eq!(service.output().wait_for("client")?, "client 1");
        assert!(service.running());
        drop(client);
        at_once(|| service.wait_for(|| service.exit_code() == Some(0)))?;
    }
    Ok(())
}

#[test]
fn a_listener_on_all_addresses_meets_no_connection() -> Result<()> {
    let own = own_address();
    for (bound, asked) in [("0.0.0.0", "127.0.0.1"), ("0.0.0.0", &*own), (&*own, &*own)] {
        let command = [PROGRAM, "clients", "{port}", "1", bound];
        let service = TcpExecutor::new(command, asked, 0).started()?;
        let _client = TcpStream::connect(service.addr()).expect("it is the only client");
        assert_eq!(service.output().wait_for("client")?, "client 1", "{asked}");
    }
    Ok(())
}

/// Returns an address of this machine outside of the loopback, or the loopback address if it is the only one.
fn own_address() -> String {
    // Connecting a UDP socket sends no packet.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    let routed = socket
        .connect("192.0.2.1:9")
        .and_then(|()| socket.local_addr());
    routed.map_or_else(
        |_| "127.0.0.1".to_owned(),
        |address| address.ip().to_string(),
    )
}

#[test]
fn a_server_that_ran_before_meets_no_connection() -> Result<()> {
    let first = TcpExecutor::new([PROGRAM, "clients", "{port}", "1"], "127.0.0.1", 0).started()?;
    let second = TcpExecutor::new("sleep 60", "127.0.0.1", first.port());
    let error = error_of(second.start());
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    let _client = TcpStream::connect(first.addr()).expect("it is the only client");
    assert_eq!(first.output().wait_for("client")?, "client 1");
    Ok(())
}

#[test]
fn a_check_takes_no_place_in_a_small_backlog() -> Result<()> {
    // The server accepts after it has read a line, and has room for one connection until then.
    let script = format!("exec {PROGRAM} clients {{port}} 0 127.0.0.1 0 < {{tmpdir}}/go");
    let service = TcpExecutor::new(script, "127.0.0.1", 0).shell(true);
    let go = service.tmpdir().join("go");
    mkfifo(&go, Mode::S_IRWXU).expect("own directory");
    // The pipe is open in both directions, so that neither side waits for the other.
    let both = File::options().read(true).write(true).open(&go);
    let mut both = both.expect("own pipe");
    service.start()?;
    let address = service.addr().parse().expect("an address");
    let client = TcpStream::connect_timeout(&address, Duration::from_secs(10));
    let client = client.expect("there is room");
    both.write_all(b"\n").expect("it reads");
    assert_eq!(service.output().wait_for("client")?, "client 1");
    drop(client);
    Ok(())
}

#[test]
fn a_request_is_the_only_connection() -> Result<()> {
    // Serves one connection at a time, and keeps each as long as the client does.
    let script = r"
import http.server, sys, time
begin = time.monotonic()
connections = 0
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def setup(self):
        global connections
        connections += 1
        super().setup()
    def do_HEAD(self):
        ready = time.monotonic() - begin > 0.5
        self.send_response(204 if ready else 503)
        self.send_header('Content-Length', '0')
        self.end_headers()
        print('request', connections, 204 if ready else 503, flush=True)
    def log_message(self, *rest): pass
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";
    let command = ["python3", "-c", script, "{port}"];
    let service = HttpExecutor::new(command, "http://127.0.0.1:{port}/");
    at_once(|| service.start().map(drop))?;
    service.output().wait_for(" 204$")?;
    let text = service.output().text();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        assert!(line.starts_with(&format!("request {number} ")), "{text}");
    }
    Ok(())
}

/// A check that passes, and reports how often its thread has waited.
struct CountsWaits(std::sync::mpsc::Sender<u32>);

impl Readiness for CountsWaits {
    fn after_start_check(&self, _cx: &Context) -> std::result::Result<(), NotReady> {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("procfs");
        let waits = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(|count| count.trim().parse().ok());
        let _ = self.0.send(waits.expect("a number"));
        Ok(())
    }
}

/// A switch to another thread at each look would take most of the processor time of a wait.
#[test]
fn no_request_is_sent_before_the_kernel_shows_a_listener() -> Result<()> {
    let script = r"
import http.server, sys, time
time.sleep(0.3)
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
";
    let (sender, waits) = std::sync::mpsc::channel();
    let check = Http::new("http://localhost:{port}/").and(CountsWaits(sender));
    let _service =
        Executor::with_readiness(["python3", "-c", script, "{port}"], check).started()?;
    let waits = waits.recv().expect("it was asked");
    // A look every 3 ms would have waited a hundred times.
    assert!(waits < 60, "{waits}");
    Ok(())
}

#[test]
fn the_address_of_localhost_is_that_of_the_listener() -> Result<()> {
    for loopback in ["127.0.0.1", "::1"] {
        if TcpListener::bind((loopback, 0)).is_err() {
            continue;
        }
        let command = [PROGRAM, "listens_late", "{port}", "100", loopback];
        let service = TcpExecutor::new(command, "localhost", 0);
        assert_eq!(service.addr(), format!("localhost:{}", service.port()));
        service.start()?;
        let address: std::net::SocketAddr = service.addr().parse().expect("an address");
        assert_eq!(
            address,
            (
                loopback.parse::<std::net::IpAddr>().expect("one"),
                service.port()
            )
                .into()
        );
        assert_eq!(service.host(), "localhost");
        assert_eq!(service.url(), format!("http://{address}"));
    }
    Ok(())
}

#[test]
fn the_error_names_the_address_on_which_the_tree_listens() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let command = [PROGRAM, "clients", "{port}", "0", "::1"];
    let check = Output::new("listening").and(Tcp::new("127.0.0.1", 0));
    let service = Executor::with_readiness(command, check).timeout(Duration::from_secs(2));
    let port = service.port();
    let error = error_of(service.start()).to_string();
    let note = format!("note:        it listens on [::1]:{port}, and not on 127.0.0.1:{port}\n");
    assert!(error.contains(&note), "{error}");
    assert!(
        error.contains("help:        give ::1 as the host"),
        "{error}"
    );
}

/// A check that passes when the closure returns `true`.
struct PassesWhen<F>(F);

impl<F: Fn(&Context) -> bool + Send + Sync + 'static> Readiness for PassesWhen<F> {
    fn after_start_check(&self, cx: &Context) -> std::result::Result<(), NotReady> {
        let passed = (self.0)(cx).then_some(());
        passed.ok_or_else(|| NotReady::new("not yet"))
    }
}

/// Returns the error of a check that passed while a process other than the main one listened. That process has ended
/// when the whole check passes.
fn error_after_the_end<R: Readiness>(listens: &str, check: R) -> Error {
    let script = format!(
        "{PROGRAM} {listens} & \
         while [ ! -e {{tmpdir}}/passed ]; do sleep 0.01; done; \
         kill $!; wait $!; touch {{tmpdir}}/ended; exec sleep 60"
    );
    let ended = PassesWhen(|cx: &Context| {
        std::fs::write(cx.tmpdir().join("passed"), "").expect("own directory");
        cx.tmpdir().join("ended").exists()
    });
    let service = Executor::with_readiness(script, check.then(ended));
    error_of(service.shell(true).timeout(Duration::from_secs(5)).start())
}

#[test]
fn a_listener_whose_process_has_ended_is_not_ready() {
    let reported = [
        error_after_the_end("clients {port}", Tcp::new("127.0.0.1", 0)),
        error_after_the_end("http_service {port}", Http::new("http://127.0.0.1:{port}/")),
        error_after_the_end("binds_unix {socket}", UnixSocket::new("{socket}")),
    ];
    for error in reported {
        assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
        let last_check = "last check:  the process that listened has ended\n";
        assert!(error.to_string().contains(last_check), "{error}");
    }
}

#[test]
fn a_listener_taken_over_by_a_daemon_is_ready() -> Result<()> {
    for (family, place) in [
        ("AF_UNIX", "'{socket}'"),
        ("AF_INET", "('127.0.0.1', {port})"),
    ] {
        let script = format!(
            "import os, socket, time\nlistener = socket.socket(socket.{family})\n\
             listener.bind({place})\nlistener.listen()\n\
             if os.fork(): os._exit(0)\ntime.sleep(60)"
        );
        let over = |cx: &Context| cx.pid().is_some_and(has_been_reaped);
        let check = Tcp::new("127.0.0.1", 0).or(UnixSocket::new("{socket}"));
        let service =
            Executor::with_readiness(["python3", "-c", &script], check.then(PassesWhen(over)));
        service.start()?;
        assert_eq!(service.exit_code(), Some(0));
    }
    Ok(())
}

/// A check that keeps its time and passes at the first question, after the process has ended.
struct PassesAfterTheEnd;

impl Readiness for PassesAfterTheEnd {
    fn after_start_check(&self, cx: &Context) -> std::result::Result<(), NotReady> {
        let pid = cx.pid().expect("it was spawned");
        while !has_been_reaped(pid) {
            std::thread::yield_now();
        }
        Ok(())
    }

    fn manner(&self, _cx: &Context) -> Manner {
        Manner::non_blocking()
    }
}

#[test]
fn a_first_answer_after_the_end_of_the_process_is_not_ready() {
    let service = Executor::with_readiness("sh -c 'exit 3'", PassesAfterTheEnd);
    let error = error_of(service.start());
    assert_eq!(error.exit_code(), Some(3), "{error}");
}

fn has_been_reaped(pid: u32) -> bool {
    !std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// A check that passes once the process has ended, even before it was reaped.
struct AtTheEnd;

impl Readiness for AtTheEnd {
    fn after_start_check(&self, cx: &Context) -> std::result::Result<(), NotReady> {
        let pid = cx.pid().expect("it was spawned");
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        match stat {
            Ok(stat) if !stat.contains(") Z ") => Err(NotReady::new("it lives")),
            _ => Ok(()),
        }
    }
}

#[test]
fn a_check_that_passes_at_the_death_is_not_ready() {
    for _ in 0..20 {
        let service = Executor::with_readiness([PROGRAM, "exits", "3", "4"], AtTheEnd);
        let error = at_once(|| error_of(service.start()));
        assert_eq!(
            (error.kind(), error.exit_code()),
            (ErrorKind::ProcessExitedWithError, Some(3))
        );
    }
}
