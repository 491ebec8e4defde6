//! Finds the parameters that are databases: those whose type ends in `Database`, in the order of the processes with
//! `database = true`.

use syn::{Ident, PatType, Type};

use crate::args::{Args, Mistakes, is_known};
use crate::bindings::is_true;
use crate::function::ungrouped;
use crate::model::Kind;

/// The databases that the attributes of one function ask for.
pub(crate) struct Databases {
    /// The index of each process with a database, and the key of its option.
    pub(crate) all: Vec<(usize, Ident)>,
    /// A process has a database, or could have one.
    are_possible: bool,
    /// An option could not be read. It may be a missing `database = true`.
    is_incomplete: bool,
}

impl Databases {
    pub(crate) fn of(attributes: &[Args]) -> Self {
        let asked = attributes.iter().enumerate().filter_map(|(index, args)| {
            let mut options = args.options.iter();
            let written = options.find(|written| written.key == "database")?;
            is_true(args, "database").then(|| (index, written.key.clone()))
        });
        let asked: Vec<_> = asked.collect();
        let keys = || attributes.iter().flat_map(|args| &args.options);
        let mut names = keys().map(|written| written.key.to_string());
        let could = |name: String| Kind::named(&name).is_some_and(Kind::has_databases);
        Self {
            are_possible: !asked.is_empty() || names.any(could),
            is_incomplete: attributes.iter().any(|args| args.incomplete)
                || keys().any(|written| !is_known(&written.key.to_string())),
            all: asked,
        }
    }

    /// Returns whether a parameter of this type is a database.
    pub(crate) fn include(&self, ty: &Type) -> bool {
        self.are_possible && is_database(ty)
    }

    /// Reports a parameter for which no attribute has a database.
    pub(crate) fn refuse(&self, parameter: &PatType, mistakes: &mut Mistakes) {
        if !self.is_incomplete {
            let message = "no process has a database for this parameter: write `database = true`, as in `#[with_process(postgres, database = true)]`";
            mistakes.on(parameter, message);
        }
    }

    /// Reports the databases that no parameter takes: all after the first `count`.
    pub(crate) fn all_taken(&self, count: usize, mistakes: &mut Mistakes) {
        for (_, key) in self.all.iter().skip(count) {
            let message = "no parameter takes this database: add a leading parameter, as in `db: &Database`, or remove `database = true`";
            mistakes.at(key.span(), message);
        }
    }
}

/// Returns whether this type, without its reference, ends in `Database`.
fn is_database(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Reference(reference) => is_database(&reference.elem),
        Type::Path(path) => {
            let last = path.path.segments.last();
            last.is_some_and(|segment| segment.ident == "Database")
        }
        _ => false,
    }
}
