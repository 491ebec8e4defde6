//! Validate: from what is written to what is meant. Every mistake is told at the key or the value
//! that it is in; one that only follows from another is held back.

mod values;

use proc_macro2::Span;
use syn::{Expr, ExprLit, Ident, Lit, LitStr};

use crate::args::{Args, Mistakes, Value, Written};
use crate::check;
use crate::model::{Kind, OPTIONS, Options, Process, Scope};

use values::{literal, literals};

/// One attribute's process; `parameters` are the function's, and `bindings` those of the attributes
/// before it, to which its own is added.
pub(crate) fn process(
    args: Args,
    parameters: &[String],
    bindings: &mut Vec<String>,
    mistakes: &mut Mistakes,
) -> Option<Process> {
    let mut reader = Reader {
        parameters,
        bindings,
        mistakes,
        kind: None,
        incomplete: args.incomplete,
        shell: shell_of(&args.options),
        options: Options::default(),
    };
    let mut seen: Vec<String> = Vec::new();
    // The kind first: what the other options mean depends on it.
    let (kinds, options): (Vec<_>, Vec<_>) = args
        .options
        .into_iter()
        .partition(|written| Kind::named(&written.key.to_string()).is_some());
    for written in kinds {
        reader.kind(written);
    }
    for written in options {
        let name = written.key.to_string();
        if seen.contains(&name) {
            let message = format!("`{name}` is given twice: keep one of them");
            reader.mistakes.at(written.key.span(), message);
            reader.incomplete = true;
        } else {
            seen.push(name);
            reader.option(written);
        }
    }
    reader.finish(args.span)
}

/// A shell's command is not split into words.
fn shell_of(options: &[Written]) -> bool {
    options.iter().any(|written| {
        written.key == "shell"
            && !matches!(&written.value, Value::Expr(Expr::Lit(ExprLit { lit: Lit::Bool(lit), .. })) if !lit.value)
    })
}

struct Reader<'a> {
    parameters: &'a [String],
    bindings: &'a mut Vec<String>,
    mistakes: &'a mut Mistakes,
    kind: Option<(Kind, Ident, Expr)>,
    /// Something is missing as it was a mistake, which was told.
    incomplete: bool,
    shell: bool,
    options: Options,
}

impl Reader<'_> {
    fn kind(&mut self, written: Written) {
        let Some(kind) = Kind::named(&written.key.to_string()) else {
            return;
        };
        let Value::Expr(source) = written.value else {
            return;
        };
        if let Some((first, ..)) = &self.kind {
            let message = format!(
                "an attribute starts one process: it is `{}` already, so write another `#[with_process({} = …)]`",
                first.name(),
                kind.name()
            );
            self.mistakes.at(written.key.span(), message);
            return;
        }
        match kind {
            Kind::Shared => self.path(&source),
            Kind::Executor => self.no_literal(&source),
            _ => self.command(&source),
        }
        self.kind = Some((kind, written.key, source));
    }

    fn option(&mut self, written: Written) {
        let name = written.key.to_string();
        let Some((_, scope)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
            self.unknown(&written.key);
            return;
        };
        let kind = self.kind.as_ref().map(|(kind, ..)| *kind);
        let fits = match (scope, kind) {
            (Scope::Every, _) | (_, None) => true,
            (Scope::EveryNew, Some(kind)) => kind != Kind::Shared,
            (Scope::One(only), Some(kind)) => *only == kind,
        };
        if !fits {
            let message = match scope {
                Scope::One(only) => {
                    format!("`{name}` is an option of `{}`", only.name())
                }
                _ => format!("`{name}` belongs where the shared fixture is made"),
            };
            self.mistakes.at(written.key.span(), message);
            self.incomplete = true;
            return;
        }
        self.take(&name, written);
    }

    fn unknown(&mut self, key: &Ident) {
        let known = OPTIONS
            .iter()
            .map(|(name, _)| *name)
            .chain(Kind::ALL.iter().map(|(name, _)| *name));
        let guess = check::guess(&key.to_string(), known, |name| format!("`{name}`"));
        self.mistakes
            .at(key.span(), format!("there is no option `{key}`{guess}"));
        self.incomplete = true;
    }

    fn take(&mut self, name: &str, written: Written) {
        let expr = match written.value {
            Value::Map(pairs) => return self.take_map(name, pairs),
            Value::Expr(expr) => expr,
        };
        match name {
            "port" => self.options.port = Some(self.port(expr)),
            "host" => self.options.host = Some(self.filled(expr)),
            "url" => {
                self.text(&expr);
                self.options.url = Some(self.string(expr, check::url));
            }
            "status" => self.options.status = Some(self.status(expr)),
            "method" => {
                let method = self.string(expr, |text| check::token("HTTP method", text));
                self.options.method = Some(method);
            }
            "banner" => self.options.banner = Some(self.string(expr, check::regex)),
            "stream" => self.options.stream = self.choice(expr, &["stdout", "stderr", "both"]),
            "socket" => self.options.socket = Some(self.filled(expr)),
            "filename" => self.options.filename = Some(self.filled(expr)),
            "lock" => self.options.lock = Some(self.truth(expr)),
            "cwd" => self.options.cwd = Some(self.filled(expr)),
            "shell" => self.options.shell = Some(self.truth(expr)),
            "timeout" => self.options.timeout = self.time(expr),
            "stop_timeout" => self.options.stop_timeout = self.time(expr),
            "poll_interval" => self.options.poll_interval = self.time(expr),
            "stop_signal" => self.options.stop_signal = self.signal(expr),
            "kill_signal" => self.options.kill_signal = self.signal(expr),
            "expected_returncode" => self.options.expected_returncode = Some(self.number(expr)),
            "user" => self.options.user = Some(self.user(expr)),
            "on_conflict" => {
                self.options.on_conflict = self.choice(expr, &["fail", "wait", "reuse"]);
            }
            "name" => self.options.name = Some(self.string(expr, |_| Ok(()))),
            "bind" => self.bind(&expr),
            "crate" => match expr {
                Expr::Path(path) => self.options.krate = Some(path.path),
                _ => self
                    .mistakes
                    .on(expr, "write the path of the crate: `crate = my_name_of_it`"),
            },
            _ => {}
        }
    }

    fn finish(mut self, span: Span) -> Option<Process> {
        // Whatever else is wrong: later attributes may name it.
        if let Some(bind) = &self.options.bind {
            self.bindings.push(bind.to_string());
        }
        let Some((kind, key, source)) = self.kind.take() else {
            if !self.incomplete {
                let kinds: Vec<_> = Kind::ALL
                    .iter()
                    .map(|(name, _)| format!("`{name}`"))
                    .collect();
                let message = format!(
                    "what is to be started? Give one of {}, as in `tcp = \"redis-server --port {{port}}\"`",
                    kinds.join(", ")
                );
                self.mistakes.at(span, message);
            }
            return None;
        };
        if !self.incomplete {
            self.required(kind, &key, &source);
        }
        Some(Process {
            kind,
            source,
            span: key.span(),
            options: self.options,
        })
    }

    fn required(&mut self, kind: Kind, key: &Ident, source: &Expr) {
        let options = &self.options;
        let missing = match kind {
            Kind::Output if options.banner.is_none() => {
                "`output` needs `banner = \"…\"`, a regular expression for the line that says it is ready"
            }
            Kind::Http if options.url.is_none() => {
                "`http` needs `url = \"http://127.0.0.1:{port}/…\"`, which answers once it is ready"
            }
            Kind::Unix if options.socket.is_none() => {
                "`unix` needs `socket = \"…\"`; `\"{socket}\"` is one in the private directory"
            }
            Kind::Pid if options.filename.is_none() => {
                "`pid` needs `filename = \"…\"`; `\"{pidfile}\"` is one in the private directory"
            }
            Kind::Tcp if options.port.is_none() && !may_name_port(source, &options.env) => {
                "`tcp` needs `port = …`, or `{port}` in the command for a free one"
            }
            _ => return,
        };
        self.mistakes.at(key.span(), missing);
    }
}

/// Whether `{port}` stands in it, as far as can be seen; a name that is none may be meant so.
fn may_name_port(source: &Expr, env: &[(LitStr, Expr)]) -> bool {
    let names = |expr: &Expr| {
        let unseen = !matches!(expr, Expr::Lit(_) | Expr::Array(_));
        unseen
            || literals(expr)
                .iter()
                .any(|text| check::may_name_port(&text.value()))
            || matches!(expr, Expr::Array(array) if array.elems.iter().any(|one| literal(one).is_none()))
    };
    names(source) || env.iter().any(|(_, value)| names(value))
}
