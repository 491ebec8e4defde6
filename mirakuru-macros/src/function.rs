//! Reads the function below the attribute.
//!
//! It collects the other `#[with_process]` attributes, and sorts the parameters into processes, databases, and those of
//! the test harness.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{AttrStyle, Attribute, FnArg, ItemFn, Meta, Pat, PatType, ReturnType, Token, Type};

use crate::args::{self, Args, Mistakes};
use crate::databases::Databases;
use crate::harness::{Harness, name_of};
use crate::panics::{self, Panics};

/// The function, with its parameters sorted.
pub(crate) struct Function {
    pub(crate) item: ItemFn,
    /// The leading parameters that are processes.
    pub(crate) processes: Vec<(Pat, Type)>,
    /// The leading parameters that are databases.
    pub(crate) databases: Vec<(Pat, Type)>,
    pub(crate) panics: Panics,
    /// The harness compares the value that the function returns. An `Err` may be the expected value.
    pub(crate) judged: bool,
}

/// Removes the other `#[with_process]` attributes from the function, and returns them in the order written.
pub(crate) fn gather(item: &mut ItemFn, mistakes: &mut Mistakes) -> Vec<Args> {
    let (ours, others) = std::mem::take(&mut item.attrs)
        .into_iter()
        .partition(|attribute| name_of(attribute) == "with_process");
    item.attrs = others;
    let tokens = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    };
    let ours: Vec<Attribute> = ours;
    ours.iter()
        .map(|attribute| args::parse(tokens(attribute), place(attribute), mistakes))
        .collect()
}

/// Splits attributes into those above the function and those at the beginning of its block (`#![allow(…)]`).
pub(crate) fn by_place(attributes: &[Attribute]) -> (Vec<&Attribute>, Vec<&Attribute>) {
    attributes
        .iter()
        .partition(|attribute| matches!(attribute.style, AttrStyle::Outer))
}

fn place(attribute: &Attribute) -> Span {
    let last = attribute.path().segments.last();
    last.map_or_else(Span::call_site, |segment| segment.ident.span())
}

/// Returns the names that the harness binds: the arguments of a case, the values of fixtures.
pub(crate) fn parameters(item: &ItemFn) -> Vec<String> {
    let patterns = item.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed.pat.to_token_stream()),
        FnArg::Receiver(_) => None,
    });
    patterns.flat_map(names).collect()
}

/// Returns every word of a pattern, in brackets too.
fn names(pattern: TokenStream) -> Vec<String> {
    let names = pattern.into_iter().flat_map(|token| match token {
        TokenTree::Ident(name) => vec![name.to_string()],
        TokenTree::Group(group) => names(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => Vec::new(),
    });
    names.collect()
}

/// Sorts the parameters. `count` is the number of processes.
pub(crate) fn read(
    mut item: ItemFn,
    count: usize,
    asked: &Databases,
    mistakes: &mut Mistakes,
) -> Function {
    let panics = panics::of(&item.attrs, mistakes);
    let harness = Harness::of(&item.attrs);
    let (mut processes, mut databases) = (Vec::new(), Vec::new());
    let before = mistakes.count();
    let inputs: Vec<_> = std::mem::take(&mut item.sig.inputs).into_iter().collect();
    let own_tail = harness.arguments.unwrap_or(0).min(inputs.len());
    let leading = inputs.len() - own_tail;
    let mut rest = Punctuated::<FnArg, Token![,]>::new();
    for (index, input) in inputs.into_iter().enumerate() {
        let is_next = index < leading && rest.is_empty();
        match input {
            FnArg::Typed(typed) if is_next && is_process(&typed.attrs, &typed.ty) => {
                let is_database = asked.include(&typed.ty);
                let is_full = processes.len() == count || is_database && !asked.all.is_empty();
                let (places, taken) = if is_database {
                    (asked.all.len(), &mut databases)
                } else {
                    (count, &mut processes)
                };
                if taken.len() < places {
                    taken.push((*typed.pat, *typed.ty));
                } else if harness.takes_parameters && is_full {
                    rest.push(FnArg::Typed(typed));
                } else {
                    no_place(&typed, is_database.then_some(asked), count, mistakes);
                }
            }
            FnArg::Receiver(receiver) => {
                mistakes.on(receiver, "`#[with_process]` cannot be used on a method");
            }
            FnArg::Typed(typed) if !harness.takes_parameters => {
                let message = if asked.include(&typed.ty) {
                    "a database is passed by reference: write `db: &Database`"
                } else {
                    "a process is passed by reference, as in `redis: &TcpExecutor`; this function cannot have other parameters"
                };
                mistakes.on(typed, message);
            }
            FnArg::Typed(typed) => rest.push(FnArg::Typed(typed)),
        }
    }
    item.sig.inputs = rest;
    if mistakes.count() == before {
        asked.all_taken(databases.len(), mistakes);
    }
    let first = processes.first().or(databases.first());
    if let Some((pattern, _)) = first.filter(|_| !harness.is_test) {
        mistakes.on(
            pattern,
            "no test attribute follows: write `#[with_process(…)]` above `#[test]` and similar attributes; a helper that is not a test cannot take a process as a parameter",
        );
    }
    if !matches!(panics, Panics::Never) && !returns_nothing(&item.sig.output) {
        mistakes.on(
            &item.sig.output,
            "a test that expects a panic must return `()`: if a process cannot start, the attribute ends the test without a panic, and has no other value to return",
        );
    }
    let judged = panics::is_judged(&item.attrs);
    Function {
        item,
        processes,
        databases,
        panics,
        judged,
    }
}

/// Reports a parameter for which no attribute has a process or a database.
fn no_place(typed: &PatType, asked: Option<&Databases>, count: usize, mistakes: &mut Mistakes) {
    match asked {
        Some(asked) => asked.refuse(typed, mistakes),
        None => mistakes.on(
            typed,
            format!(
                "no process for this parameter: the attributes above start only {count} process{}",
                if count == 1 { "" } else { "es" }
            ),
        ),
    }
}

fn is_process(attributes: &[Attribute], ty: &Type) -> bool {
    attributes.is_empty()
        && matches!(ungrouped(ty), Type::Reference(reference) if reference.mutability.is_none())
}

/// Removes the groups in which the compiler puts the fragments of a `macro_rules!`.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        ty => ty,
    }
}

fn returns_nothing(output: &ReturnType) -> bool {
    match output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => match ungrouped(ty) {
            Type::Tuple(tuple) => tuple.elems.is_empty(),
            Type::Never(_) => true,
            _ => false,
        },
    }
}

/// Returns whether the function is written with `-> !`.
pub(crate) fn never_returns(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, ty) if matches!(ungrouped(ty), Type::Never(_)))
}
