//! Whether the harness below waits for a panic, and of which cases: `#[should_panic]`, and what
//! `test_case` and rstest say of each of theirs.

use proc_macro2::{Delimiter, TokenTree};
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta};

use crate::args::Mistakes;
use crate::function::name_of;

/// Whether its harness expects a panic.
#[derive(Clone)]
pub(crate) enum Panics {
    Never,
    Always,
    Saying(LitStr),
}

/// All of its tests have to agree: where a process cannot start, a test that is to panic must not,
/// and every other one must.
pub(crate) fn of(attributes: &[Attribute], mistakes: &mut Mistakes) -> Panics {
    let mut panics = Panics::Never;
    // How many there are, how many of them are to panic, and one that tells the place.
    let mut cases = (0, 0, None);
    let mut of_rstest = (0, 0, None);
    // One that no case of rstest has followed yet.
    let mut waiting = None;
    for attribute in attributes {
        if is_test_case(attribute) {
            cases.0 += 1;
            if let Outcome::Panic = outcome(&attribute.meta) {
                cases = (cases.0, cases.1 + 1, Some(attribute));
                panics = Panics::Always;
            }
        } else if is_case_of_rstest(attribute) {
            of_rstest.0 += 1;
            if let Some(before) = waiting.take() {
                of_rstest = (of_rstest.0, of_rstest.1 + 1, Some(before));
            }
        } else if name_of(attribute) == "should_panic" {
            panics = expected(&attribute.meta, &panics);
            waiting = Some(attribute);
        }
    }
    // Before a case of rstest it belongs to that one alone; behind the last one, to all.
    if waiting.is_some() {
        of_rstest.1 = of_rstest.0;
    }
    for (all, panicking, place) in [cases, of_rstest] {
        if panicking > 0
            && panicking < all
            && let Some(place) = place
        {
            mistakes.on(place, MIXED);
        }
    }
    panics
}

/// Whether the harness compares what the function returns: an `Err` may be right.
pub(crate) fn is_judged(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        is_test_case(attribute) && !matches!(outcome(&attribute.meta), Outcome::Any)
    })
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
fn is_case_of_rstest(attribute: &Attribute) -> bool {
    let mut segments = attribute.path().segments.iter();
    segments.any(|segment| segment.ident == "case")
}

const MIXED: &str = "some cases are to panic and others are not: write two functions, or one that cannot start its process would pass as one that is to panic";

/// What this one waits for, beside those of other cases: with different messages, any will do.
fn expected(meta: &Meta, others: &Panics) -> Panics {
    let text = |expr: &Expr| match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.clone()),
        _ => None,
    };
    let found = match meta {
        Meta::Path(_) => None,
        Meta::NameValue(pair) => text(&pair.value),
        Meta::List(list) => list
            .parse_args::<syn::MetaNameValue>()
            .ok()
            .and_then(|pair| text(&pair.value)),
    };
    match (found, others) {
        (Some(found), Panics::Never) => Panics::Saying(found),
        (Some(found), Panics::Saying(other)) if found.value() == other.value() => {
            Panics::Saying(found)
        }
        _ => Panics::Always,
    }
}

/// What a case of `test_case` expects.
enum Outcome {
    Any,
    Panic,
    Value,
}

fn outcome(meta: &Meta) -> Outcome {
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
