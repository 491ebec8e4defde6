//! Expands the body, run so that its outcome is known, and the end of the test after it.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::ReturnType;

use super::{Expansion, hidden};

impl Expansion {
    /// Runs the body, ends the test, and returns the value of the body.
    pub(super) fn end(&self, output: &ReturnType, body: &TokenStream) -> TokenStream {
        let (runtime, test, names) = (&self.runtime, &self.test, &self.names);
        let (caught, value) = (hidden("caught"), hidden("value"));
        let returned = self.returned(output);
        let outcome = returned.as_ref().map(|ty| quote!(: #runtime::Outcome<#ty>));
        let run = self.caught(body, returned.as_ref());
        // A function that never returns has no value.
        let (ended, last) = if self.never {
            (quote!(_), self.refused())
        } else {
            (quote!(#value), quote!(#value))
        };
        let judged = quote! {
            #test.end(&[#(&#names),*], #caught, |#value| {
                use #runtime::{ByCode as _, ByNothing as _, ByResult as _};
                (&&#runtime::Verdict(#value)).failed()
            })
        };
        let ended = self.let_some(&ended, &judged);
        let databases = self.dropped_databases();
        quote! {
            let #caught #outcome = #run;
            #databases
            #ended
            #last
        }
    }

    /// Returns the type of the body's value, unless it contains `impl Trait`, which cannot be written here.
    fn returned(&self, output: &ReturnType) -> Option<TokenStream> {
        match output {
            ReturnType::Type(_, ty) if !self.never => (!has_impl(quote!(#ty))).then(|| quote!(#ty)),
            ReturnType::Type(..) | ReturnType::Default => Some(quote!(())),
        }
    }
}

fn has_impl(ty: TokenStream) -> bool {
    ty.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => has_impl(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}
