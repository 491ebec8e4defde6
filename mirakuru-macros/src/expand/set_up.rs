//! Expands the code before the body.
//!
//! It makes all executors, takes their fixed ports, takes the locks on shared fixtures, and starts the processes one
//! after the other, or those of a group together.

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
    /// Returns the code before the body.
    pub(super) fn set_up(
        &self,
        name: &Ident,
        processes: &[Process],
        bindings: &Bindings,
        judged: bool,
    ) -> TokenStream {
        let (runtime, test, name) = (&self.runtime, &self.test, name.to_string());
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
            let #test = #runtime::Test {
                path: (#runtime::core::module_path!(), #name),
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
        let runtime = &self.runtime;
        match &self.panics {
            Panics::Never => quote!(#runtime::Panics::Never),
            Panics::Always => quote!(#runtime::Panics::Always),
            Panics::WithMessage(message) => quote!(#runtime::Panics::WithMessage(#message)),
        }
    }

    /// Makes an executor.
    ///
    /// If the test expects a panic, a panic of the user's expression is caught, or it would pass as the expected one.
    /// Otherwise the expression may contain a `?`, so it is not put in a closure.
    fn made(&self, process: &Process, name: &Ident) -> TokenStream {
        let (runtime, test) = (&self.runtime, &self.test);
        let executor = executor(process, runtime);
        let executor = quote!(#runtime::prepared(#executor));
        if self.is_to_panic() {
            let caught = self.caught(&executor, None);
            self.let_some(name, &quote!(#test.made(#caught)))
        } else {
            quote!(let #name = #executor;)
        }
    }

    /// Takes the locks of `lock = true`. They are held until the end of the function.
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

    /// Starts one process, whose placeholders may name those before it.
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

    /// Starts several processes at the same time. The placeholders of each may name all others of the group, and those
    /// before it.
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

    /// Binds the executor with this index to the names of the other processes of `sources`.
    fn bound(&self, processes: &[Process], index: usize, sources: Range<usize>) -> TokenStream {
        let (runtime, name) = (&self.runtime, &self.names[index]);
        sources
            .filter(|source| *source != index)
            .fold(quote!(#name), |inner, source| {
                let Some(bind) = processes[source].options.value("bind") else {
                    return inner;
                };
                let (bind, source) = (bind.to_string(), &self.names[source]);
                quote!(#runtime::bound(#inner, #bind, &#source))
            })
    }
}
