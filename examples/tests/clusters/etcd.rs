//! A cluster of three etcd members, for the whole run.

use std::error::Error;

use mirakuru::{HttpExecutor, Shared, with_process};
use reqwest::blocking::Client;

/// Each member waits for the others, so they start together. Free ports are leased before the first start.
static ETCD: Shared<[HttpExecutor; 3]> =
    Shared::per_run("etcd", || ["first", "second", "third"].map(member));

fn member(name: &str) -> HttpExecutor {
    let peers = ["first", "second", "third"].map(|peer| {
        let port = if peer == name {
            "{port:peer}".to_owned()
        } else {
            format!("{{{peer}.port:peer}}")
        };
        format!("{peer}=http://127.0.0.1:{port}")
    });
    HttpExecutor::new(
        "etcd --unsafe-no-fsync --data-dir {tmpdir}/data",
        "http://127.0.0.1:{port}/health",
    )
    .args(["--name", name, "--initial-cluster", &peers.join(",")])
    .args(["--listen-client-urls", "http://127.0.0.1:{port}"])
    .args(["--advertise-client-urls", "http://127.0.0.1:{port}"])
    .args(["--listen-peer-urls", "http://127.0.0.1:{port:peer}"])
    .args([
        "--initial-advertise-peer-urls",
        "http://127.0.0.1:{port:peer}",
    ])
    .name(name)
}

fn ask(member: &HttpExecutor, what: &str, body: String) -> Result<String, Box<dyn Error>> {
    let url = format!("http://{}/v3/{what}", member.addr());
    Ok(Client::new()
        .post(url)
        .body(body)
        .send()?
        .error_for_status()?
        .text()?)
}

#[with_process(shared = ETCD)]
#[test]
#[cfg_attr(
    not(has_etcd),
    ignore = "etcd is not in PATH: apt-get install etcd-server"
)]
fn a_member_has_a_value_that_another_received(
    etcd: &[HttpExecutor; 3],
) -> Result<(), Box<dyn Error>> {
    let [first, second, _] = etcd;
    // The key is "name" and the value is "Aoi", both in Base64.
    ask(
        first,
        "kv/put",
        r#"{"key": "bmFtZQ==", "value": "QW9p"}"#.to_owned(),
    )?;
    let found = ask(second, "kv/range", r#"{"key": "bmFtZQ=="}"#.to_owned())?;
    assert!(found.contains("QW9p"), "{found}");
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_etcd),
    ignore = "etcd is not in PATH: apt-get install etcd-server"
)]
fn the_cluster_has_three_members() -> Result<(), Box<dyn Error>> {
    let [.., third] = ETCD.get()?;
    let members = ask(third, "cluster/member/list", "{}".to_owned())?;
    assert_eq!(members.matches("\"peerURLs\"").count(), 3, "{members}");
    Ok(())
}
