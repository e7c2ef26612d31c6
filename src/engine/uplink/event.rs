//! What happened in the shared room, in the order of its log. Knows no byte of the protocol.

use std::fmt;

use super::super::text::quote;
use super::ids::{InstanceId, WhisperId};
use super::reason::Reason;

/// One entry of the log: what a member says or does, or that it joins or leaves. Names and texts have no control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A member with this name joined.
    Joined(&'a str),
    /// The member with this name left.
    Left(&'a str),
    /// A member sent a text.
    Said {
        /// Its name.
        name: &'a str,
        /// The text.
        text: &'a str,
    },
    /// A member sent an action (`/me`).
    Acted {
        /// Its name.
        name: &'a str,
        /// The action.
        text: &'a str,
    },
    /// A line that no member sent.
    Announced(&'a str),
}

/// The position of an entry in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPosition {
    /// The instance of the member.
    pub instance: InstanceId,
    /// Whether that is this instance.
    pub is_own: bool,
    /// Its batch's sequence number in the stream.
    pub sequence: u64,
    /// Its number within the batch, from 0.
    pub index: u32,
    /// When the server stored it, in nanoseconds since 1970.
    pub time: u64,
}

/// An event. Events with a position in the log come in the log's order, which is the same for all daemons.
///
/// At the start the whole log is reported, oldest first, before the first [`Event::Up`]: that is the history. None of our members
/// is in the room before that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// An entry is in the log. Our own members, too, get their messages this way.
    Entry {
        /// Its position.
        place: EntryPosition,
        /// The entry.
        entry: Entry<'a>,
    },
    /// A member of ours could not join, because another one has that name, or one that looks like it.
    NameTaken {
        /// The name.
        name: &'a str,
    },
    /// An instance is gone. An [`Entry::Left`] for each of its members follows at once. If it is this instance, our members have
    /// not really left: they are proposed again under a new id, and for each an [`Entry::Joined`] or an [`Event::NameTaken`] comes
    /// later.
    Gone {
        /// The instance.
        instance: InstanceId,
        /// Whether it is this one.
        is_own: bool,
    },
    /// The room is whole: proposed entries reach everyone.
    Up,
    /// The room is cut off: proposed entries wait.
    Down(&'a Reason),
    /// Messages were removed from the log before we read them.
    Missed(u64),
    /// The stream was deleted or replaced. Members stay; entries that have not come back are proposed again.
    HistoryLost,
    /// The server will never accept this entry; tell its author. If it appears in the log nevertheless, it does so once.
    Refused {
        /// The entry.
        entry: Entry<'a>,
        /// The reason.
        reason: &'a Reason,
    },
    /// A member elsewhere sends a private message to one of ours: answer with [`Uplink::answer`](super::Uplink::answer).
    Whisper(Whisper<'a>),
    /// A private message of ours has ended.
    Whispered {
        /// Its id.
        id: WhisperId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Another instance has received a machine's report: one JSON object, unchecked.
    Stats {
        /// The machine.
        host: &'a str,
        /// The report.
        report: &'a str,
    },
    /// An event for the daemon's log.
    Log(&'a LogEvent),
    /// For watchers, while there are any: something that was sent to the servers or came from them.
    Seen(Seen<'a>),
}

/// The direction of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the servers.
    Up,
    /// From them.
    Down,
}

/// What watchers see of the traffic with the servers. The text is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The direction.
    pub direction: Direction,
    /// The member; empty: none.
    pub name: &'a str,
    /// What was sent.
    pub text: &'a str,
}

/// A private message from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whisper<'a> {
    /// Identifies it in the answer.
    pub ticket: Ticket,
    /// The sender.
    pub from: &'a str,
    /// The receiver.
    pub to: &'a str,
    /// The text.
    pub text: &'a str,
}

/// Identifies a private message in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(super) instance: InstanceId,
    pub(super) id: WhisperId,
}

/// How a private message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was delivered.
    Delivered,
    /// No member of that instance has this name any more.
    NoMember,
    /// The instance is not connected.
    NoInstance,
    /// There was no answer in time: it may have arrived.
    NoAnswer,
    /// The connection was lost before there was an answer: it may have arrived.
    CutOff,
}

/// A change of state, for the daemon's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// A connection is ready.
    Connected {
        /// The server, from the configuration or from another server.
        server: String,
        /// Its own name.
        name: String,
        /// Its version.
        version: String,
        /// Whether it is encrypted.
        is_encrypted: bool,
    },
    /// A connection has ended, or could not be made.
    Disconnected {
        /// The server.
        server: String,
        /// The reason.
        reason: Reason,
    },
    /// The server is about to close, and we connect to another one.
    LameDuck {
        /// The server.
        server: String,
    },
    /// We have created the stream.
    StreamCreated {
        /// Its name.
        stream: String,
    },
    /// The stream differs from the configuration, and stays as it is.
    StreamDiffers {
        /// Its name.
        stream: String,
        /// What differs.
        what: String,
    },
    /// The room is whole.
    Up {
        /// The last sequence number.
        sequence: u64,
    },
    /// The room is cut off.
    Down(Reason),
    /// Messages were removed before we read them.
    Missed(u64),
    /// The stream was replaced.
    HistoryLost,
    /// The server refused a batch.
    Refused {
        /// Its entries.
        entries: usize,
        /// The reason.
        reason: Reason,
    },
    /// An instance has appeared.
    InstanceCame(InstanceId),
    /// An instance is gone.
    InstanceGone(InstanceId),
    /// We were, or may have been, declared gone, and continue under another id.
    Renamed {
        /// The new id.
        instance: InstanceId,
    },
    /// The log has messages that no ipcd, or a later version, has written. They are skipped, and reported once for each connection.
    Foreign {
        /// The sequence number of the first one.
        sequence: u64,
    },
}

impl fmt::Display for LogEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogEvent::Connected { server, name, version, is_encrypted } => {
                let how = if *is_encrypted { ", encrypted" } else { "" };
                let (name, version) = (quote(name.as_bytes()), quote(version.as_bytes()));
                write!(f, "connected to {server} (nats-server {version}, {name}{how})")
            }
            LogEvent::Disconnected { server, reason } => write!(f, "no connection to {server}: {reason}"),
            LogEvent::LameDuck { server } => {
                write!(f, "{server} is about to close; connecting to another server")
            }
            LogEvent::StreamCreated { stream } => write!(f, "created the stream {stream}"),
            LogEvent::StreamDiffers { stream, what } => {
                write!(f, "the stream {stream} is used although it differs: {}", quote(what.as_bytes()))
            }
            LogEvent::Up { sequence } => write!(f, "the room is whole, read up to message {sequence}"),
            LogEvent::Down(reason) => write!(f, "the room is cut off: {reason}"),
            LogEvent::Missed(count) => {
                write!(
                    f,
                    "{count} messages of the room were missed: the log was trimmed before they were read"
                )
            }
            LogEvent::HistoryLost => f.write_str("the stream was replaced: the room's history is lost"),
            LogEvent::Refused { entries, reason } => write!(f, "{entries} messages were refused: {reason}"),
            LogEvent::InstanceCame(instance) => write!(f, "instance {instance} has joined the room"),
            LogEvent::InstanceGone(instance) => write!(f, "instance {instance} is gone"),
            LogEvent::Renamed { instance } => {
                write!(
                    f,
                    "this daemon was silent too long, so the others may have removed its members; joining again as instance {instance}"
                )
            }
            LogEvent::Foreign { sequence } => {
                write!(
                    f,
                    "message {sequence} of the room's log has a format that this version does not know; such messages are skipped"
                )
            }
        }
    }
}
