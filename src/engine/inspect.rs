//! Queries about the engine; nothing changes.

use super::Engine;
use super::counters::Counters;
use super::message::{ConnectionId, RemoteAddress};
use super::service::Service;
use super::session::Session;

impl Engine {
    /// Connections in the table, including closing and refused ones.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether the peer was admitted.
    pub fn is_admitted(&self, peer: ConnectionId) -> bool {
        self.sessions.get(peer).is_some_and(Session::is_counted)
    }

    /// Who is behind a connection, if it is there.
    pub fn remote(&self, peer: ConnectionId) -> Option<RemoteAddress> {
        self.sessions.get(peer).map(Session::remote)
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.sessions.len() == 0
    }

    /// Admitted connections of a service.
    pub fn connections_of(&self, service: Service) -> usize {
        self.shared.connection_counts.of(service)
    }

    /// Members of the chat room.
    pub fn members(&self) -> usize {
        self.shared.room.len()
    }

    /// Counts since the start.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The memory of queues, of the room's log and history, of machines' reports and of events for watchers, in bytes: for a
    /// status summary and for tests of the bound. [`memory::parts`](super::memory::parts) has its maximum.
    pub fn queued_bytes(&self) -> usize {
        let shared = &self.shared;
        let sessions: usize = self.sessions.iter().map(|session| session.held_bytes(shared)).sum();
        sessions
            + shared.room.log_bytes()
            + shared.machines.bytes()
            + shared.event_ring.bytes()
            + shared.roster.bytes()
    }

    /// The memory of the table of clients, which is a part of that, in bytes.
    pub fn roster_bytes(&self) -> usize {
        self.shared.roster.bytes()
    }

    /// Addresses and users in that table.
    pub fn clients(&self) -> usize {
        self.shared.roster.len()
    }

    /// The queued bytes that count against [`Settings::queued_bytes_max`](super::limits::Settings::queued_bytes_max): as counted,
    /// and as measured now.
    pub fn shared_bytes(&self) -> (usize, usize) {
        let sessions = self.sessions.iter().filter(|session| !session.is_lossy());
        (self.held_bytes(), sessions.map(|session| session.held_bytes(&self.shared)).sum())
    }

    /// Whether to read from the peer: what [`Output::Reading`](super::message::Output::Reading) said last.
    pub fn is_reading(&self, peer: ConnectionId) -> bool {
        self.sessions.get(peer).is_some_and(Session::is_reading)
    }

    /// Whether work is left that needs only another turn.
    pub fn has_work(&self) -> bool {
        self.lent.is_new()
            || !self.outputs.is_empty()
            || !self.waiting.is_empty()
            || !self.giving_way.is_empty()
            || !self.reporting.is_empty()
            || self.shared.event_ring.has_pending()
            || self.shared.room.is_dirty()
    }

    /// Whether the engine wants [`Input::Figures`](super::message::Input::Figures); ask after each turn.
    pub fn wants_figures(&self) -> bool {
        self.wants_figures
    }

    /// Whether a [stop](super::message::Input::Stop) has been completed.
    pub fn is_done(&self) -> bool {
        self.shared.stop.is_some() && self.sessions.len() == 0
    }

    /// The members of the room by name. Members of the previous process have joined without an event, so this is how to learn of
    /// them.
    pub fn member_names(&self) -> impl Iterator<Item = (ConnectionId, &str)> {
        self.shared.room.members()
    }
}
