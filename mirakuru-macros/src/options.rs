//! The table of the attribute's options.
//!
//! An option is one row here and one line in the table of `with_process.md`. The row defines how the option is parsed,
//! checked and expanded.

use Scope::{Databases, Every, EveryNew, One, Services};

use crate::check;
use crate::model::Kind;

/// The options, in the order of the documentation and of error messages.
pub(crate) const OPTIONS: &[Row] = &[
    own("port", One(Kind::Tcp), Shape::Port),
    own("host", One(Kind::Tcp), Shape::Filled(any)),
    own("url", One(Kind::Http), Shape::Filled(check::url)),
    call("status", One(Kind::Http), Shape::Status),
    call("method", One(Kind::Http), Shape::Text(check::method)),
    call("payload", One(Kind::Http), Shape::Map(Map::Form)),
    call("headers", One(Kind::Http), Shape::Map(Map::Headers)),
    call("body", One(Kind::Http), Shape::Text(any)),
    call("certificate", One(Kind::Http), Shape::Filled(any)),
    own("banner", One(Kind::Output), Shape::Text(check::regex)),
    call("stream", One(Kind::Output), Shape::Choice(STREAM)),
    call("times", One(Kind::Output), Shape::Count),
    own("socket", One(Kind::Unix), Shape::Filled(any)),
    own("filename", One(Kind::Pid), Shape::Filled(any)),
    own("lock", One(Kind::Shared), Shape::Truth),
    call("version", Services, Shape::Text(not_empty)),
    call("program", Services, Shape::Text(not_empty)),
    call("args", Services, Shape::Words),
    call("config", Services, Shape::Map(Map::Settings)),
    own("database", Databases, Shape::Literally),
    call("exec", EveryNew, Shape::Command),
    call("log_file", EveryNew, Shape::Filled(any)),
    call("cwd", EveryNew, Shape::Filled(any)),
    call("shell", EveryNew, Shape::Truth),
    call("env", EveryNew, Shape::Map(Map::Variables)),
    call("timeout", EveryNew, Shape::Time),
    call("stop_timeout", EveryNew, Shape::Time),
    call("poll_interval", EveryNew, Shape::Time),
    call("stop_signal", EveryNew, Shape::Signal),
    call("kill_signal", EveryNew, Shape::Signal),
    call("expected_returncode", EveryNew, Shape::ExitCode),
    call("stdin", EveryNew, Shape::Stdin),
    call("user", EveryNew, Shape::User),
    call("user_if_root", EveryNew, Shape::User),
    call("on_conflict", EveryNew, Shape::Choice(ON_CONFLICT)),
    call("name", EveryNew, Shape::Text(any)),
    own("bind", Every, Shape::Binding),
    own("together", EveryNew, Shape::Together),
    own("crate", Every, Shape::Crate),
];

const STREAM: Choices = Choices {
    of: "Stream",
    names: &["stdout", "stderr", "both", "file"],
};

const ON_CONFLICT: Choices = Choices {
    of: "OnConflict",
    names: &["fail", "wait", "reuse"],
};

/// One option.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) scope: Scope,
    pub(crate) shape: Shape,
    /// The expansion calls the executor's method with this name.
    ///
    /// Every other option is read by its name. It is an argument of a constructor, or concerns more than one executor.
    pub(crate) is_call: bool,
}

impl Row {
    /// Returns the method that the expansion calls.
    pub(crate) fn method(&self) -> &'static str {
        match self.shape {
            Shape::Map(Map::Headers) => "header",
            Shape::Command => "also",
            _ => self.name,
        }
    }

    /// Returns the sort key of the option's call: plain values first, then maps, times, signals and choices, each in
    /// the order of the table.
    pub(crate) fn order(&self) -> (u8, Option<usize>) {
        let group = match self.shape {
            Shape::Map(_) => 1,
            Shape::Time => 2,
            Shape::Signal => 3,
            Shape::Choice(_) => 4,
            _ => 0,
        };
        let place = OPTIONS.iter().position(|row| row.name == self.name);
        (group, place)
    }
}

/// Returns the row of an option that is a method of the executor.
const fn call(name: &'static str, scope: Scope, shape: Shape) -> Row {
    Row {
        name,
        scope,
        shape,
        is_call: true,
    }
}

/// Returns the row of an option that the expansion reads by its name.
const fn own(name: &'static str, scope: Scope, shape: Shape) -> Row {
    Row {
        name,
        scope,
        shape,
        is_call: false,
    }
}

/// Finds the row of an option.
pub(crate) fn find(name: &str) -> Option<&'static Row> {
    OPTIONS.iter().find(|row| row.name == name)
}

/// The kinds that take an option.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    Every,
    /// All but a shared fixture, which is configured at its definition.
    EveryNew,
    /// The ready-made servers.
    Services,
    /// The kinds in which a test can have a database.
    Databases,
    One(Kind),
}

impl Scope {
    pub(crate) fn includes(self, kind: Kind) -> bool {
        match self {
            Self::Every => true,
            Self::EveryNew => kind != Kind::Shared,
            Self::Services => kind.is_word(),
            Self::Databases => kind.has_databases(),
            Self::One(only) => kind == only,
        }
    }
}

/// The form that the value of an option must have.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// A string that passes the check.
    Text(Check),
    /// A string that passes the check, in which the runtime fills in placeholders.
    Filled(Check),
    /// A `bool`: a literal, a constant or a parameter of the function.
    Truth,
    /// Literally `true` or `false`.
    Literally,
    /// Literally `true` or `false`, but not `true` for the first process.
    Together,
    /// A number from 1 upwards.
    Count,
    /// An array of strings, in which the runtime fills in placeholders.
    Words,
    /// A command, which becomes a check.
    Command,
    /// The source of standard input.
    Stdin,
    Port,
    Status,
    ExitCode,
    User,
    Map(Map),
    Time,
    Signal,
    Choice(Choices),
    /// A name for the placeholders of later attributes.
    Binding,
    /// The path of `mirakuru`.
    Crate,
}

/// Checks a literal string. The error describes the mistake.
pub(crate) type Check = fn(&str) -> Result<(), String>;

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is a check that every string passes"
)]
fn any(_: &str) -> Result<(), String> {
    Ok(())
}

fn not_empty(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        Err("expected a string that is not empty".to_owned())
    } else {
        Ok(())
    }
}

/// The meaning of the pairs in `{ name = "value" }`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Map {
    /// Environment variables.
    Variables,
    /// The fields of a form.
    Form,
    /// Headers of a request.
    Headers,
    /// Settings of a server.
    Settings,
}

/// The variants of one of the runtime's enums.
#[derive(Clone, Copy)]
pub(crate) struct Choices {
    pub(crate) of: &'static str,
    /// The variants in lower case, as the user writes them in the attribute.
    pub(crate) names: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the cells of each row of a table of the documentation.
    fn table(heading: &str) -> Vec<Vec<&'static str>> {
        let documentation = include_str!("with_process.md");
        let after = documentation.split(heading).nth(1).unwrap();
        after
            .lines()
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'))
            .skip(2)
            .map(|line| line.split('|').map(str::trim).skip(1).collect())
            .collect()
    }

    fn kinds(are_meant: impl Fn(Kind) -> bool) -> String {
        let kinds = Kind::ALL.iter().filter(|(_, kind)| are_meant(*kind));
        let names: Vec<_> = kinds.map(|(name, _)| format!("`{name}`")).collect();
        names.join(", ")
    }

    #[test]
    fn documentation_lists_each_option_with_its_kinds() {
        let documented: Vec<_> = table("# Options\n")
            .iter()
            .map(|cells| (cells[0].to_owned(), cells[1].to_owned()))
            .collect();
        let coded: Vec<_> = OPTIONS
            .iter()
            .map(|row| {
                let kinds = match row.scope {
                    Scope::Every => "all and `shared`".to_owned(),
                    Scope::EveryNew => "all".to_owned(),
                    Scope::Services => "ready-made".to_owned(),
                    Scope::Databases => kinds(Kind::has_databases),
                    Scope::One(only) => kinds(|kind| kind == only),
                };
                (format!("`{}`", row.name), kinds)
            })
            .collect();
        assert_eq!(documented, coded);
    }

    #[test]
    fn documentation_lists_each_kind() {
        let documented: Vec<_> = [table("# The process\n"), table("# Ready-made servers\n")]
            .iter()
            .flatten()
            .filter_map(|cells| cells[0].trim_matches('`').split(' ').next())
            .collect();
        let coded: Vec<_> = Kind::ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(documented, coded);
    }
}
