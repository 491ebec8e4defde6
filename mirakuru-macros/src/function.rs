//! The function below the attributes: which of them are ours, what its harness does with it, and
//! which of its parameters are processes.

use proc_macro2::{Span, TokenStream};
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{AttrStyle, Attribute, Expr, FnArg, ItemFn, Meta, Pat, ReturnType, Token, Type};

use crate::args::{self, Args, Mistakes};
use crate::panics::{self, Panics};

/// What is to become of the function.
pub(crate) struct Function {
    pub(crate) item: ItemFn,
    /// The leading parameters, each for one process.
    pub(crate) processes: Vec<(Pat, Type)>,
    pub(crate) panics: Panics,
    /// Its harness compares what it returns: an `Err` may be right.
    pub(crate) judged: bool,
}

/// Attributes of the language that make no test and take no parameters.
const INERT: [&str; 19] = [
    "allow",
    "warn",
    "deny",
    "forbid",
    "expect",
    "doc",
    "cfg",
    "cfg_attr",
    "inline",
    "cold",
    "must_use",
    "ignore",
    "should_panic",
    "track_caller",
    "deprecated",
    "serial",
    "parallel",
    "file_serial",
    "file_parallel",
];

/// What those of the compiler's tools begin with, as in `#[rustfmt::skip]`.
const TOOLS: [&str; 3] = ["clippy", "diagnostic", "rustfmt"];

pub(crate) fn name_of(attribute: &Attribute) -> String {
    let last = attribute.path().segments.last();
    last.map(|segment| segment.ident.to_string())
        .unwrap_or_default()
}

/// Takes our further attributes off the function, wherever they stand: in the order written.
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

/// Those above the function, and those at the begin of its block (`#![allow(…)]`).
pub(crate) fn by_place(attributes: &[Attribute]) -> (Vec<&Attribute>, Vec<&Attribute>) {
    attributes
        .iter()
        .partition(|attribute| matches!(attribute.style, AttrStyle::Outer))
}

fn place(attribute: &Attribute) -> Span {
    let last = attribute.path().segments.last();
    last.map_or_else(Span::call_site, |segment| segment.ident.span())
}

/// Splits the parameters; `count` is how many processes there are.
pub(crate) fn read(mut item: ItemFn, count: usize, mistakes: &mut Mistakes) -> Function {
    let panics = panics::of(&item.attrs, mistakes);
    let harness = Harness::of(&item.attrs);
    let mut processes = Vec::new();
    let inputs: Vec<_> = std::mem::take(&mut item.sig.inputs).into_iter().collect();
    let own_tail = harness.arguments.unwrap_or(0).min(inputs.len());
    let leading = inputs.len() - own_tail;
    let mut rest = Punctuated::<FnArg, Token![,]>::new();
    for (index, input) in inputs.into_iter().enumerate() {
        let is_next = index < leading && rest.is_empty();
        match input {
            FnArg::Typed(typed) if is_next && is_process(&typed.attrs, &typed.ty) => {
                if processes.len() < count {
                    processes.push((*typed.pat, *typed.ty));
                } else if harness.takes_parameters {
                    rest.push(FnArg::Typed(typed));
                } else {
                    let message = format!(
                        "there is no process for this parameter: the attributes start {count}"
                    );
                    mistakes.on(typed, message);
                }
            }
            FnArg::Receiver(receiver) => {
                mistakes.on(receiver, "a method can be no test: use a function");
            }
            FnArg::Typed(typed) if !harness.takes_parameters => mistakes.on(
                &typed,
                "a process is given by reference, as in `redis: &TcpExecutor`; this function can have no other parameters",
            ),
            FnArg::Typed(typed) => rest.push(FnArg::Typed(typed)),
        }
    }
    item.sig.inputs = rest;
    if let Some((pattern, _)) = processes.first().filter(|_| !harness.is_test) {
        mistakes.on(
            pattern,
            "no test attribute stands below: put `#[with_process(…)]` first, above `#[test]` and its like; a helper that is no test takes no parameters",
        );
    }
    if !matches!(panics, Panics::Never) && !returns_nothing(&item.sig.output) {
        mistakes.on(
            &item.sig.output,
            "a test that is to panic returns nothing: where a process cannot start it has to end without a panic",
        );
    }
    let judged = panics::is_judged(&item.attrs);
    Function {
        item,
        processes,
        panics,
        judged,
    }
}

fn is_process(attributes: &[Attribute], ty: &Type) -> bool {
    attributes.is_empty()
        && matches!(ungrouped(ty), Type::Reference(reference) if reference.mutability.is_none())
}

/// What a fragment of a `macro_rules!` stands for.
fn ungrouped(ty: &Type) -> &Type {
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

/// Whether it was written with `-> !`.
pub(crate) fn never_returns(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, ty) if matches!(ungrouped(ty), Type::Never(_)))
}

/// What stands below: it decides which parameters there may be.
struct Harness {
    is_test: bool,
    takes_parameters: bool,
    /// How many arguments each case of `test_case` has.
    arguments: Option<usize>,
}

impl Harness {
    fn of(attributes: &[Attribute]) -> Self {
        let mut harness = Self {
            is_test: false,
            takes_parameters: false,
            arguments: None,
        };
        for attribute in attributes {
            if INERT.contains(&name_of(attribute).as_str()) || is_of_a_tool(attribute) {
                continue;
            }
            harness.is_test = true;
            harness.takes_parameters |= !takes_none(attribute);
            if panics::is_test_case(attribute) {
                harness.arguments = Some(harness.arguments.unwrap_or_else(|| arguments(attribute)));
            }
        }
        harness
    }
}

fn is_of_a_tool(attribute: &Attribute) -> bool {
    let first = attribute.path().segments.first();
    first.is_some_and(|first| TOOLS.iter().any(|tool| first.ident == tool))
}

/// `#[test]`, `#[tokio::test]` and their like; others may give parameters of their own
/// (`#[sqlx::test]`).
fn takes_none(attribute: &Attribute) -> bool {
    const RUNTIMES: [&str; 9] = [
        "actix",
        "actix_rt",
        "actix_web",
        "async_std",
        "core",
        "smol",
        "std",
        "test_log",
        "tokio",
    ];
    let segments = &attribute.path().segments;
    let of_a_runtime = || {
        let first = segments.first().map(|first| first.ident.to_string());
        first.is_some_and(|first| RUNTIMES.contains(&first.as_str()))
    };
    name_of(attribute) == "test" && (segments.len() == 1 || of_a_runtime())
}

/// The expressions in front of `=>` or `;`.
fn arguments(attribute: &Attribute) -> usize {
    let mut count = 0;
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() && !input.peek(Token![;]) && !input.peek(Token![=>]) {
            input.parse::<Expr>()?;
            count += 1;
            if input.parse::<Option<Token![,]>>()?.is_none() {
                break;
            }
        }
        input.parse::<TokenStream>().map(drop)
    };
    // What cannot be read is the harness's to complain of.
    let _ = attribute.parse_args_with(read);
    count
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn tests_of_other_crates_may_give_parameters() {
        assert!(takes_none(&parse_quote!(#[test])));
        assert!(takes_none(
            &parse_quote!(#[tokio::test(flavor = "multi_thread")])
        ));
        assert!(!takes_none(&parse_quote!(#[sqlx::test])));
        assert!(!takes_none(&parse_quote!(#[rstest])));
    }
}
