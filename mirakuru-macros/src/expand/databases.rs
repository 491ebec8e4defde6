//! The databases of a test: they are made once all of its processes run, and dropped before the first of these stops.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

use super::{Expansion, hidden};

impl Expansion {
    pub(super) fn made_databases(&self) -> Option<TokenStream> {
        let (door, test, processes) = (&self.door, &self.test, &self.names);
        let pattern = self.tuple_of_databases()?;
        let made = self.databases.all.iter().map(|(process, key)| {
            let process = &processes[*process];
            // An executor that has no databases is a mistake at the option.
            let method = Span::call_site().located_at(key.span());
            let method = Ident::new("database", method);
            quote!(#door::Given::given(&#process).#method()?)
        });
        let made = quote! {
            #test.databases(&[#(&#processes),*], || #door::core::result::Result::Ok((#(#made,)*)))
        };
        Some(self.let_some(&pattern, &made))
    }

    pub(super) fn dropped_databases(&self) -> Option<TokenStream> {
        let (door, databases) = (&self.door, self.tuple_of_databases()?);
        Some(quote!(#door::core::mem::drop(#databases);))
    }

    fn tuple_of_databases(&self) -> Option<TokenStream> {
        let databases = (0..self.databases.all.len()).map(database);
        let tuple = quote!((#(#databases,)*));
        (!self.databases.all.is_empty()).then_some(tuple)
    }
}

/// The variable of a database.
pub(super) fn database(index: usize) -> Ident {
    hidden(&format!("database_{index}"))
}
