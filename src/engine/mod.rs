//! The whole daemon without its sockets. This is pure code: it has no socket, clock, file or log. Time and bytes come in as
//! arguments, requests and events go out as values.
//!
//! It is also a crate of its own, `ipcd-engine` in `engine/`: the same files, without the crates that only the rest of the daemon
//! needs.
//!
//! # The order of its calls
//!
//! ```text
//!   handle(Input::Tick)                 the time; begins a turn
//!   for each peer that is ready, unless Output::Reading has said that its bytes stay where they are:
//!     handle(Input::Bytes { .. })       what came from it
//!     poll_event() until None            what happened, for the log
//!     poll_urgent() until None          what to do before another peer is read
//!       Output::Flush(peer)             outgoing(peer) lends the bytes; write them; handle(Input::Sent { .. })
//!       Output::Close(peer)             and so on: each output says what it asks for
//!   poll_delivery(), poll_output()      the same for the rest of the turn, until both are None; deliveries are the room's words
//!   handle(Input::Turned(duration))     how long the turn took
//!   poll_deadline()                     when to begin the next one if nothing happens before
//! ```
//!
//! # Example
//!
//! One request, with a `Vec` in place of a socket:
//!
//! ```
//! use std::rc::Rc;
//! use ipcd::engine::Engine;
//! use ipcd::engine::limits::Settings;
//! use ipcd::engine::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Timestamp, Transport};
//! use ipcd::engine::service::Service;
//!
//! let mut engine = Engine::new(Settings::default());
//! let now = Timestamp::at(0);
//! let binding = Rc::new(Binding {
//!     endpoint: "unix:///tmp/multiply".into(),
//!     service: Service::Multiply,
//!     transport: Transport::UNIX,
//!     allowed: None,
//! });
//! let peer = ConnectionId { index: 0, generation: 1 };
//! let remote = RemoteAddress::Process { uid: 1000, gid: 1000, pid: 4711 };
//!
//! engine.handle(now, Input::Tick);
//! engine.handle(now, Input::Opened { peer, binding: &binding, remote });
//! engine.handle(now, Input::Bytes { peer, bytes: b"5 10\n", more: false });
//!
//! let mut written = Vec::new();
//! while let Some(output) = engine.poll_output() {
//!     if output == Output::Flush(peer) {
//!         let before = written.len();
//!         for slice in engine.outgoing(peer).slices() {
//!             written.extend_from_slice(slice);
//!         }
//!         engine.handle(now, Input::Sent { peer, bytes: written.len() - before });
//!     }
//! }
//! assert_eq!(written, b"Data received\n50.0\n");
//! ```

mod all_sessions;
pub mod allow;
mod at_once;
pub mod capacity;
mod charset;
mod check;
mod claim;
pub mod client;
mod close_reason;
pub mod codec;
mod connection_counts;
mod counters;
mod crowding;
pub mod datagram;
pub mod delivery;
pub mod diagnosis;
mod digits;
mod dropped;
mod effect;
mod effort;
pub mod encryption;
mod engine_state;
mod event_ring;
pub mod figures;
mod framing_mode;
mod guest;
mod handover;
pub mod http;
mod id;
mod inspect;
pub mod json;
mod lent_frames;
mod lent_reply;
pub mod limits;
#[cfg(feature = "nats")]
pub mod linking;
pub mod listed;
pub mod looks;
mod machines;
pub mod memory;
pub mod message;
mod metrics;
mod mutes;
pub mod name;
pub mod number;
mod offering;
mod orders;
mod outbox;
mod outgoing;
mod outputs;
mod pace;
mod peers;
mod pressure;
mod ready_list;
pub mod record;
mod reporting;
mod room;
pub mod room_report;
mod roster;
pub mod service;
mod session;
mod session_table;
pub mod source;
pub mod text;
mod timer_queue;
mod transcript;
pub mod transport;
mod turn;
#[cfg(feature = "nats")]
pub mod uplink;
pub mod words;
pub mod wrong_protocol;

use std::collections::VecDeque;
use std::rc::Rc;

pub use counters::{Counters, ErrorKind, ServiceCounters, Turns};

use check::interval::Checks;
use connection_counts::ConnectionCounts;
use datagram::{Answer, Datagram, Shares};
use effect::Effect;
use effort::Effort;
use engine_state::{EngineState, Stop};
use event_ring::EventRing;
use lent_frames::LentFrames;
use lent_reply::LentReply;
use limits::Settings;
use machines::Machines;
use message::{Binding, ConnectionId, Event, Input, Output, RemoteAddress, Timestamp};
use mutes::Mutes;
use outputs::OutputQueue;
use pace::Lately;
use peers::Peers;
use ready_list::{For, ReadyList};
use room::{Hearing, Room};
use roster::Roster;
use service::Service;
use service::talk::Pairs;
use session::Session;
use session_table::SessionTable;
use timer_queue::TimerQueue;

pub use outgoing::{Outgoing, SLICES_MAX};

/// The daemon's state.
#[derive(Debug)]
pub struct Engine {
    shared: EngineState,
    sessions: SessionTable,
    timers: TimerQueue,
    outputs: OutputQueue,
    lent: LentReply,
    /// The answer to the last datagram.
    answer: Option<Answer>,
    /// How many more answers each sender of datagrams may get.
    shares: Shares,
    /// Members whose messages wait until every member has been offered the last ones.
    waiting: ReadyList,
    /// Sessions whose next message, or the rest of a list, waits for another turn, because it may cost much.
    giving_way: ReadyList,
    /// Peers that are receiving a status report.
    reporting: ReadyList,
    /// A status report waits for figures about the process.
    wants_figures: bool,
    checks: Checks,
}

impl Engine {
    /// An engine with no connections.
    pub fn new(settings: Settings) -> Engine {
        let mut connection_counts = ConnectionCounts::default();
        connection_counts.retake(&settings, std::iter::empty());
        let mut engine = Engine {
            shared: EngineState {
                settings,
                room: Room::default(),
                frames: LentFrames::default(),
                connection_counts,
                figures: None,
                rates: figures::Pace::default(),
                roster: Roster::default(),
                counters: Counters::default(),
                events: VecDeque::new(),
                talk: Pairs::default(),
                machines: Machines::default(),
                event_ring: EventRing::default(),
                paces: Peers::default(),
                lately: Lately::default(),
                guests: Peers::default(),
                certified: Peers::default(),
                mutes: Mutes::default(),
                unread: Peers::default(),
                now: Timestamp::default(),
                effects: VecDeque::new(),
                effort: Effort::default(),
                refused_lingering: 0,
                stop: None,
                held: 0,
                #[cfg(feature = "nats")]
                link_events: VecDeque::new(),
            },
            sessions: SessionTable::default(),
            timers: TimerQueue::default(),
            outputs: OutputQueue::default(),
            lent: LentReply::default(),
            answer: None,
            shares: Shares::default(),
            waiting: ReadyList::new(For::Room),
            giving_way: ReadyList::new(For::Effort),
            reporting: ReadyList::new(For::Report),
            wants_figures: false,
            checks: Checks::default(),
        };
        engine.shared.set_history();
        engine
    }

    // ---- input

    /// Takes one input, at the time `now`.
    #[inline(always)] // each caller keeps only the branch for its own input
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) {
        self.shared.now = now;
        // These are nearly all inputs of a busy daemon. They should not pay for the others.
        let is_done = match input {
            Input::Bytes { peer, bytes, more: false } => self.answer_at_once(now, peer, bytes),
            Input::Sent { peer, bytes } => {
                self.is_lent_reply(peer, bytes)
                    || !self.shared.event_ring.has_subscribers() && self.is_heard(peer, bytes)
            }
            Input::Turned(took) => {
                self.shared.counters.turns.count(took);
                true
            }
            _ => false,
        };
        if !is_done {
            self.handle_any(now, input);
        }
        if cfg!(debug_assertions) && self.checks.is_due(self.sessions.len()) {
            self.check();
        }
    }

    #[inline(never)]
    fn handle_any(&mut self, now: Timestamp, input: Input<'_>) {
        self.queue_lent_reply(now);
        match input {
            Input::Opened { peer, binding, remote } => self.handle_opened(now, peer, binding, remote),
            Input::Bytes { peer, bytes, more } => {
                let mut is_unfinished = false;
                self.with(now, peer, |session, shared| {
                    session.handle_bytes(shared, now, bytes, more);
                    is_unfinished = session.waits_for_rest();
                });
                if is_unfinished && self.sessions.get(peer).is_some() {
                    self.outputs.push(Output::Acknowledge(peer));
                }
            }
            Input::Datagram { binding, remote, bytes, truncated, address } => {
                self.handle_datagram(&Datagram { binding, remote, bytes, truncated, address });
            }
            Input::Replied(outcome) => self.handle_replied(outcome),
            Input::EndOfFile { peer } => {
                self.with(now, peer, |session, shared| session.handle_end_of_file(shared, now));
            }
            Input::Drained { peer } => self.with(now, peer, |session, shared| session.set_drained(shared)),
            Input::Sent { peer, bytes } => self.handle_sent(now, peer, bytes),
            Input::Blocked { peer } => {
                self.with(now, peer, |session, shared| {
                    session.set_blocked(shared, now, true);
                    if session.is_lossy() {
                        session.resume(shared, now); // a queue that drops what is unread does not wait for its reader
                    }
                });
            }
            Input::Writable { peer } => {
                self.with(now, peer, |session, shared| {
                    session.set_blocked(shared, now, false);
                    session.resume(shared, now);
                });
                if self.sessions.get(peer).is_some_and(|session| session.member_id().is_some()) {
                    self.mark_ready(peer); // the room may have gone on without it
                }
            }
            Input::Lost { peer } => {
                self.with(now, peer, |session, shared| session.lose(shared));
                self.remove(peer, Output::Close(peer));
            }
            Input::Broken { peer, reason } => {
                self.with(now, peer, |session, shared| session.handle_broken(shared, now, reason));
            }
            Input::Encryption { peer, event } => {
                self.with(now, peer, |session, shared| session.handle_encryption(shared, now, event));
            }
            Input::Restarting { peer } => {
                self.with(now, peer, |session, shared| session.part_at_restart(shared, now));
            }
            Input::Tick => self.handle_tick(now),
            Input::Stop { by } => {
                let grace = by.since(now);
                let drained = self.shared.stop.take().map(|stop| stop.drained).unwrap_or_default();
                self.shared.stop = Some(Stop { listen: now + grace / 2, listening: true, by, drained });
                self.resume_all(now); // during a stop there is no rate limit
            }
            Input::Answer { peer, lines } => self.with(now, peer, |session, _| session.handle_answer(lines)),
            Input::Figures(figures) => {
                self.shared.figures = Some((now, figures));
                self.wants_figures = false;
            }
            Input::Turned(_) => {} // counted above
            Input::Reconfigure(settings) => self.reconfigure(now, *settings),
        }
        if !self.shared.effects.is_empty() {
            self.apply_effects(now);
        }
    }

    /// Applies the effects of sessions.
    #[cold] // most inputs have none
    fn apply_effects(&mut self, now: Timestamp) {
        while let Some(effect) = self.shared.effects.pop_front() {
            match effect {
                Effect::Tell(peer, event) => {
                    self.with(now, peer, |session, shared| session.handle_event(shared, now, event));
                }
                Effect::Ask(peer, request) => self.outputs.push_request(peer, request),
                Effect::Order(by, order) => self.execute(now, by, order),
            }
        }
    }

    fn handle_opened(
        &mut self,
        now: Timestamp,
        peer: ConnectionId,
        binding: &Rc<Binding>,
        remote: RemoteAddress,
    ) {
        self.sessions.insert(Session::open(&mut self.shared, now, peer, binding, remote));
        self.settle(now, peer);
        self.relieve_when_full(now);
    }

    /// Whether these sent bytes were the room's only: then the session has nothing to do.
    #[inline]
    fn is_heard(&mut self, peer: ConnectionId, bytes: usize) -> bool {
        let shared = &mut self.shared;
        let Some(member_id) =
            self.sessions.get(peer).and_then(|session| session.member_id_hearing(Hearing::Lines))
        else {
            return false;
        };
        shared.counters.of_mut(Service::Chat).bytes_out += bytes as u64;
        shared.room.sent(member_id, bytes);
        true
    }

    fn handle_sent(&mut self, now: Timestamp, peer: ConnectionId, bytes: usize) {
        if self.shared.event_ring.has_subscribers() {
            self.show_reply(peer, bytes);
            if self.is_heard(peer, bytes) {
                return;
            }
        }
        let shared = &mut self.shared;
        let lent = self.sessions.get(peer).and_then(|session| session.member_id_hearing(Hearing::Frames));
        let lent = lent.filter(|member_id| shared.frames.are_for(&shared.room, *member_id));
        if let Some(member_id) = lent.filter(|_| bytes == shared.frames.bytes().len()) {
            shared.counters.of_mut(Service::Chat).bytes_out += bytes as u64;
            return shared.room.sent(member_id, shared.frames.log_bytes());
        }
        self.with(now, peer, |session, shared| {
            if let Some(member_id) = lent {
                session.keep_lent(shared, member_id);
            }
            shared.counters.of_mut(session.service()).bytes_out += bytes as u64;
            let mut left = bytes;
            let own = session.outbox().ready(session.encoding()).len();
            if own > 0 {
                session.handle_sent(shared, now, left.min(own));
                left -= left.min(own);
            }
            if let Some(member_id) = session.member_id().filter(|_| left > 0 || own == 0) {
                shared.room.sent(member_id, left);
            }
            if session.member_id().is_some() {
                session.hear_room(shared);
            }
            session.resume(shared, now);
        });
    }

    // ---- output

    /// The events so far, oldest first. Call it after each input until it returns `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.events.pop_front()
    }

    /// The next line of the room for the transcript. Call it after each turn until it returns `None`.
    pub fn poll_transcript(&mut self) -> Option<Box<str>> {
        self.shared.room.poll_transcript()
    }

    /// The next urgent request: do it before another peer is read from. Call it until it returns `None`. The room's messages
    /// are not urgent, so that one write carries all messages of a turn.
    pub fn poll_urgent(&mut self) -> Option<Output> {
        if let Some(peer) = self.lent.take_new() {
            return Some(Output::Flush(peer));
        }
        self.outputs.poll_urgent(&mut self.sessions)
    }

    /// The next request of the turn, with the room's messages. Call it until it returns `None`. [`Input::Tick`] begins the
    /// next turn.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.poll_urgent() {
            return Some(output);
        }
        self.outputs.poll_end_of_turn(&mut self.shared.room)
    }

    /// When to call [`Input::Tick`] if nothing else happens before.
    pub fn poll_deadline(&self) -> Option<Timestamp> {
        let stop = self.shared.stop.as_ref().map(|stop| if stop.listening { stop.listen } else { stop.by });
        [self.timers.next(), stop].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
