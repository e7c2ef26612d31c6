//! The engine's reports about its connections.

use ipcd::engine::limits::{PLACES_KEPT, Settings};
use ipcd::engine::message::{CloseReason, ConnectionId, EventKind};
use ipcd::engine::service::Service;

use super::World;
use crate::peer::BURST;

impl World {
    pub(super) fn note(&mut self, peer: ConnectionId, what: EventKind) {
        self.serial += 1;
        let serial = self.serial;
        if let EventKind::Joined(name) = &what {
            let count = self.joins.entry(name.clone()).or_default();
            *count += 1;
            let ordinal = *count;
            self.actors.get_mut(peer).expect("somebody joined").note_joined(name, ordinal);
            self.totals.count("joined");
            return;
        }
        let actor = self.actors.get_mut(peer);
        let actor = actor.unwrap_or_else(|| panic!("{what:?} happened to nobody"));
        assert!(actor.closed.is_none(), "{}: {what:?} after its end", actor.who);
        match what {
            EventKind::Opened => assert!(!std::mem::replace(&mut actor.opened, true), "opened twice"),
            EventKind::Decided(kind) => {
                actor.note_decision(kind);
                self.totals.count_case("decided", &kind);
            }
            EventKind::Chose(service) => {
                actor.service = service;
                let limit = self.settings.of(service).connections_max.unwrap_or(usize::MAX);
                let count = self.engine.connections_of(service);
                assert!(
                    count <= limit.saturating_add(PLACES_KEPT) || actor.is_observer(),
                    "too many chose {service}: {count}"
                );
            }
            EventKind::Erred(error) => {
                actor.note_error(&error, serial);
                if error.starts_with("message longer than ") {
                    self.totals.count("told that a message was too long");
                }
            }
            EventKind::Closed(reason) => {
                if reason == CloseReason::TooMany && actor.opened {
                    self.totals.count("refused on the mux");
                }
                actor.closed = Some(reason);
                self.totals.count_case("closed", &reason);
            }
            EventKind::Said(_) => self.note_said(peer),
            EventKind::Secured(_)
            | EventKind::Identified(_)
            | EventKind::Unsecured(_)
            | EventKind::Truncated => {}
            EventKind::Met(_)
            | EventKind::Dropped(_)
            | EventKind::Undelivered { .. }
            | EventKind::Refused(_)
            | EventKind::Mistaken(_)
            | EventKind::Ordered(_)
            | EventKind::Remarked(_)
            | EventKind::Asked(_)
            | EventKind::SaidPrivately(_)
            | EventKind::Joined(_) => {}
        }
    }

    /// Counts a message that was taken: not more than the rates of its services allow.
    fn note_said(&mut self, peer: ConnectionId) {
        let actor = self.actors.get_mut(peer).expect("somebody said it");
        actor.said += 1;
        let rates = |settings: &Settings| {
            [Service::Mux, actor.service].map(|service| settings.of(service).messages_per_second)
        };
        let rates: Vec<u32> = self.seen.iter().flat_map(rates).collect();
        let spent = self.now.since(actor.since).as_secs_f64();
        // One on the mux, one in the service selected there, and one after each reload.
        let bursts = 2 + self.seen.len() - actor.seen;
        let fastest = f64::from(rates.iter().copied().max().unwrap_or(0));
        let most = (bursts * BURST + 1) as f64 + fastest * spent;
        let bounded = rates.iter().all(|rate| *rate > 0) && self.stop.is_none();
        assert!(!bounded || actor.said as f64 <= most, "{}: {} in {spent} s", actor.who, actor.said);
    }
}
