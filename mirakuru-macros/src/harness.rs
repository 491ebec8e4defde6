//! Recognises the test harness of a function by the names of its attributes.
//!
//! The harness decides whether the function is a test, which parameters it has, and what its cases expect.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::parse::ParseStream;
use syn::{Attribute, Expr, Meta, Token};

/// Attributes that do not make a function a test, and that add no parameters.
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

/// The first segments of the attributes of tools, as in `#[rustfmt::skip]`.
const TOOLS: [&str; 3] = ["clippy", "diagnostic", "rustfmt"];

/// Returns the last segment of the attribute's path.
pub(crate) fn name_of(attribute: &Attribute) -> String {
    let last = attribute.path().segments.last();
    last.map(|segment| segment.ident.to_string())
        .unwrap_or_default()
}

/// The test harness of a function.
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

/// Returns whether this is `#[test]`, `#[tokio::test]` or a similar attribute. Other test attributes may pass
/// parameters of their own (`#[sqlx::test]`).
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

/// Counts the expressions before `=>` or `;`.
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
    // The harness reports arguments that cannot be read.
    let _ = attribute.parse_args_with(read);
    count
}

/// Returns whether this is a case of the crate `test_case`: `#[test_case(…)]`, `#[test_matrix(…)]` or
/// `#[test_case::case(…)]`.
///
/// An imported `#[case(…)]` belongs to that crate if it expects an outcome. A case of rstest expects none.
pub(crate) fn is_test_case(attribute: &Attribute) -> bool {
    let segments = &attribute.path().segments;
    let by_crate = segments.len() > 1 && segments.first().is_some_and(|of| of.ident == "test_case");
    match name_of(attribute).as_str() {
        "test_case" | "test_matrix" => true,
        "case" => by_crate || !matches!(outcome(&attribute.meta), Outcome::Any),
        _ => false,
    }
}

/// Returns whether this is a case of rstest: `#[case(…)]`, or `#[case::name(…)]` for a case with a name.
pub(crate) fn is_case_of_rstest(attribute: &Attribute) -> bool {
    let mut segments = attribute.path().segments.iter();
    segments.any(|segment| segment.ident == "case")
}

/// The outcome that a case of `test_case` expects.
pub(crate) enum Outcome {
    Any,
    Panic,
    Value,
}

/// Returns the outcome that a case expects.
pub(crate) fn outcome(meta: &Meta) -> Outcome {
    let Meta::List(list) = meta else {
        return Outcome::Any;
    };
    let tokens: Vec<_> = list.tokens.clone().into_iter().collect();
    let is = |token: &TokenTree, wanted| matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted);
    let arrow = tokens
        .windows(2)
        .position(|pair| is(&pair[0], '=') && is(&pair[1], '>'));
    // `ignore` and `inconclusive` may precede the expected outcome, with or without a reason.
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
    fn test_attributes_of_other_crates_may_pass_parameters() {
        assert!(takes_none(&parse_quote!(#[test])));
        assert!(takes_none(
            &parse_quote!(#[tokio::test(flavor = "multi_thread")])
        ));
        assert!(!takes_none(&parse_quote!(#[sqlx::test])));
        assert!(!takes_none(&parse_quote!(#[rstest])));
    }

    #[test]
    fn cases_of_both_crates_are_recognised() {
        assert!(is_test_case(&parse_quote!(#[test_case::case(1)])));
        assert!(is_test_case(&parse_quote!(#[case(1 => panics)])));
        assert!(!is_test_case(&parse_quote!(#[case(1)])));
        assert!(!is_test_case(
            &parse_quote!(#[case::name(match x { _ => 1 })])
        ));
    }

    #[test]
    fn an_ignored_case_may_expect_an_outcome() {
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
