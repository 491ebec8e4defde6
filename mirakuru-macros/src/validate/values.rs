//! What a value is to be. Only a literal can be wrong here: any other expression is the compiler's to
//! look at, and the start's.

use quote::ToTokens;
use syn::{Expr, ExprLit, ExprPath, Ident, Lit, LitStr, UnOp};

use super::Reader;
use crate::check;
use crate::command;
use crate::model::{Choice, SignalName, Time};

impl Reader<'_> {
    pub(super) fn command(&mut self, source: &Expr) {
        let shape = "a command is a string, or an array of strings";
        let mistake = match source {
            Expr::Array(array) => {
                for word in array.elems.iter().filter(|word| is_no_text(word)) {
                    self.mistakes.on(word, shape);
                }
                if let Some(program) = array.elems.first().and_then(literal)
                    && let Err(mistake) = command::program(&program.value(), self.shell)
                {
                    self.mistakes.on(program, mistake);
                }
                array.elems.is_empty().then(|| command::EMPTY.to_owned())
            }
            _ if is_no_text(source) => Some(shape.to_owned()),
            _ => literal(source).and_then(|text| command::line(&text.value(), self.shell).err()),
        };
        if let Some(mistake) = mistake {
            self.mistakes.on(source, mistake);
        }
        self.text(source);
    }

    pub(super) fn path(&mut self, source: &Expr) {
        if !matches!(source, Expr::Path(_)) {
            let message = "write the path of a static: `shared = DATABASE`";
            self.mistakes.on(source, message);
        }
    }

    pub(super) fn no_literal(&mut self, source: &Expr) {
        if matches!(source, Expr::Lit(_)) {
            let message =
                "this is to be an executor, as in `executor = SimpleExecutor::new(\"…\")`";
            self.mistakes.on(source, message);
        }
    }

    /// Looks at the placeholders of every literal in it.
    pub(super) fn text(&mut self, expr: &Expr) {
        for text in literals(expr) {
            for mistake in check::text(&text.value(), self.bindings) {
                self.mistakes.on(text, mistake);
            }
        }
    }

    /// A text in which placeholders are filled in.
    pub(super) fn filled(&mut self, expr: Expr) -> Expr {
        self.text(&expr);
        self.string(expr, |_| Ok(()))
    }

    pub(super) fn string(
        &mut self,
        expr: Expr,
        check: impl FnOnce(&str) -> Result<(), String>,
    ) -> Expr {
        let wrong = match literal(&expr) {
            Some(text) => check(&text.value()).err(),
            None => is_no_text(&expr).then(|| "this is to be a string".to_owned()),
        };
        self.unless(wrong, expr)
    }

    fn unless(&mut self, mistake: Option<String>, expr: Expr) -> Expr {
        if let Some(mistake) = mistake {
            self.mistakes.on(&expr, mistake);
        }
        expr
    }

    pub(super) fn truth(&mut self, expr: Expr) -> Expr {
        let wrong = match (&expr, name_of(&expr)) {
            (Expr::Lit(ExprLit { lit, .. }), _) => !matches!(lit, Lit::Bool(_)),
            // Of what has a lower-case name, only a parameter of the function is in sight.
            (_, Some(name)) => !is_constant(&name) && !self.parameters.contains(&name),
            _ => false,
        };
        let message = wrong.then(|| "this is to be `true` or `false`".to_owned());
        self.unless(message, expr)
    }

    pub(super) fn number(&mut self, expr: Expr) -> Expr {
        let wrong = match without_minus(&expr) {
            Expr::Lit(ExprLit {
                lit: Lit::Int(number),
                ..
            }) => number.base10_parse::<i32>().is_err(),
            Expr::Lit(_) => true,
            _ => false,
        };
        let message = "an exit code is a number; a negative one is that of a signal";
        self.unless(wrong.then(|| message.to_owned()), expr)
    }

    pub(super) fn user(&mut self, expr: Expr) -> Expr {
        let wrong = match without_minus(&expr) {
            Expr::Lit(ExprLit { lit, .. }) => {
                !matches!(lit, Lit::Str(_) | Lit::Int(_)) || matches!(expr, Expr::Unary(_))
            }
            _ => false,
        };
        let message = "a user is a name in a string, or a number";
        self.unless(wrong.then(|| message.to_owned()), expr)
    }

    pub(super) fn port(&mut self, expr: Expr) -> Expr {
        let wrong = match &expr {
            Expr::Lit(ExprLit {
                lit: Lit::Int(number),
                ..
            }) => number.base10_parse::<u16>().is_err(),
            Expr::Lit(_) => true,
            Expr::Unary(_) => matches!(without_minus(&expr), Expr::Lit(_)),
            _ => false,
        };
        let message = "a port is a number from 0 to 65535; 0, or none and `{port}` in the command, is a free one";
        self.unless(wrong.then(|| message.to_owned()), expr)
    }

    pub(super) fn status(&mut self, expr: Expr) -> Expr {
        let wrong = match without_minus(&expr) {
            Expr::Lit(ExprLit {
                lit: Lit::Int(code),
                ..
            }) => check::status(code.base10_parse().unwrap_or(0)),
            Expr::Lit(ExprLit {
                lit: Lit::Str(pattern),
                ..
            }) => check::regex(&pattern.value()),
            Expr::Lit(_) => {
                Err("a status is a code, or a regular expression in a string".to_owned())
            }
            _ => Ok(()),
        };
        self.unless(wrong.err(), expr)
    }

    pub(super) fn time(&mut self, expr: Expr) -> Option<Time> {
        let written = expr.to_token_stream().to_string().replace("- ", "-");
        let time = match without_minus(&expr) {
            Expr::Lit(_) if matches!(expr, Expr::Unary(_)) => check::time(&written),
            Expr::Lit(ExprLit { lit, .. }) => match lit {
                Lit::Str(text) => check::time(&text.value()),
                Lit::Int(seconds) => check::time(&format!("{}s", seconds.base10_digits())),
                Lit::Float(seconds) => check::time(&format!("{}s", seconds.base10_digits())),
                _ => check::time(&written),
            },
            _ => return Some(Time::Expr(expr)),
        };
        match time {
            Ok(time) => Some(Time::Literal(time, span(&expr))),
            Err(mistake) => {
                self.mistakes.on(&expr, mistake);
                None
            }
        }
    }

    pub(super) fn signal(&mut self, expr: Expr) -> Option<SignalName> {
        let name = match (&expr, name_of(&expr)) {
            // A constant of the user's may be called so too.
            (Expr::Path(_), Some(name)) if check::is_far_from_signals(&name) => {
                return Some(SignalName::Expr(expr));
            }
            (_, Some(name)) if name.to_ascii_uppercase().starts_with("SIG") => name,
            (Expr::Lit(_), name) => name.unwrap_or_else(|| expr.to_token_stream().to_string()),
            _ => return Some(SignalName::Expr(expr)),
        };
        match check::signal(&name) {
            Ok(()) => Some(SignalName::Literal(name, span(&expr))),
            Err(mistake) => {
                self.mistakes.on(&expr, mistake);
                None
            }
        }
    }

    pub(super) fn choice(&mut self, expr: Expr, choices: &[&'static str]) -> Option<Choice> {
        let written = match (&expr, name_of(&expr)) {
            (Expr::Path(_), Some(name)) if is_constant(&name) => return Some(Choice::Expr(expr)),
            (_, Some(name)) => name,
            (Expr::Lit(_), None) => String::new(),
            _ => return Some(Choice::Expr(expr)),
        };
        let name = written.to_ascii_lowercase();
        if choices.contains(&&*name) {
            let (first, rest) = name.split_at(1);
            let variant = format!("{}{rest}", first.to_ascii_uppercase());
            return Some(Choice::Variant(Ident::new(&variant, span(&expr))));
        }
        let listed: Vec<_> = choices.iter().map(|name| format!("`{name}`")).collect();
        let listed = listed.join(", ");
        let nearest = check::nearest(&name, choices.iter().copied());
        let guess = nearest.map(|nearest| format!(": did you mean `{nearest}`?"));
        let guess = guess.unwrap_or_default();
        let message = format!("this is to be one of {listed}{guess}");
        self.mistakes.on(&expr, message);
        None
    }

    pub(super) fn bind(&mut self, expr: &Expr) {
        let name = match expr {
            Expr::Path(ExprPath { path, .. }) => path.get_ident().cloned(),
            _ => None,
        };
        let message = match name {
            Some(name) if self.bindings.contains(&name.to_string()) => {
                format!("an attribute before this one is bound to `{name}` already")
            }
            Some(name) if check::is_word(&name.to_string()) => {
                self.options.bind = Some(name);
                return;
            }
            Some(name) => format!(
                "`{{{name}.port}}` would be no placeholder: write a lower-case name, as in `bind = db`"
            ),
            None => "write a name for later attributes: `bind = db`".to_owned(),
        };
        self.mistakes.on(expr, message);
    }

    pub(super) fn take_map(&mut self, name: &str, pairs: Vec<(LitStr, Expr)>) {
        let mut seen: Vec<String> = Vec::new();
        for (key, value) in &pairs {
            // Nothing is filled in elsewhere.
            if name == "env" {
                self.text(value);
            }
            if is_no_text(value) || matches!(value, Expr::Block(_) | Expr::Tuple(_)) {
                self.mistakes.on(value, "this is to be a string");
            }
            let written = key.value();
            let wrong = match name {
                "env" if written.is_empty() || written.contains(['=', '\0']) => {
                    Err(format!("{written:?} cannot be the name of a variable"))
                }
                "env" if seen.contains(&written) => {
                    Err(format!("`{written}` is given twice: keep one of them"))
                }
                "headers" => check::token("name of a header", &written),
                _ => Ok(()),
            };
            if let Err(mistake) = wrong {
                self.mistakes.on(key, mistake);
            }
            seen.push(written);
        }
        match name {
            "env" => self.options.env = pairs,
            "payload" => self.options.payload = pairs,
            _ => self.options.headers = pairs,
        }
    }
}

fn span(expr: &Expr) -> proc_macro2::Span {
    syn::spanned::Spanned::span(expr)
}

fn without_minus(expr: &Expr) -> &Expr {
    match expr {
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => &unary.expr,
        _ => expr,
    }
}

/// A single word, as itself or in a string.
fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(ExprPath { path, .. }) => path.get_ident().map(Ident::to_string),
        _ => literal(expr).map(LitStr::value),
    }
}

/// By its case.
fn is_constant(name: &str) -> bool {
    name.chars().all(|c| !c.is_ascii_lowercase())
}

/// Whether it is a literal, but no string.
fn is_no_text(expr: &Expr) -> bool {
    matches!(without_minus(expr), Expr::Lit(_)) && literal(expr).is_none()
}

pub(super) fn literal(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

pub(super) fn literals(expr: &Expr) -> Vec<&LitStr> {
    match expr {
        Expr::Array(array) => array.elems.iter().filter_map(literal).collect(),
        _ => literal(expr).into_iter().collect(),
    }
}
