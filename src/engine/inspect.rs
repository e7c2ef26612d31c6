//! What the engine is asked about itself; nothing changes.

use super::Engine;
use super::counters::Counters;
use super::message::ConnectionId;
use super::service::Service;
use super::session::Session;

impl Engine {
    /// Connections in the table, closing and refused ones included.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether the peer was let in.
    pub fn is_admitted(&self, peer: ConnectionId) -> bool {
        self.sessions.get(peer).is_some_and(Session::is_counted)
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.sessions.len() == 0
    }

    /// Connections of a service that were let in.
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

    /// Memory that queues, the room's log and history, the machines' reports and the events for those who watch take, in
    /// bytes, for a status summary and for tests of the bound: [`memory::parts`](super::memory::parts) has the most that it can be.
    pub fn queued_bytes(&self) -> usize {
        let shared = &self.shared;
        let sessions: usize = self.sessions.iter().map(|session| session.held_bytes(shared)).sum();
        sessions
            + shared.room.log_bytes()
            + shared.machines.bytes()
            + shared.event_ring.bytes()
            + shared.roster.bytes()
    }

    /// Of that, what the table of clients takes, in bytes.
    pub fn roster_bytes(&self) -> usize {
        self.shared.roster.bytes()
    }

    /// Addresses and users in that table.
    pub fn clients(&self) -> usize {
        self.shared.roster.len()
    }

    /// Of the queued bytes, what counts against [`Settings::queued_bytes_max`](super::limits::Settings::queued_bytes_max); as it was counted, and as it is.
    pub fn shared_bytes(&self) -> (usize, usize) {
        let sessions = self.sessions.iter().filter(|session| !session.is_lossy());
        (self.held_bytes(), sessions.map(|session| session.held_bytes(&self.shared)).sum())
    }

    /// Whether the peer is to be read from, as [`Output::Reading`](super::message::Output::Reading) has said last.
    pub fn is_reading(&self, peer: ConnectionId) -> bool {
        self.sessions.get(peer).is_some_and(Session::is_reading)
    }

    /// Whether there is work left over that only needs another turn.
    pub fn has_work(&self) -> bool {
        !self.outputs.is_empty()
            || !self.waiting.is_empty()
            || !self.reporting.is_empty()
            || self.shared.event_ring.is_stirred()
            || self.shared.room.is_dirty()
    }

    /// Whether [`Input::Figures`](super::message::Input::Figures) is waited for; to be asked after each turn.
    pub fn wants_figures(&self) -> bool {
        self.wants_figures
    }

    /// Whether a [stop](super::message::Input::Stop) has been completed.
    pub fn is_done(&self) -> bool {
        self.shared.stop.is_some() && self.sessions.len() == 0
    }

    /// Who is in the room, by name: of those who came before a restart no note tells.
    pub fn member_names(&self) -> impl Iterator<Item = (ConnectionId, &str)> {
        self.shared.room.members()
    }
}
