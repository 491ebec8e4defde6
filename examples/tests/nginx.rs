//! nginx, which is ready at its first answer over HTTP or, as a daemon, once its pid file exists. Each test writes the
//! configuration into the private directory before the start, with the port that nginx will get.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use mirakuru::{HttpExecutor, PidExecutor, Signal};

/// The command of nginx. `-e stderr` sends its error log to standard error, so errors of the executor quote it.
const COMMAND: [&str; 5] = [
    env!("NGINX_PROGRAM"),
    "-e",
    "stderr",
    "-c",
    "{tmpdir}/nginx.conf",
];

/// Configures a server that answers each request with `word`, and keeps all of its files in `directory`.
fn configure(directory: &Path, port: u16, word: &str) -> std::io::Result<()> {
    let path = directory.display();
    let text = format!(
        "pid {path}/pid;
         events {{}}
         http {{
             access_log off;
             client_body_temp_path {path}/body;
             proxy_temp_path {path}/proxy;
             fastcgi_temp_path {path}/fastcgi;
             uwsgi_temp_path {path}/uwsgi;
             scgi_temp_path {path}/scgi;
             server {{
                 listen 127.0.0.1:{port};
                 location / {{ return 200 {word}; }}
             }}
         }}"
    );
    fs::write(directory.join("nginx.conf"), text)
}

#[test]
#[cfg_attr(
    not(has_nginx),
    ignore = "nginx is not installed: apt-get install nginx-light"
)]
fn answers_over_http() -> Result<(), Box<dyn Error>> {
    let command = [&COMMAND[..], &["-g", "daemon off;"]].concat();
    let nginx = HttpExecutor::new(command, "http://127.0.0.1:{port}/");
    configure(&nginx.tmpdir(), nginx.port(), "hello")?;
    nginx.start()?;

    assert_eq!(reqwest::blocking::get(nginx.url())?.text()?, "hello");
    Ok(())
} // nginx and its workers are stopped here.

/// The error of a failed start quotes the output of the service.
#[test]
#[cfg_attr(
    not(has_nginx),
    ignore = "nginx is not installed: apt-get install nginx-light"
)]
fn reports_a_wrong_configuration() -> Result<(), Box<dyn Error>> {
    let nginx = HttpExecutor::new(COMMAND, "http://127.0.0.1:{port}/");
    fs::write(nginx.tmpdir().join("nginx.conf"), "speak friend;")?;

    let error = nginx
        .start()
        .map(drop)
        .expect_err("the configuration is invalid");
    assert!(
        error.to_string().contains("unknown directive \"speak\""),
        "{error}"
    );
    Ok(())
}

/// The daemon reads its configuration again on `SIGHUP`.
#[test]
#[cfg_attr(
    not(has_nginx),
    ignore = "nginx is not installed: apt-get install nginx-light"
)]
fn reloads_as_a_daemon() -> Result<(), Box<dyn Error>> {
    // The placeholder makes the executor lease a port. Only the configuration file needs the port, so the variable
    // `PORT` is otherwise unused.
    let nginx = PidExecutor::new(COMMAND, "{tmpdir}/pid").env("PORT", "{port}");
    let (directory, port): (PathBuf, u16) = (nginx.tmpdir(), nginx.port());
    configure(&directory, port, "before")?;
    nginx.start()?;
    let ask = || reqwest::blocking::get(nginx.url())?.text();
    assert_eq!(ask()?, "before");

    configure(&directory, port, "after")?;
    // Signals reach the daemon once the process that forked it has exited.
    nginx.wait_for(|| nginx.exit_code() == Some(0))?;
    nginx.signal(Signal::HUP)?;
    nginx.wait_for(|| ask().is_ok_and(|word| word == "after"))?;

    nginx.stop()?;
    assert!(ask().is_err(), "the daemon still answers");
    Ok(())
}
