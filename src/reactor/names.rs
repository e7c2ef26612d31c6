//! The names with which peers have joined or connected, for their later lines in the log.

use std::collections::HashMap;

use crate::engine::message::{ConnectionId, EventKind};

/// The most bytes of a name: 32 characters, with their overhead, in a table that has just grown.
pub(super) const NAME_BYTES_MAX: usize =
    32 * 4 + 2 * (size_of::<ConnectionId>() + size_of::<Box<str>>()) + 16;

/// One name for each peer that has one.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<ConnectionId, Box<str>>);

impl Names {
    /// The name for a line about this event; none if the line itself has the name.
    pub(super) fn of(&mut self, peer: Option<ConnectionId>, what: &EventKind) -> Option<Box<str>> {
        let peer = peer?;
        match what {
            EventKind::Joined(name) => {
                self.0.insert(peer, name.as_str().into()) // this line has both: the certificate's name and this one
            }
            EventKind::Identified(name) => {
                self.insert(peer, name);
                None
            }
            EventKind::Closed(_) => {
                let name = self.0.remove(&peer);
                if self.0.is_empty() {
                    self.0.shrink_to_fit();
                }
                name
            }
            _ => self.0.get(&peer).cloned(),
        }
    }

    /// Notes that a peer has joined, now or before a restart.
    pub(super) fn insert(&mut self, peer: ConnectionId, name: &str) {
        self.0.insert(peer, name.into());
    }
}
