//! HTTPS with certificates that no authority vouches for. `openssl` makes them, and Python serves with them.

use std::{path::Path, process::Command, time::Duration};

use mirakuru::{ErrorKind, HttpExecutor, Result, with_process};
use mirakuru_tests::error_text::error_of;
use tempfile::TempDir;

/// A script that serves with the certificate and the key in this directory, once they exist.
const SERVES: &str = r"
import http.server, os, ssl, sys, time
port, directory = int(sys.argv[1]), sys.argv[2]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(204)
        self.end_headers()
server = http.server.HTTPServer(('127.0.0.1', port), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(directory + '/own.pem', directory + '/own.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";

const URL: &str = "https://127.0.0.1:{port}/health";

/// Returns a directory with a new certificate.
fn certificate(options: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req", "-x509", "-nodes", "-days", "2", "-newkey", "rsa:2048", "-out", "own.pem",
    ]);
    openssl.args(["-keyout", "own.key"]).args(options);
    let made = openssl.current_dir(&directory).output().expect("openssl");
    assert!(made.status.success(), "{made:?}");
    directory
}

fn serving(directory: &Path) -> HttpExecutor {
    let directory = directory.to_str().expect("a plain path");
    HttpExecutor::new(["python3", "-c", SERVES, "{port}", directory], URL)
}

const OF_A_HOST: [&str; 2] = ["-subj", "/CN=localhost"];
const OF_AN_AUTHORITY: [&str; 4] = ["-subj", "/CN=x", "-addext", "keyUsage=keyCertSign"];

#[test]
fn https_accepts_the_certificate_of_a_file() -> Result<()> {
    for options in [&OF_A_HOST[..], &OF_AN_AUTHORITY[..]] {
        let made = certificate(options);
        serving(made.path())
            .certificate(made.path().join("own.pem"))
            .start()?;
    }
    Ok(())
}

#[test]
fn https_accepts_the_certificate_that_the_service_writes() -> Result<()> {
    let made = certificate(&OF_A_HOST);
    let script = format!(
        "cp '{}'/own.* {{tmpdir}}; exec python3 -c \"$SERVES\" {{port}} {{tmpdir}}",
        made.path().display()
    );
    let service = HttpExecutor::new(script, URL)
        .shell(true)
        .env("SERVES", SERVES);
    service.certificate("{tmpdir}/own.pem").start()?;
    Ok(())
}

#[test]
fn https_can_accept_any_certificate() -> Result<()> {
    let made = certificate(&OF_AN_AUTHORITY);
    serving(made.path()).any_certificate().start()?;
    Ok(())
}

#[test]
fn https_with_another_certificate_is_not_ready() {
    let (made, other) = (certificate(&OF_A_HOST), certificate(&OF_A_HOST));
    let last_check = |service: HttpExecutor| {
        let error = error_of(service.timeout(Duration::from_secs(3)).start());
        assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
        let text = error.to_string();
        let (_, after) = text.split_once("last check:  ").expect("a last check");
        after.lines().next().expect("a line").to_owned()
    };
    let service = serving(made.path()).certificate(other.path().join("own.pem"));
    let check = last_check(service);
    assert!(
        check.contains("certificate is not the one in the file"),
        "{check}"
    );
    let missing = other.path().join("missing.pem");
    let check = last_check(serving(made.path()).certificate(&missing));
    assert!(
        check.starts_with(&format!(
            "the certificate {}: No such file",
            missing.display()
        )),
        "{check}"
    );
    // This file has no end.
    let check = last_check(serving(made.path()).certificate("/dev/zero"));
    assert_eq!(check, "the certificate /dev/zero: it is not a regular file");
    let check = last_check(serving(made.path()));
    assert!(
        check.contains("certificate"),
        "an untrusted certificate: {check}"
    );
}

const MAKES_AND_SERVES: &str = "openssl req -x509 -nodes -newkey rsa:2048 -subj /CN=x -keyout {tmpdir}/own.key \
    -out {tmpdir}/own.pem && exec python3 -c \"$SERVES\" {port} {tmpdir}";

#[with_process(
    http = MAKES_AND_SERVES,
    url = "https://127.0.0.1:{port}/health",
    certificate = "{tmpdir}/own.pem",
    shell = true,
    env = { SERVES = SERVES },
)]
#[test]
fn https_can_be_set_in_the_attribute(service: &HttpExecutor) {
    assert!(service.url().starts_with("https://127.0.0.1:"));
}
