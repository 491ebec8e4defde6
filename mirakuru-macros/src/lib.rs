//! The `#[with_process]` attribute of [`mirakuru`](https://docs.rs/mirakuru), which starts processes around a test.
//!
//! Use it through `mirakuru`, which re-exports it.
//!
//! An expansion has three steps: parse (`args`), validate (`validate`) and expand (`expand`). Every mistake that a
//! literal shows is a compile error.

mod absent;
mod args;
mod bindings;
mod check;
mod command;
mod databases;
mod expand;
mod fallback;
mod function;
#[cfg(test)]
#[path = "../../tests/fuzz/attribute.rs"]
mod fuzz_attribute;
mod harness;
mod model;
mod options;
mod panics;
mod placeholder;
#[cfg(test)]
#[path = "../../tests/fuzz/rounds.rs"]
mod rounds;
mod validate;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, ItemFn};

use args::Mistakes;
use bindings::Bindings;
use databases::Databases;
use validate::Context;

// The package `tests` runs the examples. Here they would need the library, which depends on this package.
#[cfg_attr(not(doctest), doc = include_str!("with_process.md"))]
#[expect(
    clippy::test_attr_in_doctest,
    reason = "the attribute is written on tests"
)]
#[proc_macro_attribute]
pub fn with_process(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(args.into(), &item.into(), cfg!(feature = "services")).into()
}

fn attribute(args: TokenStream, item: &TokenStream, has_services: bool) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let own = args::parse(args, Span::call_site(), &mut mistakes);
    let Ok(mut item) = syn::parse2::<ItemFn>(item.clone()) else {
        return not_a_function(item);
    };
    let mut all = vec![own];
    all.extend(function::gather(&mut item, &mut mistakes));
    let count = all.len();
    let parameters = function::parameters(&item);
    let runtime = validate::runtime(&all);
    let bindings = Bindings::of(&all);
    let databases = Databases::of(&all);
    let are_left_out = !has_services && validate::have_words(&all);
    let processes: Vec<_> = all
        .into_iter()
        .enumerate()
        .filter_map(|(index, args)| {
            let context = Context {
                runtime: &runtime,
                parameters: &parameters,
                bindings: &bindings,
                has_services,
                index,
            };
            validate::process(args, context, &mut mistakes)
        })
        .collect();
    let original = item.clone();
    let function = function::read(item, count, &databases, &mut mistakes);
    match mistakes.into_error() {
        // Without the feature, the types of the parameters do not exist either.
        Some(error) if are_left_out => fallback::emit_signature(&error, original),
        Some(error) => fallback::emit(&error, original),
        None => absent::unless_on_windows(&processes, original, || {
            expand::expand(function, &processes, &bindings, databases, runtime)
        }),
    }
}

/// Reports an item that is not a function, and leaves it unchanged.
fn not_a_function(item: &TokenStream) -> TokenStream {
    let first = item.clone().into_iter().next();
    let span = first.map_or_else(Span::call_site, |token| token.span());
    let error =
        Error::new(span, "`#[with_process]` can only be used on a function").to_compile_error();
    quote!(#error #item)
}

#[cfg(test)]
mod tests {
    use syn::Ident;

    use super::*;

    /// Returns the part of an expansion that systems other than Windows compile.
    fn on_unix(expansion: &TokenStream) -> String {
        let whole = expansion.to_string();
        let part = whole.split_once("# [cfg (not (windows))]");
        part.map_or(whole.clone(), |(_, part)| part.to_owned())
    }

    #[test]
    fn a_renamed_crate_is_the_only_crate_named() {
        let args = quote! {
            tcp = "redis-server --port {port}", env = { A = "b" }, timeout = "10s",
            stop_signal = SIGINT, on_conflict = fail, bind = db, crate = other::name
        };
        let item = quote! {
            #[with_process(shared = SHARED)]
            #[with_process(redis, database = true)]
            #[with_process(http = "{db.port}", url = "http://x/", payload = { a = "b" })]
            #[test]
            #[should_panic]
            fn test(redis: &TcpExecutor, db: &Database) {}
        };
        let expansion = on_unix(&attribute(args, &item, true));
        assert!(!expansion.contains("compile_error"), "{expansion}");
        assert!(!expansion.contains("mirakuru"), "{expansion}");
        assert!(!expansion.contains(":: std"), "{expansion}");
        assert!(
            expansion.contains("other :: name :: __private"),
            "{expansion}"
        );
    }

    #[test]
    fn a_server_without_its_feature_is_one_mistake() {
        let args = quote!(postgres, version = "16", database = true, bind = db);
        let item = quote! {
            #[test]
            fn test(pg: &PostgresExecutor, db: &Database) { pg.url(); }
        };
        let expansion = on_unix(&attribute(args.clone(), &item, false));
        assert_eq!(expansion.matches("compile_error").count(), 1, "{expansion}");
        let mistake = "`postgres` needs the feature `services` of mirakuru";
        assert!(expansion.contains(mistake), "{expansion}");
        assert!(!expansion.contains("Database"), "{expansion}");
        let expansion = on_unix(&attribute(args, &item, true));
        assert!(!expansion.contains("compile_error"), "{expansion}");

        let expansion = on_unix(&attribute(
            quote!(shared = A, database = true),
            &item,
            false,
        ));
        let mistake = "`database` needs the feature `services` of mirakuru";
        assert!(expansion.contains(mistake), "{expansion}");
    }

    #[test]
    fn a_server_name_calls_the_function_of_that_name() {
        for word in model::Kind::words() {
            let word = Ident::new(word, Span::call_site());
            let args = quote!(#word, version = "1", program = "x", args = ["a"], config = { a = 1 }, crate = other);
            let item = quote!(
                #[test]
                fn test(server: &Server) {}
            );
            let expansion = on_unix(&attribute(args, &item, true));
            let made = quote! {
                other::__private::api::services::#word().version("1").program("x").args(["a"]).config("a", 1)
            };
            assert!(expansion.contains(&made.to_string()), "{expansion}");
        }
    }

    #[test]
    fn options_missing_on_windows_fail_only_there() {
        let args = quote!(redis, user = "nobody");
        let item = quote! {
            #[with_process(unix = "a", socket = "b")]
            #[with_process(notify = "a", user_if_root = 1)]
            #[with_process(tcp = "a", port = 1)]
            #[test]
            fn test(server: &RedisExecutor) {}
        };
        let expansion = attribute(args, &item, true);
        let whole = expansion.to_string();
        for name in ["redis", "user", "unix", "notify", "user_if_root"] {
            let mistake = format!("\"`{name}` does not exist on Windows");
            assert_eq!(whole.matches(&mistake).count(), 1, "{name}: {whole}");
        }
        let of_windows = "# [cfg (windows)] :: core :: compile_error";
        assert_eq!(whole.matches(of_windows).count(), 5, "{whole}");
        assert!(!on_unix(&expansion).contains("compile_error"), "{whole}");
        let everywhere = attribute(
            quote!(tcp = "a", port = 1),
            &quote!(
                fn test() {}
            ),
            true,
        );
        assert!(!everywhere.to_string().contains("windows"), "{everywhere}");
    }

    #[test]
    fn a_mistake_keeps_the_function() {
        let args = quote!(simple =);
        let item = quote! {
            /// Documented.
            #[tokio::test]
            pub(crate) async fn test<T>(sleep: &SimpleExecutor) -> u8 { 1 }
        };
        let expansion = on_unix(&attribute(args, &item, true));
        assert!(expansion.contains("compile_error"), "{expansion}");
        assert!(expansion.contains("Documented"), "{expansion}");
        assert!(
            expansion.contains("pub (crate) async fn test < T >"),
            "{expansion}"
        );
        assert!(!expansion.contains("tokio"), "{expansion}");
    }
}
