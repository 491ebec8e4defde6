//! The check that is ready when a URL answers with an accepted status.
//!
//! It looks for the listener first, then sends a request with the client of `client.rs`, and compares the status with a
//! [`StatusPattern`].

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
/// The check sends the path and the query unchanged. It follows no redirects, and ignores proxies that the environment
/// names. By default, it sends a HEAD request. If the answer is an unaccepted 400, 403, 404, 405 or 501, it sends a GET
/// request at once. Each request has a connection of its own, which is closed after the answer. The check sends nothing
/// as long as the kernel shows no listener; see [`Tcp`](super::Tcp).
#[derive(Clone, Debug)]
pub struct Http {
    url: String,
    status: StatusPattern,
    /// The method. `None` means HEAD, then GET.
    method: Option<String>,
    payload: Vec<(String, String)>,
    body: Option<String>,
    headers: Vec<(String, String)>,
    listener: Listener,
    #[cfg(feature = "https")]
    trust: Trust,
}

impl Http {
    /// Creates a check that requests this URL and accepts a status of `2xx`.
    ///
    /// The HTTP client's own parser reads the URL, so `host()` and `port()` of the executor are the ones that the check
    /// asks: `http://127.1:081` is 127.0.0.1 at port 81. A start fails with `InvalidConfig` if the URL contains a tab
    /// or a line break, or names port 0 (write `{port}` for a free port). It also fails if the placeholder of a port is
    /// only a part of the port, or a part of the host.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Http};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Http::new("http://127.0.0.1:{port}/health");
    /// let service = Executor::with_readiness("my-service --port {port}", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
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

    /// Accepts this status instead of `2xx`: a code, or a regular expression in a string that must match the whole
    /// code.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Http};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let needs_a_login = Http::new("http://127.0.0.1:{port}/").status(401);
    /// let service = Executor::with_readiness("my-service --port {port}", needs_a_login).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn status(mut self, status: impl Into<StatusPattern>) -> Self {
        self.status = status.into();
        self
    }

    /// Sends requests with this method only.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Http};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Http::new("http://127.0.0.1:{port}/").method("OPTIONS").status("200|204");
    /// let service = Executor::with_readiness("my-service --port {port}", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Sends these pairs as a form (`application/x-www-form-urlencoded`).
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Http};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let login = [("user", "test"), ("password", "secret")];
    /// let check = Http::new("http://127.0.0.1:{port}/login").method("POST").payload(login);
    /// let service = Executor::with_readiness("my-service --port {port}", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn payload<K: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pairs = pairs.into_iter();
        self.payload = pairs.map(|(k, v)| (k.into(), v.into())).collect();
        self
    }

    /// Sends this text. If the service needs the type of the text, name it in a [`header`](Self::header).
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Http};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let query = Http::new("http://127.0.0.1:{port}/graphql")
    ///     .method("POST")
    ///     .header("Content-Type", "application/json")
    ///     .body(r#"{"query": "{ __typename }"}"#);
    /// let service = Executor::with_readiness("my-service --port {port}", query).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Self {
        self.body = Some(text.into());
        self
    }

    /// Accepts the certificate in this file and no other.
    ///
    /// The check accepts it even if it is a certificate of an authority or names another host. Placeholders in the path
    /// are filled in. The service may write the file, so each attempt reads it again.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Http};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Http::new("https://localhost:{port}/").certificate("{tmpdir}/own.pem");
    /// let command = "my-service --port {port} --write-certificate {tmpdir}/own.pem";
    /// let service = Executor::with_readiness(command, check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "https")]
    #[must_use]
    pub fn certificate(mut self, path: impl AsRef<std::path::Path>) -> Self {
        self.trust = Trust::File(path.as_ref().to_string_lossy().into_owned());
        self
    }

    /// Accepts any certificate.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Http};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Http::new("https://127.0.0.1:{port}/").any_certificate();
    /// let service = Executor::with_readiness("my-service --tls-port {port}", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "https")]
    #[must_use]
    pub fn any_certificate(mut self) -> Self {
        self.trust = Trust::Any;
        self
    }

    /// Sends this header with each request, in addition to earlier ones.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Http};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Http::new("http://127.0.0.1:{port}/status").header("Authorization", "Bearer test");
    /// let service = Executor::with_readiness("my-service --port {port} --token test", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Accepts any listener, even one outside the service's process tree. See
    /// [`Tcp::any_listener`](super::Tcp::any_listener).
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Http};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Http::new("http://127.0.0.1:{port}/").any_listener();
    /// let service = Executor::with_readiness("docker run --rm -p {port}:80 nginx:1", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
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
        Method::from_bytes(method.as_bytes())
            .map_err(|_| format!("{method:?} is not an HTTP method"))
    }

    fn addresses(&self, cx: &Context) -> Result<Vec<SocketAddr>, NotReady> {
        addresses_of(&self.url(cx).map_err(NotReady::new)?)
    }

    /// Sends the requests with a client that accepts the right certificates.
    fn ask(&self, cx: &Context) -> Result<SocketAddr, NotReady> {
        #[cfg(feature = "https")]
        if let Some(settings) = self.tls_settings(cx)? {
            let client = client::with_settings(settings)?;
            return self.ask_by(&client, cx);
        }
        client::with_thread_client(|client| self.ask_by(client, cx))
    }

    /// Returns the TLS settings, or `None` for the certificates that the system trusts.
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

    /// Sends the requests with this client, and returns the address whose answer was accepted.
    fn ask_by(&self, client: &Client, cx: &Context) -> Result<SocketAddr, NotReady> {
        let accepted = |answer: &Answer| self.status.accepts(answer.code).map_err(NotReady::new);
        let method = self.method_of_request().map_err(NotReady::new)?;
        let first = self.answer(client, method, cx)?;
        if accepted(&first)? {
            return Ok(first.from);
        }
        // 405 and 501 refuse a method (RFC 9110, 15.5.6 and 15.6.2). Some frameworks answer 404 if a path has a
        // route for GET alone. Some proxies and object stores answer 400 or 403.
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
        // Leaves time before the deadline to report why no answer came.
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
            Seen::Unknown(_) => self.listener.confirm(from, cx),
        }
    }

    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        // The lookup of another host's name may take long.
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
            return Err("a request cannot have both a body and a payload".into());
        }
        #[cfg(feature = "https")]
        if let Trust::File(path) = &self.trust {
            cx.fill(path)?;
        }
        for (name, value) in &self.headers {
            HeaderName::try_from(name)
                .map_err(|_| format!("{name:?} is not a valid header name"))?;
            HeaderValue::try_from(value)
                .map_err(|_| format!("{value:?} is not a valid header value"))?;
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
        // reqwest's blocking client must not be used on a thread of an async runtime.
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
