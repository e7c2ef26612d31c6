//! The engine's interface: its inputs, its outputs, and the events that it reports.
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
use super::secrecy::Secrecy;
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
    /// A number of microseconds after the start; at most half a million years.
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

/// The number of a connection: a place in a table, and a generation, so that nothing for a closed connection can
/// reach a later one in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// The place in the table.
    pub index: u32,
    /// The generation of that place.
    pub generation: u32,
}

/// An open endpoint that accepts connections, and the service it offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The endpoint as the log and the configuration write it, for example `tcp://127.0.0.1:65432`.
    pub endpoint: String,
    /// The service.
    pub service: Service,
    /// The transport.
    #[serde(rename = "medium")] // as records of earlier versions have it
    pub transport: Transport,
    /// Who may connect; `None`: everyone. A saved binding does not check again.
    #[serde(skip)]
    pub allowed: Option<Allowed>,
}

/// No group: the number for "none" in chown(2), which no list can contain.
pub const NO_GROUP: u32 = u32::MAX;

/// The peer.
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
        /// Process id; 0: a process outside our PID namespace (pid_namespaces(7)).
        pid: u32,
    },
    /// A process on this machine whose user the kernel cannot identify: equal to no user, and on no list.
    Unknown {
        /// Process id; 0: a process outside our PID namespace.
        pid: u32,
    },
    /// The writer to our standard input.
    Input,
    /// All writers to a FIFO, which cannot be told apart.
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

/// An input of the engine.
#[derive(Debug)]
pub enum Input<'a> {
    /// A connection was accepted through `binding`.
    Opened {
        /// Its number.
        peer: ConnectionId,
        /// The endpoint that accepted it.
        binding: &'a Rc<Binding>,
        /// The peer.
        origin: RemoteAddress,
    },
    /// Bytes were read, or one packet. `more`: the read stopped at the end of our buffer, not at the end of what was
    /// there (and the rest of a packet is lost).
    Bytes {
        /// The connection.
        peer: ConnectionId,
        /// The bytes.
        bytes: &'a [u8],
        /// Whether the burst continues.
        more: bool,
    },
    /// A datagram arrived. Its answer is in [`Engine::poll_reply`](super::Engine::poll_reply), until the next one comes.
    Datagram {
        /// The endpoint that received it.
        binding: &'a Rc<Binding>,
        /// Who sent it.
        origin: RemoteAddress,
        /// Its bytes.
        bytes: &'a [u8],
        /// It was longer than our buffer.
        truncated: bool,
        /// The address that an answer can be sent to: on a Unix socket as the sender wrote it, on the network empty, for
        /// `origin` says it; `None`: its sender has none.
        address: Option<&'a [u8]>,
    },
    /// The outcome of sending the last message of [`Engine::poll_reply`](super::Engine::poll_reply).
    Replied(Result<(), Dropped>),
    /// End of file: the peer will send nothing more, but may still read.
    EndOfFile {
        /// The connection.
        peer: ConnectionId,
    },
    /// Nothing more is in the kernel's buffer for us at the moment. Told only after [`Input::Stop`].
    Dry {
        /// The connection.
        peer: ConnectionId,
    },
    /// The first `bytes` of what [`Engine::outgoing`](super::Engine::outgoing) offered were taken.
    Sent {
        /// The connection.
        peer: ConnectionId,
        /// The number of bytes.
        bytes: usize,
    },
    /// The kernel takes no more for this peer until further notice (WouldBlock).
    Blocked {
        /// The connection.
        peer: ConnectionId,
    },
    /// The kernel takes bytes for this peer again.
    Writable {
        /// The connection.
        peer: ConnectionId,
    },
    /// The connection is gone (reset, or an error on it).
    Lost {
        /// The connection.
        peer: ConnectionId,
    },
    /// Something became known of the encryption of this connection.
    Secrecy {
        /// The connection.
        peer: ConnectionId,
        /// What.
        what: Secrecy<'a>,
    },
    /// Another process goes on with all connections but this one, which has to end now.
    Restarting {
        /// The connection.
        peer: ConnectionId,
    },
    /// Time has passed: handle every deadline up to now, and continue with unfinished work.
    Tick,
    /// Stop gracefully: answer received requests, send the farewells, and end by `by`.
    Stop {
        /// The time when everything is closed, finished or not.
        by: Timestamp,
    },
    /// The outcome of an [`Output::Ask`], in lines for the peer.
    Answer {
        /// The connection that asked.
        peer: ConnectionId,
        /// The lines for it.
        lines: &'a [String],
    },
    /// Figures about the process: after [`Engine::wants_figures`](super::Engine::wants_figures).
    Figures(Figures),
    /// The duration of the last turn of the event loop.
    Turned(Duration),
    /// New settings (a reload), also for open connections.
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
    /// Whether this peer is to be read from. One that has come is, until this says otherwise; one whose end of file has
    /// come is not, and this says nothing more of it.
    Reading(ConnectionId, bool),
    /// A burst has ended within a message: acknowledge at once what has come (TCP_QUICKACK, tcp(7)), because the rest may wait
    /// for that in the sender's kernel.
    Acknowledge(ConnectionId),
    /// An authorized peer has a request to the daemon; the answer is [`Input::Answer`].
    Ask(ConnectionId, Request),
    /// Close the descriptor.
    Close(ConnectionId),
    /// Close it with a reset (SO_LINGER 0).
    Reset(ConnectionId),
}

impl Output {
    /// Whom it is about.
    pub fn peer(&self) -> ConnectionId {
        match *self {
            Output::Flush(peer)
            | Output::Retry(peer)
            | Output::ShutdownWrite(peer)
            | Output::Reading(peer, _)
            | Output::Acknowledge(peer)
            | Output::Ask(peer, _)
            | Output::Close(peer)
            | Output::Reset(peer) => peer,
        }
    }
}

/// A request to the daemon on the control service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the configuration again, and report the outcome.
    Reload,
    /// Give every connection to the service manager, for the next process.
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

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// The service has sent everything.
    Served,
    /// End of file from the peer.
    PeerClosed,
    /// Reset by the peer, or its network is gone.
    PeerReset,
    /// The peer left (`{quit}`, `bye`).
    PeerQuit,
    /// It joined the room again through another connection.
    PeerReplaced,
    /// Its partner in talk has left.
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
    /// The queues of all connections together were full, and it held the most of the client that held the most.
    PeerHeldMost,
    /// It read nothing of its queued data for `send_timeout`.
    PeerNotReading,
    /// It spoke another protocol.
    PeerForeign(Foreign),
    /// It sent data that is not text.
    PeerUnreadable,
    /// It spoke plain text where TLS is spoken.
    PeerInClear,
    /// Its encryption failed.
    PeerUnsecured,
    /// It asked for something that it may not use.
    PeerDenied,
    /// The administrator closed it.
    PutOut,
    /// Its user may not use the endpoint.
    NotAllowed,
    /// Its address may not use the endpoint.
    AddressNotAllowed,
    /// A limit on connections was reached.
    TooMany,
    /// Its service has no endpoint any more.
    Withdrawn,
    /// The daemon stops.
    Stopping,
}

impl CloseReason {
    /// Whether it was too slow to read.
    pub fn is_too_slow(self) -> bool {
        matches!(self, CloseReason::PeerTooSlow | CloseReason::PeerHeldMost | CloseReason::PeerNotReading)
    }

    /// Whether it was refused.
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
            CloseReason::PeerInClear => "spoke no TLS",
            CloseReason::PeerUnsecured => "its TLS failed",
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
    /// Not at all: its length precedes it.
    Prefixed(Prefix),
    /// With CR LF, or CR NUL, and there are commands in between.
    Telnet,
    /// Not at all: the transport keeps messages apart.
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
    /// The connection; `None`: a datagram.
    pub peer: Option<ConnectionId>,
    /// The endpoint.
    pub binding: Rc<Binding>,
    /// The peer.
    pub origin: RemoteAddress,
    /// What happened.
    pub what: EventKind,
}

/// What can happen to a connection. Text that came from the peer is already escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was accepted.
    Opened,
    /// The handshake is complete; by which version and cipher suite.
    Secured(String),
    /// Its encryption failed, or never began; with the reason.
    Unsecured(String),
    /// It ended its input without saying so in TLS.
    Truncated,
    /// Its framing is known now.
    Decided(Kind),
    /// It chose a service through the mux.
    Chose(Service),
    /// It asked for this on the control service.
    Asked(Request),
    /// It had this action carried out on others.
    Ordered(String),
    /// It got this error, without its `Error: `.
    Erred(String),
    /// It made a classic mistake; with the correction.
    Mistaken(String),
    /// It sent this to a service that does not answer.
    Remarked(String),
    /// It sent this message.
    Said(String),
    /// It sent a private message of this many bytes.
    Confided(usize),
    /// It joined the room under this name.
    Joined(String),
    /// It was paired with this partner in talk.
    Met(RemoteAddress),
    /// A datagram got no answer.
    Dropped(Dropped),
    /// An answer to a datagram, or its rest, was dropped.
    Undelivered {
        /// The path of the receiving Unix socket; empty: the address identifies the receiver.
        to: String,
        /// Why.
        why: Dropped,
    },
    /// Its datagram was refused: its user or address may not use the endpoint.
    Refused(CloseReason),
    /// It ended.
    Closed(CloseReason),
}
