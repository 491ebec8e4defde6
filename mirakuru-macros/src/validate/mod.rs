//! Validate: from what is written to what is meant. Every mistake is told at the key or the value
//! that it is in; one that only follows from another is held back.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprPath, Ident, Lit, LitStr};

use crate::args::{Args, Mistakes, Value, Written};
use crate::check;
use crate::model::{Choice, Kind, OPTIONS, Options, Process, Scope, SignalName, Time};

/// One attribute's process; `bindings` are those of the attributes before it, and its own is added.
pub(crate) fn process(
    args: Args,
    bindings: &mut Vec<String>,
    mistakes: &mut Mistakes,
) -> Option<Process> {
    let mut reader = Reader {
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
        if kind.has_command() {
            self.command(&source);
        }
        self.kind = Some((kind, written.key, source));
    }

    fn command(&mut self, source: &Expr) {
        let mistake = match source {
            Expr::Array(array) => match array.elems.first() {
                None => Some("the command is empty".to_owned()),
                Some(first) => literal(first)
                    .filter(|program| program.value().is_empty())
                    .map(|_| "the command is empty".to_owned()),
            },
            _ => literal(source).and_then(|text| check::command(&text.value(), self.shell).err()),
        };
        if let Some(mistake) = mistake {
            self.mistakes.at(source.span(), mistake);
        }
        self.text(source);
    }

    /// Looks at the placeholders of every literal in it.
    fn text(&mut self, expr: &Expr) {
        for text in literals(expr) {
            if let Err(mistake) = check::text(&text.value(), self.bindings) {
                self.mistakes.at(text.span(), mistake);
            }
        }
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
        let span = written.span();
        let expr = match written.value {
            Value::Map(pairs) => return self.take_map(name, pairs),
            Value::Expr(expr) => expr,
        };
        match name {
            "port" => {
                self.port(&expr);
                self.options.port = Some(expr);
            }
            "host" => self.options.host = Some(self.filled(expr)),
            "url" => {
                self.literal_with(&expr, |text| check::url(&text));
                self.options.url = Some(self.filled(expr));
            }
            "status" => {
                self.status(&expr);
                self.options.status = Some(expr);
            }
            "method" => {
                self.literal_with(&expr, |text| check::token("HTTP method", &text));
                self.options.method = Some(expr);
            }
            "banner" => {
                self.literal_with(&expr, |text| check::regex(&text));
                self.options.banner = Some(expr);
            }
            "stream" => {
                self.options.stream = self.choice(expr, &["stdout", "stderr", "both"]);
            }
            "socket" => self.options.socket = Some(self.filled(expr)),
            "filename" => self.options.filename = Some(self.filled(expr)),
            "cwd" => self.options.cwd = Some(self.filled(expr)),
            "shell" => self.options.shell = Some(expr),
            "timeout" => self.options.timeout = self.time(expr),
            "stop_timeout" => self.options.stop_timeout = self.time(expr),
            "poll_interval" => self.options.poll_interval = self.time(expr),
            "stop_signal" => self.options.stop_signal = self.signal(expr),
            "kill_signal" => self.options.kill_signal = self.signal(expr),
            "expected_returncode" => self.options.expected_returncode = Some(expr),
            "user" => self.options.user = Some(expr),
            "on_conflict" => {
                self.options.on_conflict = self.choice(expr, &["fail", "wait", "reuse"]);
            }
            "name" => self.options.name = Some(expr),
            "bind" => self.bind(&expr),
            "crate" => match expr {
                Expr::Path(path) => self.options.krate = Some(path.path),
                _ => self
                    .mistakes
                    .at(span, "write the path of the crate: `crate = my_name_of_it`"),
            },
            _ => {}
        }
    }

    fn take_map(&mut self, name: &str, pairs: Vec<(LitStr, Expr)>) {
        for (key, value) in &pairs {
            self.text(value);
            let wrong = match name {
                "env" if key.value().is_empty() || key.value().contains(['=', '\0']) => Err(
                    format!("{:?} cannot be the name of a variable", key.value()),
                ),
                "headers" => check::token("name of a header", &key.value()),
                _ => Ok(()),
            };
            if let Err(mistake) = wrong {
                self.mistakes.at(key.span(), mistake);
            }
        }
        match name {
            "env" => self.options.env = pairs,
            "payload" => self.options.payload = pairs,
            _ => self.options.headers = pairs,
        }
    }

    fn filled(&mut self, expr: Expr) -> Expr {
        self.text(&expr);
        expr
    }

    fn literal_with(&mut self, expr: &Expr, check: impl FnOnce(String) -> Result<(), String>) {
        match expr {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => {
                if let Err(mistake) = check(text.value()) {
                    self.mistakes.at(text.span(), mistake);
                }
            }
            Expr::Lit(_) => self.mistakes.at(expr.span(), "this is to be a string"),
            _ => {}
        }
    }

    fn port(&mut self, expr: &Expr) {
        let message = "a port is a number from 0 to 65535; 0, or none and `{port}` in the command, is a free one";
        match expr {
            Expr::Lit(ExprLit {
                lit: Lit::Int(number),
                ..
            }) if number.base10_parse::<u16>().is_ok() => {}
            Expr::Lit(_) | Expr::Unary(_) => self.mistakes.at(expr.span(), message),
            _ => {}
        }
    }

    fn status(&mut self, expr: &Expr) {
        let wrong = match expr {
            Expr::Lit(ExprLit {
                lit: Lit::Int(code),
                ..
            }) => check::status(code.base10_parse().unwrap_or(0)),
            Expr::Lit(ExprLit {
                lit: Lit::Str(pattern),
                ..
            }) => check::regex(&pattern.value()),
            Expr::Lit(_) | Expr::Unary(_) => {
                Err("a status is a code, or a regular expression in a string".to_owned())
            }
            _ => Ok(()),
        };
        if let Err(mistake) = wrong {
            self.mistakes.at(expr.span(), mistake);
        }
    }

    fn time(&mut self, expr: Expr) -> Option<Time> {
        let span = expr.span();
        let number = match &expr {
            Expr::Lit(ExprLit { lit, .. }) => match lit {
                Lit::Str(text) => check::time(&text.value()),
                Lit::Int(seconds) => check::time(&format!("{}s", seconds.base10_digits())),
                Lit::Float(seconds) => check::time(&format!("{}s", seconds.base10_digits())),
                _ => check::time(""),
            },
            Expr::Unary(_) => check::time(""),
            _ => return Some(Time::Expr(expr)),
        };
        match number {
            Ok(time) => Some(Time::Literal(time, span)),
            Err(mistake) => {
                self.mistakes.at(span, mistake);
                None
            }
        }
    }

    fn signal(&mut self, expr: Expr) -> Option<SignalName> {
        let span = expr.span();
        let name = match &expr {
            Expr::Lit(ExprLit {
                lit: Lit::Str(name),
                ..
            }) => name.value(),
            Expr::Path(ExprPath { path, .. }) if path.get_ident().is_some_and(is_signal_like) => {
                path.get_ident().map(Ident::to_string).unwrap_or_default()
            }
            Expr::Lit(_) => String::new(),
            _ => return Some(SignalName::Expr(expr)),
        };
        match check::signal(&name) {
            Ok(()) => Some(SignalName::Literal(name, span)),
            Err(mistake) => {
                self.mistakes.at(span, mistake);
                None
            }
        }
    }

    fn choice(&mut self, expr: Expr, choices: &[&'static str]) -> Option<Choice> {
        let span = expr.span();
        let written = match &expr {
            Expr::Lit(ExprLit {
                lit: Lit::Str(name),
                ..
            }) => name.value(),
            Expr::Path(ExprPath { path, .. }) if path.get_ident().is_some() => {
                path.get_ident().map(Ident::to_string).unwrap_or_default()
            }
            Expr::Lit(_) => String::new(),
            _ => return Some(Choice::Expr(expr)),
        };
        let name = written.to_ascii_lowercase();
        if choices.contains(&&*name) {
            let (first, rest) = name.split_at(1);
            let variant = format!("{}{rest}", first.to_ascii_uppercase());
            return Some(Choice::Variant(Ident::new(&variant, span)));
        }
        let listed: Vec<_> = choices.iter().map(|name| format!("`{name}`")).collect();
        self.mistakes
            .at(span, format!("this is to be one of {}", listed.join(", ")));
        None
    }

    fn bind(&mut self, expr: &Expr) {
        let name = match expr {
            Expr::Path(ExprPath { path, .. }) => path.get_ident().cloned(),
            _ => None,
        };
        match name {
            Some(name) if self.bindings.contains(&name.to_string()) => {
                let message = format!("an attribute before this one is bound to `{name}` already");
                self.mistakes.at(expr.span(), message);
            }
            Some(name) => self.options.bind = Some(name),
            None => self.mistakes.at(
                expr.span(),
                "write a name for later attributes: `bind = db`",
            ),
        }
    }

    fn finish(mut self, span: Span) -> Option<Process> {
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
        if let Some(bind) = &self.options.bind {
            self.bindings.push(bind.to_string());
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

/// Whether `{port}` stands in it, as far as can be seen.
fn may_name_port(source: &Expr, env: &[(LitStr, Expr)]) -> bool {
    let names = |expr: &Expr| {
        let unseen = !matches!(expr, Expr::Lit(_) | Expr::Array(_));
        unseen
            || literals(expr)
                .iter()
                .any(|text| check::placeholders(&text.value()).contains(&"port"))
            || matches!(expr, Expr::Array(array) if array.elems.iter().any(|one| literal(one).is_none()))
    };
    names(source) || env.iter().any(|(_, value)| names(value))
}

fn is_signal_like(name: &Ident) -> bool {
    name.to_string().to_ascii_uppercase().starts_with("SIG")
}

fn literal(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

fn literals(expr: &Expr) -> Vec<&LitStr> {
    match expr {
        Expr::Array(array) => array.elems.iter().filter_map(literal).collect(),
        _ => literal(expr).into_iter().collect(),
    }
}
