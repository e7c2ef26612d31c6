//! What the process that follows after a restart has to know: every session and the room, as values. Moments are those of
//! the clock that the next process goes on with.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

use super::codec::detect::Guess;
use super::machines::Machine;
use super::message::{CloseReason, Door, Kind, Medium, Moment, Origin};
use super::outbox::Outbox;
use super::session::Telling;

/// The version of [`Record`]: to be raised with every change of what it holds or means.
pub const VERSION: u32 = 5;

/// The engine at one moment.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// When it was taken.
    pub now: Moment,
    /// What newcomers to the room are shown, oldest first.
    pub history: Vec<String>,
    /// The machines that report, by name.
    pub machines: Vec<(String, Machine)>,
    /// The sessions, each with the number by which its descriptor is found again.
    pub sessions: Vec<(u64, SavedSession)>,
}

/// One session.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedSession {
    pub(super) door: Rc<Door>,
    pub(super) origin: Origin,
    pub(super) state: SavedState,
    pub(super) phase: SavedPhase,
    pub(super) kind: Option<Kind>,
    pub(super) guess: Guess,
    pub(super) inbox: ThinVec<u8>,
    pub(super) outbox: Outbox,
    pub(super) opened: Moment,
    pub(super) begun: Option<Moment>,
    pub(super) active: Moment,
    pub(super) ended: bool,
    pub(super) tail_is_message: bool,
    pub(super) stalled: bool,
    pub(super) spoke: bool,
    pub(super) skipping: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SavedState {
    Multiply,
    Greeting,
    Mux,
    Nameless(Moment),
    Member {
        name: String,
        joined: u64,
    },
    /// It was in the chat and is on its way out.
    Left,
    Hello,
    Stats(Option<Telling>),
    /// It waits for somebody to talk with.
    Waiting,
    /// It talks, on the line of this number.
    Talking(usize),
    /// It talked and is on its way out.
    Parted,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SavedPhase {
    Serving,
    Draining(CloseReason, Moment),
    Parting(CloseReason, Moment),
    Lingering(CloseReason, Moment),
}

/// More members than can ever have joined.
const JOINED_MAX: u64 = 1 << 62;

impl SavedSession {
    /// Whether the engine can have saved it: what is read from a file is not taken for granted.
    pub(super) fn is_sound(&self) -> bool {
        self.outbox.is_sound() && self.guess.is_sound(self.inbox.len()) && self.joined() < JOINED_MAX
    }

    /// Whether it was on a FIFO, which is opened anew and not handed over.
    pub fn is_on_fifo(&self) -> bool {
        self.door.medium == Medium::Fifo
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
