//! The body, run so that it can be judged, and the end of the test behind it.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::ReturnType;

use super::{Expansion, hidden};

impl Expansion {
    pub(super) fn end(&self, output: &ReturnType, body: &TokenStream) -> TokenStream {
        let (door, test, names) = (&self.door, &self.test, &self.names);
        let (caught, value) = (hidden("caught"), hidden("value"));
        let returned = self.returned(output);
        let outcome = returned.as_ref().map(|ty| quote!(: #door::Outcome<#ty>));
        let run = self.caught(body, returned.as_ref());
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
        let databases = self.dropped_databases();
        quote! {
            let #caught #outcome = #run;
            #databases
            #ended
            #last
        }
    }

    /// The type of the body's value, where it can be written: not `impl Trait`.
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
