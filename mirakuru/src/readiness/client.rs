//! The client of the HTTP check: it keeps no connection, follows nothing and uses no proxy.

use std::cell::RefCell;
use std::net::SocketAddr;

use reqwest::blocking::{Client, ClientBuilder, Response};
use reqwest::header::{CONNECTION, HeaderValue, LOCATION};
use reqwest::{Url, redirect};

use super::NotReady;
use super::listener::resolve;

thread_local! {
    /// The client of a thread that probes, which trusts as the system does: made while the service starts, gone
    /// with the thread.
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

/// Calls `ask` with the client of this thread.
pub(super) fn with_own<T>(ask: impl FnOnce(&Client) -> Result<T, NotReady>) -> Result<T, NotReady> {
    CLIENT.with_borrow_mut(|slot| {
        let client = match slot {
            Some(client) => client,
            None => slot.insert(client_of(builder()?)?),
        };
        ask(client)
    })
}

/// Returns a client with these settings of TLS.
#[cfg(feature = "https")]
pub(super) fn with_settings(settings: rustls::ClientConfig) -> Result<Client, NotReady> {
    client_of(builder()?.tls_backend_preconfigured(settings))
}

/// What is needed of an answer.
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) from: SocketAddr,
    /// Where it leads, for people.
    pub(super) redirect: String,
}

impl Answer {
    pub(super) fn new(answer: &Response, url: &Url) -> Self {
        let status = answer.status();
        let target = answer.headers().get(LOCATION);
        let target = target.filter(|_| status.is_redirection()).map(|target| {
            let target = String::from_utf8_lossy(target.as_bytes()).into_owned();
            url.join(&target).map_or(target, Into::into)
        });
        let code = status.as_u16();
        let told = |target| {
            format!(", a redirect to {target}: ask that URL, or accept it by `status({code})`")
        };
        Self {
            code,
            from: answer.remote_addr().unwrap_or_else(|| ([0; 4], 0).into()),
            redirect: target.map(told).unwrap_or_default(),
        }
    }
}

fn builder() -> Result<ClientBuilder, NotReady> {
    let loopbacks = resolve("localhost", 0)?;
    let close = [(CONNECTION, HeaderValue::from_static("close"))];
    Ok(Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        // A server that serves one connection at a time is free again after each answer.
        .pool_max_idle_per_host(0)
        .default_headers(close.into_iter().collect())
        // Both loopbacks, whatever the hosts file says; port 0 is the URL's.
        .resolve_to_addrs("localhost", &loopbacks))
}

fn client_of(builder: ClientBuilder) -> Result<Client, NotReady> {
    let client = builder.build();
    client.map_err(|error| NotReady::new(format!("no HTTP client: {}", innermost(&error))))
}

pub(super) fn form_encoded(pairs: &[(String, String)]) -> String {
    let mut url = Url::parse("form:").expect("a valid URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// The outer errors say "error sending request" only.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_form_encoded() {
        let pairs = [
            ("a".to_owned(), "b c&d".to_owned()),
            ("é".to_owned(), "=".to_owned()),
        ];
        assert_eq!(form_encoded(&pairs), "a=b+c%26d&%C3%A9=%3D");
    }
}
