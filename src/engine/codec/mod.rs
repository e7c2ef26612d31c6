//! Bytes ⇄ messages, one file for each way in which clients mark where a message ends: how it is cut out of what comes, and
//! how it is marked on the way out. Knows bytes; has never seen what they say.

pub mod detect;
pub mod lines;
pub mod packets;
mod saved;

use super::message::Kind;
use super::service::Service;

/// How messages are told apart on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Each ends with LF.
    Lines,
    /// Each ends with nothing and goes out on its own, a gap after the one before: one recv() each.
    Paced,
    /// Each ends with nothing; those that come close together may share a recv().
    Bare,
    /// Each ends with nothing and is one packet.
    Packets,
}

impl Style {
    /// How a client of that kind, if it is known, is spoken to by a service.
    pub fn of(kind: Option<Kind>, service: Service) -> Style {
        match (kind, service) {
            (None | Some(Kind::Line), _) | (Some(Kind::Raw), Service::Status | Service::Watch) => {
                Style::Lines
            }
            (Some(Kind::Packet), _) => Style::Packets,
            (Some(Kind::Raw), Service::Multiply | Service::Stats | Service::Mux) => Style::Paced,
            (Some(Kind::Raw), Service::Greeting | Service::Chat | Service::Hello | Service::Talk) => {
                Style::Bare
            }
        }
    }

    /// Whether an LF stands between its messages while they wait: on the wire, or to tell where one ends.
    pub fn marks_with_lf(self) -> bool {
        self != Style::Bare
    }

    /// Whether each message goes out on its own.
    pub fn is_one_by_one(self) -> bool {
        matches!(self, Style::Paced | Style::Packets)
    }
}

/// Where the next message in some bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many bytes from the beginning on are the message.
    pub message: usize,
    /// How many they are with what ends it.
    pub taken: usize,
}

/// Looks for the next message in `bytes`, of which the first `scanned` hold no end of one. The end of a burst or of the
/// stream, which may end one too, is not seen here.
#[inline]
pub fn find(kind: Kind, bytes: &[u8], scanned: usize) -> Option<Found> {
    match kind {
        Kind::Line | Kind::Packet | Kind::Raw => lines::find(bytes, scanned),
    }
}
