//! Expand: the function with its body between the start and the end of its processes. Thin: all that
//! happens stands in the runtime's door. Nothing here can fail.
//!
//! The expansion names one path only, `::mirakuru::__private` (or the one that `crate = …` names), also for items of
//! the language's core. Its variables are hidden from the user's code.

mod databases;
mod end;
mod executor;
mod set_up;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Block, Ident, Pat, ReturnType, Stmt, StmtMacro, Type};

use crate::bindings::Bindings;
use crate::databases::Databases;
use crate::function::{self, Function};
use crate::model::Process;
use crate::panics::Panics;
use databases::database;

pub(crate) fn expand(
    function: Function,
    processes: &[Process],
    bindings: &Bindings,
    databases: Databases,
    door: TokenStream,
) -> TokenStream {
    let Function {
        mut item,
        processes: parameters,
        databases: of_databases,
        panics,
        judged,
    } = function;
    let never = function::never_returns(&item.sig.output);
    let expansion = Expansion {
        door,
        test: hidden("test"),
        names: (0..processes.len())
            .map(|index| hidden(&format!("process_{index}")))
            .collect(),
        databases,
        panics,
        never,
        is_async: item.sig.asyncness.is_some(),
    };
    if never && expansion.is_to_panic() {
        // It has to be able to end without a panic.
        item.sig.output = ReturnType::Default;
    }
    let set_up = expansion.set_up(&item.sig.ident, processes, bindings, judged);
    let made_databases = expansion.made_databases();
    let door = &expansion.door;
    let given = quote!(#door::Given::given);
    let processes = parameters.iter().zip(&expansion.names);
    let processes = processes.map(|(parameter, name)| binding(parameter, name, &given));
    let given = quote!(#door::core::convert::identity);
    let databases = of_databases.iter().enumerate();
    let databases =
        databases.map(|(index, parameter)| binding(parameter, &database(index), &given));
    let written = written(&item.block);
    let body = quote!(#(#processes)* #(#databases)* #written);
    let end = expansion.end(&item.sig.output, &body);
    let (visibility, signature) = (&item.vis, &item.sig);
    let (attributes, inner) = function::by_place(&item.attrs);
    quote! {
        #(#attributes)*
        #visibility #signature {
            #(#inner)*
            #set_up
            #made_databases
            #end
        }
    }
}

/// What the user wrote as the body. It keeps its braces, which errors and lints point at, and around which
/// its items stay ahead of all statements. Around an expression alone they are for a function only: rustc
/// calls them unnecessary within another block, and its fix would take them away from the function.
fn written(block: &Block) -> TokenStream {
    let statements = &block.stmts;
    let is_an_expression = matches!(
        &**statements,
        [Stmt::Expr(_, None)
            | Stmt::Macro(StmtMacro {
                semi_token: None,
                ..
            })]
    );
    if is_an_expression {
        quote!(#(#statements)*)
    } else {
        quote!(#block)
    }
}

/// A name that no code of the user's can see.
fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// One function on its way.
struct Expansion {
    /// The path of the runtime's door.
    door: TokenStream,
    /// The variable of the runtime's `Test`.
    test: Ident,
    /// A variable for each process.
    names: Vec<Ident>,
    databases: Databases,
    panics: Panics,
    /// It was written with `-> !`.
    never: bool,
    is_async: bool,
}

impl Expansion {
    fn is_to_panic(&self) -> bool {
        !matches!(self.panics, Panics::Never)
    }

    /// Binds what a step of the door gives. Where it gives nothing, a test that is to panic returns, and
    /// every other one has panicked.
    fn let_some(&self, pattern: &impl ToTokens, step: &TokenStream) -> TokenStream {
        let (door, refused) = (&self.door, self.refused());
        quote!(let #door::core::option::Option::Some(#pattern) = #step else { #refused };)
    }

    fn refused(&self) -> TokenStream {
        let door = &self.door;
        if self.is_to_panic() {
            quote!(return)
        } else {
            quote!(#door::refused())
        }
    }

    /// Runs what the user wrote so that its panic is caught; `returned` is the type of its value, where
    /// that can be written.
    fn caught(&self, code: &TokenStream, returned: Option<&TokenStream>) -> TokenStream {
        let door = &self.door;
        if self.is_async {
            // A block has no return type: its type must be known ahead of the body, which may rely on it.
            let known = returned.map(|ty| quote!(if false { return #door::never::<#ty>(); }));
            quote!(#door::catch_async(async { #known #code }).await)
        } else {
            let returns = returned.map(|ty| quote!(-> #ty));
            quote!(#door::catch(|| #returns { #code }))
        }
    }
}

/// Binds a parameter to `given(&name)`. All of the right side has the parameter's place, so that a wrong type is
/// reported there.
fn binding((pattern, ty): &(Pat, Type), name: &Ident, given: &TokenStream) -> TokenStream {
    let spans: Vec<_> = ty
        .to_token_stream()
        .into_iter()
        .map(|token| token.span())
        .collect();
    let first = spans.first().copied().unwrap_or_else(Span::call_site);
    let last = spans.last().copied().unwrap_or(first);
    let name = Ident::new(&name.to_string(), Span::mixed_site().located_at(last));
    let given = given.clone().into_iter().map(|mut token| {
        token.set_span(first);
        token
    });
    let given: TokenStream = given.collect();
    let argument = quote_spanned!(last=> (&#name));
    quote_spanned!(first=> let #pattern: #ty = #given #argument;)
}
