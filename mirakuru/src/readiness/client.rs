//! The client of the HTTP check.
//!
//! The client keeps no connection, follows no redirect and uses no proxy.

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
    /// The client of a probe thread, created while the service starts. It accepts the certificates that the system
    /// trusts.
    ///
    /// The thread drops the client explicitly at its end, not in a destructor of a thread-local. The drop waits for the
    /// client's own thread, and on Windows no thread ends while another one runs its destructors.
    static CLIENT: RefCell<ManuallyDrop<Option<Client>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Calls `ask` with the client of this thread.
pub(super) fn with_thread_client<T>(
    ask: impl FnOnce(&Client) -> Result<T, NotReady>,
) -> Result<T, NotReady> {
    CLIENT.with_borrow_mut(|slot| {
        let client = match &mut **slot {
            Some(client) => client,
            none => none.insert(client_of(builder()?)?),
        };
        ask(client)
    })
}

/// Drops the client of this thread.
pub(super) fn drop_thread_client() {
    CLIENT.with_borrow_mut(|slot| drop(slot.take()));
}

/// Returns a client with these settings of TLS.
#[cfg(feature = "https")]
pub(super) fn with_settings(settings: rustls::ClientConfig) -> Result<Client, NotReady> {
    client_of(builder()?.tls_backend_preconfigured(settings))
}

/// The parts of an answer that the check uses.
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) from: SocketAddr,
    /// A human-readable hint at the target of a redirect, empty for any other answer.
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
            format!(
                ", a redirect to {target}: request that URL, or accept the redirect with `status({code})`"
            )
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
        // `localhost` is both loopback addresses, even if the hosts file lists only one. Port 0 means the port of the
        // URL.
        .resolve_to_addrs("localhost", &loopbacks))
}

fn client_of(builder: ClientBuilder) -> Result<Client, NotReady> {
    let client = builder.build();
    client.map_err(|error| {
        NotReady::new(format!(
            "cannot create an HTTP client: {}",
            innermost(&error)
        ))
    })
}

pub(super) fn form_encoded(pairs: &[(String, String)]) -> String {
    let mut url = Url::parse("form:").expect("a valid URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// Returns the reason why a request had no answer.
pub(super) fn no_answer(error: &reqwest::Error) -> NotReady {
    let innermost = innermost(error);
    match innermost.downcast_ref::<io::Error>() {
        Some(error) if error.get_ref().is_none() => error.into(),
        _ => NotReady::new(clearer(&innermost.to_string())),
    }
}

/// Returns the innermost error. The outer ones contain only "error sending request".
fn innermost(error: &reqwest::Error) -> &(dyn Error + 'static) {
    let mut innermost: &(dyn Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

/// Replaces texts of hyper and rustls about a broken protocol by clearer ones.
fn clearer(text: &str) -> &str {
    match text {
        "connection closed before message completed" => {
            "it closed the connection before it had answered"
        }
        "received unexpected message from connection" => NOT_HTTP,
        _ if text.starts_with("invalid HTTP ") => NOT_HTTP,
        _ if text.starts_with("received corrupt message of type") => {
            "it answered, but not with TLS"
        }
        _ => text,
    }
}

const NOT_HTTP: &str = "it answered, but not with HTTP";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_libraries_are_replaced() {
        let unexpected = "received unexpected message from connection";
        assert_eq!(clearer(unexpected), NOT_HTTP);
        let plain = "received corrupt message of type InvalidContentType";
        assert_eq!(clearer(plain), "it answered, but not with TLS");
        assert_eq!(clearer("another text"), "another text");
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
