//! The data for the process after a restart: every session and the room, as values. Timestamps are those of the clock
//! that the next process continues.
//!
//! Version 4, of ipcd 0.1.0, was one JSON text in which every byte of a queue was a number. Later versions are written
//! [piece by piece](piece), and [read](reader) like that. The JSON may get more fields, with a default for versions
//! that do not write them yet; both versions are read as long as possible.

pub mod piece;
pub mod reader;

pub use super::room::SavedLog;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

use super::claim::Claim;
use super::codec::detect::Guess;
use super::machines::Machine;
use super::message::{Binding, CloseReason, FramingMode, RemoteAddress, Timestamp};
use super::outbox::Outbox;
use super::room::SavedProgress;
use super::service::Service;
use super::service::facts::Conduct;
use super::transport::Transport;
use crate::engine::guest::Guest;
use crate::engine::machines::ListCursor;

/// The version that is written: to be raised when earlier records cannot be read any more.
pub const VERSION: u32 = 5;

/// The version that was one JSON text.
pub const VERSION_OF_ONE_TEXT: u32 = 4;

/// The engine at one moment.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// Its timestamp.
    pub now: Timestamp,
    /// The history for newcomers to the room, oldest first.
    pub history: Vec<String>,
    /// Messages of the room that were not yet sent to all of its members.
    #[serde(skip)]
    pub log: SavedLog,
    /// What makes the room one of several machines.
    #[cfg(feature = "nats")]
    #[serde(skip)]
    pub shared: Option<Box<super::linking::SavedShared>>,
    /// The machines that report, by name.
    pub machines: Vec<(String, Machine)>,
    /// The sessions, each with the number by which its descriptor is found again.
    pub sessions: Vec<(u64, SavedSession)>,
}

impl Record {
    /// A record that was one JSON text, as it was parsed.
    #[must_use]
    pub fn of_one_text(mut self) -> Record {
        self.sessions.iter_mut().for_each(|(_, saved)| saved.modernise());
        self
    }
}

/// Version 4's words for how messages end.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Framing {
    Known {
        #[serde(rename = "Known")]
        kind: FramingMode,
    },
    Guess(Guess),
    Opening(Opening),
}

/// Nothing had been received.
#[derive(Debug, Deserialize)]
pub(super) enum Opening {
    Opening,
}

/// The binding of a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum BindingOf {
    /// One of those that the record begins with.
    Number(u32),
    Binding(Rc<Binding>),
}

/// One session.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedSession {
    #[serde(rename = "door")] // as records of earlier versions have it
    pub(super) binding: BindingOf,
    #[serde(rename = "origin")] // as records of earlier versions have it
    pub(super) remote: RemoteAddress,
    pub(super) state: SavedState,
    pub(super) phase: SavedPhase,
    #[serde(default)]
    pub(super) kind: Option<FramingMode>,
    #[serde(default)]
    pub(super) guess: Guess,
    /// Version 4's form of these two.
    #[serde(default, skip_serializing)]
    pub(super) framing: Option<Framing>,
    pub(super) inbox: ThinVec<u8>,
    pub(super) outbox: Outbox,
    /// Direct messages to it in the room, one text after the other.
    #[serde(skip)]
    pub(super) asides: Vec<u8>,
    pub(super) opened: Timestamp,
    pub(super) begun: Option<Timestamp>,
    pub(super) active: Timestamp,
    pub(super) ended: bool,
    pub(super) tail_is_message: bool,
    pub(super) stalled: bool,
    #[serde(rename = "spoke")] // as records of earlier versions have it
    pub(super) first_message_seen: bool,
    pub(super) skipping: bool,
    /// It is told the hints about its requests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) advised: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SavedState {
    Multiply,
    Greeting,
    Mux,
    Page,
    Nameless(Timestamp),
    /// It has given this name, and said this behind it; it is not in the log of all machines yet.
    Joining(String, String),
    /// It is asked for the room's passphrase, or has said it.
    Guest(Timestamp, Guest),
    Member {
        name: String,
        joined: u64,
        /// The position up to which it has heard the room; `None`: all of it.
        #[serde(default, rename = "place")] // as records of earlier versions have it
        progress: Option<SavedProgress>,
        /// The secret with which it can get its name back.
        #[serde(default)]
        claim: Option<Box<Claim>>,
    },
    /// It was in the chat and is on its way out.
    Left,
    Plain(Service),
    /// As it was written before there were several.
    Hello,
    Stats(Option<ListCursor>),
    /// It waits for a partner.
    Waiting,
    /// It talks, on the line of this number.
    Talking(usize),
    /// It talked and is on its way out.
    Parted,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SavedPhase {
    Serving,
    Draining(CloseReason, Timestamp),
    #[serde(rename = "Parting")] // as records of earlier versions have it
    AwaitingReset(CloseReason, Timestamp),
    Lingering(CloseReason, Timestamp),
}

/// More members than can ever have joined.
const JOINED_MAX: u64 = 1 << 62;

impl SavedSession {
    /// Says how messages end as this version does.
    fn modernise(&mut self) {
        match self.framing.take() {
            Some(Framing::Known { kind }) => self.kind = Some(kind),
            Some(Framing::Guess(guess)) => self.guess = guess,
            Some(Framing::Opening(Opening::Opening)) | None => {}
        }
    }

    /// Where it came in; `None`: unknown.
    pub(super) fn binding(&self) -> Option<&Rc<Binding>> {
        match &self.binding {
            BindingOf::Binding(binding) => Some(binding),
            BindingOf::Number(_) => None,
        }
    }

    /// Whether the engine can have saved it: data from a file are not taken for granted.
    pub(super) fn is_sound(&self) -> bool {
        self.binding().is_some()
            && self.outbox.is_sound()
            && self.guess.is_sound(self.inbox.len())
            && self.joined() < JOINED_MAX
            && self.is_plain_where_it_says_so()
    }

    fn is_plain_where_it_says_so(&self) -> bool {
        let SavedState::Plain(service) = self.state else { return true };
        matches!(service.facts().conduct, Conduct::Plain(_))
    }

    /// Its transport. If that is standing, the endpoint is opened again, and the session with it, so that no descriptor is
    /// handed over.
    pub fn transport(&self) -> Option<Transport> {
        Some(self.binding()?.transport)
    }

    /// When it came into the room, if it is a member: members are restored in this order.
    pub(super) fn joined(&self) -> u64 {
        match self.state {
            SavedState::Member { joined, .. } => joined,
            _ => 0,
        }
    }

    /// The name under which it is missed in the room, should its connection be gone.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.state {
            SavedState::Member { name, .. } => Some(name),
            _ => None,
        }
    }
}
