//! Ready when a URL answers with an accepted status.

use std::net::SocketAddr;

use reqwest::blocking::Client;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::client::{self, Answer};
use super::http_status::StatusPattern;
use super::listener::{Listener, Seen, is_of_this_machine, is_served, resolve};
use super::tcp::join;
#[cfg(feature = "https")]
use super::tls::{self, Trust};
use super::{ConfigError, Context, Manner, NotReady, Origin, Readiness, Target, url};
#[cfg(feature = "https")]
use crate::protocol::Identity;

#[cfg(test)]
#[path = "../../../tests/fuzz/http.rs"]
mod fuzz_http;
/// Ready when the URL answers with an accepted status.
///
/// The path and the query are sent as they are. Redirects are not followed, and proxies that the
/// environment names are not used. Where no method was given it asks with HEAD, and at once with GET where
/// that is answered with an unaccepted 400, 403, 404, 405 or 501. Each request has a connection of its own, which
/// is closed after the answer. As long as the kernel shows no listener, nothing is sent; see [`Tcp`](super::Tcp).
#[derive(Clone, Debug)]
pub struct Http {
    url: String,
    status: StatusPattern,
    /// Where none was given, HEAD, then GET.
    method: Option<String>,
    payload: Vec<(String, String)>,
    body: Option<String>,
    headers: Vec<(String, String)>,
    listener: Listener,
    #[cfg(feature = "https")]
    trust: Trust,
}

impl Http {
    /// Asks this URL for a status of `2xx`.
    ///
    /// The client's parser takes the URL apart, so `host()` and `port()` of the executor are those that the check asks:
    /// `http://127.1:081` is 127.0.0.1 at port 81. A start fails with `InvalidConfig` if the URL contains a tab or the
    /// end of a line, names port 0 (write `{port}` for a free port), or gives only a part of its host or port by the
    /// placeholder of a port.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            status: StatusPattern::default(),
            method: None,
            payload: Vec::new(),
            body: None,
            headers: Vec::new(),
            listener: Listener::default(),
            #[cfg(feature = "https")]
            trust: Trust::default(),
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
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
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

    /// Sends this text. Name its type in a [`header`](Self::header), if the service asks for that.
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Self {
        self.body = Some(text.into());
        self
    }

    /// Accepts the certificate in this file and no other, even if it is marked as that of an authority or names
    /// another host. Placeholders in the path are filled in. The file is read at each attempt, as the service may
    /// write it.
    #[cfg(feature = "https")]
    #[must_use]
    pub fn certificate(mut self, path: impl AsRef<std::path::Path>) -> Self {
        self.trust = Trust::File(path.as_ref().to_string_lossy().into_owned());
        self
    }

    /// Accepts any certificate.
    #[cfg(feature = "https")]
    #[must_use]
    pub fn any_certificate(mut self) -> Self {
        self.trust = Trust::Any;
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
        self.listener = Listener::any();
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
        addresses_of(&self.url(cx).map_err(NotReady::new)?)
    }

    /// Asks with the client that the certificates need.
    fn ask(&self, cx: &Context) -> Result<SocketAddr, NotReady> {
        #[cfg(feature = "https")]
        if let Some(settings) = self.tls_settings(cx)? {
            let client = client::with_settings(settings)?;
            return self.ask_by(&client, cx);
        }
        client::with_own(|client| self.ask_by(client, cx))
    }

    /// `None` for what the system trusts.
    #[cfg(feature = "https")]
    fn tls_settings(&self, cx: &Context) -> Result<Option<rustls::ClientConfig>, NotReady> {
        let settings = match &self.trust {
            Trust::System => return Ok(None),
            Trust::File(path) => {
                let path = cx.fill(path);
                let user = cx.start.user.as_ref().map(Identity::as_other);
                path.and_then(|path| tls::settings(Some((path.as_ref(), user))))
            }
            Trust::Any => tls::settings(None),
        };
        settings.map(Some).map_err(NotReady::new)
    }

    /// Returns the address that answered well.
    fn ask_by(&self, client: &Client, cx: &Context) -> Result<SocketAddr, NotReady> {
        let accepted = |answer: &Answer| self.status.accepts(answer.code).map_err(NotReady::new);
        let method = self.method_of_request().map_err(NotReady::new)?;
        let first = self.answer(client, method, cx)?;
        if accepted(&first)? {
            return Ok(first.from);
        }
        // 405 and 501 refuse a method (RFC 9110, 15.5.6 and 15.6.2). Some frameworks say 404 where a path has a
        // route for GET alone, and some proxies and stores 400 or 403.
        if self.method.is_some() || !matches!(first.code, 400 | 403 | 404 | 405 | 501) {
            let Answer { code, redirect, .. } = first;
            return Err(NotReady::new(format!(
                "it answered with status {code}{redirect}"
            )));
        }
        let second = self.answer(client, Method::GET, cx)?;
        if accepted(&second)? {
            return Ok(second.from);
        }
        Err(NotReady::new(format!(
            "it answered HEAD with status {}, and GET with {}{}",
            first.code, second.code, second.redirect
        )))
    }

    fn answer(&self, client: &Client, method: Method, cx: &Context) -> Result<Answer, NotReady> {
        let url = self.url(cx).map_err(NotReady::new)?;
        // Before the deadline there must be time to say why there was no answer.
        let patience = cx.patience().mul_f64(0.9);
        let mut request = client.request(method, url.clone()).timeout(patience);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !self.payload.is_empty() {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(client::form_encoded(&self.payload));
        }
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        match request.send() {
            Ok(answer) => Ok(Answer::new(&answer, &url)),
            Err(error) if error.is_timeout() => {
                let port = url.port_or_known_default().unwrap_or_default();
                let address = join(url.host_str().unwrap_or_default(), port);
                Err(NotReady::new(format!("{address} did not answer in time")))
            }
            Err(error) => Err(client::no_answer(&error)),
        }
    }
}

impl Readiness for Http {
    fn pre_start_check(&self, cx: &Context) -> bool {
        let addresses = self.addresses(cx);
        addresses.is_ok_and(|addresses| is_served(&addresses, cx))
    }

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        let seen = self.listener.look(&self.addresses(cx)?, cx)?;
        let from = self.ask(cx)?;
        match seen {
            Seen::At(_) => {
                cx.note_answer(from);
                Ok(())
            }
            Seen::Untold(_) => self.listener.confirm(from, cx),
        }
    }

    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        // The name of another host may take long to be looked up.
        match self.url(cx) {
            Ok(url) if is_here(&url) => self.listener.glance(&addresses_of(&url)?, cx),
            _ => Ok(()),
        }
    }

    fn describe(&self, cx: &Context) -> String {
        let url = cx.fill(&self.url).unwrap_or_else(|_| self.url.clone());
        format!(
            "{} {url} to answer with status {}",
            self.method.as_deref().unwrap_or("HEAD"),
            self.status.written
        )
    }

    fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
        url::check(&self.url, &cx.fill(&self.url)?)?;
        self.method_of_request()?;
        self.status.regex()?;
        if self.body.is_some() && !self.payload.is_empty() {
            return Err("a request has either a body or a payload".into());
        }
        #[cfg(feature = "https")]
        if let Trust::File(path) = &self.trust {
            cx.fill(path)?;
        }
        for (name, value) in &self.headers {
            HeaderName::try_from(name).map_err(|_| format!("{name:?} is no header's name"))?;
            HeaderValue::try_from(value).map_err(|_| format!("{value:?} is no header's value"))?;
        }
        Ok(())
    }

    fn target(&self) -> Target {
        let (host, port, port_name) = url::host_and_port(&self.url).unwrap_or_default();
        Target {
            host,
            port,
            port_name,
            url: Some(self.url.clone()),
            #[cfg(feature = "https")]
            texts: self.trust.path().map(str::to_owned).into_iter().collect(),
            ..Target::default()
        }
    }

    fn manner(&self, _cx: &Context) -> Manner {
        // reqwest's blocking client may not be used on a thread of an async runtime.
        Manner {
            keeps_time: false,
            ..Manner::non_blocking()
        }
    }

    fn origin(&self, cx: &Context) -> Origin {
        let is_here = self.url(cx).is_ok_and(|url| is_here(&url));
        Origin::of_listener(is_here && !self.listener.is_any())
    }
}

fn addresses_of(url: &Url) -> Result<Vec<SocketAddr>, NotReady> {
    let port = url.port_or_known_default().unwrap_or(80);
    resolve(url.host_str().unwrap_or_default(), port)
}

fn is_here(url: &Url) -> bool {
    url.host_str().is_some_and(is_of_this_machine)
}
