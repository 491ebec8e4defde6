//! etcd over HTTP: its health endpoint says when it is ready, and its gateway takes JSON.

use std::error::Error;

use mirakuru::{HttpExecutor, with_process};
use reqwest::blocking::Client;

/// It insists on a port for other members of its cluster, of which there are none: any will do.
#[with_process(
    http = "etcd --data-dir {tmpdir}/data --listen-peer-urls http://{host}:0
        --listen-client-urls http://{host}:{port} --advertise-client-urls http://{host}:{port}",
    url = "http://127.0.0.1:{port}/health"
)]
#[test]
#[cfg_attr(
    not(has_etcd),
    ignore = "etcd is not in PATH: apt-get install etcd-server"
)]
fn keeps_a_value(etcd: &HttpExecutor) -> Result<(), Box<dyn Error>> {
    let gateway = format!("http://{}/v3/kv", etcd.addr());
    let client = Client::new();
    let ask = |what: &str, body: &'static str| {
        let request = client.post(format!("{gateway}/{what}")).body(body);
        request.send()?.error_for_status()?.text()
    };
    // Base64, of "name" and "Aoi".
    ask("put", r#"{"key": "bmFtZQ==", "value": "QW9p"}"#)?;
    let found = ask("range", r#"{"key": "bmFtZQ=="}"#)?;
    assert!(found.contains("QW9p"), "{found}");
    Ok(())
}
