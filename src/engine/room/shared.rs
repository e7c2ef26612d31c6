//! What a room has that several machines share: the uplink to their log, newcomers, and what waits for an answer.

use std::collections::VecDeque;

use super::super::claim::Claim;
use super::super::message::{ConnectionId, Timestamp};
use super::super::name::Name;
use super::super::uplink::{self, Direction, LogEvent, Refusal, TEXT_BYTES_MAX, Uplink, WhisperId};
use super::member::MemberId;

/// The shared side of a room.
#[derive(Debug)]
pub struct Shared {
    /// The way to the log.
    pub uplink: Uplink,
    /// The time of the turn.
    pub(super) now: Timestamp,
    /// Newcomers whose joining is not in the log yet.
    pub(super) joining: Vec<Newcomer>,
    /// The room has been whole: what comes from the log is news.
    pub(super) has_begun: bool,
    /// Members have heard that it is cut off.
    pub(super) is_cut_off: bool,
    /// It is what it was before a restart: the log knows our members.
    pub(super) is_continued: bool,
    /// Whispers of our members that wait for an answer: who said it, and to whom.
    pub(super) whispers: VecDeque<(WhisperId, ConnectionId, Box<str>)>,
}

/// Somebody who has given a name.
#[derive(Debug)]
pub(super) struct Newcomer {
    /// `None`: it has gone again.
    pub(super) peer: Option<ConnectionId>,
    pub(super) name: Name,
    /// What it said behind its name.
    pub(super) rest: Box<str>,
    pub(super) claim: Option<Claim>,
}

/// What a session or the log must hear of.
#[derive(Debug)]
pub enum Consequence {
    /// A newcomer is in the room; with what it said behind its name.
    Joined(ConnectionId, MemberId, Box<str>),
    /// Somebody else has the name of a newcomer, or of one that was a member here; with what that one was not sent yet.
    NameTaken(ConnectionId, Box<str>, Vec<u8>),
    /// A line for the log.
    Log(LogEvent),
    /// A machine's report, from another daemon.
    Stats(Box<str>, Box<str>),
    /// What went up to the servers or came down, for watchers: which way, whose, and what.
    Seen(Direction, Box<str>, Box<str>),
    /// It has been dealt with.
    Nothing,
}

impl Shared {
    /// Whether the room has been whole, and whether members have been told that it is cut off.
    pub fn seen(&self) -> (bool, bool) {
        (self.has_begun, self.is_cut_off)
    }

    /// Proposes an entry; the reason if that is not possible. Members wait while the queue is full, so that it is their message's
    /// length.
    pub(super) fn propose(&mut self, entry: uplink::Entry<'_>) -> Option<String> {
        match self.uplink.propose(entry, self.now) {
            Ok(()) => None,
            Err(Refusal::TooLong(_)) => {
                Some(format!("it is longer than {TEXT_BYTES_MAX} bytes, which is the most in a shared room"))
            }
            Err(Refusal::Full) => Some("too much waits to be sent".to_owned()),
        }
    }

    /// Somebody came through a restart, and the log may not know.
    pub(super) fn join_again(&mut self, name: &str) {
        if !self.is_continued {
            self.propose(uplink::Entry::Joined(name));
        }
    }

    /// Members of the room here and elsewhere, in the order in which they came.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.uplink.members().map(|(_, name)| name)
    }
}
