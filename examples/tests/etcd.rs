//! etcd over HTTP: its health endpoint reports readiness, and its gateway accepts JSON.

use std::error::Error;

use mirakuru::services;
use reqwest::blocking::Client;

#[test]
#[cfg_attr(
    not(has_etcd),
    ignore = "etcd is not in PATH: apt-get install etcd-server"
)]
fn keeps_a_value() -> Result<(), Box<dyn Error>> {
    let etcd = services::etcd().started()?;
    let gateway = format!("{}/v3/kv", etcd.url());
    let client = Client::new();
    let ask = |what: &str, body: &'static str| {
        let request = client.post(format!("{gateway}/{what}")).body(body);
        request.send()?.error_for_status()?.text()
    };
    // The key is "name" and the value is "Aoi", both in Base64.
    ask("put", r#"{"key": "bmFtZQ==", "value": "QW9p"}"#)?;
    let found = ask("range", r#"{"key": "bmFtZQ=="}"#)?;
    assert!(found.contains("QW9p"), "{found}");
    Ok(())
}
