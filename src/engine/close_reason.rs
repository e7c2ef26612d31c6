//! Why a connection ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::wrong_protocol::WrongProtocol;

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
    /// The queues of all connections together were full. Of the client that held the most, this connection held the most.
    PeerHeldMost,
    /// It read nothing of its queued data for `send_timeout`.
    PeerNotReading,
    /// It spoke another protocol.
    #[serde(rename = "PeerForeign")] // its name in the records of earlier versions
    PeerWrongProtocol(WrongProtocol),
    /// It sent data that is not text.
    PeerUnreadable,
    /// It spoke plain text where TLS is spoken.
    PeerInClear,
    /// Its encryption failed.
    PeerUnsecured,
    /// It sent a request that cannot be served.
    PeerBadRequest,
    /// It broke the rules of WebSocket frames.
    PeerMisframed,
    /// It broke the rules of the memory that it shares.
    PeerBrokeMemory,
    /// It asked for something that it may not use.
    PeerDenied,
    /// An administrator closed it.
    PutOut,
    /// Its user may not use the endpoint.
    NotAllowed,
    /// Its address may not use the endpoint.
    AddressNotAllowed,
    /// The name in its certificate may not use the endpoint.
    NameNotAllowed,
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
        matches!(
            self,
            CloseReason::NotAllowed
                | CloseReason::AddressNotAllowed
                | CloseReason::NameNotAllowed
                | CloseReason::TooMany
        )
    }
}

impl CloseReason {
    /// The whole phrase for the log.
    pub fn phrase(self) -> String {
        match self {
            CloseReason::PeerClosed => self.to_string(),
            _ => format!("closed: {self}"),
        }
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
            CloseReason::PeerWrongProtocol(protocol) => return write!(f, "spoke {}", protocol.name()),
            CloseReason::PeerNotReading => "read nothing for too long",
            CloseReason::PeerUnreadable => "sent data that is not text",
            CloseReason::PeerInClear => "spoke no TLS",
            CloseReason::PeerUnsecured => "its TLS failed",
            CloseReason::PeerBadRequest => "sent a request that cannot be served",
            CloseReason::PeerMisframed => "broke the rules of WebSocket frames",
            CloseReason::PeerBrokeMemory => "broke the rules of shared memory",
            CloseReason::PeerDenied => "not allowed to control the daemon",
            CloseReason::PutOut => "removed by the administrator",
            CloseReason::NotAllowed => "refused: its user may not use this socket",
            CloseReason::AddressNotAllowed => "refused: its address is not in allow_addresses",
            CloseReason::NameNotAllowed => "refused: the name in its certificate is not in allow_names",
            CloseReason::TooMany => "refused: too many connections",
            CloseReason::Withdrawn => "its service is no longer offered",
            CloseReason::Stopping => "the daemon is stopping",
        })
    }
}
