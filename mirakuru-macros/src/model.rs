//! Model: what an attribute says, with every value in the form that the expansion needs.

use std::time::Duration;

use proc_macro2::Span;
use syn::{Expr, Ident, LitStr, Path};

/// What is to be run, and what makes it ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Simple,
    Output,
    Tcp,
    Http,
    Unix,
    Pid,
    Executor,
    Shared,
}

impl Kind {
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("simple", Self::Simple),
        ("output", Self::Output),
        ("tcp", Self::Tcp),
        ("http", Self::Http),
        ("unix", Self::Unix),
        ("pid", Self::Pid),
        ("executor", Self::Executor),
        ("shared", Self::Shared),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find_map(|(known, kind)| (known == name).then_some(kind))
    }

    pub(crate) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }
}

/// Which kinds take an option.
pub(crate) enum Scope {
    Every,
    /// All but a shared fixture, which is configured where it is made.
    EveryNew,
    One(Kind),
}

pub(crate) const OPTIONS: &[(&str, Scope)] = &[
    ("port", Scope::One(Kind::Tcp)),
    ("host", Scope::One(Kind::Tcp)),
    ("url", Scope::One(Kind::Http)),
    ("status", Scope::One(Kind::Http)),
    ("method", Scope::One(Kind::Http)),
    ("payload", Scope::One(Kind::Http)),
    ("headers", Scope::One(Kind::Http)),
    ("banner", Scope::One(Kind::Output)),
    ("stream", Scope::One(Kind::Output)),
    ("socket", Scope::One(Kind::Unix)),
    ("filename", Scope::One(Kind::Pid)),
    ("lock", Scope::One(Kind::Shared)),
    ("cwd", Scope::EveryNew),
    ("shell", Scope::EveryNew),
    ("env", Scope::EveryNew),
    ("timeout", Scope::EveryNew),
    ("stop_timeout", Scope::EveryNew),
    ("poll_interval", Scope::EveryNew),
    ("stop_signal", Scope::EveryNew),
    ("kill_signal", Scope::EveryNew),
    ("expected_returncode", Scope::EveryNew),
    ("user", Scope::EveryNew),
    ("on_conflict", Scope::EveryNew),
    ("name", Scope::EveryNew),
    ("bind", Scope::Every),
    ("crate", Scope::Every),
];

/// One process of a test.
pub(crate) struct Process {
    pub(crate) kind: Kind,
    /// The command, the executor, or the path of the fixture.
    pub(crate) source: Expr,
    pub(crate) span: Span,
    pub(crate) options: Options,
}

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) port: Option<Expr>,
    pub(crate) host: Option<Expr>,
    pub(crate) url: Option<Expr>,
    pub(crate) status: Option<Expr>,
    pub(crate) method: Option<Expr>,
    pub(crate) payload: Vec<(LitStr, Expr)>,
    pub(crate) headers: Vec<(LitStr, Expr)>,
    pub(crate) banner: Option<Expr>,
    pub(crate) stream: Option<Choice>,
    pub(crate) socket: Option<Expr>,
    pub(crate) filename: Option<Expr>,
    pub(crate) lock: Option<Expr>,
    pub(crate) cwd: Option<Expr>,
    pub(crate) shell: Option<Expr>,
    pub(crate) env: Vec<(LitStr, Expr)>,
    pub(crate) timeout: Option<Time>,
    pub(crate) stop_timeout: Option<Time>,
    pub(crate) poll_interval: Option<Time>,
    pub(crate) stop_signal: Option<SignalName>,
    pub(crate) kill_signal: Option<SignalName>,
    pub(crate) expected_returncode: Option<Expr>,
    pub(crate) user: Option<Expr>,
    pub(crate) on_conflict: Option<Choice>,
    pub(crate) name: Option<Expr>,
    pub(crate) bind: Option<Ident>,
    pub(crate) krate: Option<Path>,
}

pub(crate) enum Time {
    Literal(Duration, Span),
    Expr(Expr),
}

pub(crate) enum SignalName {
    Literal(String, Span),
    Expr(Expr),
}

/// A variant of an enum of the runtime.
pub(crate) enum Choice {
    Variant(Ident),
    Expr(Expr),
}
