//! Reports the kinds and options that do not exist on Windows.
//!
//! The attribute is expanded on the machine that compiles, which may have another system than the target. So the
//! expansion contains the mistakes and the function, and `cfg` attributes choose between them.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, ItemFn};

use crate::fallback;
use crate::model::{Kind, Process};

/// Returns the expansion. On Windows, the mistakes replace it if a kind or an option does not exist there.
pub(crate) fn unless_on_windows(
    processes: &[Process],
    item: ItemFn,
    expansion: impl FnOnce() -> TokenStream,
) -> TokenStream {
    let mistakes: Vec<_> = processes.iter().flat_map(mistakes).collect();
    let expanded = expansion();
    if mistakes.is_empty() {
        return expanded;
    }
    let reported = mistakes.iter().map(Error::to_compile_error);
    let function = fallback::signature(item);
    quote! {
        #(#[cfg(windows)] #reported)*
        #[cfg(windows)]
        #function
        #[cfg(not(windows))]
        #expanded
    }
}

fn mistakes(process: &Process) -> Vec<Error> {
    let kind = process.kind;
    let why = match kind {
        Kind::Unix => Some("Unix sockets are not supported there".to_owned()),
        Kind::Notify => Some("services do not report by `sd_notify` there".to_owned()),
        Kind::Service(name) => Some(format!(
            "start the server by its command there, with the check `mirakuru::readiness::{}`",
            check_of(name)
        )),
        _ => None,
    };
    let of_kind = why.map(|why| {
        let reported = format!("`{}` does not exist on Windows: {why}", kind.name());
        Error::new(process.span, reported)
    });
    let of_options = ["user", "user_if_root"].into_iter().filter_map(|name| {
        let value = process.options.value(name)?.clone();
        let span = value
            .into_iter()
            .next()
            .map_or_else(Span::call_site, |token| token.span());
        let reported = format!(
            "`{name}` does not exist on Windows: a service there runs as the user of the test"
        );
        Some(Error::new(span, reported))
    });
    of_kind.into_iter().chain(of_options).collect()
}

/// Returns the readiness check of a ready-made server.
fn check_of(server: &str) -> &'static str {
    match server {
        "postgres" => "Postgres",
        "mariadb" => "Mysql",
        "redis" => "Redis",
        "memcached" => "Memcached",
        "nats" => "Nats",
        "etcd" => "Etcd",
        "mosquitto" => "Mqtt",
        "rabbitmq" => "Amqp",
        _ => "WebDriver",
    }
}
