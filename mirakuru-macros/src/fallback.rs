//! Emits the user's function together with the mistakes, so that one mistake does not cause others.
//!
//! The parameters except `self` become variables. The attributes of the test harness are removed.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, FnArg, ItemFn, parse_quote};

use crate::function;

/// The attributes that stay on the function, because only the compiler reads them.
const KEPT: [&str; 7] = ["allow", "warn", "deny", "doc", "cfg", "inline", "must_use"];

/// Emits the mistakes, and the function without its parameters and its body.
pub(crate) fn emit_signature(error: &Error, item: ItemFn) -> TokenStream {
    let reported = error.to_compile_error();
    let function = signature(item);
    quote!(#reported #function)
}

/// Emits the mistakes, and the function with its parameters as variables.
pub(crate) fn emit(error: &Error, item: ItemFn) -> TokenStream {
    let reported = error.to_compile_error();
    let function = function_alone(item);
    quote!(#reported #function)
}

/// Returns the function without its parameters and its body.
pub(crate) fn signature(mut item: ItemFn) -> TokenStream {
    item.sig.inputs.clear();
    item.block = parse_quote!({ ::core::unreachable!() });
    function_alone(item)
}

fn function_alone(mut item: ItemFn) -> TokenStream {
    item.attrs
        .retain(|attribute| KEPT.iter().any(|kept| attribute.path().is_ident(kept)));
    let inputs = std::mem::take(&mut item.sig.inputs);
    let (receivers, inputs): (Vec<_>, Vec<_>) = inputs
        .into_iter()
        .partition(|input| matches!(input, FnArg::Receiver(_)));
    item.sig.inputs = receivers.into_iter().collect();
    let variables = inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => {
            let (pattern, ty) = (&typed.pat, &typed.ty);
            Some(quote!(let #pattern: #ty = ::core::unreachable!();))
        }
        FnArg::Receiver(_) => None,
    });
    let (visibility, signature, block) = (&item.vis, &item.sig, &item.block);
    let (attributes, inner) = function::by_place(&item.attrs);
    quote! {
        #(#attributes)*
        #[allow(
            dead_code, unused, unreachable_code, clippy::all, clippy::pedantic,
            reason = "only the mistakes in the attribute matter"
        )]
        #visibility #signature {
            #(#inner)*
            #(#variables)*
            #block
        }
    }
}
