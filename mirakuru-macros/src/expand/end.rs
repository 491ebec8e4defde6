//! The body, run so that it can be judged, and the end of the test behind it.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::{ReturnType, Signature, Type};

use super::{Expansion, hidden};

impl Expansion {
    pub(super) fn end(&self, signature: &Signature, body: &TokenStream) -> TokenStream {
        let (door, test, names) = (&self.door, &self.test, &self.names);
        let (caught, value) = (hidden("caught"), hidden("value"));
        let returned = self.returned(&signature.output);
        let outcome = returned.as_ref().map(|ty| quote!(: #door::Outcome<#ty>));
        let run = if signature.asyncness.is_some() {
            // A block has no return type: its type must be known ahead of the body, which may rely on it.
            let known = returned
                .as_ref()
                .map(|ty| quote!(if false { return #door::never::<#ty>(); }));
            quote!(#door::catch_async(async { #known #body }).await)
        } else {
            let returns = returned.as_ref().map(|ty| quote!(-> #ty));
            quote!(#door::catch(|| #returns { #body }))
        };
        // A function that never returns has no value.
        let (ended, last) = if self.never {
            (quote!(_), self.refused())
        } else {
            (quote!(#value), quote!(#value))
        };
        let judged = quote! {
            #test.end(&[#(&#names),*], #caught, |#value| {
                use #door::{ByCode as _, ByNothing as _, ByResult as _};
                (&&#door::Verdict(#value)).failed()
            })
        };
        let ended = self.let_some(&ended, &judged);
        quote! {
            let #caught #outcome = #run;
            #ended
            #last
        }
    }

    /// The type of the body's value, where it can be written: not `impl Trait`.
    fn returned(&self, output: &ReturnType) -> Option<TokenStream> {
        match output {
            ReturnType::Type(_, ty) if !self.never => (!has_impl(ty)).then(|| quote!(#ty)),
            ReturnType::Type(..) | ReturnType::Default => Some(quote!(())),
        }
    }
}

fn has_impl(ty: &Type) -> bool {
    quote!(#ty)
        .into_iter()
        .any(|token| matches!(&token, TokenTree::Ident(ident) if ident == "impl"))
}
