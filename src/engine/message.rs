//! The engine's whole vocabulary, on one screen: what it is told, what it asks for, what it reports.
//! Knows no socket and no clock: time is an argument, a peer is a number.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::ops::Add;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::allow::Allowed;
pub use super::dropped::Dropped;
use super::figures::Figures;
use super::foreign::Foreign;
use super::limits::Settings;
use super::service::Service;
pub use super::transport::Transport;

/// A point in time: microseconds since the daemon started, on a clock that never runs backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Timestamp(NonZeroU64); // one more than the microseconds: a session has several that may not be set

impl From<u64> for Timestamp {
    fn from(micros: u64) -> Timestamp {
        Timestamp::at(micros)
    }
}

impl From<Timestamp> for u64 {
    fn from(moment: Timestamp) -> u64 {
        moment.micros()
    }
}

impl Default for Timestamp {
    fn default() -> Timestamp {
        Timestamp::at(0)
    }
}

impl Timestamp {
    /// So many microseconds after the start; half a million years at most.
    pub const fn at(micros: u64) -> Timestamp {
        Timestamp(NonZeroU64::MIN.saturating_add(micros))
    }

    /// Microseconds since the start.
    pub const fn micros(self) -> u64 {
        self.0.get() - 1
    }

    /// The time from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.micros().saturating_sub(earlier.micros()))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Duration) -> Timestamp {
        Timestamp::at(self.micros().saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// One connection's number: a place in a table, and which of the place's successive tenants is meant,
/// so that nothing meant for a closed connection can reach the one that took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// The place in the table.
    pub index: u32,
    /// Which tenant of that place.
    pub generation: u32,
}

/// Where connections come in: an open endpoint and the service it offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The endpoint as the log and the configuration write it, for example `tcp://127.0.0.1:65432`.
    pub endpoint: String,
    /// What is said there.
    pub service: Service,
    /// What what is said travels on.
    #[serde(rename = "medium")] // as records of earlier versions have it
    pub transport: Transport,
    /// Who may come in; `None`: everybody. Of a binding that was saved nothing is asked any more.
    #[serde(skip)]
    pub allowed: Option<Allowed>,
}

/// No group: the number that stands for none in chown(2), which no list can have.
pub const NO_GROUP: u32 = u32::MAX;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RemoteAddress {
    /// An address and port (TCP).
    Address(SocketAddr),
    /// A process on this machine (SO_PEERCRED on a Unix socket).
    Process {
        /// User id.
        uid: u32,
        /// Group id: that of the process, not all that its user has; [`NO_GROUP`] if the kernel does not name it.
        gid: u32,
        /// Process id; 0: one that our PID namespace does not show (pid_namespaces(7)).
        pid: u32,
    },
    /// A process on this machine whose user the kernel does not name: nobody's equal, and on no list.
    Unknown {
        /// Process id; 0: the same.
        pid: u32,
    },
    /// Whoever writes to our standard input.
    Input,
    /// All who write to a FIFO: it does not tell them apart.
    Writers,
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteAddress::Address(address) => write!(f, "{address}"),
            RemoteAddress::Process { uid, pid: 0, .. } => write!(f, "pid unknown (uid {uid})"),
            RemoteAddress::Process { uid, pid, .. } => write!(f, "pid {pid} (uid {uid})"),
            RemoteAddress::Unknown { pid: 0 } => f.write_str("pid unknown (uid unknown)"),
            RemoteAddress::Unknown { pid } => write!(f, "pid {pid} (uid unknown)"),
            RemoteAddress::Input => f.write_str("standard input"),
            RemoteAddress::Writers => f.write_str("FIFO writers"),
        }
    }
}

/// What the engine is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// A connection came in through `binding`.
    Opened {
        /// Its number from now on.
        peer: ConnectionId,
        /// The endpoint it came through.
        binding: &'a Rc<Binding>,
        /// Who it is.
        origin: RemoteAddress,
    },
    /// Bytes were read, or one packet. `more`: the read stopped at the end of our buffer, not at the end of what was
    /// there (and the rest of a packet is lost).
    Bytes {
        /// From whom.
        peer: ConnectionId,
        /// What.
        bytes: &'a [u8],
        /// Whether the burst goes on.
        more: bool,
    },
    /// A datagram came. Its answer is in [`Engine::poll_reply`](super::Engine::poll_reply), until the next one comes.
    Datagram {
        /// The endpoint it came to.
        binding: &'a Rc<Binding>,
        /// Who sent it.
        origin: RemoteAddress,
        /// What it says.
        bytes: &'a [u8],
        /// It was longer than our buffer.
        truncated: bool,
        /// The address that an answer can be sent to: on a Unix socket as the sender wrote it, on the network empty, for
        /// `origin` says it; `None`: its sender has none.
        address: Option<&'a [u8]>,
    },
    /// What became of the message that [`Engine::poll_reply`](super::Engine::poll_reply) gave last.
    Replied(Result<(), Dropped>),
    /// End of file: the peer will send nothing more, but may still read.
    EndOfFile {
        /// Whose.
        peer: ConnectionId,
    },
    /// Nothing more is in the kernel's buffer for us at the moment. Told only after [`Input::Stop`].
    Dry {
        /// Whose buffer.
        peer: ConnectionId,
    },
    /// The first `bytes` of what [`Engine::outgoing`](super::Engine::outgoing) offered were taken.
    Sent {
        /// By whom.
        peer: ConnectionId,
        /// How many.
        bytes: usize,
    },
    /// The kernel takes no more for this peer until further notice (WouldBlock).
    Blocked {
        /// Who does not read.
        peer: ConnectionId,
    },
    /// The kernel takes bytes for this peer again.
    Writable {
        /// Who reads again.
        peer: ConnectionId,
    },
    /// The connection is gone (reset, or an error on it).
    Lost {
        /// Whose.
        peer: ConnectionId,
    },
    /// Time has passed: act on every deadline up to now, and go on with work that was left over.
    Tick,
    /// Finish: answer what was received, say goodbye, be done by `by`.
    Stop {
        /// When everything is closed, finished or not.
        by: Timestamp,
    },
    /// What became of an [`Output::Ask`], in lines for the peer.
    Answer {
        /// Who asked.
        peer: ConnectionId,
        /// What it is told.
        lines: &'a [String],
    },
    /// What the process tells of itself: after [`Engine::wants_figures`](super::Engine::wants_figures).
    Figures(Figures),
    /// The last turn of the loop took so long, from its waking to its end.
    Turned(Duration),
    /// New settings (a reload), for connections that are open as well.
    Reconfigure(Box<Settings>),
}

/// What the engine asks the reactor to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// There is something to write: offer `outgoing(peer)` to the kernel.
    Flush(ConnectionId),
    /// Write once more to this peer, for which the kernel takes nothing: it tells that there is room only once there is
    /// much. The answer is [`Input::Writable`] and what follows from it, or [`Input::Blocked`].
    Retry(ConnectionId),
    /// Shut down the sending side; keep reading (and tell us), for a lingering close.
    ShutdownWrite(ConnectionId),
    /// Read from this peer again; it was not [wanted](super::Engine::wants_input) for a while.
    Listen(ConnectionId),
    /// A burst has ended within a message: acknowledge at once what has come (TCP_QUICKACK, tcp(7)), because the rest may wait
    /// for that in the sender's kernel.
    Acknowledge(ConnectionId),
    /// Somebody who may do so asks the daemon for something; the answer is [`Input::Answer`].
    Ask(ConnectionId, Request),
    /// Close the descriptor.
    Close(ConnectionId),
    /// Close it with a reset (SO_LINGER 0).
    Reset(ConnectionId),
}

/// What can be asked of the daemon on its control service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the configuration again, and say what came of it.
    Reload,
    /// Give every connection to the service manager, for the process that follows.
    HandOver,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Request::Reload => "asks for a reload",
            Request::HandOver => "asks for a handover",
        })
    }
}

/// Why a connection ended, and by whose doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// The service said all it has to say.
    Served,
    /// End of file from the peer.
    PeerClosed,
    /// Reset by the peer, or its network is gone.
    PeerReset,
    /// The peer said that it leaves (`{quit}`, `bye`).
    PeerQuit,
    /// It has come back to the room through another connection.
    PeerReplaced,
    /// The one it talked with has left.
    PartnerLeft,
    /// No complete message for `idle_timeout`.
    PeerIdle,
    /// No complete message within `first_message_timeout`.
    PeerSilent,
    /// A message was begun and not finished within `message_timeout`.
    PeerUnfinished,
    /// No name within `name_timeout`.
    PeerNameless,
    /// A message was longer than `max_message`.
    PeerTooLong,
    /// More than `backlog` was waiting for it.
    PeerTooSlow,
    /// The queues of all connections together were full, and it held most of those who held most.
    PeerHeldMost,
    /// It took nothing of what was queued for it for `send_timeout`.
    PeerNotReading,
    /// It spoke another protocol.
    PeerForeign(Foreign),
    /// What it sent is no text.
    PeerUnreadable,
    /// It asked for what it may not have.
    PeerDenied,
    /// Whoever runs the daemon put it out.
    PutOut,
    /// Its user may not come in there.
    NotAllowed,
    /// Its address may not come in there.
    AddressNotAllowed,
    /// A limit on connections was reached.
    TooMany,
    /// Its service has no endpoint any more.
    Withdrawn,
    /// The daemon stops.
    Stopping,
}

impl CloseReason {
    /// Whether it did not take what was queued for it, or did not make room.
    pub fn is_too_slow(self) -> bool {
        matches!(self, CloseReason::PeerTooSlow | CloseReason::PeerHeldMost | CloseReason::PeerNotReading)
    }

    /// Whether it was never let in.
    pub fn is_refusal(self) -> bool {
        matches!(self, CloseReason::NotAllowed | CloseReason::AddressNotAllowed | CloseReason::TooMany)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::Served => "served",
            CloseReason::PeerClosed => "closed by the peer",
            CloseReason::PeerReset => "reset by the peer",
            CloseReason::PeerQuit => "the peer quit",
            CloseReason::PeerReplaced => "joined again through another connection",
            CloseReason::PartnerLeft => "its partner left",
            CloseReason::PeerIdle => "idle for too long",
            CloseReason::PeerSilent => "sent no message in time",
            CloseReason::PeerUnfinished => "message not finished in time",
            CloseReason::PeerNameless => "gave no name in time",
            CloseReason::PeerTooLong => "message too long",
            CloseReason::PeerTooSlow => "too slow: did not read what was sent",
            CloseReason::PeerHeldMost => "too slow: all queues were full, and this client held the most",
            CloseReason::PeerForeign(foreign) => return write!(f, "spoke {}", foreign.name()),
            CloseReason::PeerNotReading => "read nothing for too long",
            CloseReason::PeerUnreadable => "sent data that is not text",
            CloseReason::PeerDenied => "not allowed to control the daemon",
            CloseReason::PutOut => "removed by the administrator",
            CloseReason::NotAllowed => "refused: its user may not use this socket",
            CloseReason::AddressNotAllowed => "refused: its address is not in allow_addresses",
            CloseReason::TooMany => "refused: too many connections",
            CloseReason::Withdrawn => "its service is no longer offered",
            CloseReason::Stopping => "the daemon is stopping",
        })
    }
}

/// How a connection marks the end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// With LF.
    Line,
    /// Not at all: one send() is one message.
    Raw,
    /// With NUL.
    C,
    /// Not at all: it stands behind its length.
    Prefixed(Prefix),
    /// With CR LF, or CR NUL, and there are commands in between.
    Telnet,
    /// Not at all, and it need not: the medium keeps messages apart.
    Packet,
}

impl Kind {
    /// Its name in a report, a log and an event.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Line => "line",
            Kind::Raw => "raw",
            Kind::C => "c",
            Kind::Prefixed(_) => "prefixed",
            Kind::Telnet => "telnet",
            Kind::Packet => "packets",
        }
    }
}

/// How a length is written in front of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prefix {
    /// In two bytes, the high one first.
    Big2,
    /// In four bytes, the high one first.
    Big4,
    /// In four bytes, the low one first.
    Little4,
    /// In as many bytes as it takes, seven bits each, the low ones first.
    Seven,
}

/// Something that happened, for the log.
#[derive(Clone, Debug)]
pub struct Note {
    /// To whose connection; `None`: to a datagram.
    pub peer: Option<ConnectionId>,
    /// Where it came in.
    pub binding: Rc<Binding>,
    /// Who it is.
    pub origin: RemoteAddress,
    /// What happened.
    pub what: EventKind,
}

/// What can happen to a connection. Text that came from the peer is already escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was accepted.
    Opened,
    /// Its framing is known now.
    Decided(Kind),
    /// It chose a service through the mux.
    Chose(Service),
    /// It asked for this on the control service.
    Asked(Request),
    /// It had this done to others there.
    Ordered(String),
    /// It got this error, without its `Error: `.
    Erred(String),
    /// It made a classic mistake, with what would be right.
    Mistaken(String),
    /// It said this to a service that does not answer.
    Remarked(String),
    /// It sent this message.
    Said(String),
    /// It sent a message of so many bytes that is for one other alone.
    Confided(usize),
    /// It joined the room under this name.
    Joined(String),
    /// It talks with the one who is there.
    Met(RemoteAddress),
    /// A datagram got no answer.
    Dropped(Dropped),
    /// An answer to a datagram was dropped, or the rest of it.
    Undelivered {
        /// The path of the Unix socket it was for; empty: whom it was for is known by the address alone.
        to: String,
        /// Why.
        why: Dropped,
    },
    /// A datagram of it was refused: its user or address may not use the endpoint.
    Refused(CloseReason),
    /// It ended.
    Closed(CloseReason),
}
