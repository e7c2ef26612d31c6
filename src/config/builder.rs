//! The state while a configuration file is read: values, endpoints and errors so far.

use std::collections::BTreeSet;
use std::ops::Range;

use super::checked::Config;
use super::defaults::{GROUP, MODE};
use super::syntax::{Diagnostic, quoted};
use super::table::Table;
use crate::endpoint::Endpoint;
use crate::engine::allow::Allowed;
use crate::engine::allow::names::Names;
use crate::engine::allow::networks::Networks;
use crate::engine::limits::ServiceSettings;
use crate::engine::service::Service;
use crate::engine::service::facts::Need;

/// The values of the file so far.
pub(super) struct Builder<'t> {
    text: &'t str,
    pub(super) config: Config,
    /// In the order of [`Service::ALL`]; a key under `[limits]` applies to all of them, and is read first.
    pub(super) services: Vec<ServiceBuilder>,
    /// Endpoints in the order of the file.
    pub(super) listens: Vec<ListenBuilder>,
    /// The byte offset of `client_crl`, if it names a file.
    pub(super) crl_at: Option<usize>,
    pub(super) faults: Vec<Diagnostic>,
    /// Warnings: valid settings without effect.
    pub(super) idle: Vec<Diagnostic>,
    /// Keys that were present or intended but not understood: no conclusion is drawn from their absence.
    pub(super) unclear: BTreeSet<&'static str>,
}

/// The values for one service.
pub(super) struct ServiceBuilder {
    pub(super) settings: ServiceSettings,
    pub(super) mode: u32,
    pub(super) group: String,
    pub(super) is_group_given: bool,
    pub(super) allowed_users: Allowed,
    pub(super) allowed_groups: Allowed,
    /// The byte offset of `allow_addresses`, if it is not empty.
    pub(super) networks_at: Option<usize>,
    /// The byte offset of `allow_names`, if it is not empty.
    pub(super) names_at: Option<usize>,
    /// The byte offset of the `max_message` or `backlog` that was read last for it: in its own table, if present there.
    pub(super) sizes_at: usize,
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t str) -> Builder<'t> {
        let service = |service| ServiceBuilder {
            settings: ServiceSettings::of(service),
            mode: MODE,
            group: GROUP.to_owned(),
            is_group_given: false,
            allowed_users: Allowed::default(),
            allowed_groups: Allowed::default(),
            networks_at: None,
            names_at: None,
            sizes_at: 0,
        };
        Builder {
            text,
            config: Config::without_endpoints(),
            services: Service::ALL.map(service).into(),
            listens: Vec::new(),
            crl_at: None,
            faults: Vec::new(),
            idle: Vec::new(),
            unclear: BTreeSet::new(),
        }
    }

    pub(super) fn fault(&mut self, at: usize, text: String) {
        self.faults.push(Diagnostic { at, text });
    }

    /// Whether `client_ca` names a file, or would if it were understood.
    pub(super) fn has_client_authority(&self) -> bool {
        self.config.tls.client_ca.is_some() || self.unclear.contains("client_ca")
    }

    /// A value as written in the file, for a message.
    pub(super) fn written(&self, span: Range<usize>) -> String {
        quoted(self.text.get(span).unwrap_or_default())
    }

    /// The same for a key that is about messages, which the page does not have.
    pub(super) fn services_of_messages(&mut self, table: Table) -> impl Iterator<Item = &mut ServiceBuilder> {
        let is_meant =
            move |service: Service| table != Table::Limits || !service.facts().needs.contains(&Need::Web);
        let first = if let Table::Service(service) = table { service as usize } else { 0 };
        let services = self.services(table).iter_mut().zip(&Service::ALL[first..]);
        services.filter(move |(_, service)| is_meant(**service)).map(|(builder, _)| builder)
    }

    /// The services that a key in this table applies to.
    pub(super) fn services(&mut self, table: Table) -> &mut [ServiceBuilder] {
        match table {
            Table::Log | Table::Tls | Table::Nats => &mut [],
            Table::Limits => &mut self.services,
            Table::Service(service) => std::slice::from_mut(&mut self.services[service as usize]),
        }
    }
}

/// One endpoint, its position in the file, and its own table.
pub(super) struct ListenBuilder {
    pub(super) at: usize,
    pub(super) service: Service,
    pub(super) endpoint: Endpoint,
    pub(super) own: Own,
}

/// The settings of one endpoint, each with its byte offset.
#[derive(Default)]
pub(super) struct Own {
    pub(super) mode: Option<(usize, u32)>,
    pub(super) group: Option<(usize, String)>,
    pub(super) allowed_users: Option<Allowed>,
    pub(super) allowed_groups: Option<Allowed>,
    pub(super) networks: Option<(usize, Networks)>,
    pub(super) names: Option<(usize, Names)>,
    pub(super) client_certificates: Option<(usize, bool)>,
}
