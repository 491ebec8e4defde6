//! Expands the function: its body between the start and the end of its processes.
//!
//! The expansion is thin. It only calls the hidden module of the library (`mirakuru::__private`), which does the work.
//! Nothing here can fail.
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

/// Returns the expanded function.
pub(crate) fn expand(
    function: Function,
    processes: &[Process],
    bindings: &Bindings,
    databases: Databases,
    runtime: TokenStream,
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
        runtime,
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
        // If a process cannot start, this function must end without a panic.
        item.sig.output = ReturnType::Default;
    }
    let set_up = expansion.set_up(&item.sig.ident, processes, bindings, judged);
    let made_databases = expansion.made_databases();
    let runtime = &expansion.runtime;
    let given = quote!(#runtime::Given::given);
    let processes = parameters.iter().zip(&expansion.names);
    let processes = processes.map(|(parameter, name)| binding(parameter, name, &given));
    let given = quote!(#runtime::core::convert::identity);
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

/// Returns the body that the user wrote.
///
/// It keeps its braces: errors and lints point at them, and within them items stay before all statements. A single
/// expression loses its braces. Within another block, rustc would report them as unnecessary, and its fix would remove
/// the braces of the function.
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

/// Returns an identifier that the user's code cannot see.
fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The parts of one function that its expansion needs.
struct Expansion {
    /// The path of the library's hidden module.
    runtime: TokenStream,
    /// The variable that contains the library's `Test`.
    test: Ident,
    /// A variable for each process.
    names: Vec<Ident>,
    databases: Databases,
    panics: Panics,
    /// The function is written with `-> !`.
    never: bool,
    is_async: bool,
}

impl Expansion {
    /// Returns whether the test expects a panic.
    fn is_to_panic(&self) -> bool {
        !matches!(self.panics, Panics::Never)
    }

    /// Binds the value of a step of the hidden module. If it is `None`, a test that expects a panic returns. Every
    /// other test has panicked already.
    fn let_some(&self, pattern: &impl ToTokens, step: &TokenStream) -> TokenStream {
        let (runtime, refused) = (&self.runtime, self.refused());
        quote!(let #runtime::core::option::Option::Some(#pattern) = #step else { #refused };)
    }

    /// Leaves the function after a failed step.
    fn refused(&self) -> TokenStream {
        let runtime = &self.runtime;
        if self.is_to_panic() {
            quote!(return)
        } else {
            quote!(#runtime::refused())
        }
    }

    /// Runs the user's code, and catches its panic. `returned` is the type of its value, if that can be written.
    fn caught(&self, code: &TokenStream, returned: Option<&TokenStream>) -> TokenStream {
        let runtime = &self.runtime;
        if self.is_async {
            // An async block has no return type, but the body may rely on one. An earlier `return` defines it.
            let known = returned.map(|ty| quote!(if false { return #runtime::never::<#ty>(); }));
            quote!(#runtime::catch_async(async { #known #code }).await)
        } else {
            let returns = returned.map(|ty| quote!(-> #ty));
            quote!(#runtime::catch(|| #returns { #code }))
        }
    }
}

/// Binds a parameter to `given(&name)`. The right side has the span of the parameter, so the compiler reports a wrong
/// type there.
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
