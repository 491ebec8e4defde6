//! The attribute of [`mirakuru`](https://docs.rs/mirakuru): processes around a test, checked at compile
//! time.
//!
//! Use it through `mirakuru`, which exports it.

mod args;
mod check;
mod command;
mod expand;
mod fallback;
mod function;
mod harness;
mod model;
mod options;
mod panics;
mod placeholder;
mod validate;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, ItemFn};

use args::Mistakes;

/// Starts a process before the test's body, and stops it after, however the body ends.
///
/// ```
/// use std::{io, net::TcpStream};
///
/// use mirakuru::{TcpExecutor, with_process};
///
/// #[with_process(tcp = "redis-server --port {port} --save ''")]
/// #[test]
/// fn answers(redis: &TcpExecutor) -> io::Result<()> {
///     TcpStream::connect(redis.addr())?; // it is up, and stays up
///     Ok(())
/// } // It is gone here, with everything that it started.
/// ```
///
/// Write it above `#[test]`, `#[tokio::test]`, `#[rstest]`, `#[test_case]`, `#[serial]`,
/// `#[should_panic]`, `#[ignore]`; where the function takes no process as a parameter it may stand
/// below them too, and on a helper that is no test. It adds no `#[test]` of its own. Several on one
/// function start in the order written and stop in reverse; they are known by the last segment of
/// their path: one that is imported under another name is not gathered. Below `#[serial]` the process lives around the test's turn,
/// above it within.
///
/// # The process
///
/// Exactly one of these:
///
/// | option | ready when | needs |
/// |---|---|---|
/// | `simple = COMMAND` | it is spawned | |
/// | `output = COMMAND` | a line of its output matches | `banner` |
/// | `tcp = COMMAND` | the port accepts a connection | `port`, or `{port}` in the command |
/// | `http = COMMAND` | the URL answers | `url` |
/// | `unix = COMMAND` | the socket accepts a connection | `socket` |
/// | `pid = COMMAND` | the file exists | `filename` |
/// | `executor = EXPR` | the executor says so | |
/// | `shared = PATH` | the shared fixture is up; it is not stopped | |
///
/// A command is a string, split as a shell would, or an array of strings.
///
/// ```
/// # mod tests {
/// use mirakuru::{
///     Executor, HttpExecutor, OutputExecutor, PidExecutor, Shared, SimpleExecutor, TcpExecutor,
///     UnixSocketExecutor, with_process,
/// };
///
/// #[with_process(simple = "my-worker --once")]
/// #[test]
/// fn runs(worker: &SimpleExecutor) {}
///
/// #[with_process(output = "my-service", banner = r"listens on port (?<port>\d+)")]
/// #[test]
/// fn tells_its_port(service: &OutputExecutor) {}
///
/// #[with_process(tcp = "redis-server", port = 6379)]
/// #[test]
/// fn has_a_fixed_port(redis: &TcpExecutor) {}
///
/// #[with_process(http = "my-service --port {port}", url = "http://127.0.0.1:{port}/health")]
/// #[test]
/// fn is_healthy(service: &HttpExecutor) {}
///
/// #[with_process(unix = ["redis-server", "--port", "0", "--unixsocket", "{socket}"], socket = "{socket}")]
/// #[test]
/// fn has_a_socket(redis: &UnixSocketExecutor) {}
///
/// #[with_process(pid = "my-daemon --pid-file {pidfile}", filename = "{pidfile}")]
/// #[test]
/// fn daemonizes(daemon: &PidExecutor) {}
///
/// #[with_process(executor = Executor::when("my-service", |cx| cx.tmpdir().join("up").exists()))]
/// #[test]
/// fn says_so_itself() {}
///
/// static REDIS: Shared<TcpExecutor> =
///     Shared::new(|| TcpExecutor::new("redis-server --port {port}", "127.0.0.1", 0));
///
/// #[with_process(shared = REDIS)]
/// #[test]
/// fn is_one_of_many(redis: &TcpExecutor) {}
/// # }
/// ```
///
/// # Options
///
/// | option | of | value | default |
/// |---|---|---|---|
/// | `port` | `tcp` | a number; 0 is a free one | 0, with `{port}` in the command |
/// | `host` | `tcp` | a string | `"127.0.0.1"` |
/// | `url` | `http` | a string | |
/// | `status` | `http` | a code, or a regular expression in a string | `"2\\d\\d"` |
/// | `method` | `http` | a string | `"HEAD"`, then `"GET"` where that may have been refused |
/// | `payload` | `http` | `{ name = "value" }`, sent as a form | none |
/// | `headers` | `http` | `{ "Name" = "value" }` | none |
/// | `banner` | `output` | a regular expression in a string | |
/// | `stream` | `output` | `stdout`, `stderr`, `both` | `both` |
/// | `socket` | `unix` | a path; `"{socket}"` is one in the private directory | |
/// | `filename` | `pid` | a path; `"{pidfile}"` is one in the private directory | |
/// | `lock` | `shared` | `true`: for this test alone, among those that lock it | `false` |
/// | `cwd` | all | a path | the test's own |
/// | `shell` | all | `true`: run by `/bin/sh -c` | `false` |
/// | `env` | all | `{ NAME = "value" }` | none |
/// | `timeout` | all | `"500ms"`, `"10s"`, `"2m"`, or seconds as a number | 60 s |
/// | `stop_timeout` | all | the same | 10 s |
/// | `poll_interval` | all | the same | adaptive |
/// | `stop_signal` | all | `SIGINT` or `"SIGINT"` | `SIGTERM` |
/// | `kill_signal` | all | the same | `SIGKILL` |
/// | `expected_returncode` | all | a number, negative for a signal's | death by the stop signal; 0 is always fine |
/// | `user` | all | a name or a number | the test's own |
/// | `on_conflict` | all | `fail`, `wait`, `reuse` | `wait` |
/// | `name` | all | a string, for errors | the kind |
/// | `bind` | all and `shared` | a name for the placeholders of later attributes | |
/// | `crate` | all and `shared` | the path of `mirakuru`, where it is renamed | `::mirakuru` |
///
/// "All" are those but `shared`, which is configured where it is made.
///
/// What is given as a literal is checked at compile time: quotes, placeholders, regular expressions,
/// URLs, ranges. Any other expression is taken too, and checked at the start.
///
/// # Parameters
///
/// A leading parameter `name: &T` without attributes of its own is a process's, in their order. Under
/// `#[test_case]` the last parameters, as many as a case has arguments, stay its own; under
/// `#[rstest]` put `_: &TcpExecutor` in front of a fixture that is a reference.
///
/// # Several
///
/// Fixed ports are taken together ahead of all starts, and then the locks of `lock = true`, each in one
/// order, so that no two tests wait for each other. A lock ([`Shared::lock`]) is held to the end of the
/// function.
///
/// [`Shared::lock`]: https://docs.rs/mirakuru/latest/mirakuru/struct.Shared.html#method.lock
///
/// `bind = db` has `{db.host}`, `{db.port}`, `{db.addr}`, `{db.url}`, `{db.socket}`, `{db.pidfile}` and
/// `{db.tmpdir}` stand for what that process has, in later attributes:
///
/// ```
/// use mirakuru::{HttpExecutor, TcpExecutor, with_process};
///
/// #[with_process(tcp = "redis-server --port {port} --save ''", bind = db)]
/// #[with_process(http = "my-service --port {port}", url = "http://127.0.0.1:{port}/health",
///                env = { REDIS_URL = "redis://{db.host}:{db.port}/" })]
/// #[test]
/// fn both_are_up(db: &TcpExecutor, service: &HttpExecutor) {}
/// ```
///
/// # The end
///
/// The body's panics are caught; then the processes stop, the last one first; then, if the test
/// failed, by panic, by `Err` or by an exit code, what each process printed last is shown in the test's own output;
/// then the panic goes on, or the value is returned. A stop that fails, fails a test that passed
/// otherwise. With `#[should_panic]` a process that cannot start is told, and the function returns
/// normally, so that the test fails. Of the cases of one function, therefore, all are to panic or none.
///
/// The attribute adds no warnings, and no crate but `mirakuru` has to be there.
#[expect(
    clippy::test_attr_in_doctest,
    reason = "tests are what the attribute stands on"
)]
#[proc_macro_attribute]
pub fn with_process(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(args.into(), &item.into()).into()
}

fn attribute(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let own = args::parse(args, Span::call_site(), &mut mistakes);
    let Ok(mut item) = syn::parse2::<ItemFn>(item.clone()) else {
        return no_function(item);
    };
    let mut all = vec![own];
    all.extend(function::gather(&mut item, &mut mistakes));
    let count = all.len();
    let parameters = function::parameters(&item);
    let door = validate::door(&all);
    let mut bindings = Vec::new();
    let processes: Vec<_> = all
        .into_iter()
        .filter_map(|args| {
            validate::process(args, &door, &parameters, &mut bindings, &mut mistakes)
        })
        .collect();
    let original = item.clone();
    let function = function::read(item, count, &mut mistakes);
    match mistakes.into_error() {
        Some(error) => fallback::emit(&error, original),
        None => expand::expand(function, &processes, door),
    }
}

/// It is left as it is, beside the mistake.
fn no_function(item: &TokenStream) -> TokenStream {
    let first = item.clone().into_iter().next();
    let span = first.map_or_else(Span::call_site, |token| token.span());
    let error = Error::new(span, "`#[with_process(…)]` stands on a function").to_compile_error();
    quote!(#error #item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_crate_has_another_name_nothing_else_is_named() {
        let args = quote! {
            tcp = "redis-server --port {port}", env = { A = "b" }, timeout = "10s",
            stop_signal = SIGINT, on_conflict = fail, bind = db, crate = other::name
        };
        let item = quote! {
            #[with_process(shared = SHARED)]
            #[with_process(http = "{db.port}", url = "http://x/", payload = { a = "b" })]
            #[test]
            #[should_panic]
            fn test(redis: &TcpExecutor) {}
        };
        let expansion = attribute(args, &item).to_string();
        assert!(!expansion.contains("compile_error"), "{expansion}");
        assert!(!expansion.contains("mirakuru"), "{expansion}");
        assert!(!expansion.contains(":: std"), "{expansion}");
        assert!(
            expansion.contains("other :: name :: __private"),
            "{expansion}"
        );
    }

    #[test]
    fn a_mistake_leaves_the_function() {
        let args = quote!(simple =);
        let item = quote! {
            /// Documented.
            #[tokio::test]
            pub(crate) async fn test<T>(sleep: &SimpleExecutor) -> u8 { 1 }
        };
        let expansion = attribute(args, &item).to_string();
        assert!(expansion.contains("compile_error"), "{expansion}");
        assert!(expansion.contains("Documented"), "{expansion}");
        assert!(
            expansion.contains("pub (crate) async fn test < T >"),
            "{expansion}"
        );
        assert!(!expansion.contains("tokio"), "{expansion}");
    }
}
