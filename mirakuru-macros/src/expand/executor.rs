//! Expands an executor to an expression: its constructor, and a method call for each option.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use crate::model::{Given, Kind, Process};

/// Returns the executor of a process as an expression.
pub(super) fn executor(process: &Process, runtime: &TokenStream) -> TokenStream {
    let calls = process.options.calls().into_iter();
    calls.fold(
        constructor(process, runtime),
        |made, Given { row, value }| {
            let method = Ident::new(row.method(), Span::call_site());
            quote!(#made.#method(#value))
        },
    )
}

/// Returns the call of the constructor, with the options that are its arguments.
fn constructor(process: &Process, runtime: &TokenStream) -> TokenStream {
    let krate = quote!(#runtime::api);
    let (source, span) = (&process.source, process.span);
    let option = |name| process.options.value(name);
    match process.kind {
        Kind::Simple => quote_spanned!(span=> #krate::SimpleExecutor::new(#source)),
        Kind::Output => {
            let banner = option("banner");
            quote_spanned!(span=> #krate::OutputExecutor::new(#source, #banner))
        }
        Kind::Tcp => {
            let host = option("host").map_or_else(|| quote!("127.0.0.1"), |host| quote!(#host));
            let port = option("port").map_or_else(|| quote!(0), |port| quote!(#port));
            quote_spanned!(span=> #krate::TcpExecutor::new(#source, #host, #port))
        }
        Kind::Http => {
            let url = option("url");
            quote_spanned!(span=> #krate::HttpExecutor::new(#source, #url))
        }
        Kind::Unix => {
            let socket = option("socket");
            quote_spanned!(span=> #krate::UnixSocketExecutor::new(#source, #socket))
        }
        Kind::Pid => {
            let filename = option("filename");
            quote_spanned!(span=> #krate::PidExecutor::new(#source, #filename))
        }
        Kind::Notify => quote_spanned!(span=> #krate::NotifyExecutor::new(#source)),
        Kind::Service(word) => {
            let function = Ident::new(word, Span::call_site());
            quote_spanned!(span=> #krate::services::#function())
        }
        Kind::Executor | Kind::Shared => quote!(#source),
    }
}
