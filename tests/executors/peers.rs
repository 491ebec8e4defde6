//! Unusual peers: servers that never answer, the other loopback, connections to oneself.

use std::{
    fs,
    net::{Ipv6Addr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mirakuru::{
    Context, ErrorKind, Executor, HttpExecutor, NotReady, Readiness, Result, TcpExecutor,
    readiness::{Http, Tcp},
};
use mirakuru_tests::{bounds::at_once, error_text::error_of, hold::Hold};

use crate::{
    PROGRAM,
    rerun::{alone_by, is_alone},
};

#[test]
fn a_server_that_never_answers_fails_http_at_the_deadline() {
    let hold = Hold::new();
    let command = hold.command(&[PROGRAM, "blackhole", "{port}"]);
    let executor =
        HttpExecutor::new(command, "http://127.0.0.1:{port}/").timeout(Duration::from_secs(3));
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert!(hold.is_free());
    assert!(
        error.to_string().contains("listening"),
        "it listened: {error}"
    );
}

#[test]
fn a_server_that_never_answers_is_ready_for_tcp() -> Result<()> {
    TcpExecutor::new([PROGRAM, "blackhole", "{port}"], "127.0.0.1", 0).start()?;
    Ok(())
}

#[test]
fn an_unrouted_address_fails_at_the_deadline() {
    // The addresses for documentation (RFC 5737) are never routed.
    let executor =
        TcpExecutor::new([PROGRAM, "prints", "up"], "192.0.2.1", 9).timeout(Duration::from_secs(2));
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
}

/// A script that makes a network with an interface that drops every packet.
const DROPS_PACKETS: &str = "ip link add drops type veth peer name other && ip link set other up \
    && ip address add 10.9.9.1/24 dev drops && ip link set drops up arp off && exec \"$@\"";

#[test]
#[cfg_attr(not(namespaces), ignore = "needs namespaces, to make another network")]
fn an_address_that_drops_packets_is_named() {
    if !is_alone() {
        let words = ["unshare", "--net", "sh", "-c", DROPS_PACKETS, "sh"];
        alone_by(&words, "peers::an_address_that_drops_packets_is_named");
        return;
    }
    let short = Duration::from_secs(2);
    let command = [PROGRAM, "prints", "up"];
    let tcp = TcpExecutor::new(command, "10.9.9.2", 9).timeout(short);
    let http = HttpExecutor::new(command, "http://10.9.9.2:9/").timeout(short);
    for (error, reported) in [
        (error_of(tcp.start()), "10.9.9.2:9 did not answer"),
        (error_of(http.start()), "10.9.9.2:9 did not answer in time"),
    ] {
        assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
        let text = error.to_string();
        let parts = [
            "waited for:  ",
            &*format!("last check:  {reported}\n"),
            "process:     was running",
        ];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn a_host_without_an_address_fails_at_the_deadline() {
    let executor = TcpExecutor::new([PROGRAM, "prints", "up"], "no-such-host.invalid", 9);
    let error = at_once(|| error_of(executor.timeout(Duration::from_secs(2)).start()));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
}

/// Returns whether this machine has IPv6. Without it there is nothing to test.
fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn localhost_is_both_loopbacks() -> Result<()> {
    for loopback in ["127.0.0.1", "::1"] {
        if loopback == "::1" && !has_ipv6() {
            continue;
        }
        let command = [PROGRAM, "listens_late", "{port}", "100", loopback];
        let service = TcpExecutor::new(command, "localhost", 0).started()?;
        TcpStream::connect((loopback, service.port())).expect("it listens there");
        let address: std::net::SocketAddr = service.addr().parse().expect("the one that answered");
        assert_eq!(address.ip().to_string(), loopback);
    }
    Ok(())
}

#[test]
fn an_ipv6_address_is_a_host_like_any_other() -> Result<()> {
    if !has_ipv6() {
        return Ok(());
    }
    for host in ["::1", "[::1]"] {
        let service = TcpExecutor::new([PROGRAM, "listens_late", "{port}", "100", "::1"], host, 0)
            .started()?;
        TcpStream::connect(service.addr()).expect("it listens there");
    }
    Ok(())
}

#[test]
fn a_service_on_all_addresses_is_found() -> Result<()> {
    let command = [PROGRAM, "listens_late", "{port}", "100", "0.0.0.0"];
    for host in ["127.0.0.1", "localhost", "0.0.0.0"] {
        TcpExecutor::new(command, host, 0).start()?;
    }
    if has_ipv6() {
        let command = [PROGRAM, "listens_late", "{port}", "100", "::"];
        for host in ["127.0.0.1", "::1", "localhost"] {
            TcpExecutor::new(command, host, 0).start()?;
        }
    }
    Ok(())
}

/// A check that begins to serve on the other loopback at its first call after the start, as a service with IPv6 alone
/// would.
struct OnTheOtherLoopback {
    check: Http,
    listener: Mutex<Option<TcpListener>>,
}

impl Readiness for OnTheOtherLoopback {
    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        let mut listener = self.listener.lock().expect("no panic");
        if listener.is_none() {
            let listening = TcpListener::bind((Ipv6Addr::LOCALHOST, cx.port()))?;
            let answering = listening.try_clone()?;
            std::thread::spawn(move || {
                for connection in answering.incoming().flatten() {
                    use std::io::{Read, Write};
                    let mut request = [0; 1024];
                    let asked = (&connection).read(&mut request).is_ok_and(|len| len > 0);
                    let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
                    if asked && (&connection).write_all(answer.as_bytes()).is_ok() {
                        break;
                    }
                }
            });
            *listener = Some(listening);
        }
        self.check.after_start_check(cx)
    }

    fn target(&self) -> mirakuru::readiness::Target {
        self.check.target()
    }
}

#[test]
fn localhost_in_a_url_is_both_loopbacks() -> Result<()> {
    if !has_ipv6() {
        return Ok(());
    }
    let check = OnTheOtherLoopback {
        check: Http::new("http://localhost:{port}/").any_listener(),
        listener: Mutex::default(),
    };
    let executor = Executor::with_readiness([PROGRAM, "prints", "{port}"], check);
    executor.timeout(Duration::from_secs(5)).start()?;
    Ok(())
}

/// Returns a port that the kernel may give to connections, and that no process listens on. The kernel gives ports with
/// the parity of the range's first port to connections, and the others to binds of port 0.
#[cfg(target_os = "linux")]
fn port_for_connections() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("procfs");
    let mut bounds = range
        .split_whitespace()
        .map(|port| port.parse().expect("a port"));
    let (first, last): (u16, u16) = (
        bounds.next().expect("the first"),
        bounds.next().expect("the last"),
    );
    let middle = first + (last - first) / 4 * 2;
    (middle..last)
        .step_by(2)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// The kernel may assign a connection to a port of its ephemeral range that same port as the local one. The
/// connection is then connected to itself. This happens once in some ten thousand tries.
#[test]
#[cfg(target_os = "linux")]
fn a_connection_to_oneself_is_not_readiness() {
    const TRIES: usize = 150_000;
    let port = port_for_connections();
    let passed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&passed);
    let ready = move |cx: &Context| {
        let check = Tcp::new("127.0.0.1", port);
        let found = (0..TRIES).filter(|_| check.pre_start_check(cx)).count();
        count.store(found, Ordering::Relaxed);
        true
    };
    let executor =
        Executor::when([PROGRAM, "prints", "up"], ready).timeout(Duration::from_secs(300));
    executor.start().expect("the closure returns true");
    assert_eq!(
        passed.load(Ordering::Relaxed),
        0,
        "no process listens on {port}"
    );
}
