//! Ready when a URL answers with an accepted status.

use std::cell::RefCell;
use std::net::SocketAddr;

use reqwest::blocking::Client;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url, redirect};

use super::status::StatusPattern;
use super::tcp::{connect_to_service, is_served, resolve};
use super::{Context, Manner, NotReady, Readiness, Target, url};

/// Ready when the URL answers with an accepted status; its host and port must accept a connection
/// first.
///
/// The path and the query are sent as they are. Redirects are not followed, and proxies that the
/// environment names are not used. Where no method was given it asks with HEAD, and at once with GET where
/// that is answered with an unaccepted 400, 403, 404, 405 or 501. A connection that says nothing and is
/// closed comes ahead of each request.
#[derive(Clone, Debug)]
pub struct Http {
    url: String,
    status: StatusPattern,
    /// Where none was given, HEAD, then GET.
    method: Option<String>,
    payload: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    any_listener: bool,
}

thread_local! {
    /// The client of a thread that probes: made while the service starts, gone with the thread.
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

impl Http {
    /// Asks this URL for a status of `2xx`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            status: StatusPattern::default(),
            method: None,
            payload: Vec::new(),
            headers: Vec::new(),
            any_listener: false,
        }
    }

    /// Accepts this status: a code, or a regular expression in a string that must match the whole
    /// code.
    #[must_use]
    pub fn status(mut self, status: impl Into<StatusPattern>) -> Self {
        self.status = status.into();
        self
    }

    /// Asks with this method, and no other.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Sends these pairs as a form (`application/x-www-form-urlencoded`).
    #[must_use]
    pub fn payload<K: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pairs = pairs.into_iter();
        self.payload = pairs.map(|(k, v)| (k.into(), v.into())).collect();
        self
    }

    /// Sends this header too.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Takes whatever answers for the service, also where it is no process of its tree; see
    /// [`Tcp::any_listener`](super::Tcp::any_listener).
    #[must_use]
    pub fn any_listener(mut self) -> Self {
        self.any_listener = true;
        self
    }

    fn url(&self, cx: &Context) -> Result<Url, String> {
        url::parse(&cx.fill(&self.url)?)
    }

    fn method_of_request(&self) -> Result<Method, String> {
        let Some(method) = &self.method else {
            return Ok(Method::HEAD);
        };
        Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is no HTTP method"))
    }

    fn addresses(&self, cx: &Context) -> Result<Vec<SocketAddr>, NotReady> {
        let url = self.url(cx).map_err(NotReady::new)?;
        let port = url.port_or_known_default().unwrap_or(80);
        resolve(url.host_str().unwrap_or_default(), port)
    }

    fn ask(&self, client: &Client, cx: &Context) -> Result<(), NotReady> {
        let accepted = |code| self.status.accepts(code).map_err(NotReady::new);
        let method = self.method_of_request().map_err(NotReady::new)?;
        let code = self.status_of(client, method, cx)?;
        if accepted(code)? {
            return Ok(());
        }
        // 405 and 501 refuse a method (RFC 9110, 15.5.6 and 15.6.2). Some frameworks say 404 where a path has a
        // route for GET alone, and some proxies and stores 400 or 403.
        if self.method.is_some() || !matches!(code, 400 | 403 | 404 | 405 | 501) {
            return Err(NotReady::new(format!("it answered with status {code}")));
        }
        let second = self.status_of(client, Method::GET, cx)?;
        if accepted(second)? {
            return Ok(());
        }
        Err(NotReady::new(format!(
            "it answered HEAD with status {code}, and GET with {second}"
        )))
    }

    fn status_of(&self, client: &Client, method: Method, cx: &Context) -> Result<u16, NotReady> {
        let url = self.url(cx).map_err(NotReady::new)?;
        let mut request = client.request(method, url).timeout(cx.patience());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !self.payload.is_empty() {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form_encoded(&self.payload));
        }
        match request.send() {
            Ok(answer) => Ok(answer.status().as_u16()),
            Err(error) => Err(NotReady::new(innermost(&error))),
        }
    }
}

impl Readiness for Http {
    fn pre_start_check(&self, cx: &Context) -> bool {
        let addresses = self.addresses(cx);
        addresses.is_ok_and(|addresses| is_served(&addresses, cx))
    }

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        CLIENT.with_borrow_mut(|slot| {
            // Ahead of the connection: while nobody listens there is time to make it.
            let client = match slot {
                Some(client) => client,
                None => slot.insert(client()?),
            };
            connect_to_service(&self.addresses(cx)?, self.any_listener, cx)?;
            self.ask(client, cx)
        })
    }

    fn describe(&self, cx: &Context) -> String {
        let url = cx.fill(&self.url).unwrap_or_else(|_| self.url.clone());
        format!(
            "{} {url} to answer with status {}",
            self.method.as_deref().unwrap_or("HEAD"),
            self.status.written
        )
    }

    fn validate(&self, cx: &Context) -> Result<(), String> {
        self.url(cx)?;
        self.method_of_request()?;
        self.status.regex()?;
        for (name, value) in &self.headers {
            HeaderName::try_from(name).map_err(|_| format!("{name:?} is no header's name"))?;
            HeaderValue::try_from(value).map_err(|_| format!("{value:?} is no header's value"))?;
        }
        Ok(())
    }

    fn target(&self) -> Target {
        let (host, port, port_name) = url::host_and_port(&self.url);
        Target {
            host,
            port,
            port_name,
            url: Some(self.url.clone()),
            ..Target::default()
        }
    }

    fn manner(&self, _cx: &Context) -> Manner {
        // reqwest's blocking client may not be used on a thread of an async runtime.
        Manner {
            keeps_time: false,
            ..Manner::punctual()
        }
    }
}

fn client() -> Result<Client, NotReady> {
    let loopbacks = resolve("localhost", 0)?;
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        // Both loopbacks, whatever the hosts file says; port 0 is the URL's.
        .resolve_to_addrs("localhost", &loopbacks)
        .build()
        .map_err(|error| NotReady::new(format!("no HTTP client: {}", innermost(&error))))
}

fn form_encoded(pairs: &[(String, String)]) -> String {
    let mut url = Url::parse("form:").expect("a valid URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// The outer errors say "error sending request" only.
fn innermost(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if error.is_timeout() {
        format!("no answer in time ({innermost})")
    } else {
        innermost.to_string()
    }
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
