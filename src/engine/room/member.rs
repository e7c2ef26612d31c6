//! One member: its position in the log, and its direct messages.

use std::collections::VecDeque;

use super::super::claim::Claim;
use super::super::limits::ASIDE_BYTES;
use super::super::message::{ConnectionId, Timestamp};
use super::super::name::Name;
use super::log::Log;

/// A member's number in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberId(pub(super) usize);

#[derive(Debug)]
pub(super) struct Member {
    pub(super) peer: ConnectionId,
    pub(super) name: Name,
    /// The text before its messages.
    pub(super) prefix: Box<[u8]>,
    pub(super) joined: u64,
    /// Up to where in the log it has been sent.
    pub(super) cursor: u64,
    /// Direct messages to it.
    pub(super) asides: VecDeque<DirectMessage>,
    pub(super) aside_bytes: usize,
    /// Since when it has been behind, if it is one of those that get message by message.
    pub(super) behind_since: Option<Timestamp>,
    /// The kernel takes nothing for it at the moment.
    pub(super) blocked: bool,
    /// It is already in the list of those to be offered something.
    pub(super) called: bool,
    /// When it is too far behind, it misses the oldest lines and stays.
    pub(super) lossy: bool,
    /// A client with the same secret owns its name.
    pub(super) claim: Option<Box<Claim>>,
}

/// A direct message, at its position in the room's order.
#[derive(Debug)]
pub(super) struct DirectMessage {
    pub(super) at: u64,
    pub(super) text: Box<[u8]>,
    pub(super) sent: usize,
    /// Another member said it.
    pub(super) is_private: bool,
}

impl DirectMessage {
    /// Its counted size: many short ones must not take more memory than the backlog allows.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + ASIDE_BYTES
    }
}

impl Member {
    /// Bytes that it has not been sent, as they count.
    pub(super) fn behind(&self, end: u64) -> usize {
        (end - self.cursor) as usize + self.aside_bytes
    }

    /// Leaves out the oldest lines until no more than `backlog` bytes wait for it; how many lines. One that was sent in
    /// part is finished first.
    pub(super) fn skip_oldest(&mut self, log: &Log, backlog: usize) -> u64 {
        let begun = match self.asides.front() {
            Some(aside) if aside.at == self.cursor && aside.sent > 0 => self.asides.pop_front(),
            _ if !log.is_at_line_start(self.cursor) => {
                let end = log.line_end(self.cursor);
                let mut text = vec![b'\n']; // in place of the sent part
                log.pieces(self.cursor, end, |piece| text.extend_from_slice(piece));
                self.cursor = end;
                let aside = DirectMessage { at: end, text: text.into(), sent: 1, is_private: false };
                self.aside_bytes += aside.bytes();
                Some(aside)
            }
            _ => None,
        };
        let mut count = 0;
        while self.behind(log.end) > backlog {
            match self.asides.front() {
                Some(aside) if aside.at == self.cursor => {
                    self.aside_bytes -= aside.bytes();
                    self.asides.pop_front();
                }
                _ if self.cursor < log.end => self.cursor = log.line_end(self.cursor),
                _ => break,
            }
            count += 1;
        }
        if let Some(begun) = begun {
            self.asides.push_front(DirectMessage { at: self.cursor, ..begun });
        }
        count
    }
}
