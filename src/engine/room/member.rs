//! One member: its position in the log, and its direct messages.

use std::collections::VecDeque;

use super::super::claim::Claim;
use super::super::limits::DIRECT_MESSAGE_BYTES;
use super::super::message::{ConnectionId, Timestamp};
use super::super::name::Name;
use super::log::Log;

/// A member's number in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberId(pub(super) usize);

/// How the room's messages go to a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hearing {
    /// Through its session's own queue, or behind what waits there.
    #[default]
    Queued,
    /// As they lie in the log.
    Lines,
    /// In the frames that are lent to all.
    Frames,
}

/// A member that is to be offered something. If it has left or moved since, this is ignored.
#[derive(Clone, Copy, Debug)]
pub struct ListedMember {
    /// Its connection.
    pub peer: ConnectionId,
    /// Its number.
    pub member_id: MemberId,
}

/// What a delivery reads comes first, so that it takes one cache line.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Member {
    pub(super) peer: ConnectionId,
    /// The position in the log up to which it has been sent.
    pub(super) cursor: u64,
    /// Direct messages to it.
    pub(super) direct_messages: VecDeque<DirectMessage>,
    /// As its session has said last.
    pub(super) hearing: Hearing,
    /// Whether the kernel accepts nothing for it at the moment.
    pub(super) blocked: bool,
    /// Whether it is already in the list of members to be offered something.
    pub(super) is_listed: bool,
    /// Whether it misses the oldest lines when it is too far behind, and stays.
    pub(super) lossy: bool,
    pub(super) direct_bytes: usize,
    /// Since when it has been behind, if it gets its messages one by one.
    pub(super) behind_since: Option<Timestamp>,
    pub(super) name: Name,
    /// The text before its messages.
    pub(super) prefix: Box<[u8]>,
    pub(super) joined: u64,
    /// A client with this secret owns its name.
    pub(super) claim: Option<Box<Claim>>,
}

/// A direct message, at its position in the room's order.
#[derive(Debug)]
pub(super) struct DirectMessage {
    pub(super) at: u64,
    pub(super) text: Box<[u8]>,
    pub(super) sent: usize,
    /// Whether another member sent it.
    pub(super) is_private: bool,
}

impl DirectMessage {
    /// Its counted size. It includes overhead, so that many short messages do not take more memory than the backlog allows.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + DIRECT_MESSAGE_BYTES
    }
}

impl Member {
    /// The counted bytes that it has not been sent.
    pub(super) fn behind(&self, end: u64) -> usize {
        (end - self.cursor) as usize + self.direct_bytes
    }

    /// Drops the oldest lines until at most `backlog` bytes wait for it; returns how many. A line that was sent in part is
    /// completed first.
    pub(super) fn skip_oldest(&mut self, log: &Log, backlog: usize) -> u64 {
        let begun = match self.direct_messages.front() {
            Some(direct) if direct.at == self.cursor && direct.sent > 0 => self.direct_messages.pop_front(),
            _ if !log.is_at_line_start(self.cursor) => {
                let end = log.line_end(self.cursor);
                let mut text = vec![b'\n']; // stands for the sent part
                log.pieces(self.cursor, end, |piece| text.extend_from_slice(piece));
                self.cursor = end;
                let direct = DirectMessage { at: end, text: text.into(), sent: 1, is_private: false };
                self.direct_bytes += direct.bytes();
                Some(direct)
            }
            _ => None,
        };
        let mut count = 0;
        while self.behind(log.end) > backlog {
            match self.direct_messages.front() {
                Some(direct) if direct.at == self.cursor => {
                    self.direct_bytes -= direct.bytes();
                    self.direct_messages.pop_front();
                }
                _ if self.cursor < log.end => self.cursor = log.line_end(self.cursor),
                _ => break,
            }
            count += 1;
        }
        if let Some(begun) = begun {
            self.direct_messages.push_front(DirectMessage { at: self.cursor, ..begun });
        }
        count
    }
}
