//! nginx by its first answer over HTTP and, as a daemon, by its pid file. Its configuration is written
//! into the private directory before the start, with the port that it will get.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use mirakuru::{HttpExecutor, PidExecutor, Signal};

/// `-e stderr`: nginx complains to its standard error, so it stands in our errors.
const COMMAND: [&str; 5] = [
    env!("NGINX_PROGRAM"),
    "-e",
    "stderr",
    "-c",
    "{tmpdir}/nginx.conf",
];

/// A server that says one word, and keeps all of its files in `directory`.
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
} // It is stopped here, and gone with its workers.

/// What a service says when it cannot start stands in the error.
#[test]
#[cfg_attr(
    not(has_nginx),
    ignore = "nginx is not installed: apt-get install nginx-light"
)]
fn says_what_is_wrong_with_its_configuration() -> Result<(), Box<dyn Error>> {
    let nginx = HttpExecutor::new(COMMAND, "http://127.0.0.1:{port}/");
    fs::write(nginx.tmpdir().join("nginx.conf"), "speak friend;")?;

    let error = nginx.start().map(drop).expect_err("nobody can read that");
    assert!(
        error.to_string().contains("unknown directive \"speak\""),
        "{error}"
    );
    Ok(())
}

/// The daemon reads its configuration again when it is hung up on.
#[test]
#[cfg_attr(
    not(has_nginx),
    ignore = "nginx is not installed: apt-get install nginx-light"
)]
fn reloads_as_a_daemon() -> Result<(), Box<dyn Error>> {
    // Whatever names `{port}` has one leased; here it is the configuration file alone that needs it.
    let nginx = PidExecutor::new(COMMAND, "{tmpdir}/pid").env("PORT", "{port}");
    let (directory, port): (PathBuf, u16) = (nginx.tmpdir(), nginx.port());
    configure(&directory, port, "before")?;
    nginx.start()?;
    let ask = || reqwest::blocking::get(nginx.url())?.text();
    assert_eq!(ask()?, "before");

    configure(&directory, port, "after")?;
    // Signals go to the daemon once the process that left it has ended.
    nginx.wait_for(|| nginx.exit_code() == Some(0))?;
    nginx.signal(Signal::HUP)?;
    nginx.wait_for(|| ask().is_ok_and(|word| word == "after"))?;

    nginx.stop()?;
    assert!(ask().is_err(), "the daemon is gone");
    Ok(())
}
