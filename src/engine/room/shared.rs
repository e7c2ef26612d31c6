//! The data of a shared room: the uplink to its log, clients that are joining, and what waits for an answer.

use std::collections::VecDeque;

use super::super::claim::Claim;
use super::super::message::{ConnectionId, Timestamp};
use super::super::name::Name;
use super::super::uplink::{self, Direction, LogEvent, Refusal, TEXT_BYTES_MAX, Uplink, WhisperId};
use super::super::words;
use super::member::MemberId;

/// The shared side of a room.
#[derive(Debug)]
pub struct Shared {
    /// The uplink to the log.
    pub uplink: Uplink,
    /// The time of the turn.
    pub(super) now: Timestamp,
    /// Clients whose joining is not in the log yet.
    pub(super) joining: Vec<Newcomer>,
    /// Whether the room has been whole. Before, everything from the log is history.
    pub(super) has_begun: bool,
    /// Whether members have been told that the room is cut off.
    pub(super) is_cut_off: bool,
    /// Whether the room continues from before a restart, so that the log knows our members.
    pub(super) is_continued: bool,
    /// Private messages of our members that wait for an answer: their senders and receivers.
    pub(super) whispers: VecDeque<(WhisperId, ConnectionId, Box<str>)>,
}

/// A client that has given a name.
#[derive(Debug)]
pub(super) struct Newcomer {
    /// Its connection; `None`: it is closed.
    pub(super) peer: Option<ConnectionId>,
    pub(super) name: Name,
    /// What it sent after its name.
    pub(super) rest: Box<str>,
    pub(super) claim: Option<Claim>,
}

/// What follows for a session or the daemon's log.
#[derive(Debug)]
pub enum Consequence {
    /// A client has joined the room; with what it sent after its name.
    Joined(ConnectionId, MemberId, Box<str>),
    /// The name of a joining client, or of a member here, belongs to another one; with the member's unsent lines.
    NameTaken(ConnectionId, Box<str>, Vec<u8>),
    /// An event for the daemon's log.
    Log(LogEvent),
    /// A machine's report from another daemon.
    Stats(Box<str>, Box<str>),
    /// Something that was sent to the servers or came from them, for watchers: its direction, member and text.
    Seen(Direction, Box<str>, Box<str>),
    /// Nothing is left to do.
    Nothing,
}

impl Shared {
    /// Whether the room has been whole, and whether members have been told that it is cut off.
    pub fn seen(&self) -> (bool, bool) {
        (self.has_begun, self.is_cut_off)
    }

    /// Proposes an entry. Returns the reason if that is impossible: usually it is too long, because members wait while the queue
    /// is full.
    pub(super) fn propose(&mut self, entry: uplink::Entry<'_>) -> Option<String> {
        match self.uplink.propose(entry, self.now) {
            Ok(()) => None,
            Err(Refusal::TooLong(_)) => Some(words::too_long_to_share(TEXT_BYTES_MAX)),
            Err(Refusal::Full) => Some(words::QUEUE_IS_FULL.to_owned()),
        }
    }

    /// Proposes the joining of a member from before a restart, which the log may not know.
    pub(super) fn join_again(&mut self, name: &str) {
        if !self.is_continued {
            self.propose(uplink::Entry::Joined(name));
        }
    }

    /// Members of the room here and elsewhere, in the order of joining.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.uplink.members().map(|(_, name)| name)
    }
}
