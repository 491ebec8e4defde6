//! Checks values in the light of the rest of the attribute: its command, the function's parameters and
//! the bindings of earlier attributes.

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
        let shape = "a command is a string, or an array of strings";
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

    /// Checks the placeholders of every literal in it.
    fn placeholders(&mut self, expr: &Expr) {
        let in_sight = self.scene.bindings.in_sight(self.scene.index);
        for text in literals(expr) {
            for mistake in placeholder::text(&text.value(), &in_sight) {
                self.mistakes.on(text, mistake);
            }
        }
    }

    /// Checks the value of an option, and returns the value that the generated code has.
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
                let door = self.scene.door;
                return Ok(quote!(#door::api::readiness::Exec::new(#expr)));
            }
            Shape::Stdin => return stdin(expr, self.scene.door),
            Shape::Port => port(expr)?,
            Shape::Status => status(expr)?,
            Shape::ExitCode => exit_code(expr)?,
            Shape::User => user(expr)?,
            Shape::Binding => self.binding(expr)?,
            Shape::Crate => path_of_the_crate(expr)?,
            Shape::Time => return time(expr, self.scene.door),
            Shape::Signal => return signal(expr, self.scene.door),
            Shape::Choice(choices) => return choice(expr, choices, self.scene.door),
            // The parser reads braces for a map.
            Shape::Map(_) => {}
        }
        Ok(quote!(#expr))
    }

    /// Checks the words that are appended to a command.
    fn words(&mut self, expr: &Expr) -> Result<TokenStream, String> {
        let shape =
            "write an array of strings, a string for each word: `args = [\"--flag\", \"value\"]`";
        self.placeholders(expr);
        match expr {
            Expr::Lit(_) => return Err(shape.to_owned()),
            // An empty array has no type of its own.
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

    fn truth(&self, expr: &Expr) -> Result<(), String> {
        let wrong = match (expr, name_of(expr)) {
            (Expr::Lit(ExprLit { lit, .. }), _) => !matches!(lit, Lit::Bool(_)),
            // Of what has a lower-case name, only a parameter of the function is in sight.
            (_, Some(name)) => !is_constant(&name) && !self.scene.parameters.contains(&name),
            _ => false,
        };
        unless(wrong, "this is to be `true` or `false`")
    }

    /// Checks that another process starts first.
    fn together(&self, expr: &Expr) -> Result<(), String> {
        let is_true = literally(expr)?;
        let index = self.scene.index;
        unless(
            is_true && index == 0,
            "this is the first process: write `together = true` at those that start with it",
        )?;
        unless(
            is_true && self.scene.bindings.follows_shared(index),
            "the process before this one is a shared fixture, which starts alone",
        )
    }

    fn binding(&self, expr: &Expr) -> Result<(), String> {
        let name = match expr {
            Expr::Path(ExprPath { path, .. }) => path.get_ident().map(ToString::to_string),
            _ => None,
        };
        match name {
            Some(name) if self.scene.bindings.is_taken(self.scene.index, &name) => Err(format!(
                "an attribute before this one is bound to `{name}` already"
            )),
            Some(name) if placeholder::is_word(&name) => Ok(()),
            Some(name) => Err(format!(
                "`{{{name}.port}}` would be no placeholder: write a lower-case name, as in `bind = db`"
            )),
            None => Err("write a name for later attributes: `bind = db`".to_owned()),
        }
    }

    /// Checks each pair of a map, and returns the arguments of each call that the generated code makes.
    pub(super) fn pairs(&mut self, map: Map, pairs: &[Pair]) -> Vec<TokenStream> {
        let mut seen = Vec::new();
        for Pair { name, value } in pairs {
            if matches!(map, Map::Variables | Map::Settings) {
                // The runtime fills in placeholders in no other map.
                self.placeholders(value);
                self.env_names_port |= may_name_port(value);
            }
            let is_of_no_type = matches!(value, Expr::Block(_) | Expr::Tuple(_));
            if map == Map::Settings && (is_not_shown(value) || is_of_no_type) {
                self.mistakes.on(
                    value,
                    "this must be a string, a number, or `true` or `false`",
                );
            } else if map != Map::Settings && (is_no_text(value) || is_of_no_type) {
                self.mistakes.on(value, "this is to be a string");
            }
            let written = name.value();
            let wrong = match map {
                Map::Variables if written.is_empty() || written.contains(['=', '\0']) => {
                    Err(format!("{written:?} cannot be the name of a variable"))
                }
                Map::Variables if seen.contains(&written) => {
                    Err(format!("`{written}` is given twice: keep one of them"))
                }
                Map::Headers => check::token("name of a header", &written),
                Map::Settings if written.trim().is_empty() || written.contains(['\0', '\n']) => {
                    Err(format!("{written:?} cannot be the name of an option"))
                }
                Map::Variables | Map::Form | Map::Settings => Ok(()),
            };
            if let Err(mistake) = wrong {
                self.mistakes.on(name, mistake);
            }
            seen.push(written);
        }
        let door = self.scene.door;
        match map {
            Map::Form if pairs.is_empty() => Vec::new(),
            Map::Form => {
                let fields = pairs.iter().map(|Pair { name, value }| {
                    quote_spanned!(value.span()=> (#name, #door::text(#value)))
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
