//! If the kernel does not show which process listens, the check makes one connection to confirm the listener. Each
//! test runs itself again in a process that may see less.
#![cfg(target_os = "linux")]

use std::{io::Write, net::TcpStream, os::fd::OwnedFd, time::Duration};

use mirakuru::{
    Context, Executor, HttpExecutor, NotReady, Readiness, Result, TcpExecutor,
    readiness::{Target, Tcp},
};
use mirakuru_tests::hold::Hold;

use crate::{
    PROGRAM,
    rerun::{alone_by, is_alone},
};

/// The bounding set limits what root may do after it runs another program.
const WITHOUT_PTRACE: [&str; 2] = ["setpriv", "--bounding-set=-sys_ptrace"];

/// Starts a service that counts its clients, and returns how many connections the check has made.
fn connections_of_the_check<R: Readiness>(service: &Executor<R>) -> Result<u32> {
    service.start()?;
    let mut client = TcpStream::connect(service.addr()).expect("it listens");
    client.write_all(b"hello").expect("it reads");
    drop(client);
    let line = service.output().wait_for("hello")?;
    let number = line.split(' ').nth(1).expect("a number");
    Ok(number.parse::<u32>().expect("a number") - 1)
}

fn of_another_user(hold: &Hold) -> TcpExecutor {
    let program = hold.program_for_everyone(PROGRAM);
    let service = TcpExecutor::new([&*program, "clients", "{port}"], "127.0.0.1", 0);
    service
        .user("nobody")
        .cwd("/")
        .timeout(Duration::from_secs(10))
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn an_unreadable_process_is_checked_by_a_connection() -> Result<()> {
    if !is_alone() {
        let test = "fallbacks::an_unreadable_process_is_checked_by_a_connection";
        alone_by(&WITHOUT_PTRACE, test);
        return Ok(());
    }
    assert_eq!(connections_of_the_check(&of_another_user(&Hold::new()))?, 1);
    let own = TcpExecutor::new([PROGRAM, "clients", "{port}"], "127.0.0.1", 0);
    assert_eq!(
        connections_of_the_check(&own)?,
        0,
        "the kernel shows the test's own processes"
    );
    Ok(())
}

/// A script that binds as root and then drops its rights.
const DROPS_RIGHTS: &str = r"
import http.server, os, sys
server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)
os.chdir('/'); os.setgroups([]); os.setgid(65534); os.setuid(65534)
server.serve_forever()
";

#[test]
#[cfg_attr(not(root), ignore = "needs root, to drop its rights")]
fn a_service_that_binds_and_then_drops_its_rights_is_ready() -> Result<()> {
    if !is_alone() {
        let test = "fallbacks::a_service_that_binds_and_then_drops_its_rights_is_ready";
        alone_by(&WITHOUT_PTRACE, test);
        return Ok(());
    }
    let command = ["python3", "-c", DROPS_RIGHTS, "{port}"];
    let bound = Duration::from_secs(20);
    TcpExecutor::new(command, "127.0.0.1", 0)
        .timeout(bound)
        .start()?;
    HttpExecutor::new(command, "http://127.0.0.1:{port}/")
        .timeout(bound)
        .start()?;
    Ok(())
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs namespaces, to mount another /proc")]
fn a_process_hidden_in_proc_is_checked_by_a_connection() -> Result<()> {
    if !is_alone() {
        let hide = "mount -t proc -o hidepid=invisible proc /proc && exec setpriv --bounding-set=-sys_ptrace \"$@\"";
        let words = ["unshare", "--mount", "sh", "-c", hide, "sh"];
        alone_by(
            &words,
            "fallbacks::a_process_hidden_in_proc_is_checked_by_a_connection",
        );
        return Ok(());
    }
    assert_eq!(connections_of_the_check(&of_another_user(&Hold::new()))?, 1);
    Ok(())
}

/// The service makes a network for a child of its own, and joins both networks by a pair of interfaces.
const IN_ANOTHER_NETWORK: &str = r#"
unshare --net sh -c '
    echo $$ > {tmpdir}/inner.new; mv {tmpdir}/inner.new {tmpdir}/inner
    until ip link set there up 2> {tmpdir}/log; do sleep 0.01; done
    ip address add 10.9.9.2/24 dev there
    exec "$0" clients {port} 0 10.9.9.2' "$PROGRAM" &
until [ -e {tmpdir}/inner ]; do sleep 0.01; done
ip link add here type veth peer name there netns $(cat {tmpdir}/inner)
ip address add 10.9.9.1/24 dev here
ip link set here up
wait
"#;

#[test]
#[cfg_attr(not(namespaces), ignore = "needs namespaces, to make another network")]
fn a_service_in_another_network_is_checked_by_connection() -> Result<()> {
    if !is_alone() {
        let test = "fallbacks::a_service_in_another_network_is_checked_by_connection";
        alone_by(&["unshare", "--net"], test);
        return Ok(());
    }
    let service = TcpExecutor::new(IN_ANOTHER_NETWORK, "10.9.9.2", 0).shell(true);
    let service = service
        .env("PROGRAM", PROGRAM)
        .timeout(Duration::from_secs(10));
    assert_eq!(connections_of_the_check(&service)?, 1);
    Ok(())
}

/// Leaves its listener on 127.0.0.1 in a message, where no process has it open, and then listens on `::1`.
const LEAVES_LISTENER: &str = r"
import socket, sys, time
port = int(sys.argv[1])
hidden = socket.create_server(('127.0.0.1', port))
left = socket.socketpair()
socket.send_fds(left[0], [b'x'], [hidden.fileno()])
hidden.close()
seen = socket.create_server(('::1', port), family=socket.AF_INET6)
print('listens', flush=True)
time.sleep(60)
";

#[test]
#[cfg_attr(
    not(namespaces),
    ignore = "needs namespaces, to have an address of IPv6"
)]
fn a_listener_of_no_process_does_not_hide_another_one() -> Result<()> {
    if !is_alone() {
        let up = "ip link set lo up && exec \"$@\"";
        let test = "fallbacks::a_listener_of_no_process_does_not_hide_another_one";
        alone_by(&["unshare", "--net", "sh", "-c", up, "sh"], test);
        return Ok(());
    }
    let words = ["python3", "-c", LEAVES_LISTENER, "{port}"];
    let service = TcpExecutor::new(words, "localhost", 0).timeout(Duration::from_secs(30));
    service.start()?.output().wait_for("^listens$")?;
    Ok(())
}

/// A script that serves a listener that it received as its standard input.
const GIVEN: &str = r"
import os, socket, sys
if sys.argv[1] == 'hidden':
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
print('serves', flush=True)
listener, number = socket.socket(fileno=0), 0
while True:
    client, _ = listener.accept()
    number += 1
    print('client', number, 'said', client.recv(99), flush=True)
    client.close()
";

/// A check that looks only once the service serves: the port accepts before that.
struct After(Tcp);

impl Readiness for After {
    fn after_start_check(&self, cx: &Context) -> std::result::Result<(), NotReady> {
        if cx.output().text().is_empty() {
            return Err(NotReady::new("it does not serve yet"));
        }
        self.0.after_start_check(cx)
    }

    fn target(&self) -> Target {
        self.0.target()
    }
}

fn given(how: &str) -> Executor<After> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let check = After(Tcp::new("127.0.0.1", port));
    let service = Executor::with_readiness(["python3", "-c", GIVEN, how], check);
    service
        .stdin(OwnedFd::from(listener))
        .timeout(Duration::from_secs(20))
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to drop its rights")]
fn an_inherited_listener_counts_as_the_services() -> Result<()> {
    if !is_alone() {
        let test = "fallbacks::an_inherited_listener_counts_as_the_services";
        alone_by(&WITHOUT_PTRACE, test);
        return Ok(());
    }
    assert_eq!(connections_of_the_check(&given("hidden"))?, 1);
    assert_eq!(connections_of_the_check(&given("seen"))?, 0);
    Ok(())
}
