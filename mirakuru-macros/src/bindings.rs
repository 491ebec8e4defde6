//! What `bind = name` and `together = true` mean for several attributes on one function: which of them may name
//! which, before any of them is validated.

use std::ops::Range;

use syn::{Expr, ExprLit, ExprPath, Lit};

use crate::args::{Args, Value, Written};
use crate::model::Kind;
use crate::placeholder::{is_word, named_ports};

/// A process with a name for the placeholders of others.
pub(crate) struct Binding {
    pub(crate) name: String,
    /// Its named ports. `None` if the attribute does not show all of them.
    pub(crate) ports: Option<Vec<String>>,
}

/// The processes of one function, in their order.
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
            .filter(|index| *index == 0 || !is_together(&all[*index]))
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

    /// Returns what the process with this index may name: the processes before it, and those that start with it.
    pub(crate) fn in_sight(&self, index: usize) -> Vec<&Binding> {
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

fn is_together(args: &Args) -> bool {
    matches!(value(args, "together"), Some(Expr::Lit(ExprLit { lit: Lit::Bool(lit), .. })) if lit.value)
}

fn binding(args: &Args) -> Option<Binding> {
    let name = match value(args, "bind")? {
        Expr::Path(ExprPath { path, .. }) => path.get_ident()?.to_string(),
        _ => return None,
    };
    let ports = ports(&args.options);
    is_word(&name).then_some(Binding { name, ports })
}

/// Returns the named ports in every text of an attribute, if every text is a literal.
fn ports(options: &[Written]) -> Option<Vec<String>> {
    let mut ports = Vec::new();
    for Written { key, value } in options {
        let is_kind = Kind::named(&key.to_string()).is_some();
        let texts: Vec<&Expr> = match value {
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
                    ports.extend(named_ports(&text.value()).map(str::to_owned));
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
        Value::Map(_) => None,
    }
}
