//! Validates an attribute, and turns it into the model of a process.
//!
//! Every mistake is reported at its key or its value. A mistake that only follows from another is not reported.

mod literals;
mod values;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, parse_quote};

use crate::args::{Args, Mistakes, Value, Written, no_value};
use crate::bindings::{Bindings, undeclared_port};
use crate::check;
use crate::model::{Kind, Options, Process};
use crate::options::{self, OPTIONS, Row, Scope, Shape};
use crate::placeholder;

use literals::literal;

/// Returns the path of the runtime's hidden module, in the crate that the user names by `crate = …`.
pub(crate) fn runtime(attributes: &[Args]) -> TokenStream {
    let mut options = attributes.iter().flat_map(|args| &args.options);
    let named = options.find(|written| written.key == "crate");
    if let Some(Value::Expr(path)) = named.map(|written| &written.value) {
        quote!(#path::__private)
    } else {
        quote!(::mirakuru::__private)
    }
}

/// The context of one attribute.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) runtime: &'a TokenStream,
    /// The names of the function's parameters.
    pub(crate) parameters: &'a [String],
    pub(crate) bindings: &'a Bindings,
    /// The feature `services` of mirakuru is enabled.
    pub(crate) has_services: bool,
    /// The index of this attribute among those of the function.
    pub(crate) index: usize,
}

/// Validates one attribute and returns its process.
pub(crate) fn process(
    args: Args,
    context: Context<'_>,
    mistakes: &mut Mistakes,
) -> Option<Process> {
    let (undeclared, before) = (undeclared_port(&args.options), mistakes.count());
    let mut reader = Reader {
        context,
        mistakes,
        started: None,
        written: Vec::new(),
        incomplete: args.incomplete,
        shell: shell_of(&args.options),
        env_names_port: false,
        options: Options::default(),
    };
    // The kind first, because the meaning of the other options depends on it.
    let (kinds, options): (Vec<_>, Vec<_>) = args
        .options
        .into_iter()
        .partition(|written| Kind::named(&written.key.to_string()).is_some());
    for written in kinds {
        reader.kind(written);
    }
    for written in options {
        reader.option(written);
    }
    // A mistake in another text may be the cause of this one.
    if let Some((url, mistake)) = undeclared.filter(|_| reader.mistakes.count() == before) {
        reader.mistakes.on(url, mistake);
    }
    reader.finish(args.span)
}

/// Returns whether a shell may run the command, which is then not split into words.
fn shell_of(options: &[Written]) -> bool {
    options.iter().any(|written| {
        written.key == "shell"
            && !matches!(&written.value, Value::Expr(Expr::Lit(ExprLit { lit: Lit::Bool(lit), .. })) if !lit.value)
    })
}

struct Reader<'a> {
    context: Context<'a>,
    mistakes: &'a mut Mistakes,
    started: Option<Started>,
    /// The names of the options so far, valid or not.
    written: Vec<String>,
    /// An option was dropped because of its mistake, so nothing may be reported as missing.
    incomplete: bool,
    shell: bool,
    /// A value of `env` may name `{port}`.
    env_names_port: bool,
    options: Options,
}

/// The option that defines the process to start.
struct Started {
    kind: Kind,
    key: Ident,
    source: Expr,
}

impl Reader<'_> {
    fn kind(&mut self, Written { key, value }: Written) {
        let Some(kind) = Kind::named(&key.to_string()) else {
            return;
        };
        if let Some(first) = &self.started {
            let message = format!(
                "an attribute starts one process, and this one has `{}` already: write another `#[with_process({})]`",
                first.kind.name(),
                kind.shown()
            );
            self.mistakes.at(key.span(), message);
            return;
        }
        let source = match value {
            Value::Expr(value) if kind.is_word() => {
                self.mistakes.on(&value, no_value(kind.name()));
                value
            }
            Value::Expr(source) => source,
            Value::Alone | Value::Map(_) => parse_quote!(#key),
        };
        match kind {
            Kind::Shared => self.path(&source),
            Kind::Executor => self.no_literal(&source),
            Kind::Service(word) if !self.context.has_services => {
                let message = format!("`{word}` needs the feature `services` of mirakuru");
                self.mistakes.at(key.span(), message);
            }
            Kind::Service(_) => {}
            _ => self.command(&source, Some(self.shell)),
        }
        self.started = Some(Started { kind, key, source });
    }

    fn option(&mut self, written: Written) {
        let name = written.key.to_string();
        let refusal = if self.written.contains(&name) {
            format!("`{name}` is given twice: keep one of them")
        } else {
            self.written.push(name.clone());
            match options::find(&name) {
                None => unknown(&name),
                Some(row) if !self.includes(row.scope) => self.wrong_kind(row),
                Some(row) => match self.missing_feature(row) {
                    Some(feature) => format!("`{name}` needs the feature `{feature}` of mirakuru"),
                    None => return self.take(row, written.value),
                },
            }
        };
        self.mistakes.at(written.key.span(), refusal);
        self.incomplete = true;
    }

    /// Returns the message for an option that this kind does not take. It names the kinds that take it.
    fn wrong_kind(&self, row: &Row) -> String {
        let name = row.name;
        let is_shared = self
            .started
            .as_ref()
            .is_some_and(|started| started.kind == Kind::Shared);
        match row.scope {
            Scope::One(only) => format!("`{name}` can only be used with `{}`", only.name()),
            Scope::Databases => format!(
                "`{name}` can only be used with `postgres`, `mariadb` and `redis`, and with `shared` and `executor` for one of these"
            ),
            Scope::Services if !is_shared => {
                format!("`{name}` can only be used with the ready-made servers, such as `postgres`")
            }
            _ => format!("`{name}` cannot be used with `shared`: set it where the fixture is made"),
        }
    }

    /// Returns the feature of mirakuru without which this option does not work.
    fn missing_feature(&self, row: &Row) -> Option<&'static str> {
        // The word of a ready-made server has been reported already.
        let is_word = self
            .started
            .as_ref()
            .is_some_and(|started| started.kind.is_word());
        match row.name {
            "certificate" if !cfg!(feature = "https") => Some("https"),
            "database" if !self.context.has_services && !is_word => Some("services"),
            _ => None,
        }
    }

    fn includes(&self, scope: Scope) -> bool {
        let started = self.started.as_ref();
        started.is_none_or(|started| scope.includes(started.kind))
    }

    fn take(&mut self, row: &'static Row, value: Value) {
        match (row.shape, value) {
            (Shape::Map(map), Value::Map(pairs)) => {
                for value in self.pairs(map, &pairs) {
                    self.options.add(row, value);
                }
            }
            (shape, Value::Expr(expr)) => match self.checked(shape, &expr) {
                Ok(value) => self.options.add(row, value),
                Err(mistake) => self.mistakes.on(expr, mistake),
            },
            // The parser reads braces only for a map, and only a kind may have no value.
            (_, Value::Map(_) | Value::Alone) => {}
        }
    }

    fn finish(mut self, span: Span) -> Option<Process> {
        let Some(started) = self.started.take() else {
            if !self.incomplete {
                let message = "nothing to start: name a ready-made server, as in `postgres`, or a command, as in `tcp = \"my-server --port {port}\"`";
                self.mistakes.at(span, message);
            }
            return None;
        };
        if !self.incomplete {
            if let Some(missing) = self.missing(&started) {
                self.mistakes.at(started.key.span(), missing);
            }
        }
        Some(Process {
            kind: started.kind,
            source: started.source,
            span: started.key.span(),
            options: self.options,
        })
    }

    /// Returns the message for an option that the process needs and the user did not write.
    fn missing(&self, started: &Started) -> Option<&'static str> {
        let (option, message) = match started.kind {
            Kind::Output => (
                "banner",
                "`output` needs `banner = \"…\"`, a regular expression for the line that the service prints once it is ready",
            ),
            Kind::Http => (
                "url",
                "`http` needs `url = \"http://127.0.0.1:{port}/…\"`, a URL that answers once the service is ready",
            ),
            Kind::Unix => (
                "socket",
                "`unix` needs `socket = \"…\"`; `\"{socket}\"` is a path in the private directory",
            ),
            Kind::Pid => (
                "filename",
                "`pid` needs `filename = \"…\"`; `\"{pidfile}\"` is a path in the private directory",
            ),
            Kind::Tcp if !self.env_names_port && !may_name_port(&started.source) => (
                "port",
                "`tcp` needs `port = …`, or `{port}` in the command or in `env` for a free port",
            ),
            Kind::Simple
            | Kind::Tcp
            | Kind::Notify
            | Kind::Executor
            | Kind::Shared
            | Kind::Service(_) => return None,
        };
        let is_written = self.written.iter().any(|written| written == option);
        (!is_written).then_some(message)
    }
}

/// Returns whether one of these attributes starts a ready-made server.
pub(crate) fn have_words(attributes: &[Args]) -> bool {
    let mut options = attributes.iter().flat_map(|args| &args.options);
    options.any(|written| Kind::named(&written.key.to_string()).is_some_and(Kind::is_word))
}

fn unknown(key: &str) -> String {
    let options = OPTIONS.iter().map(|row| row.name);
    let known = options.chain(Kind::ALL.iter().map(|(name, _)| *name));
    let guess = check::guess(key, known, |name| format!("`{name}`"));
    format!("unknown option `{key}`{guess}")
}

/// Returns whether an expression may contain `{port}`. If it is not a literal, it may. An unknown placeholder may be a
/// misspelt `{port}`.
fn may_name_port(expr: &Expr) -> bool {
    let names = |text: &LitStr| placeholder::may_name_port(&text.value());
    match expr {
        Expr::Lit(_) => literal(expr).is_some_and(names),
        Expr::Array(array) => array
            .elems
            .iter()
            .any(|word| literal(word).is_none_or(names)),
        _ => true,
    }
}
