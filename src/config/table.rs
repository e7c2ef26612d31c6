//! The tables that a configuration may have.

use crate::engine::service::Service;

/// One table of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Log,
    Limits,
    Tls,
    Nats,
    Service(Service),
}

impl Table {
    pub(super) fn all() -> impl Iterator<Item = Table> {
        [Table::Log, Table::Limits, Table::Tls, Table::Nats]
            .into_iter()
            .chain(Service::ALL.into_iter().map(Table::Service))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Table::Log => "log",
            Table::Limits => "limits",
            Table::Tls => "tls",
            Table::Nats => "nats",
            Table::Service(service) => service.name(),
        }
    }

    pub(super) fn named(name: &str) -> Option<Table> {
        Table::all().find(|table| table.name() == name)
    }
}
