//! What is emitted beside the mistakes: the user's function, so that one of them does not become a
//! page of others. Its parameters but `self` are variables, and no harness sees it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, FnArg, ItemFn, parse_quote};

use crate::function;

/// Attributes that mean something to the compiler alone.
const KEPT: [&str; 7] = ["allow", "warn", "deny", "doc", "cfg", "inline", "must_use"];

/// Emits the function without its parameters and its body.
pub(crate) fn emit_signature(error: &Error, item: ItemFn) -> TokenStream {
    let reported = error.to_compile_error();
    let function = signature(item);
    quote!(#reported #function)
}

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
            reason = "the mistakes in the attribute count"
        )]
        #visibility #signature {
            #(#inner)*
            #(#variables)*
            #block
        }
    }
}
