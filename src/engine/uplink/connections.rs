//! The uplink's connections: which are needed, what the reactor reports about them, and how they end.

use super::super::message::Timestamp;
use super::event::LogEvent;
use super::ids::LinkId;
use super::link::{Link, Phase};
use super::machine::Uplink;
use super::reason::Reason;
use super::settings::Server;
use super::wire::encode;

/// Our subscriptions: answers, signs of life, private messages, reports.
pub(super) const ANSWERS: u64 = 1;
pub(super) const ALIVE: u64 = 2;
pub(super) const WHISPERS: u64 = 3;
pub(super) const STATS: u64 = 4;

/// The most remembered failures; each is reported once.
const FAILURES_MAX: usize = 256;

/// The interface for the reactor.
impl Uplink {
    /// The server to connect to now. Ask until there is none, after each call that has the time as an argument.
    pub fn dial(&mut self, now: Timestamp) -> Option<(LinkId, Server)> {
        if !self.wants_link() {
            return None;
        }
        let leaving = self.active.and_then(|id| self.link(id)).map(|link| link.server.clone());
        let server = self.servers.next(leaving.as_ref(), &mut self.random, now)?;
        let id = LinkId(self.next_link);
        self.next_link = self.next_link.wrapping_add(1);
        self.links.push(Link::new(id, server.clone(), now));
        Some((id, server))
    }

    /// Whether another connection is needed: there is none, or only one to a server that is about to close.
    pub(super) fn wants_link(&self) -> bool {
        let is_good =
            |link: &Link| link.phase != Phase::Ended && !(link.is_ready() && link.info.is_lame_duck);
        self.links.len() < 2 && !self.links.iter().any(is_good)
    }

    pub(super) fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.id == id)
    }

    /// Notes that a connection was made.
    pub fn connected(&mut self, id: LinkId, now: Timestamp) {
        if let Some(link) = self.link(id) {
            link.connected(now);
        }
    }

    /// Whether TLS must begin now: ask after [`connected`](Self::connected) and [`received`](Self::received).
    pub fn wants_tls(&self, id: LinkId) -> bool {
        self.links.iter().any(|link| link.id == id && matches!(link.phase, Phase::Securing(_)))
    }

    /// Notes that TLS was set up.
    pub fn secured(&mut self, id: LinkId, now: Timestamp) {
        let Some(at) = self.links.iter().position(|link| link.id == id) else { return };
        let outcome = self.links[at].secured(&self.settings.credentials, &self.settings.client, now);
        if let Err(reason) = outcome {
            self.end(id, reason, now);
        }
    }

    /// Notes that a connection was lost, or could not be made.
    pub fn disconnected(&mut self, id: LinkId, reason: Reason, now: Timestamp) {
        self.end(id, reason, now);
        self.closed(id);
        self.settle(now);
    }

    /// A connection that the reactor must close; it then calls [`closed`](Self::closed).
    pub fn wants_close(&self) -> Option<LinkId> {
        self.links.iter().find(|link| link.phase == Phase::Ended).map(|link| link.id)
    }

    /// Notes that the reactor has closed it.
    pub fn closed(&mut self, id: LinkId) {
        self.links.retain(|link| link.id != id);
    }

    /// The bytes to send.
    pub fn output(&self, id: LinkId) -> &[u8] {
        self.links.iter().find(|link| link.id == id).map_or(&[], |link| link.output())
    }

    /// Notes that the reactor has sent this many of them.
    pub fn sent(&mut self, id: LinkId, bytes: usize) {
        if let Some(link) = self.link(id) {
            link.sent(bytes);
        }
    }

    /// Ends a connection, which the reactor then closes.
    pub(super) fn end(&mut self, id: LinkId, reason: Reason, now: Timestamp) {
        let has_carried = self.active == Some(id) && self.health.is_proved();
        let Some(link) = self.link(id).filter(|link| link.phase != Phase::Ended) else { return };
        let was_ready = link.is_ready();
        let has_lasted = was_ready && (has_carried || now.since(link.since) >= super::bounds::STABLE);
        link.phase = Phase::Ended;
        let server = link.server.clone();
        if matches!(reason, Reason::Unauthorized(_)) {
            self.servers.refused(server.clone(), now);
        }
        if has_lasted {
            self.servers.lasted();
        }
        self.servers.failed(&mut self.random, now);
        self.report_failure(&server, &reason, was_ready);
        if self.active == Some(id) {
            self.active = None;
            self.reader.stop();
            self.health.doubt();
            self.whispers.cut_off(&mut self.events);
        }
        self.health.link = Some(reason);
    }

    /// Reports a failure of a server once, until the server is connected again.
    fn report_failure(&mut self, server: &Server, reason: &Reason, was_ready: bool) {
        let name = server.to_string();
        if !was_ready && self.failures.get(&name) == Some(reason) {
            return;
        }
        if self.failures.len() >= FAILURES_MAX {
            self.failures.clear();
        }
        self.failures.insert(name.clone(), reason.clone());
        self.events.log(LogEvent::Disconnected { server: name, reason: reason.clone() });
    }

    /// Uses a connection for the room, now that it is ready. The previous one, whose server is about to close, ends.
    pub(super) fn ready(&mut self, id: LinkId, now: Timestamp) {
        if let Some(old) = self.active.filter(|old| *old != id).and_then(|old| self.link(old)) {
            old.phase = Phase::Ended;
        }
        let inbox = self.subjects.inbox(id);
        let (alive, stats) = (self.subjects.alive.clone(), self.subjects.stats.clone());
        let whispers = self.subjects.to(self.ledger.own);
        let Some(at) = self.links.iter().position(|link| link.id == id) else { return };
        let link = &mut self.links[at];
        for (subject, subscription) in
            [(inbox, ANSWERS), (alive, ALIVE), (whispers, WHISPERS), (stats, STATS)]
        {
            encode::subscribe(link.out(), &subject, subscription);
        }
        let server = link.server.to_string();
        self.failures.remove(&server);
        self.events.log(LogEvent::Connected {
            server,
            name: link.info.server_name.clone(),
            version: link.info.version.clone(),
            is_encrypted: link.is_encrypted,
        });
        self.reader.start(id, &self.subjects, link.out(), now);
        self.active = Some(id);
        self.connections += 1;
        self.has_reported_foreign = false;
        self.health.doubt();
        self.health.link = None;
        self.health.room = None;
        self.presence.connected(now);
        self.publisher.reconnected(now);
    }
}
