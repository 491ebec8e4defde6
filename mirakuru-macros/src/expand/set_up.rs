//! What stands ahead of the body: all executors are made, then their fixed ports are taken, then the
//! locks on what is shared, then they start one after the other, or several at a time.

use std::ops::Range;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::executor::executor;
use super::{Expansion, hidden};
use crate::bindings::Bindings;
use crate::model::{Kind, Process};
use crate::panics::Panics;

impl Expansion {
    pub(super) fn set_up(
        &self,
        name: &Ident,
        processes: &[Process],
        bindings: &Bindings,
        judged: bool,
    ) -> TokenStream {
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
        let groups = (0..processes.len()).map(|index| (index, bindings.group(index)));
        let groups = groups.filter(|(index, group)| *index == group.start);
        let started = groups.map(|(index, group)| match group.len() {
            1 => self.started(processes, index),
            _ => self.started_together(processes, group),
        });
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
        let (test, name) = (&self.test, &self.names[index]);
        let before = &self.names[..index];
        let before = quote!(&[#(&#before),*]);
        let process = &processes[index];
        if process.kind == Kind::Shared {
            let path = &process.source;
            return self.let_some(name, &quote!(#test.lend(#before, || &#path)));
        }
        let bound = self.bound(processes, index, 0..index);
        self.let_some(name, &quote!(#test.start(#before, || #bound)))
    }

    /// Starts several at the same time. Each knows what the others have, also those after it.
    fn started_together(&self, processes: &[Process], group: Range<usize>) -> TokenStream {
        let test = &self.test;
        let (before, names) = (&self.names[..group.start], &self.names[group.clone()]);
        let before = quote!(&[#(&#before),*]);
        let bound = group.clone().map(|index| {
            let bound = self.bound(processes, index, 0..group.end);
            self.let_some(&self.names[index], &quote!(#test.bind(#before, || #bound)))
        });
        let started = quote!(#test.start_all(#before, &[#(&#names),*]));
        let started = self.let_some(&quote!(()), &started);
        quote!(#(#bound)* #started)
    }

    /// The executor with this index, which knows what the others of `sources` have.
    fn bound(&self, processes: &[Process], index: usize, sources: Range<usize>) -> TokenStream {
        let (door, name) = (&self.door, &self.names[index]);
        sources
            .filter(|source| *source != index)
            .fold(quote!(#name), |inner, source| {
                let Some(bind) = processes[source].options.value("bind") else {
                    return inner;
                };
                let (bind, source) = (bind.to_string(), &self.names[source]);
                quote!(#door::bound(#inner, #bind, &#source))
            })
    }
}
