//! The state that all sessions share.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use super::connection_counts::ConnectionCounts;
use super::counters::Counters;
use super::diagnosis::Hint;
use super::effect::{Effect, SessionEvent};
use super::effort::Effort;
use super::event_ring::{EventRing, RingEntry};
use super::figures::{self, Figures};
use super::guest::Guest;
use super::lent_frames::LentFrames;
use super::limits::Settings;
use super::machines::Machines;
use super::message::{Binding, ConnectionId, Event, EventKind, RemoteAddress, Timestamp};
use super::mutes::Mutes;
use super::pace::{Lately, Pace};
use super::peers::Peers;
use super::room::Room;
use super::roster::Roster;
use super::service::Service;
use super::service::talk::Pairs;
use super::service::watch::TraceEvent;

/// The most events that are kept for [`Engine::poll_event`]. Callers take them after each input, so this is never
/// reached.
pub(super) const EVENTS_MAX: usize = 64 * 1024;

/// The state that all sessions share.
#[derive(Debug)]
pub(super) struct EngineState {
    pub(super) settings: Settings,
    pub(super) room: Room,
    /// The room's next messages as frames, for members with WebSockets.
    pub(super) frames: LentFrames,
    pub(super) connection_counts: ConnectionCounts,
    /// The latest figures of the process, and their time.
    pub(super) figures: Option<(Timestamp, Figures)>,
    pub(super) rates: figures::Pace,
    pub(super) roster: Roster,
    pub(super) counters: Counters,
    pub(super) events: VecDeque<Event>,
    pub(super) talk: Pairs,
    pub(super) machines: Machines,
    pub(super) event_ring: EventRing,
    /// The rate limits of clients that have sent something.
    pub(super) paces: Peers<Pace>,
    /// What was left of the bursts of clients of the room that have disconnected, by source.
    pub(super) lately: Lately,
    /// The guests of a room with a passphrase.
    pub(super) guests: Peers<Guest>,
    /// The names in the clients' certificates. Not escaped.
    pub(super) certified: Peers<Box<str>>,
    pub(super) mutes: Mutes,
    /// The connections for which the kernel accepts nothing, and since when.
    pub(super) unread: Peers<Timestamp>,
    /// The time of the input that is being handled.
    pub(super) now: Timestamp,
    /// The effects of sessions, applied before anything else happens.
    pub(super) effects: VecDeque<Effect>,
    /// What messages that cost much have taken in this turn.
    pub(super) effort: Effort,
    /// Refused connections that linger.
    pub(super) refused_lingering: usize,
    pub(super) stop: Option<Stop>,
    /// The memory of all connections' queues, without their part of the room.
    pub(super) held: usize,
    /// Events of the connections to other machines, for the log.
    #[cfg(feature = "nats")]
    pub(super) link_events: VecDeque<super::uplink::LogEvent>,
}

/// The daemon is stopping.
#[derive(Debug)]
pub(super) struct Stop {
    /// The time until which connections that keep sending are read.
    pub(super) listen: Timestamp,
    /// Whether that time is still to come.
    pub(super) listening: bool,
    /// The time at which everything is closed.
    pub(super) by: Timestamp,
    /// Connections of which the kernel holds no more input.
    pub(super) drained: HashSet<ConnectionId>,
}

impl EngineState {
    /// The history for a new member is never longer than a member may be behind.
    pub(super) fn set_history(&mut self) {
        let bytes_max = self.settings.of(Service::Chat).backlog_bytes_max;
        self.room.set_history(self.settings.chat_history, bytes_max);
        self.room.keep_transcript(self.settings.transcript);
    }

    /// Shows watchers what happened to a datagram, which has no session.
    pub(super) fn show_datagram(&mut self, binding: &Rc<Binding>, remote: RemoteAddress, trace: TraceEvent) {
        let service = binding.service;
        self.event_ring.push(RingEntry {
            at: self.now,
            binding: Rc::clone(binding),
            remote: Some(remote),
            service,
            name: None,
            trace,
        });
    }

    /// Shows watchers what happened on the way to the servers of a shared room.
    #[cfg(feature = "nats")]
    pub(super) fn show_link(&mut self, name: Option<Box<str>>, trace: TraceEvent) {
        let server = self.room.shared().and_then(|shared| shared.uplink.server());
        let binding = Binding {
            endpoint: server.unwrap_or_else(|| "nats".to_owned()),
            service: Service::Chat,
            transport: super::message::Transport::TCP,
            allowed: None,
        };
        self.event_ring.push(RingEntry {
            at: self.now,
            binding: Rc::new(binding),
            remote: None,
            service: Service::Chat,
            name,
            trace,
        });
    }

    /// Reports a mistake to the log only.
    pub(super) fn note_hint(
        &mut self,
        peer: Option<ConnectionId>,
        binding: &Rc<Binding>,
        remote: RemoteAddress,
        hint: &Hint,
    ) {
        if self.events.len() < EVENTS_MAX {
            let what = EventKind::Mistaken(hint.text.clone());
            self.events.push_back(Event { peer, binding: Rc::clone(binding), remote, what });
        }
    }

    /// Tells another session something.
    pub(super) fn tell(&mut self, peer: ConnectionId, event: SessionEvent) {
        self.effects.push_back(Effect::Tell(peer, event));
    }

    pub(super) fn note(&mut self, event: Event) {
        if event.peer.is_none() && self.event_ring.has_subscribers() {
            self.show_datagram(&event.binding, event.remote, TraceEvent::Happened(event.what.clone()));
        }
        self.log(event);
    }

    /// Reports an event to the log only.
    pub(super) fn log(&mut self, event: Event) {
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        }
    }
}
