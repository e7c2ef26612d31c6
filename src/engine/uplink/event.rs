//! What happened in the shared room, in the order of its log. Knows values; has never seen a byte of the protocol.

use std::fmt;

use super::super::text::quote;
use super::ids::{InstanceId, WhisperId};
use super::sight::Direction;
use super::why::Why;

/// Something that members say, do, or are: one entry of the log. Names and texts are clean: no control character is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A member with this name came.
    Joined(&'a str),
    /// The member with this name left.
    Left(&'a str),
    /// A member said a text.
    Said {
        /// Its name.
        name: &'a str,
        /// The text.
        text: &'a str,
    },
    /// A member did something.
    Acted {
        /// Its name.
        name: &'a str,
        /// What it did.
        text: &'a str,
    },
    /// A line that no member says.
    Announced(&'a str),
}

/// An entry that is in the log, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The instance whose member it is.
    pub instance: InstanceId,
    /// Whether that is this one.
    pub is_own: bool,
    /// Its batch's number in the stream.
    pub sequence: u64,
    /// Its number within the batch, from 0 on.
    pub index: u32,
    /// When the server stored it, in nanoseconds since 1970.
    pub time: u64,
}

/// An event. What has a place in the log comes in the log's order, which is the same everywhere.
///
/// At the start the whole log is told, oldest first, before the first [`Event::Up`]: that is the history. Nobody of ours is
/// in the room before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// Something is in the log, of our own members as well: they hear it now, not when they say it.
    Entry {
        /// Where.
        place: Place,
        /// What.
        entry: Entry<'a>,
    },
    /// A member of ours wanted to join, and somebody else has that name, or one that looks like it. It is not in the room.
    NameTaken {
        /// The name it wanted.
        name: &'a str,
    },
    /// An instance is gone. An [`Entry::Left`] for each of its members follows at once. If it is our own, nobody of ours has
    /// left in truth: they are proposed again under a new id, and each has an [`Entry::Joined`] or an [`Event::NameTaken`]
    /// later.
    Gone {
        /// Which.
        instance: InstanceId,
        /// Whether that is this one.
        is_own: bool,
    },
    /// The room is whole: what is proposed is heard.
    Up,
    /// The room is cut off: what is proposed waits.
    Down(&'a Why),
    /// Messages were trimmed from the log before we read them.
    Missed(u64),
    /// The stream was deleted, or is another one. Members stay; what was proposed and not heard is proposed again.
    HistoryLost,
    /// The server will never take this entry: its author is told. If it does appear, it does so once.
    Refused {
        /// The entry.
        entry: Entry<'a>,
        /// The reason.
        why: &'a Why,
    },
    /// Somebody elsewhere whispers to a member of ours: answer with [`Uplink::answer`](super::Uplink::answer).
    Whisper(Whisper<'a>),
    /// The end of a whisper of ours.
    Whispered {
        /// Which.
        id: WhisperId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A machine's report came to another instance: one object of JSON, unchecked.
    Stats {
        /// The machine.
        host: &'a str,
        /// The report.
        report: &'a str,
    },
    /// For the log.
    Log(&'a LogEvent),
    /// For watchers, while there are any: what has gone up or come down.
    Seen(Seen<'a>),
}

/// What watchers see of the way to the servers. The text is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Which way.
    pub direction: Direction,
    /// The member; empty: none.
    pub name: &'a str,
    /// What.
    pub text: &'a str,
}

/// A whisper from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whisper<'a> {
    /// What its answer is for.
    pub ticket: Ticket,
    /// Who whispers.
    pub from: &'a str,
    /// To whom.
    pub to: &'a str,
    /// What.
    pub text: &'a str,
}

/// What the answer to a whisper is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(super) instance: InstanceId,
    pub(super) id: WhisperId,
}

/// How a whisper ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its member has it.
    Delivered,
    /// Nobody has that name there any more.
    NoMember,
    /// Its instance does not listen.
    NoInstance,
    /// There was no answer in time: it may have arrived.
    NoAnswer,
    /// The connection was lost before there was an answer: it may have arrived.
    CutOff,
}

/// A change of state, as a line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// A connection stands.
    Connected {
        /// The server as configured or told.
        server: String,
        /// Its own name.
        name: String,
        /// Its version.
        version: String,
        /// Whether it is encrypted.
        is_encrypted: bool,
    },
    /// A connection ended, or could not be made.
    Disconnected {
        /// The server.
        server: String,
        /// The reason.
        why: Why,
    },
    /// The server will close, and we go to another one.
    LameDuck {
        /// The server.
        server: String,
    },
    /// We made the stream.
    StreamCreated {
        /// Its name.
        stream: String,
    },
    /// The stream is not as the configuration wants it, and stays as it is.
    StreamDiffers {
        /// Its name.
        stream: String,
        /// What differs.
        what: String,
    },
    /// The room is whole.
    Up {
        /// The last sequence.
        sequence: u64,
    },
    /// The room is cut off.
    Down(Why),
    /// Messages were trimmed before we read them.
    Missed(u64),
    /// The stream is another one.
    HistoryLost,
    /// The server refused a batch.
    Refused {
        /// Its entries.
        entries: usize,
        /// The reason.
        why: Why,
    },
    /// An instance came.
    InstanceCame(InstanceId),
    /// An instance is gone.
    InstanceGone(InstanceId),
    /// We were declared gone, or may have been, and go on under another id.
    Renamed {
        /// The new id.
        instance: InstanceId,
    },
    /// Messages in the log that no ipcd wrote, or a later one: they are skipped. Told once for each connection.
    Foreign {
        /// The first one's sequence.
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
            LogEvent::Disconnected { server, why } => write!(f, "no connection to {server}: {why}"),
            LogEvent::LameDuck { server } => write!(f, "{server} is about to close; going to another server"),
            LogEvent::StreamCreated { stream } => write!(f, "made the stream {stream}"),
            LogEvent::StreamDiffers { stream, what } => {
                write!(f, "the stream {stream} is taken as it is: {}", quote(what.as_bytes()))
            }
            LogEvent::Up { sequence } => write!(f, "the room is whole, read up to message {sequence}"),
            LogEvent::Down(why) => write!(f, "the room is cut off: {why}"),
            LogEvent::Missed(count) => {
                write!(
                    f,
                    "{count} messages of the room were missed: the log was trimmed before they were read"
                )
            }
            LogEvent::HistoryLost => f.write_str("the stream is another one: the room's history was lost"),
            LogEvent::Refused { entries, why } => write!(f, "{entries} messages were refused: {why}"),
            LogEvent::InstanceCame(instance) => write!(f, "instance {instance} is in the room"),
            LogEvent::InstanceGone(instance) => write!(f, "instance {instance} is gone"),
            LogEvent::Renamed { instance } => {
                write!(
                    f,
                    "we were silent too long and are gone for the others; joining again as instance {instance}"
                )
            }
            LogEvent::Foreign { sequence } => {
                write!(
                    f,
                    "message {sequence} of the room's log is none of this version's; such ones are skipped"
                )
            }
        }
    }
}
