//! The model of an attribute: its process and its options, with every value in the form that the expansion needs.

use proc_macro2::{Span, TokenStream};
use syn::Expr;

use crate::options::Row;

/// The kind of a process: its executor, and with it the check that it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Simple,
    Output,
    Tcp,
    Http,
    Unix,
    Pid,
    Notify,
    Executor,
    Shared,
    /// A ready-made server, with the name of its function in `mirakuru::services`.
    Service(&'static str),
}

impl Kind {
    pub(crate) const ALL: [(&'static str, Self); 18] = [
        ("simple", Self::Simple),
        ("output", Self::Output),
        ("tcp", Self::Tcp),
        ("http", Self::Http),
        ("unix", Self::Unix),
        ("pid", Self::Pid),
        ("notify", Self::Notify),
        ("executor", Self::Executor),
        ("shared", Self::Shared),
        ("postgres", Self::Service("postgres")),
        ("mariadb", Self::Service("mariadb")),
        ("redis", Self::Service("redis")),
        ("memcached", Self::Service("memcached")),
        ("nats", Self::Service("nats")),
        ("etcd", Self::Service("etcd")),
        ("mosquitto", Self::Service("mosquitto")),
        ("rabbitmq", Self::Service("rabbitmq")),
        ("webdriver", Self::Service("webdriver")),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find_map(|(known, kind)| (known == name).then_some(kind))
    }

    /// Returns the names of the kinds that take no value.
    pub(crate) fn words() -> impl Iterator<Item = &'static str> {
        let words = Self::ALL.into_iter().filter(|(_, kind)| kind.is_word());
        words.map(|(name, _)| name)
    }

    /// Returns the beginning of an attribute of this kind, such as `tcp = …`.
    pub(crate) fn shown(self) -> String {
        let value = if self.is_word() { "" } else { " = …" };
        format!("{}{value}", self.name())
    }

    pub(crate) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }

    /// Returns whether the kind takes no value.
    pub(crate) fn is_word(self) -> bool {
        matches!(self, Self::Service(_))
    }

    /// Returns whether the server may have databases for tests. An `executor` or a `shared` fixture may or may not.
    pub(crate) fn has_databases(self) -> bool {
        matches!(
            self,
            Self::Executor | Self::Shared | Self::Service("postgres" | "mariadb" | "redis")
        )
    }
}

/// One process of a test.
pub(crate) struct Process {
    pub(crate) kind: Kind,
    /// The command, the executor, the path of the fixture, or the name of the server.
    pub(crate) source: Expr,
    pub(crate) span: Span,
    pub(crate) options: Options,
}

/// The options of one process.
#[derive(Default)]
pub(crate) struct Options(Vec<Given>);

/// An option with its checked value, as the generated code contains it.
pub(crate) struct Given {
    pub(crate) row: &'static Row,
    pub(crate) value: TokenStream,
}

impl Options {
    pub(crate) fn add(&mut self, row: &'static Row, value: TokenStream) {
        self.0.push(Given { row, value });
    }

    pub(crate) fn value(&self, name: &str) -> Option<&TokenStream> {
        let given = self.0.iter().find(|given| given.row.name == name)?;
        Some(&given.value)
    }

    /// Returns the options that become method calls on the executor. Their order does not depend on the order in which
    /// the user wrote them.
    pub(crate) fn calls(&self) -> Vec<&Given> {
        let mut calls: Vec<_> = self.0.iter().filter(|given| given.row.is_call).collect();
        calls.sort_by_key(|given| given.row.order());
        calls
    }
}
