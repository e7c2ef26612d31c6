//! Every configuration key: its name, its tables, and the function that reads it.

use super::builder::Builder;
use super::listen::listen;
use super::names::allow_names;
use super::nats::{
    ca, credentials, handshake_first, house, max_age, max_bytes, max_messages, replicas, room, servers,
};
use super::page::{hosts, metrics, origins};
use super::readers::*;
use super::table::Table;
use super::tls::{certificate, certificates, client_ca, client_crl, key, minimum};
use super::value::Value;
use crate::engine::service::Service;
use crate::engine::service::facts::{First, Idle, Need, Replies};

/// Every key: its name, its tables, and the function that reads it.
pub(super) const KEYS: &[Key] = &[
    Key { name: "level", within: Scope::Log, read: level },
    Key { name: "max_connections", within: Scope::LimitsAndServices, read: max_connections },
    Key {
        name: "max_connections_per_address",
        within: Scope::LimitsAndServices,
        read: max_connections_per_address,
    },
    Key { name: "max_message", within: Scope::LimitsAndServices, read: max_message },
    Key { name: "backlog", within: Scope::LimitsAndServices, read: backlog },
    Key { name: "max_queued", within: Scope::Limits, read: max_queued },
    Key { name: "listen_backlog", within: Scope::Limits, read: listen_backlog },
    Key { name: "share_ports", within: Scope::Limits, read: share_ports },
    Key { name: "first_message_timeout", within: Scope::LimitsAndAwaiting, read: first_message_timeout },
    Key { name: "idle_timeout", within: Scope::LimitsAndServices, read: idle_timeout },
    Key { name: "message_timeout", within: Scope::LimitsAndServices, read: message_timeout },
    Key { name: "send_timeout", within: Scope::Limits, read: send_timeout },
    Key { name: "linger_timeout", within: Scope::Limits, read: linger_timeout },
    Key { name: "max_refused_lingering", within: Scope::Limits, read: max_refused_lingering },
    Key { name: "answers_per_second", within: Scope::Limits, read: answers_per_second },
    Key { name: "shutdown_grace", within: Scope::Limits, read: shutdown_grace },
    Key { name: "raw_gap", within: Scope::LimitsAndServices, read: raw_gap },
    Key { name: "framing", within: Scope::LimitsAndServices, read: framing },
    Key { name: "messages_per_second", within: Scope::LimitsAndListening, read: messages_per_second },
    Key { name: "certificate", within: Scope::Tls, read: certificate },
    Key { name: "key", within: Scope::Tls, read: key },
    Key { name: "certificates", within: Scope::Tls, read: certificates },
    Key { name: "client_ca", within: Scope::Tls, read: client_ca },
    Key { name: "client_crl", within: Scope::Tls, read: client_crl },
    Key { name: "minimum", within: Scope::Tls, read: minimum },
    Key { name: "servers", within: Scope::Nats, read: servers },
    Key { name: "house", within: Scope::Nats, read: house },
    Key { name: "credentials", within: Scope::Nats, read: credentials },
    Key { name: "ca", within: Scope::Nats, read: ca },
    Key { name: "handshake_first", within: Scope::Nats, read: handshake_first },
    Key { name: "replicas", within: Scope::Nats, read: replicas },
    Key { name: "max_age", within: Scope::Nats, read: max_age },
    Key { name: "max_messages", within: Scope::Nats, read: max_messages },
    Key { name: "max_bytes", within: Scope::Nats, read: max_bytes },
    Key { name: "listen", within: Scope::Services, read: listen },
    Key { name: "mode", within: Scope::Services, read: mode },
    Key { name: "group", within: Scope::Services, read: group },
    Key { name: "allow_users", within: Scope::Services, read: allow_users },
    Key { name: "allow_groups", within: Scope::Services, read: allow_groups },
    Key { name: "allow_addresses", within: Scope::Services, read: allow_addresses },
    Key { name: "allow_names", within: Scope::Services, read: allow_names },
    Key { name: "history", within: Scope::Only(Service::Chat), read: history },
    Key { name: "transcript", within: Scope::Only(Service::Chat), read: transcript },
    Key { name: "passphrase", within: Scope::Only(Service::Chat), read: passphrase },
    Key { name: "room", within: Scope::Only(Service::Chat), read: room },
    Key { name: "name_timeout", within: Scope::Only(Service::Chat), read: name_timeout },
    Key { name: "max_machines", within: Scope::Only(Service::Stats), read: max_machines },
    Key { name: "max_watchers", within: Scope::Only(Service::Watch), read: max_watchers },
    Key { name: "hosts", within: Scope::Only(Service::Page), read: hosts },
    Key { name: "origins", within: Scope::Only(Service::Page), read: origins },
    Key { name: "metrics", within: Scope::Only(Service::Page), read: metrics },
    Key { name: "default", within: Scope::Only(Service::Mux), read: mux_default },
];

/// One key of the configuration.
pub(super) struct Key {
    pub(super) name: &'static str,
    within: Scope,
    /// The error says what would be right; the caller adds what is wrong.
    pub(super) read: fn(&mut Builder, Table, Value<'_>) -> Result<(), String>,
}

/// The tables that may contain a key.
#[derive(Clone, Copy)]
enum Scope {
    Log,
    Limits,
    Tls,
    Nats,
    Services,
    LimitsAndServices,
    /// The services that expect a message and have no other timeout for the first one.
    LimitsAndAwaiting,
    /// The services that read messages.
    LimitsAndListening,
    Only(Service),
}

impl Scope {
    fn has(self, table: Table) -> bool {
        match (self, table) {
            (Scope::Log, Table::Log) | (Scope::Tls, Table::Tls) | (Scope::Nats, Table::Nats) => true,
            (Scope::Limits | Scope::LimitsAndServices, Table::Limits) => true,
            (Scope::LimitsAndAwaiting | Scope::LimitsAndListening, Table::Limits) => true,
            (Scope::LimitsAndListening, Table::Service(service)) => service.facts().first != First::Nothing,
            (Scope::Services | Scope::LimitsAndServices, Table::Service(_)) => true,
            (Scope::LimitsAndAwaiting, Table::Service(service)) => service.facts().first == First::Message,
            (Scope::Only(service), Table::Service(other)) => service == other,
            _ => false,
        }
    }
}

/// Why an allowed key has no effect in the table of a service; `None`: it has an effect.
pub fn without_effect(key: &str, service: Service) -> Option<&'static str> {
    let facts = service.facts();
    let says_one_thing = facts.replies == Replies::One;
    match key {
        "idle_timeout" if facts.first == First::Name => Some("silent clients may stay there"),
        "idle_timeout" if facts.idle == Idle::Never => Some("it expects no message"),
        "raw_gap" | "framing" if facts.needs.contains(&Need::Web) => {
            Some("HTTP and WebSocket have their own framing")
        }
        "message_timeout" | "raw_gap" if facts.first == First::Nothing => Some("it reads no messages"),
        "backlog" | "messages_per_second" if says_one_thing => Some("it sends one message and closes"),
        _ => None,
    }
}

/// The keys of a table.
pub(super) fn keys_of(table: Table) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.within.has(table))
}

/// Every table and key of a configuration, table by table.
pub fn keys() -> Vec<(&'static str, &'static str)> {
    Table::all().flat_map(|table| keys_of(table).map(move |key| (table.name(), key.name))).collect()
}

/// Where a misplaced key belongs.
pub(super) fn belongs(name: &str) -> String {
    let tables: Vec<_> =
        keys().into_iter().filter(|(_, key)| *key == name).map(|(table, _)| format!("[{table}]")).collect();
    // Many services have it.
    let is_common = tables.len() > 3 && tables.iter().any(|table| table == "[chat]");
    match is_common {
        false => format!("it belongs under {}", tables.join(" or ")),
        true if tables[0] == "[limits]" => {
            "it belongs under [limits], or under a service, for example [chat]".to_owned()
        }
        true => "it belongs under a service, for example [chat]".to_owned(),
    }
}
