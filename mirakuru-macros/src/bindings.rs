//! Resolves `bind = name` and `together = true` among the attributes on one function: which process may name which.
//! This happens before any attribute is validated.

use std::ops::Range;

use syn::{Expr, ExprLit, ExprPath, Lit, LitStr};

use crate::args::{Args, Value, Written};
use crate::check::guess;
use crate::model::Kind;
use crate::placeholder::{self, is_word};

/// A process that others may name in placeholders.
pub(crate) struct Binding {
    pub(crate) name: String,
    /// The named ports. `None` if they are not all visible in the attribute.
    pub(crate) ports: Option<Vec<String>>,
}

/// The processes of one function, in the order of the attributes.
pub(crate) struct Bindings(Vec<Outline>);

struct Outline {
    is_shared: bool,
    binding: Option<Binding>,
    /// The processes that start at the same time.
    group: Range<usize>,
}

impl Bindings {
    pub(crate) fn of(all: &[Args]) -> Self {
        let starts: Vec<_> = (0..all.len())
            .filter(|index| *index == 0 || !is_true(&all[*index], "together"))
            .chain([all.len()])
            .collect();
        let groups = starts.windows(2).map(|ends| ends[0]..ends[1]);
        let groups = groups.flat_map(|group| group.clone().map(move |_| group.clone()));
        let outlines = all.iter().zip(groups).map(|(args, group)| Outline {
            is_shared: value(args, "shared").is_some(),
            binding: binding(args),
            group,
        });
        Self(outlines.collect())
    }

    /// Returns the processes that the one at `index` may name: those before it, and those that start with it.
    pub(crate) fn visible_to(&self, index: usize) -> Vec<&Binding> {
        let visible = 0..self.0.get(index).map_or(index, |own| own.group.end);
        let others = visible.filter(|other| *other != index);
        others
            .filter_map(|other| self.0[other].binding.as_ref())
            .collect()
    }

    /// Returns whether a process before this one has the name.
    pub(crate) fn is_taken(&self, index: usize, name: &str) -> bool {
        let mut before = self.0[..index]
            .iter()
            .filter_map(|one| one.binding.as_ref());
        before.any(|binding| binding.name == name)
    }

    /// Returns whether the process before this one is a shared fixture.
    pub(crate) fn follows_shared(&self, index: usize) -> bool {
        index > 0 && self.0[index - 1].is_shared
    }

    /// Returns the processes that start at the same time as this one.
    pub(crate) fn group(&self, index: usize) -> Range<usize> {
        self.0[index].group.clone()
    }
}

/// Returns whether this option is literally `true`.
pub(crate) fn is_true(args: &Args, key: &str) -> bool {
    matches!(value(args, key), Some(Expr::Lit(ExprLit { lit: Lit::Bool(lit), .. })) if lit.value)
}

fn binding(args: &Args) -> Option<Binding> {
    let name = match value(args, "bind")? {
        Expr::Path(ExprPath { path, .. }) => path.get_ident()?.to_string(),
        _ => return None,
    };
    let ports = ports(&args.options).map(|ports| {
        let named = ports.iter().filter_map(|port| port.strip_prefix("port:"));
        named.map(str::to_owned).collect()
    });
    is_word(&name).then_some(Binding { name, ports })
}

/// Returns the URL and the mistake if the URL contains a named port that the service cannot know.
///
/// The service cannot know the port if every text that could pass it on is a literal, and none contains its name.
pub(crate) fn undeclared_port(options: &[Written]) -> Option<(LitStr, String)> {
    let url = options.iter().find(|written| written.key == "url")?;
    let Value::Expr(Expr::Lit(ExprLit {
        lit: Lit::Str(url), ..
    })) = &url.value
    else {
        return None;
    };
    let text = url.value();
    let (_, rest) = text.split_once("://")?;
    let host_and_port = rest.split(['/', '\\', '?', '#']).next()?;
    let asked = placeholder::ports(host_and_port).find(|name| *name != "port")?;
    let may_pass_port = |written: &&Written| {
        let key = written.key.to_string();
        Kind::named(&key).is_some() || matches!(&*key, "env" | "cwd")
    };
    let mut reported = ports(options.iter().filter(may_pass_port))?;
    reported.sort();
    reported.dedup();
    let guess = guess(asked, reported.iter().map(String::as_str), |name| {
        format!("`{{{name}}}`")
    });
    let mistake = format!(
        "the placeholder `{{{asked}}}` of this URL is neither in the command nor in `env`{guess}"
    );
    (!reported.iter().any(|name| name == asked)).then(|| (url.clone(), mistake))
}

/// Returns all ports that the texts of these options name, or `None` if a text is not a literal.
fn ports<'a>(options: impl IntoIterator<Item = &'a Written>) -> Option<Vec<String>> {
    let mut ports = Vec::new();
    for Written { key, value } in options {
        let is_kind = Kind::named(&key.to_string()).is_some();
        let texts: Vec<&Expr> = match value {
            Value::Alone => return None,
            Value::Map(pairs) => pairs.iter().map(|pair| &pair.value).collect(),
            Value::Expr(Expr::Array(array)) => array.elems.iter().collect(),
            Value::Expr(expr) => vec![expr],
        };
        for text in texts {
            match text {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => {
                    ports.extend(placeholder::ports(&text.value()).map(str::to_owned));
                }
                Expr::Lit(_) => {}
                _ if is_kind || matches!(value, Value::Map(_)) => return None,
                _ => {}
            }
        }
    }
    Some(ports)
}

fn value<'a>(args: &'a Args, key: &str) -> Option<&'a Expr> {
    let written = args.options.iter().find(|written| written.key == key)?;
    match &written.value {
        Value::Expr(expr) => Some(expr),
        Value::Map(_) | Value::Alone => None,
    }
}
