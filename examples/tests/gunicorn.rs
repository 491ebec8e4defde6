//! A web server with a master and workers. A signal reaches only the master.

use std::{error::Error, fs, thread};

use mirakuru::{HttpExecutor, Signal};

/// The code of a web application that answers `/slow` once the file `go` exists.
const APP: &str = "\
import os, time

def app(environ, start_response):
    if environ['PATH_INFO'] == '/slow':
        open('busy', 'w').close()
        while not os.path.exists('go'):
            time.sleep(0.02)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'done']
";

#[test]
#[cfg_attr(
    not(has_gunicorn),
    ignore = "gunicorn is not in PATH: apt-get install gunicorn"
)]
fn a_request_in_flight_outlives_a_reload() -> Result<(), Box<dyn Error>> {
    let command = "gunicorn --chdir {tmpdir} --bind {host}:{port} app:app";
    let gunicorn = HttpExecutor::new(command, "http://127.0.0.1:{port}/");
    let directory = gunicorn.tmpdir();
    fs::write(directory.join("app.py"), APP)?;
    gunicorn.start()?;

    let slow = format!("http://{}/slow", gunicorn.addr());
    let request = thread::spawn(|| reqwest::blocking::get(slow)?.text());
    gunicorn.wait_for(|| directory.join("busy").exists())?;
    gunicorn.signal(Signal::HUP)?;
    let log = gunicorn.err_output();
    log.wait_for("Handling signal: hup")?;
    log.wait_for("Booting worker")?;
    fs::write(directory.join("go"), "")?;
    assert_eq!(request.join().map_err(|_| "the thread panicked")??, "done");
    Ok(())
}
