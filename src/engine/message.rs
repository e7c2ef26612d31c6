//! The engine's interface: its inputs, its outputs, and the events that it reports.
//! Knows no socket and no clock: time is an argument, and a peer is a number.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::allow::Allowed;
pub use super::close_reason::CloseReason;
pub use super::dropped::Dropped;
use super::encryption::EncryptionEvent;
use super::figures::Figures;
pub use super::framing_mode::{FramingMode, Prefix};
pub use super::id::{ConnectionId, NO_GROUP, RemoteAddress, Timestamp};
use super::limits::Settings;
use super::service::Service;
pub use super::transport::Transport;

/// An open endpoint that accepts connections, and the service it offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The endpoint as the log and the configuration write it, for example `tcp://127.0.0.1:65432`.
    pub endpoint: String,
    /// The service.
    pub service: Service,
    /// The transport.
    #[serde(rename = "medium")] // its name in the records of earlier versions
    pub transport: Transport,
    /// Who may connect; `None`: everyone. A restored binding does not check again.
    #[serde(skip)]
    pub allowed: Option<Allowed>,
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
        remote: RemoteAddress,
    },
    /// Bytes of one read, or one packet. `more`: the read filled our buffer, so there may be more (and the rest of a packet is
    /// lost).
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
        /// The sender.
        remote: RemoteAddress,
        /// Its bytes.
        bytes: &'a [u8],
        /// It was longer than our buffer.
        truncated: bool,
        /// Where an answer can be sent: on a Unix socket the address as the sender wrote it; on the network empty, because `remote`
        /// is the address. `None`: the sender has no address.
        address: Option<&'a [u8]>,
    },
    /// The outcome of sending the last message of [`Engine::poll_reply`](super::Engine::poll_reply).
    Replied(Result<(), Dropped>),
    /// End of file: the peer will send nothing more, but may still read.
    EndOfFile {
        /// The connection.
        peer: ConnectionId,
    },
    /// The kernel's buffer holds no more input of it at the moment. Sent only after [`Input::Stop`].
    Drained {
        /// The connection.
        peer: ConnectionId,
    },
    /// The first `bytes` of the bytes that [`Engine::outgoing`](super::Engine::outgoing) offered were accepted.
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
    /// The peer has broken a rule of its transport: nothing more can be read from it.
    Broken {
        /// The connection.
        peer: ConnectionId,
        /// The broken rule, and what would be right.
        reason: &'a str,
    },
    /// Something has become known about the encryption of this connection.
    Encryption {
        /// The connection.
        peer: ConnectionId,
        /// The event.
        event: EncryptionEvent<'a>,
    },
    /// Another process continues all connections except this one, which must end now.
    Restarting {
        /// The connection.
        peer: ConnectionId,
    },
    /// Time has passed: handle every deadline up to now, and continue with unfinished work.
    Tick,
    /// Stop gracefully: answer received requests, send the last messages, and end by `by`.
    Stop {
        /// The time when everything is closed, finished or not.
        by: Timestamp,
    },
    /// The outcome of an [`Output::Ask`], as lines for the peer. There is one for each; the peer's messages wait until then.
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

/// A request of the engine to the reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// There is something to write: offer `outgoing(peer)` to the kernel.
    Flush(ConnectionId),
    /// Write once more to this peer, although its kernel accepts nothing: the kernel reports room only once there is much. Answer
    /// with [`Input::Writable`] and its consequences, or with [`Input::Blocked`].
    Retry(ConnectionId),
    /// Shut down the sending side, but keep reading and pass it on, for a lingering close.
    ShutdownWrite(ConnectionId),
    /// Whether to read from this peer. A new peer is read from until this says otherwise. After its end of file it is not read any
    /// more, and this is not sent.
    Reading(ConnectionId, bool),
    /// A burst has ended within a message: acknowledge the received bytes at once (TCP_QUICKACK, tcp(7)), because the
    /// sender's kernel may hold back the rest until then.
    Acknowledge(ConnectionId),
    /// An authorized peer has a request to the daemon; the answer is [`Input::Answer`].
    Ask(ConnectionId, Request),
    /// Close the descriptor.
    Close(ConnectionId),
    /// Close it with a reset (SO_LINGER 0).
    Reset(ConnectionId),
}

impl Output {
    /// The connection that it is about.
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
    /// Send it a signal when a message was posted in the room, or a machine has reported.
    Notify,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Request::Reload => "asks for a reload",
            Request::HandOver => "asks for a handover",
            Request::Notify => "asks for signals",
        })
    }
}

/// Something that happened, for the log.
#[derive(Clone, Debug)]
pub struct Event {
    /// The connection; `None`: a datagram.
    pub peer: Option<ConnectionId>,
    /// The endpoint.
    pub binding: Rc<Binding>,
    /// The peer.
    pub remote: RemoteAddress,
    /// The event.
    pub what: EventKind,
}

/// An event of a connection. Text from the peer is already escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was accepted.
    Opened,
    /// The handshake is complete; with version and cipher suite.
    Secured(String),
    /// Its certificate has this name.
    Identified(String),
    /// Its encryption failed, or never began; with the reason.
    Unsecured(String),
    /// It ended its input without the close_notify of TLS.
    Truncated,
    /// Its framing is known now.
    Decided(FramingMode),
    /// It chose a service through the mux.
    Chose(Service),
    /// It asked for this on the control service.
    Asked(Request),
    /// It gave an order about other clients, which was carried out.
    Ordered(String),
    /// It got this error (without `Error: `).
    Erred(String),
    /// It made a classic mistake; with the correction.
    Mistaken(String),
    /// It sent this to a service that does not answer.
    Remarked(String),
    /// It sent this message.
    Said(String),
    /// It sent a private message of this many bytes.
    SaidPrivately(usize),
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
        reason: Dropped,
    },
    /// Its datagram was refused: its user or address may not use the endpoint.
    Refused(CloseReason),
    /// It ended.
    Closed(CloseReason),
}
