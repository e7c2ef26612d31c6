//! The engine's side of the servers that keep the log of a shared room: its requests to the reactor, and the reactor's input.

use super::Engine;
use super::effect::SessionEvent;
use super::limits::ROOM_BURST_BYTES;
use super::message::Timestamp;
use super::room::{Consequence, Room, Shared};
use super::room_report::RoomReport;
use super::service::stats::{self, Message};
use super::service::watch::TraceEvent;
use super::source::Source;
use super::text::{is_host, quote};
use super::uplink::{
    Direction, InstanceId, LinkId, LogEvent, Reason, SavedUplink, Server, Settings, State, Uplink,
};

/// Events for the log that are kept until the reactor takes them, which it does in each turn.
const LINK_EVENTS_MAX: usize = 256;

/// A request to the reactor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkRequest {
    /// Connect; the answer is [`LinkInput::Opened`] or [`LinkInput::Lost`].
    Connect(LinkId, Server),
    /// Close it, but first write what [`Sharing::output`] has if that can be written at once; then call
    /// [`SharingMut::forget`].
    Close(LinkId),
}

/// What happened on a connection to a server.
#[derive(Debug)]
pub enum LinkInput<'a> {
    /// It is connected.
    Opened,
    /// It is encrypted.
    Secured,
    /// Bytes have arrived.
    Bytes(&'a [u8]),
    /// This many bytes of [`Sharing::output`] were written.
    Sent(usize),
    /// It has ended, or could not be made, for this reason. Empty: the server closed it without an error message.
    Lost(&'a str),
}

/// How a shared room begins.
#[derive(Debug)]
pub enum Beginning {
    /// As a new instance, with this id, and a number that no other daemon has.
    New(InstanceId, u64),
    /// With the state of the process before a restart.
    Restored(Box<SavedShared>, InstanceId, u64),
}

/// A shared room, for the process after a restart.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct SavedShared {
    uplink: SavedUplink,
    /// Whether the room has been whole.
    has_begun: bool,
    /// Whether members have been told that the room is cut off.
    is_cut_off: bool,
}

/// The shared room, for queries.
#[derive(Debug)]
pub struct Sharing<'a> {
    room: &'a Room,
    shared: &'a Shared,
}

/// The room and its servers, at one time.
#[derive(Debug)]
pub struct SharingMut<'a> {
    engine: &'a mut Engine,
    now: Timestamp,
}

impl Engine {
    /// Queries about the shared room, if the room is shared.
    #[inline]
    pub fn sharing(&self) -> Option<Sharing<'_>> {
        let room = &self.shared.room;
        room.shared().map(|shared| Sharing { room, shared })
    }

    /// To share the room, and to tell it what happens on the connections to servers.
    pub fn sharing_mut(&mut self, now: Timestamp) -> SharingMut<'_> {
        SharingMut { engine: self, now }
    }
}

impl<'a> Sharing<'a> {
    /// Whether the other daemons know that all members here have left.
    pub fn has_left(&self) -> bool {
        self.shared.uplink.is_flushed()
    }

    /// The shared room, for the next process.
    pub fn save(&self) -> SavedShared {
        let (has_begun, is_cut_off) = self.shared.seen();
        SavedShared { uplink: self.shared.uplink.save(), has_begun, is_cut_off }
    }

    /// The state of the shared room.
    pub fn report(&self) -> RoomReport {
        let report = self.shared.uplink.report();
        RoomReport {
            state: match report.state {
                State::Connecting => "connecting",
                State::Opening => "opening",
                State::CatchingUp => "catching up",
                State::Up => "whole",
                State::CutOff => "cut off",
            },
            reason: report.reason.as_ref().map(Reason::to_string),
            server: report.server,
            server_name: report.server_name.map(|name| quote(name.as_bytes())),
            server_version: report.version.map(|version| quote(version.as_bytes())),
            is_encrypted: report.is_encrypted,
            round_trip: report.round_trip.map(|time| time.as_secs_f64()),
            unacknowledged: report.unacknowledged,
            queued: report.queued,
            queued_bytes: report.queued_bytes,
            sequence: report.sequence,
            lag: report.lag,
            reconnects: report.reconnects,
            published: report.published,
            refused: report.refused,
            missed: report.missed,
            machines: report.instances,
            members: report.members,
        }
    }

    /// When [`SharingMut::tick`] must be called.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.shared.uplink.deadline()
    }

    /// Whether TLS must begin on a connection: ask after each [`SharingMut::handle`].
    pub fn is_to_be_encrypted(&self, link: LinkId) -> bool {
        self.shared.uplink.wants_tls(link)
    }

    /// The bytes to write on a connection.
    pub fn output(&self, link: LinkId) -> &'a [u8] {
        self.shared.uplink.output(link)
    }

    /// Whether members still have to be offered as much as one turn allows. Then read no more from a server in this turn.
    pub fn is_busy(&self) -> bool {
        self.room.fresh() >= ROOM_BURST_BYTES + self.room.floor()
    }
}

impl SharingMut<'_> {
    /// Shares the room with other daemons from now on, or applies changed settings. Members stay.
    pub fn begin(&mut self, settings: Settings, beginning: Beginning) {
        let now = self.now;
        self.engine.shared.now = now;
        if let Some(uplink) = self.uplink() {
            if uplink.reconfigure(settings.clone(), now) {
                return self.engine.take_link_events(now);
            }
            uplink.farewell(now);
            self.engine.take_link_events(now);
        }
        let (uplink, seen) = match beginning {
            Beginning::New(instance, seed) => (Uplink::new(settings, instance, seed, now), None),
            Beginning::Restored(saved, instance, seed) => {
                let SavedShared { uplink, has_begun, is_cut_off } = *saved;
                match Uplink::restore(settings.clone(), uplink, seed, now) {
                    Some(uplink) => (uplink, Some((has_begun, is_cut_off))),
                    None => (Uplink::new(settings, instance, seed, now), None),
                }
            }
        };
        self.engine.shared.room.share(uplink, now, seen);
        self.engine.take_link_events(now);
    }

    /// Stops sharing the room; its members stay. The other daemons learn it if that can be sent at once.
    pub fn end(&mut self) {
        for consequence in self.engine.shared.room.stop_sharing() {
            self.engine.handle_consequence(consequence);
        }
        self.engine.apply_effects(self.now);
        self.engine.resume_all(self.now);
    }

    /// Tells the other daemons that all members here leave, because this daemon is about to end.
    pub fn leave(&mut self) {
        let now = self.now;
        if let Some(uplink) = self.uplink() {
            uplink.farewell(now);
        }
    }

    /// Called when time has passed.
    pub fn tick(&mut self) {
        let now = self.now;
        let is_watched = self.engine.shared.event_ring.has_subscribers();
        if let Some(uplink) = self.uplink() {
            uplink.watch(is_watched);
            uplink.tick(now);
            self.engine.take_link_events(now);
        }
    }

    /// The next thing to do. Call it until it returns `None`.
    pub fn poll(&mut self) -> Option<LinkRequest> {
        let now = self.now;
        let uplink = self.uplink()?;
        if let Some(link) = uplink.wants_close() {
            return Some(LinkRequest::Close(link));
        }
        let (link, server) = uplink.dial(now)?;
        Some(LinkRequest::Connect(link, server))
    }

    /// Notes that a connection is closed, as requested.
    pub fn forget(&mut self, link: LinkId) {
        if let Some(uplink) = self.uplink() {
            uplink.closed(link);
        }
    }

    /// Handles what happened on a connection.
    pub fn handle(&mut self, link: LinkId, input: LinkInput<'_>) {
        let now = self.now;
        self.engine.shared.now = now;
        let Some(uplink) = self.uplink() else { return };
        match input {
            LinkInput::Opened => uplink.connected(link, now),
            LinkInput::Secured => uplink.secured(link, now),
            LinkInput::Bytes(bytes) => uplink.received(link, bytes, now),
            LinkInput::Sent(count) => return uplink.sent(link, count),
            LinkInput::Lost("") => uplink.disconnected(link, Reason::Closed, now),
            LinkInput::Lost(reason) => uplink.disconnected(link, Reason::Network(reason.to_owned()), now),
        }
        self.engine.take_link_events(now);
    }

    /// The next event for the log.
    pub fn poll_event(&mut self) -> Option<LogEvent> {
        self.engine.shared.link_events.pop_front()
    }

    fn uplink(&mut self) -> Option<&mut Uplink> {
        self.engine.shared.room.uplink_mut(self.now)
    }
}

impl Engine {
    /// Handles what has come from the log of the room.
    fn take_link_events(&mut self, now: Timestamp) {
        let was_full = self.shared.room.is_full();
        while let Some(consequence) = self.shared.room.poll_shared() {
            self.handle_consequence(consequence);
        }
        self.apply_effects(now);
        if was_full && !self.shared.room.is_full() {
            self.resume_all(now);
        }
    }

    fn handle_consequence(&mut self, consequence: Consequence) {
        let shared = &mut self.shared;
        match consequence {
            Consequence::Joined(peer, member_id, rest) => {
                shared.tell(peer, SessionEvent::Joined(member_id, rest));
            }
            Consequence::NameTaken(peer, name, unsent) => {
                shared.tell(peer, SessionEvent::NameTaken(name, unsent));
            }
            Consequence::Seen(direction, name, text) => {
                let trace = match direction {
                    Direction::Up => TraceEvent::Sent(text.into()),
                    Direction::Down => TraceEvent::Came(text.into()),
                };
                shared.show_link(Some(name).filter(|name| !name.is_empty()), trace);
            }
            Consequence::Log(event) => {
                if shared.event_ring.has_subscribers() {
                    shared.show_link(None, TraceEvent::Changed(event.to_string()));
                }
                if shared.link_events.len() < LINK_EVENTS_MAX {
                    shared.link_events.push_back(event);
                }
            }
            Consequence::Stats(host, report) => {
                // The other daemon has checked the report, but this one does not rely on it.
                if let (true, Ok(Message::Report(report))) = (is_host(&host), stats::read(report.as_bytes()))
                {
                    let (now, max) = (shared.now, shared.settings.machines_max);
                    shared.machines.handle_report(now, Source::Unknown, host.into(), report, max);
                }
            }
            Consequence::Nothing => {}
        }
    }
}
