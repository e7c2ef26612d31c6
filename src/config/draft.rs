//! What a configuration file has said so far, while it is read: values, endpoints, and mistakes.

use std::collections::BTreeSet;
use std::ops::Range;

use super::checked::Config;
use super::defaults::{GROUP, MODE};
use super::syntax::{Diagnostic, quoted};
use super::table::Table;
use crate::endpoint::Endpoint;
use crate::engine::allow::Allowed;
use crate::engine::allow::networks::Networks;
use crate::engine::limits::ServiceSettings;
use crate::engine::service::Service;

/// What the file said so far.
pub(super) struct Draft<'t> {
    text: &'t str,
    pub(super) config: Config,
    /// In the order of [`Service::ALL`]; a key under `[limits]` writes to all of them, and is read first.
    pub(super) services: Vec<ServiceDraft>,
    /// Endpoints as they come.
    pub(super) listens: Vec<ListenDraft>,
    pub(super) faults: Vec<Diagnostic>,
    /// What is right, and means nothing.
    pub(super) idle: Vec<Diagnostic>,
    /// Keys that are there, or were meant, and were not understood: nothing is concluded from them.
    pub(super) unclear: BTreeSet<&'static str>,
}

/// What the file said of one service.
pub(super) struct ServiceDraft {
    pub(super) settings: ServiceSettings,
    pub(super) mode: u32,
    pub(super) group: String,
    pub(super) is_group_given: bool,
    pub(super) allowed_users: Allowed,
    pub(super) allowed_groups: Allowed,
    /// Where `allow_addresses` stands, if it names any.
    pub(super) networks_at: Option<usize>,
    /// The byte offset of the `max_message` or `backlog` read last for it: in its own table, if one stands there.
    pub(super) sizes_at: usize,
}

impl<'t> Draft<'t> {
    pub(super) fn new(text: &'t str) -> Draft<'t> {
        let service = |_| ServiceDraft {
            settings: ServiceSettings::default(),
            mode: MODE,
            group: GROUP.to_owned(),
            is_group_given: false,
            allowed_users: Allowed::default(),
            allowed_groups: Allowed::default(),
            networks_at: None,
            sizes_at: 0,
        };
        Draft {
            text,
            config: Config::without_endpoints(),
            services: Service::ALL.map(service).into(),
            listens: Vec::new(),
            faults: Vec::new(),
            idle: Vec::new(),
            unclear: BTreeSet::new(),
        }
    }

    pub(super) fn fault(&mut self, at: usize, text: String) {
        self.faults.push(Diagnostic { at, text });
    }

    /// A value as it is written, for a message.
    pub(super) fn written(&self, span: Range<usize>) -> String {
        quoted(self.text.get(span).unwrap_or_default())
    }

    /// The services that a key in this table speaks of.
    pub(super) fn services(&mut self, table: Table) -> &mut [ServiceDraft] {
        match table {
            Table::Log => &mut [],
            Table::Limits => &mut self.services,
            Table::Service(service) => std::slice::from_mut(&mut self.services[service as usize]),
        }
    }
}

/// One endpoint, where it is written, and what its own table says.
pub(super) struct ListenDraft {
    pub(super) at: usize,
    pub(super) service: Service,
    pub(super) endpoint: Endpoint,
    pub(super) own: Own,
}

/// What is said of one endpoint alone, each with its byte offset.
#[derive(Default)]
pub(super) struct Own {
    pub(super) mode: Option<(usize, u32)>,
    pub(super) group: Option<(usize, String)>,
    pub(super) allowed_users: Option<Allowed>,
    pub(super) allowed_groups: Option<Allowed>,
    pub(super) networks: Option<(usize, Networks)>,
}
