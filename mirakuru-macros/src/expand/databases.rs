//! Expands the databases of a test. They are created once all of its processes run, and dropped before the first
//! process stops.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

use super::{Expansion, hidden};

impl Expansion {
    /// Creates the databases.
    pub(super) fn made_databases(&self) -> Option<TokenStream> {
        let (runtime, test, processes) = (&self.runtime, &self.test, &self.names);
        let pattern = self.tuple_of_databases()?;
        let made = self.databases.all.iter().map(|(process, key)| {
            let process = &processes[*process];
            // If the executor has no databases, the compiler reports it at the option.
            let method = Span::call_site().located_at(key.span());
            let method = Ident::new("database", method);
            quote!(#runtime::Given::given(&#process).#method()?)
        });
        let made = quote! {
            #test.databases(&[#(&#processes),*], || #runtime::core::result::Result::Ok((#(#made,)*)))
        };
        Some(self.let_some(&pattern, &made))
    }

    /// Drops the databases.
    pub(super) fn dropped_databases(&self) -> Option<TokenStream> {
        let (runtime, databases) = (&self.runtime, self.tuple_of_databases()?);
        Some(quote!(#runtime::core::mem::drop(#databases);))
    }

    fn tuple_of_databases(&self) -> Option<TokenStream> {
        let databases = (0..self.databases.all.len()).map(database);
        let tuple = quote!((#(#databases,)*));
        (!self.databases.all.is_empty()).then_some(tuple)
    }
}

/// Returns the variable of a database.
pub(super) fn database(index: usize) -> Ident {
    hidden(&format!("database_{index}"))
}
