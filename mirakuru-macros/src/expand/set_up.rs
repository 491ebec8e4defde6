//! What stands ahead of the body: all executors are made, then their fixed ports are taken, then the
//! locks on what is shared, then they start one after the other.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::executor::executor;
use super::{Expansion, hidden};
use crate::model::{Kind, Process};
use crate::panics::Panics;

impl Expansion {
    pub(super) fn set_up(&self, name: &Ident, processes: &[Process], judged: bool) -> TokenStream {
        let (door, test, name) = (&self.door, &self.test, name.to_string());
        let panics = self.expectation();
        let own = || {
            let all = processes.iter().zip(&self.names);
            all.filter(|(process, _)| process.kind != Kind::Shared)
        };
        let made = own().map(|(process, name)| self.made(process, name));
        let ported = own().map(|(_, name)| name);
        let reserved = self.let_some(&quote!(()), &quote!(#test.reserve(&[#(&#ported),*])));
        let locked = self.locked(processes);
        let started = (0..processes.len()).map(|index| self.started(processes, index));
        quote! {
            let #test = #door::Test {
                path: (#door::core::module_path!(), #name),
                panics: #panics,
                judged: #judged,
            };
            #(#made)*
            #reserved
            #locked
            #(#started)*
        }
    }

    fn expectation(&self) -> TokenStream {
        let door = &self.door;
        match &self.panics {
            Panics::Never => quote!(#door::Panics::Never),
            Panics::Always => quote!(#door::Panics::Always),
            Panics::Saying(message) => quote!(#door::Panics::Saying(#message)),
        }
    }

    /// What the user wrote is caught where its panic would be taken for another; elsewhere it may hold a `?`.
    fn made(&self, process: &Process, name: &Ident) -> TokenStream {
        let (door, test) = (&self.door, &self.test);
        let executor = executor(process, door);
        let executor = quote!(#door::prepared(#executor));
        if self.is_to_panic() {
            let caught = self.caught(&executor, None);
            self.let_some(name, &quote!(#test.made(#caught)))
        } else {
            quote!(let #name = #executor;)
        }
    }

    /// Held to the end of the function.
    fn locked(&self, processes: &[Process]) -> Option<TokenStream> {
        let (test, held) = (&self.test, hidden("_locks"));
        let wanted = processes.iter().filter_map(|process| {
            let (path, lock) = (&process.source, process.options.value("lock")?);
            Some(quote!((&#path, #lock)))
        });
        let wanted: Vec<_> = wanted.collect();
        let locks = || self.let_some(&held, &quote!(#test.lock(|| [#(#wanted),*])));
        (!wanted.is_empty()).then(locks)
    }

    /// The start of one, which knows what those before it have.
    fn started(&self, processes: &[Process], index: usize) -> TokenStream {
        let (door, test, name) = (&self.door, &self.test, &self.names[index]);
        let before = &self.names[..index];
        let before = quote!(&[#(&#before),*]);
        let process = &processes[index];
        if process.kind == Kind::Shared {
            let path = &process.source;
            return self.let_some(name, &quote!(#test.lend(#before, || &#path)));
        }
        let earlier = processes[..index].iter().zip(&self.names);
        let bound = earlier.fold(quote!(#name), |inner, (earlier, source)| {
            let Some(bind) = earlier.options.value("bind") else {
                return inner;
            };
            let bind = bind.to_string();
            quote!(#door::bound(#inner, #bind, &#source))
        });
        self.let_some(name, &quote!(#test.start(#before, || #bound)))
    }
}
