//! Parses `key = value, …` as it is written, without regard to its meaning. An option that cannot be read is a mistake,
//! and the parser goes on with the next one.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, Ident, LitStr, Result, Token, token};

use crate::check;
use crate::model::Kind;
use crate::options::{self, Shape};

/// The mistakes of one expansion, which are reported together.
#[derive(Default)]
pub(crate) struct Mistakes(Vec<Error>);

impl Mistakes {
    /// Adds a mistake at one place.
    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.0.push(Error::new(span, message));
    }

    /// Adds a mistake that covers all of `tokens`.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.0.push(Error::new_spanned(tokens, message));
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_error(self) -> Option<Error> {
        self.0.into_iter().reduce(|mut all, next| {
            all.combine(next);
            all
        })
    }
}

/// The arguments of one attribute.
pub(crate) struct Args {
    pub(crate) span: Span,
    pub(crate) options: Vec<Written>,
    /// A part could not be read, and may contain an option that seems to be missing.
    pub(crate) incomplete: bool,
}

/// An option, `key = value`, or a word without a value.
pub(crate) struct Written {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    Expr(Expr),
    /// The key is a word without a value.
    Alone,
    /// `{ name = value, … }`
    Map(Vec<Pair>),
}

/// A pair `name = value` in braces.
pub(crate) struct Pair {
    pub(crate) name: LitStr,
    pub(crate) value: Expr,
}

/// Parses the arguments of an attribute.
pub(crate) fn parse(tokens: TokenStream, span: Span, mistakes: &mut Mistakes) -> Args {
    let mut args = Args {
        span,
        options: Vec::new(),
        incomplete: false,
    };
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match option(input) {
                Ok(written) => args.options.push(written),
                Err(error) => {
                    args.incomplete = true;
                    mistakes.0.push(error);
                    skip_to_comma(input)?;
                }
            }
            if input.is_empty() {
                break;
            }
            if let Err(error) = input.parse::<Token![,]>() {
                args.incomplete = true;
                mistakes.0.push(error);
                skip_to_comma(input)?;
                input.parse::<Option<Token![,]>>()?;
            }
        }
        Ok(())
    };
    if let Err(error) = read.parse2(tokens) {
        mistakes.0.push(error);
    }
    args
}

fn option(input: ParseStream<'_>) -> Result<Written> {
    let key = input.call(Ident::parse_any).map_err(|error| {
        Error::new(
            error.span(),
            "write options as `key = value`, with commas between them",
        )
    })?;
    let name = key.to_string();
    let is_word = Kind::named(&name).is_some_and(Kind::is_word);
    if is_word && !input.peek(Token![=]) {
        let value = Value::Alone;
        return Ok(Written { key, value });
    }
    let has_sign = input.parse::<Option<Token![=]>>()?.is_some();
    if !has_sign || input.is_empty() || input.peek(Token![,]) {
        let nearest =
            check::nearest(&name, Kind::words()).filter(|_| !has_sign && !is_known(&name));
        let mistake = match nearest {
            _ if is_word => no_value(&name),
            Some(word) => format!("unknown option `{name}`: did you mean `{word}`?"),
            None => format!("`{name}` needs a value: write `{name} = …`"),
        };
        return Err(Error::new(key.span(), mistake));
    }
    let row = options::find(&name);
    let value = if row.is_some_and(|row| matches!(row.shape, Shape::Map(_))) {
        Value::Map(map(input, &key)?)
    } else {
        let ahead = input.fork();
        let expr = ahead.parse()?;
        syn::parse::discouraged::Speculative::advance_to(input, &ahead);
        Value::Expr(ungrouped(expr))
    };
    Ok(Written { key, value })
}

/// Returns whether this is the name of an option or of a kind.
pub(crate) fn is_known(name: &str) -> bool {
    options::find(name).is_some() || Kind::named(name).is_some()
}

pub(crate) fn no_value(word: &str) -> String {
    format!(
        "`{word}` takes no value: write `#[with_process({word})]`, and options such as `version = \"…\"` after it"
    )
}

/// Removes the groups in which the compiler puts the fragments of a `macro_rules!`.
fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        Expr::Array(mut array) => {
            array.elems = array.elems.into_iter().map(ungrouped).collect();
            Expr::Array(array)
        }
        written => written,
    }
}

/// Parses a map in braces. The braces are read as one token, so a mistake in them is reported once, and the parser goes
/// on after them.
fn map(input: ParseStream<'_>, key: &Ident) -> Result<Vec<Pair>> {
    let shape = format!("write `{key} = {{ NAME = \"value\", \"other-name\" = \"value\" }}`");
    if !input.peek(token::Brace) {
        return Err(Error::new(input.span(), shape));
    }
    let braces: Group = input.parse()?;
    let misshapen = |error: &Error| Error::new(error.span(), &shape);
    let read = |content: ParseStream<'_>| {
        let mut pairs = Vec::new();
        while !content.is_empty() {
            pairs.push(pair(content).map_err(|error| misshapen(&error))?);
            if !content.is_empty() {
                content
                    .parse::<Token![,]>()
                    .map_err(|error| misshapen(&error))?;
            }
        }
        Ok(pairs)
    };
    read.parse2(braces.stream())
        .map_err(|error| match error.span().source_text() {
            // At the end of the braces, no token could have the span.
            None => Error::new(braces.span_close(), &shape),
            Some(_) => error,
        })
}

fn pair(content: ParseStream<'_>) -> Result<Pair> {
    let name = if content.peek(LitStr) {
        content.parse()?
    } else {
        let name = content.call(Ident::parse_any)?;
        LitStr::new(&name.unraw().to_string(), name.span())
    };
    if !content.peek(Token![=]) {
        return Err(Error::new(name.span(), ""));
    }
    content.parse::<Token![=]>()?;
    let value = ungrouped(content.parse()?);
    Ok(Pair { name, value })
}

fn skip_to_comma(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
