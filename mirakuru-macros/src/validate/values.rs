//! Checks the values that depend on the rest of the attribute: on its command, on the function's parameters, or on the
//! bindings of other attributes.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprPath, Lit};

use super::literals::{
    choice, count, exit_code, is_constant, is_no_text, is_not_shown, literal, literally, literals,
    name_of, path_of_the_crate, port, signal, status, stdin, string, time, unless, user,
};
use super::{Reader, may_name_port};
use crate::args::Pair;
use crate::check;
use crate::command;
use crate::options::{Map, Shape};
use crate::placeholder;

impl Reader<'_> {
    /// Checks a command. `shell` is `None` if no shell can run it.
    pub(super) fn command(&mut self, source: &Expr, shell: Option<bool>) {
        let shape = "expected a command: a string, or an array of strings";
        let mistake = match source {
            Expr::Array(array) => {
                for word in array.elems.iter().filter(|word| is_no_text(word)) {
                    self.mistakes.on(word, shape);
                }
                if let Some(program) = array.elems.first().and_then(literal) {
                    if let Err(mistake) = command::program(&program.value(), shell == Some(true)) {
                        self.mistakes.on(program, mistake);
                    }
                }
                array.elems.is_empty().then(|| command::EMPTY.to_owned())
            }
            _ if is_no_text(source) => Some(shape.to_owned()),
            _ => literal(source).and_then(|text| command::line(&text.value(), shell).err()),
        };
        if let Some(mistake) = mistake {
            self.mistakes.on(source, mistake);
        }
        self.placeholders(source);
    }

    /// Checks the value of `shared`.
    pub(super) fn path(&mut self, source: &Expr) {
        if !matches!(source, Expr::Path(_)) {
            let message = "expected the path of a static, as in `shared = DATABASE`";
            self.mistakes.on(source, message);
        }
    }

    /// Checks the value of `executor`.
    pub(super) fn no_literal(&mut self, source: &Expr) {
        if matches!(source, Expr::Lit(_)) {
            let message = "expected an executor, as in `executor = SimpleExecutor::new(\"…\")`";
            self.mistakes.on(source, message);
        }
    }

    /// Checks the placeholders of every literal in an expression.
    fn placeholders(&mut self, expr: &Expr) {
        let visible = self.context.bindings.visible_to(self.context.index);
        for text in literals(expr) {
            for mistake in placeholder::text(&text.value(), &visible) {
                self.mistakes.on(text, mistake);
            }
        }
    }

    /// Checks the value of an option, and returns the value for the generated code.
    pub(super) fn checked(&mut self, shape: Shape, expr: &Expr) -> Result<TokenStream, String> {
        match shape {
            Shape::Text(check) => string(expr, check)?,
            Shape::Filled(check) => {
                self.placeholders(expr);
                string(expr, check)?;
            }
            Shape::Truth => self.truth(expr)?,
            Shape::Literally => drop(literally(expr)?),
            Shape::Together => self.together(expr)?,
            Shape::Words => return self.words(expr),
            Shape::Count => count(expr)?,
            Shape::Command => {
                self.command(expr, None);
                let runtime = self.context.runtime;
                return Ok(quote!(#runtime::api::readiness::Exec::new(#expr)));
            }
            Shape::Stdin => return stdin(expr, self.context.runtime),
            Shape::Port => port(expr)?,
            Shape::Status => status(expr)?,
            Shape::ExitCode => exit_code(expr)?,
            Shape::User => user(expr)?,
            Shape::Binding => self.binding(expr)?,
            Shape::Crate => path_of_the_crate(expr)?,
            Shape::Time => return time(expr, self.context.runtime),
            Shape::Signal => return signal(expr, self.context.runtime),
            Shape::Choice(choices) => return choice(expr, choices, self.context.runtime),
            // The parser has read the braces of a map.
            Shape::Map(_) => {}
        }
        Ok(quote!(#expr))
    }

    /// Checks the arguments that are appended to a command.
    fn words(&mut self, expr: &Expr) -> Result<TokenStream, String> {
        let shape = "expected an array of strings, one for each argument, as in `args = [\"--flag\", \"value\"]`";
        self.placeholders(expr);
        match expr {
            Expr::Lit(_) => return Err(shape.to_owned()),
            // The compiler cannot infer the type of an empty array.
            Expr::Array(array) if array.elems.is_empty() => return Ok(quote!([""; 0])),
            Expr::Array(array) => {
                for word in array.elems.iter().filter(|word| is_no_text(word)) {
                    self.mistakes.on(word, shape);
                }
            }
            _ => {}
        }
        Ok(quote!(#expr))
    }

    /// Checks a `bool`.
    fn truth(&self, expr: &Expr) -> Result<(), String> {
        let wrong = match (expr, name_of(expr)) {
            (Expr::Lit(ExprLit { lit, .. }), _) => !matches!(lit, Lit::Bool(_)),
            // A lower-case name can only be a parameter of the function.
            (_, Some(name)) => !is_constant(&name) && !self.context.parameters.contains(&name),
            _ => false,
        };
        unless(wrong, "expected `true` or `false`")
    }

    /// Checks that another process starts first.
    fn together(&self, expr: &Expr) -> Result<(), String> {
        let is_true = literally(expr)?;
        let index = self.context.index;
        unless(
            is_true && index == 0,
            "the first process cannot have `together = true`: write it in the attributes of the processes that start together with the first",
        )?;
        unless(
            is_true && self.context.bindings.follows_shared(index),
            "the process before this one is a shared fixture, which cannot start together with others",
        )
    }

    fn binding(&self, expr: &Expr) -> Result<(), String> {
        let name = match expr {
            Expr::Path(ExprPath { path, .. }) => path.get_ident().map(ToString::to_string),
            _ => None,
        };
        match name {
            Some(name) if self.context.bindings.is_taken(self.context.index, &name) => Err(
                format!("an attribute before this one has `bind = {name}` already"),
            ),
            Some(name) if placeholder::is_word(&name) => Ok(()),
            Some(name) => Err(format!(
                "`{name}` cannot be a name in `bind`, because `{{{name}.port}}` is not a placeholder: write a lower-case name, as in `bind = db`"
            )),
            None => Err("expected a name for later attributes, as in `bind = db`".to_owned()),
        }
    }

    /// Checks each pair of a map, and returns the arguments of each call in the generated code.
    pub(super) fn pairs(&mut self, map: Map, pairs: &[Pair]) -> Vec<TokenStream> {
        let mut seen = Vec::new();
        for Pair { name, value } in pairs {
            if matches!(map, Map::Variables | Map::Settings) {
                // The runtime fills in placeholders only in these maps.
                self.placeholders(value);
                self.env_names_port |= may_name_port(value);
            }
            let is_of_no_type = matches!(value, Expr::Block(_) | Expr::Tuple(_));
            if map == Map::Settings && (is_not_shown(value) || is_of_no_type) {
                self.mistakes
                    .on(value, "expected a string, a number, `true` or `false`");
            } else if map != Map::Settings && (is_no_text(value) || is_of_no_type) {
                self.mistakes.on(value, "expected a string");
            }
            let written = name.value();
            let wrong = match map {
                Map::Variables if written.is_empty() || written.contains(['=', '\0']) => Err(
                    format!("{written:?} cannot be the name of an environment variable"),
                ),
                Map::Variables if seen.contains(&written) => {
                    Err(format!("`{written}` is given twice: keep one of them"))
                }
                Map::Headers => check::token("header name", &written),
                Map::Settings if written.trim().is_empty() || written.contains(['\0', '\n']) => {
                    Err(format!("{written:?} cannot be the name of a setting"))
                }
                Map::Variables | Map::Form | Map::Settings => Ok(()),
            };
            if let Err(mistake) = wrong {
                self.mistakes.on(name, mistake);
            }
            seen.push(written);
        }
        let runtime = self.context.runtime;
        match map {
            Map::Form if pairs.is_empty() => Vec::new(),
            Map::Form => {
                let fields = pairs.iter().map(|Pair { name, value }| {
                    quote_spanned!(value.span()=> (#name, #runtime::text(#value)))
                });
                vec![quote!([#(#fields),*])]
            }
            Map::Variables | Map::Headers | Map::Settings => pairs
                .iter()
                .map(|Pair { name, value }| quote!(#name, #value))
                .collect(),
        }
    }
}
