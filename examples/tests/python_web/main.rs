//! A web application in Python. The application does not support HEAD, so the check continues with GET. Python does not
//! buffer its output, so the test sees each line at once.

use std::error::Error;

use mirakuru::{HttpExecutor, with_process};

const APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_web/app.py");

#[with_process(
    http = ["python3", APP, "{port}"],
    url = "http://127.0.0.1:{port}/health",
    env = { PYTHONUNBUFFERED = "1" }
)]
#[test]
#[cfg_attr(
    not(has_python3),
    ignore = "python3 is not in PATH: apt-get install python3"
)]
fn answers_in_capitals(app: &HttpExecutor) -> Result<(), Box<dyn Error>> {
    let answer = reqwest::blocking::get(format!("http://{}/hello", app.addr()))?;
    assert_eq!(answer.text()?, "HELLO");
    assert!(app.output().text().starts_with("loading\n"));
    Ok(())
}
