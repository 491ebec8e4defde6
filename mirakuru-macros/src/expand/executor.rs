//! An executor as an expression: its constructor, and a call for each option.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Ident};

use crate::model::{Choice, Kind, Options, Process, SignalName, Time};

pub(super) fn executor(process: &Process, door: &TokenStream) -> TokenStream {
    let krate = quote!(#door::api);
    // Destructured without `..`, so that a new option cannot be forgotten.
    let Options {
        port: _,
        host: _,
        url: _,
        banner: _,
        socket: _,
        filename: _,
        lock: _,
        status,
        method,
        payload,
        headers,
        stream,
        cwd,
        shell,
        env,
        timeout,
        stop_timeout,
        poll_interval,
        stop_signal,
        kill_signal,
        expected_returncode,
        user,
        on_conflict,
        name,
        bind: _,
        krate: _,
    } = &process.options;
    let mut made = constructor(process, door);
    let mut call = |method: &str, argument: TokenStream| {
        let method = Ident::new(method, Span::call_site());
        made = quote!(#made.#method(#argument));
    };
    let mut given = |method: &str, argument: &Option<Expr>| {
        if let Some(argument) = argument {
            call(method, quote!(#argument));
        }
    };
    given("status", status);
    given("method", method);
    given("cwd", cwd);
    given("shell", shell);
    given("expected_returncode", expected_returncode);
    given("user", user);
    given("name", name);
    if !payload.is_empty() {
        let pairs = payload
            .iter()
            .map(|(key, value)| quote_spanned!(value.span()=> (#key, #door::text(#value))));
        call("payload", quote!([#(#pairs),*]));
    }
    for (key, value) in headers {
        call("header", quote!(#key, #value));
    }
    for (key, value) in env {
        call("env", quote!(#key, #value));
    }
    for (method, time) in [
        ("timeout", timeout),
        ("stop_timeout", stop_timeout),
        ("poll_interval", poll_interval),
    ] {
        if let Some(time) = time {
            call(method, duration(time, door));
        }
    }
    for (method, signal) in [("stop_signal", stop_signal), ("kill_signal", kill_signal)] {
        match signal {
            Some(SignalName::Literal(name, span)) => {
                call(method, quote_spanned!(*span=> #door::signal(#name)));
            }
            Some(SignalName::Expr(expr)) => call(method, quote!(#expr)),
            None => {}
        }
    }
    for (method, choice, of) in [
        ("stream", stream, quote!(#krate::Stream)),
        ("on_conflict", on_conflict, quote!(#krate::OnConflict)),
    ] {
        match choice {
            Some(Choice::Variant(variant)) => call(method, quote!(#of::#variant)),
            Some(Choice::Expr(expr)) => call(method, quote!(#expr)),
            None => {}
        }
    }
    made
}

/// The kind with what it cannot be without.
fn constructor(process: &Process, door: &TokenStream) -> TokenStream {
    let krate = quote!(#door::api);
    let (source, span) = (&process.source, process.span);
    let Options {
        port,
        host,
        url,
        banner,
        socket,
        filename,
        ..
    } = &process.options;
    match process.kind {
        Kind::Simple => quote_spanned!(span=> #krate::SimpleExecutor::new(#source)),
        Kind::Output => quote_spanned!(span=> #krate::OutputExecutor::new(#source, #banner)),
        Kind::Tcp => {
            let host = host
                .as_ref()
                .map_or_else(|| quote!("127.0.0.1"), |host| quote!(#host));
            let port = port
                .as_ref()
                .map_or_else(|| quote!(0), |port| quote!(#port));
            quote_spanned!(span=> #krate::TcpExecutor::new(#source, #host, #port))
        }
        Kind::Http => quote_spanned!(span=> #krate::HttpExecutor::new(#source, #url)),
        Kind::Unix => quote_spanned!(span=> #krate::UnixSocketExecutor::new(#source, #socket)),
        Kind::Pid => quote_spanned!(span=> #krate::PidExecutor::new(#source, #filename)),
        Kind::Executor | Kind::Shared => quote!(#source),
    }
}

fn duration(time: &Time, door: &TokenStream) -> TokenStream {
    match time {
        Time::Literal(time, span) => {
            let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
            quote_spanned!(*span=> #door::core::time::Duration::new(#seconds, #nanos))
        }
        Time::Expr(expr) => quote!(#door::duration(#expr)),
    }
}
