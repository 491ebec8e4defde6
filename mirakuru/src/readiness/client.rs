//! The client of the HTTP check: it keeps no connection, follows nothing and uses no proxy.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;

use reqwest::blocking::{Client, ClientBuilder, Response};
use reqwest::header::{CONNECTION, HeaderValue, LOCATION};
use reqwest::{Url, redirect};

use super::NotReady;
use super::listener::resolve;

thread_local! {
    /// The client of a thread that probes, which trusts as the system does: made while the service starts. The thread
    /// drops it at its end, and no destructor does: the drop waits for a thread of the client's own, and on Windows no
    /// thread ends while another one runs its destructors.
    static CLIENT: RefCell<ManuallyDrop<Option<Client>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Calls `ask` with the client of this thread.
pub(super) fn with_own<T>(ask: impl FnOnce(&Client) -> Result<T, NotReady>) -> Result<T, NotReady> {
    CLIENT.with_borrow_mut(|slot| {
        let client = match &mut **slot {
            Some(client) => client,
            none => none.insert(client_of(builder()?)?),
        };
        ask(client)
    })
}

/// Drops the client of this thread.
pub(super) fn drop_own() {
    CLIENT.with_borrow_mut(|slot| drop(slot.take()));
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
        let reported = |target| {
            format!(", a redirect to {target}: ask that URL, or accept it by `status({code})`")
        };
        Self {
            code,
            from: answer.remote_addr().unwrap_or_else(|| ([0; 4], 0).into()),
            redirect: target.map(reported).unwrap_or_default(),
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

/// Says why a request had no answer.
pub(super) fn no_answer(error: &reqwest::Error) -> NotReady {
    let innermost = innermost(error);
    match innermost.downcast_ref::<io::Error>() {
        Some(error) if error.get_ref().is_none() => error.into(),
        _ => NotReady::new(in_words(&innermost.to_string())),
    }
}

/// The outer errors say "error sending request" only.
fn innermost(error: &reqwest::Error) -> &(dyn Error + 'static) {
    let mut innermost: &(dyn Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

/// Translates the texts of hyper and rustls that say how the other side broke the protocol.
fn in_words(text: &str) -> &str {
    match text {
        "connection closed before message completed" => {
            "it closed the connection before it had answered"
        }
        "received unexpected message from connection" => NOT_HTTP,
        _ if text.starts_with("invalid HTTP ") => NOT_HTTP,
        _ if text.starts_with("received corrupt message of type") => "it answered, but not by TLS",
        _ => text,
    }
}

const NOT_HTTP: &str = "it answered, but not by HTTP";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_other_libraries_are_translated() {
        let unasked = "received unexpected message from connection";
        assert_eq!(in_words(unasked), NOT_HTTP);
        let plain = "received corrupt message of type InvalidContentType";
        assert_eq!(in_words(plain), "it answered, but not by TLS");
        assert_eq!(in_words("another text"), "another text");
    }

    #[test]
    fn a_payload_is_form_encoded() {
        let pairs = [
            ("a".to_owned(), "b c&d".to_owned()),
            ("é".to_owned(), "=".to_owned()),
        ];
        assert_eq!(form_encoded(&pairs), "a=b+c%26d&%C3%A9=%3D");
    }
}
