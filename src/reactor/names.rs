//! Under which names peers have joined, or have come with a certificate, for the lines that the log has of them later.

use std::collections::HashMap;

use crate::engine::message::{ConnectionId, EventKind};

/// The most that a name takes here, in bytes: 32 characters, with what holds them, in a table that has just grown.
pub(super) const NAME_BYTES_MAX: usize =
    32 * 4 + 2 * (size_of::<ConnectionId>() + size_of::<Box<str>>()) + 16;

/// One name for each peer that has one: no more than there are connections.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<ConnectionId, Box<str>>);

impl Names {
    /// The name that a line about this has: none where it says the name itself.
    pub(super) fn of(&mut self, peer: Option<ConnectionId>, what: &EventKind) -> Option<Box<str>> {
        let peer = peer?;
        match what {
            EventKind::Joined(name) => {
                self.0.insert(peer, name.as_str().into()) // the name in its certificate is repeated there
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

    /// A peer has joined, or had before a restart.
    pub(super) fn insert(&mut self, peer: ConnectionId, name: &str) {
        self.0.insert(peer, name.into());
    }
}
