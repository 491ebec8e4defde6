//! Expand: the function with its body between the start and the end of its processes. Thin: all that
//! happens stands in the runtime's door. Nothing here can fail.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Ident, LitStr, Path, ReturnType, Type};

use crate::function::{self, Function};
use crate::model::{Choice, Kind, Options, Process, SignalName, Time};
use crate::panics::Panics;

pub(crate) fn expand(function: Function, processes: &[Process], krate: &Path) -> TokenStream {
    let Function {
        mut item,
        processes: parameters,
        panics,
        judged,
    } = function;
    let is_async = item.sig.asyncness.is_some();
    let never =
        matches!(&item.sig.output, ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)));
    if never && !matches!(panics, Panics::Never) {
        // It has to be able to end without a panic.
        item.sig.output = ReturnType::Default;
    }
    let door = quote!(#krate::__private);
    let names: Vec<_> = (0..processes.len()).map(variable).collect();
    let begin = begin(&item.sig.ident, processes, &names, &panics, judged, &door);
    let bindings = parameters
        .iter()
        .zip(&names)
        .map(|((pattern, ty), name)| binding(pattern, ty, name, &door));
    let block = &item.block;
    let body = quote!(#(#bindings)* #block);
    let end = end(
        &item.sig.output,
        &panics,
        &body,
        is_async,
        &names,
        &door,
        never,
    );
    let (visibility, signature) = (&item.vis, &item.sig);
    let (attributes, inner) = function::by_place(&item.attrs);
    quote! {
        #(#attributes)*
        #visibility #signature {
            #(#inner)*
            #begin
            #end
        }
    }
}

/// Names that no code of the user's can see.
fn variable(index: usize) -> Ident {
    format_ident!("process_{index}", span = Span::mixed_site())
}

fn test() -> Ident {
    Ident::new("test", Span::mixed_site())
}

/// All are made, then their fixed ports are taken, then the locks on what is shared, then they start one
/// after the other.
fn begin(
    name: &Ident,
    processes: &[Process],
    names: &[Ident],
    panics: &Panics,
    judged: bool,
    door: &TokenStream,
) -> TokenStream {
    let test = test();
    let name = name.to_string();
    let told = !matches!(panics, Panics::Never);
    let expectation = match panics {
        Panics::Never => quote!(#door::Panics::Never),
        Panics::Always => quote!(#door::Panics::Always),
        Panics::Saying(message) => quote!(#door::Panics::Saying(#message)),
    };
    let refused = refused(panics, door);
    let had = |name: &TokenStream, step: &TokenStream| quote!(let #door::core::option::Option::Some(#name) = #step else { #refused };);
    let mut made = Vec::new();
    let mut own = Vec::new();
    let mut locks = Vec::new();
    let mut started = Vec::new();
    let mut earlier: Vec<(&Ident, &Ident)> = Vec::new();
    for (index, (process, name)) in processes.iter().zip(names).enumerate() {
        let before = &names[..index];
        let before = quote!(&[#(&#before),*]);
        if process.kind == Kind::Shared {
            let path = &process.source;
            locks.extend(
                process
                    .options
                    .lock
                    .as_ref()
                    .map(|lock| quote!((&#path, #lock))),
            );
            started.push(had(&quote!(#name), &quote!(#test.lend(#before, || &#path))));
        } else {
            let executor = executor(process, door);
            // What the user wrote stands in no closure where it need not: it may hold a `?`.
            made.push(if told {
                had(
                    &quote!(#name),
                    &quote!(#test.made(|| #door::prepared(#executor))),
                )
            } else {
                quote!(let #name = #door::prepared(#executor);)
            });
            own.push(name);
            let bound = earlier.iter().fold(quote!(#name), |inner, (bind, source)| {
                let bind = bind.to_string();
                quote!(#door::bound(#inner, #bind, &#source))
            });
            started.push(had(
                &quote!(#name),
                &quote!(#test.start(#before, || #bound)),
            ));
        }
        earlier.extend(process.options.bind.as_ref().map(|bind| (bind, name)));
    }
    let reserved = had(&quote!(()), &quote!(#test.reserve(&[#(&#own),*])));
    let locked = (!locks.is_empty()).then(|| {
        // Held to the end of the function.
        let held = Ident::new("_locks", Span::mixed_site());
        had(&quote!(#held), &quote!(#test.lock(&[#(#locks),*])))
    });
    quote! {
        let #test = #door::Test {
            path: (#door::core::module_path!(), #name),
            panics: #expectation,
            judged: #judged,
        };
        #(#made)*
        #reserved
        #locked
        #(#started)*
    }
}

/// What follows where a step of the set-up, or the end, gives nothing.
fn refused(panics: &Panics, door: &TokenStream) -> TokenStream {
    match panics {
        Panics::Never => quote!(#door::refused()),
        Panics::Always | Panics::Saying(_) => quote!(return),
    }
}

/// All of the right side has the parameter's place, so that a wrong type is told there.
fn binding(pattern: &syn::Pat, ty: &Type, name: &Ident, door: &TokenStream) -> TokenStream {
    let spans: Vec<_> = ty
        .to_token_stream()
        .into_iter()
        .map(|token| token.span())
        .collect();
    let first = spans.first().copied().unwrap_or_else(Span::call_site);
    let last = spans.last().copied().unwrap_or(first);
    let name = Ident::new(&name.to_string(), Span::mixed_site().located_at(last));
    let given = quote!(#door::Given::given).into_iter().map(|mut token| {
        token.set_span(first);
        token
    });
    let given: TokenStream = given.collect();
    let argument = quote_spanned!(last=> (&#name));
    quote_spanned!(first=> let #pattern: #ty = #given #argument;)
}

fn end(
    output: &ReturnType,
    panics: &Panics,
    body: &TokenStream,
    is_async: bool,
    names: &[Ident],
    door: &TokenStream,
    never: bool,
) -> TokenStream {
    let test = test();
    let (caught, value) = (
        Ident::new("caught", Span::mixed_site()),
        Ident::new("value", Span::mixed_site()),
    );
    let told = match output {
        ReturnType::Default => Some(quote!(())),
        ReturnType::Type(..) if never => Some(quote!(())),
        ReturnType::Type(_, ty) => (!has_impl(ty)).then(|| quote!(#ty)),
    };
    let annotation = told.as_ref().map(|ty| quote!(: #door::Outcome<#ty>));
    let returns = told.as_ref().map(|ty| quote!(-> #ty));
    let run = if is_async {
        // A block has no return type: its type must be known ahead of the body, which may rely on it.
        let known = told
            .as_ref()
            .map(|ty| quote!(if false { return #door::never::<#ty>(); }));
        quote!(#door::catch_async(async { #known #body }).await)
    } else {
        quote!(#door::catch(|| #returns { #body }))
    };
    let processes = quote!(&[#(&#names),*]);
    let refused = refused(panics, door);
    // A function that never returns has no value.
    let (ended, last) = if never {
        (quote!(_), refused.clone())
    } else {
        (quote!(#value), quote!(#value))
    };
    quote! {
        let #caught #annotation = #run;
        let #door::core::option::Option::Some(#ended) = #test.end(#processes, #caught, |#value| {
            use #door::{ByCode as _, ByNothing as _, ByResult as _};
            (&&#door::Verdict(#value)).failed()
        }) else { #refused };
        #last
    }
}

fn has_impl(ty: &Type) -> bool {
    quote!(#ty)
        .into_iter()
        .any(|token| matches!(&token, proc_macro2::TokenTree::Ident(ident) if ident == "impl"))
}

fn executor(process: &Process, door: &TokenStream) -> TokenStream {
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
        call("env", pair(key, value));
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

fn pair(key: &LitStr, value: &Expr) -> TokenStream {
    quote!(#key, #value)
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
