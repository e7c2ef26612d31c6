//! The state for the process after a restart: every session and the room, as values. Timestamps are on the clock that the next
//! process continues.
//!
//! Version 4, of ipcd 0.1.0, was one JSON text in which every byte of a queue was a number. Later versions are written and
//! [read](reader) [piece by piece](piece). The JSON may get more fields, with defaults for versions that do not write them. Both
//! versions are read as long as possible.

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

/// The version that is written. Raise it when earlier records can no longer be read.
pub const VERSION: u32 = 5;

/// The version that was one JSON text.
pub const VERSION_OF_ONE_TEXT: u32 = 4;

/// The state of the engine at one time.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// Its timestamp.
    pub now: Timestamp,
    /// The history for new members of the room, oldest first.
    pub history: Vec<String>,
    /// Messages of the room that were not yet sent to all of its members.
    #[serde(skip)]
    pub log: SavedLog,
    /// The state of a shared room.
    #[cfg(feature = "nats")]
    #[serde(skip)]
    pub shared: Option<Box<super::linking::SavedShared>>,
    /// The machines that report, by name.
    pub machines: Vec<(String, Machine)>,
    /// The sessions, each with the number that identifies its descriptor.
    pub sessions: Vec<(u64, SavedSession)>,
}

impl Record {
    /// A record that was one JSON text, after parsing.
    #[must_use]
    pub fn of_one_text(mut self) -> Record {
        self.sessions.iter_mut().for_each(|(_, saved)| saved.modernise());
        self
    }
}

/// How version 4 describes the end of messages.
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

/// Nothing was received.
#[derive(Debug, Deserialize)]
pub(super) enum Opening {
    Opening,
}

/// The binding of a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum BindingOf {
    /// The number of one of those at the beginning of the record.
    Number(u32),
    Binding(Rc<Binding>),
}

/// One session.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedSession {
    #[serde(rename = "door")] // its name in the records of earlier versions
    pub(super) binding: BindingOf,
    #[serde(rename = "origin")] // its name in the records of earlier versions
    pub(super) remote: RemoteAddress,
    pub(super) state: SavedState,
    pub(super) phase: SavedPhase,
    #[serde(default)]
    pub(super) kind: Option<FramingMode>,
    #[serde(default)]
    pub(super) guess: Guess,
    /// These two in the form of version 4.
    #[serde(default, skip_serializing)]
    pub(super) framing: Option<Framing>,
    pub(super) inbox: ThinVec<u8>,
    pub(super) outbox: Outbox,
    /// Direct messages to it in the room, one text after the other.
    #[serde(skip)]
    pub(super) direct_messages: Vec<u8>,
    pub(super) opened: Timestamp,
    pub(super) begun: Option<Timestamp>,
    pub(super) active: Timestamp,
    pub(super) ended: bool,
    pub(super) tail_is_message: bool,
    pub(super) stalled: bool,
    #[serde(rename = "spoke")] // its name in the records of earlier versions
    pub(super) first_message_seen: bool,
    pub(super) skipping: bool,
    /// It gets the hints about its requests.
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
    /// It has given this name, and then this text; it is not in the shared log yet.
    Joining(String, String),
    /// It was asked for the room's passphrase, or has given it.
    Guest(Timestamp, Guest),
    Member {
        name: String,
        joined: u64,
        /// The position up to which it has been sent the room's messages; `None`: all of them.
        #[serde(default, rename = "place")] // its name in the records of earlier versions
        progress: Option<SavedProgress>,
        /// The secret with which a client can get the name back.
        #[serde(default)]
        claim: Option<Box<Claim>>,
    },
    /// It was in the chat and is closing.
    Left,
    Plain(Service),
    /// The form from the time when there was only one plain service.
    Hello,
    Stats(Option<ListCursor>),
    /// It waits for a partner.
    Waiting,
    /// It talks, in the pair of this number.
    Talking(usize),
    /// It talked and is closing.
    Parted,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SavedPhase {
    Serving,
    Draining(CloseReason, Timestamp),
    #[serde(rename = "Parting")] // its name in the records of earlier versions
    AwaitingReset(CloseReason, Timestamp),
    Lingering(CloseReason, Timestamp),
}

/// More members than can ever have joined.
const JOINED_MAX: u64 = 1 << 62;

impl SavedSession {
    /// Converts how messages end to the form of this version.
    fn modernise(&mut self) {
        match self.framing.take() {
            Some(Framing::Known { kind }) => self.kind = Some(kind),
            Some(Framing::Guess(guess)) => self.guess = guess,
            Some(Framing::Opening(Opening::Opening)) | None => {}
        }
    }

    /// The endpoint that accepted it; `None`: unknown.
    pub(super) fn binding(&self) -> Option<&Rc<Binding>> {
        match &self.binding {
            BindingOf::Binding(binding) => Some(binding),
            BindingOf::Number(_) => None,
        }
    }

    /// Whether the engine can have saved it: data from a file are checked.
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

    /// Its transport. If that is standing, the endpoint and the session are opened again, and no descriptor is handed over.
    pub fn transport(&self) -> Option<Transport> {
        Some(self.binding()?.transport)
    }

    /// When it joined the room, if it is a member: members are restored in this order.
    pub(super) fn joined(&self) -> u64 {
        match self.state {
            SavedState::Member { joined, .. } => joined,
            _ => 0,
        }
    }

    /// The name whose leaving is announced if its connection is lost.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.state {
            SavedState::Member { name, .. } => Some(name),
            _ => None,
        }
    }
}
