//! Checks literals, with one function for each shape of value.
//!
//! Only a literal can be wrong here. The compiler and the start of the process check every other expression.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprPath, Ident, Lit, LitStr, UnOp};

use crate::check;
use crate::options::{Check, Choices};

/// Returns the mistake if `wrong`.
pub(super) fn unless(wrong: bool, mistake: &str) -> Result<(), String> {
    if wrong {
        Err(mistake.to_owned())
    } else {
        Ok(())
    }
}

pub(super) fn string(expr: &Expr, check: Check) -> Result<(), String> {
    match literal(expr) {
        Some(text) => check(&text.value()),
        None => unless(is_no_text(expr), "expected a string"),
    }
}

pub(super) fn exit_code(expr: &Expr) -> Result<(), String> {
    let wrong = match without_minus(expr) {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse::<i32>().is_err(),
        Expr::Lit(_) => true,
        _ => false,
    };
    unless(
        wrong,
        "expected an exit code: a number, negative for a signal",
    )
}

pub(super) fn user(expr: &Expr) -> Result<(), String> {
    let wrong = match without_minus(expr) {
        Expr::Lit(ExprLit { lit, .. }) => {
            !matches!(lit, Lit::Str(_) | Lit::Int(_)) || matches!(expr, Expr::Unary(_))
        }
        _ => false,
    };
    unless(wrong, "expected a user: a name in a string, or a number")
}

pub(super) fn port(expr: &Expr) -> Result<(), String> {
    let wrong = match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse::<u16>().is_err(),
        Expr::Lit(_) => true,
        Expr::Unary(_) => matches!(without_minus(expr), Expr::Lit(_)),
        _ => false,
    };
    unless(
        wrong,
        "expected a port: a number from 0 to 65535; for a free port, write 0, or remove this option and write `{port}` in the command",
    )
}

pub(super) fn status(expr: &Expr) -> Result<(), String> {
    match without_minus(expr) {
        Expr::Lit(ExprLit {
            lit: Lit::Int(code),
            ..
        }) => check::status(code.base10_parse().unwrap_or(0)),
        Expr::Lit(ExprLit {
            lit: Lit::Str(pattern),
            ..
        }) => check::regex(&pattern.value()),
        Expr::Lit(_) => {
            Err("expected a status: a code, or a regular expression in a string".to_owned())
        }
        _ => Ok(()),
    }
}

pub(super) fn time(expr: &Expr, runtime: &TokenStream) -> Result<TokenStream, String> {
    let time = match without_minus(expr) {
        Expr::Lit(_) if matches!(expr, Expr::Unary(_)) => None,
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Str(text) => Some(check::time(&text.value())?),
            Lit::Int(seconds) => seconds.base10_parse().map(Duration::from_secs).ok(),
            Lit::Float(seconds) => {
                let seconds = seconds.base10_parse().ok();
                seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            }
            _ => None,
        },
        _ => return Ok(quote!(#runtime::duration(#expr))),
    };
    let Some(time) = time else {
        let written = expr.to_token_stream().to_string().replace("- ", "-");
        return Err(check::no_time(&written));
    };
    let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
    Ok(quote_spanned!(expr.span()=> #runtime::core::time::Duration::new(#seconds, #nanos)))
}

pub(super) fn signal(expr: &Expr, runtime: &TokenStream) -> Result<TokenStream, String> {
    let name = match (expr, name_of(expr)) {
        // The user may have a constant of this name.
        (Expr::Path(_), Some(name)) if check::is_far_from_signals(&name) => {
            return Ok(quote!(#expr));
        }
        (_, Some(name))
            if name.to_ascii_uppercase().starts_with("SIG") || check::is_short_signal(&name) =>
        {
            name
        }
        (Expr::Lit(_), name) => name.unwrap_or_else(|| expr.to_token_stream().to_string()),
        _ => return Ok(quote!(#expr)),
    };
    check::signal(&name)?;
    Ok(quote_spanned!(expr.span()=> #runtime::signal(#name)))
}

pub(super) fn choice(
    expr: &Expr,
    choices: Choices,
    runtime: &TokenStream,
) -> Result<TokenStream, String> {
    let written = match (expr, name_of(expr)) {
        (Expr::Path(_), Some(name)) if is_constant(&name) => {
            return Ok(quote!(#expr));
        }
        (_, Some(name)) => name,
        (Expr::Lit(_), None) => String::new(),
        _ => return Ok(quote!(#expr)),
    };
    let name = written.to_ascii_lowercase();
    if choices.names.contains(&&*name) {
        let (first, rest) = name.split_at(1);
        let variant = format!("{}{rest}", first.to_ascii_uppercase());
        let variant = Ident::new(&variant, expr.span());
        let of = Ident::new(choices.of, Span::call_site());
        return Ok(quote!(#runtime::api::#of::#variant));
    }
    let listed: Vec<_> = choices
        .names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    let listed = listed.join(", ");
    let nearest = check::nearest(&name, choices.names.iter().copied());
    let guess = nearest.map(|nearest| format!(": did you mean `{nearest}`?"));
    let guess = guess.unwrap_or_default();
    Err(format!("expected one of {listed}{guess}"))
}

pub(super) fn count(expr: &Expr) -> Result<(), String> {
    let wrong = match without_minus(expr) {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => matches!(expr, Expr::Unary(_)) || number.base10_parse::<u32>().unwrap_or(0) == 0,
        Expr::Lit(_) => true,
        _ => false,
    };
    unless(wrong, "expected a number from 1 upwards")
}

/// Converts `null` and `inherit`, which are words of the attribute. The runtime converts every other expression.
pub(super) fn stdin(expr: &Expr, runtime: &TokenStream) -> Result<TokenStream, String> {
    match (expr, name_of(expr)) {
        (_, Some(name)) if name == "null" || name == "inherit" => {
            let made = Ident::new(&name, expr.span());
            Ok(quote!(#runtime::api::Stdio::#made()))
        }
        (Expr::Lit(_), _) => Err("expected `null` or `inherit`".to_owned()),
        (Expr::Path(_), Some(name)) if !is_constant(&name) => {
            Err("expected `null` or `inherit`".to_owned())
        }
        _ => Ok(quote!(#expr)),
    }
}

pub(super) fn path_of_the_crate(expr: &Expr) -> Result<(), String> {
    let wrong = !matches!(expr, Expr::Path(_));
    unless(
        wrong,
        "expected the path of the crate, as in `crate = my_mirakuru`",
    )
}

fn without_minus(expr: &Expr) -> &Expr {
    match expr {
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => &unary.expr,
        _ => expr,
    }
}

/// Returns a single word that is written as such or in a string.
pub(super) fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(ExprPath { path, .. }) => path.get_ident().map(Ident::to_string),
        _ => literal(expr).map(LitStr::value),
    }
}

/// Returns whether a name is written like a constant, without lower-case letters.
pub(super) fn is_constant(name: &str) -> bool {
    name.chars().all(|c| !c.is_ascii_lowercase())
}

/// Returns whether this is a literal other than a string.
pub(super) fn is_no_text(expr: &Expr) -> bool {
    matches!(without_minus(expr), Expr::Lit(_)) && literal(expr).is_none()
}

/// Returns whether this is a literal whose type does not implement `Display`.
pub(super) fn is_not_shown(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Lit(ExprLit {
            lit: Lit::ByteStr(_) | Lit::CStr(_),
            ..
        })
    )
}

pub(super) fn literally(expr: &Expr) -> Result<bool, String> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Bool(lit),
            ..
        }) => Ok(lit.value),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

/// Returns the string if this is a string literal.
pub(super) fn literal(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

/// Returns the string literals in an expression or an array.
pub(super) fn literals(expr: &Expr) -> Vec<&LitStr> {
    match expr {
        Expr::Array(array) => array.elems.iter().filter_map(literal).collect(),
        _ => literal(expr).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_counted_as_the_runtime_counts_them() {
        for (literal, seconds, nanos) in include!("../../../tests/rules/seconds.rs") {
            let (seconds, nanos): (u64, u32) = (seconds, nanos);
            let found = time(&syn::parse_str(literal).unwrap(), &quote!(runtime)).unwrap();
            let expected = quote!(runtime::core::time::Duration::new(#seconds, #nanos));
            assert_eq!(found.to_string(), expected.to_string(), "{literal}");
        }
    }
}
