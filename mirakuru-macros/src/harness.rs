//! What stands below the attribute, told by the names of its attributes: whether it is a test, which
//! parameters it gives, and what its cases expect.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::parse::ParseStream;
use syn::{Attribute, Expr, Meta, Token};

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

/// What stands below: it decides which parameters there may be.
pub(crate) struct Harness {
    pub(crate) is_test: bool,
    pub(crate) takes_parameters: bool,
    /// How many arguments each case of `test_case` has.
    pub(crate) arguments: Option<usize>,
}

impl Harness {
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
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
            if is_test_case(attribute) {
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

/// `#[test_case(…)]`, `#[test_matrix(…)]`, or `#[test_case::case(…)]`, as that crate calls the first too. Where
/// that is imported, what it expects tells it from a case of rstest, which expects nothing.
pub(crate) fn is_test_case(attribute: &Attribute) -> bool {
    let segments = &attribute.path().segments;
    let by_crate = segments.len() > 1 && segments.first().is_some_and(|of| of.ident == "test_case");
    match name_of(attribute).as_str() {
        "test_case" | "test_matrix" => true,
        "case" => by_crate || !matches!(outcome(&attribute.meta), Outcome::Any),
        _ => false,
    }
}

/// `#[case(…)]`, or with a name of its own `#[case::name(…)]`.
pub(crate) fn is_case_of_rstest(attribute: &Attribute) -> bool {
    let mut segments = attribute.path().segments.iter();
    segments.any(|segment| segment.ident == "case")
}

/// What a case of `test_case` expects.
pub(crate) enum Outcome {
    Any,
    Panic,
    Value,
}

pub(crate) fn outcome(meta: &Meta) -> Outcome {
    let Meta::List(list) = meta else {
        return Outcome::Any;
    };
    let tokens: Vec<_> = list.tokens.clone().into_iter().collect();
    let is = |token: &TokenTree, wanted| matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted);
    let arrow = tokens
        .windows(2)
        .position(|pair| is(&pair[0], '=') && is(&pair[1], '>'));
    // `ignore` and `inconclusive` stand ahead of what is expected, with a reason perhaps.
    let expected = arrow.and_then(|at| {
        tokens[at + 2..].iter().find(|token| match token {
            TokenTree::Ident(ident) => ident != "ignore" && ident != "inconclusive",
            TokenTree::Group(group) => group.delimiter() != Delimiter::Bracket,
            TokenTree::Punct(_) | TokenTree::Literal(_) => true,
        })
    });
    match expected {
        None => Outcome::Any,
        Some(TokenTree::Ident(ident)) if ident == "panics" => Outcome::Panic,
        Some(_) => Outcome::Value,
    }
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

    #[test]
    fn a_case_of_either_crate_is_known() {
        assert!(is_test_case(&parse_quote!(#[test_case::case(1)])));
        assert!(is_test_case(&parse_quote!(#[case(1 => panics)])));
        assert!(!is_test_case(&parse_quote!(#[case(1)])));
        assert!(!is_test_case(
            &parse_quote!(#[case::name(match x { _ => 1 })])
        ));
    }

    #[test]
    fn what_a_case_expects_may_stand_behind_that_it_is_ignored() {
        let panics = |attribute: &Attribute| matches!(outcome(&attribute.meta), Outcome::Panic);
        assert!(panics(&parse_quote!(#[test_case(1 => panics "no")])));
        assert!(panics(&parse_quote!(#[test_case(1 => ignore panics "no")])));
        assert!(panics(
            &parse_quote!(#[test_case(1 => ignore["why"] panics "no")])
        ));
        assert!(panics(
            &parse_quote!(#[test_case(1 => inconclusive panics "no")])
        ));
        assert!(!panics(&parse_quote!(#[test_case(1 => ignore 2)])));
        assert!(!panics(&parse_quote!(#[test_case(1)])));
    }
}
