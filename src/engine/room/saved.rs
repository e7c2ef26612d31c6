//! The room's data for the process after a restart.

use std::collections::VecDeque;

use super::super::message::ConnectionId;
use super::super::name::Name;
use super::Room;
use super::member::{DirectMessage, MemberId};
use super::progress::{SavedLog, SavedProgress};

/// A position that no log reaches.
const POSITION_MAX: u64 = 1 << 62;

impl Room {
    /// A member's data for the process after a restart: its name, the time of its joining, and its progress. Its direct messages
    /// are appended to `texts`.
    pub fn save_member<'r>(
        &'r self,
        member_id: MemberId,
        texts: &mut Vec<&'r [u8]>,
    ) -> (String, u64, SavedProgress) {
        let member = &self.members[member_id.0];
        texts.extend(member.direct_messages.iter().map(|direct| &*direct.text));
        let direct_messages =
            member.direct_messages.iter().map(|direct| (direct.at, direct.text.len(), direct.sent)).collect();
        (
            member.name.shown.to_string(),
            member.joined,
            SavedProgress { cursor: member.cursor, direct_messages },
        )
    }

    /// The log: the position at which it begins, and its bytes.
    pub fn save_log(&self) -> (u64, Vec<&[u8]>) {
        (self.timeline.log.base, self.timeline.log.chunks.iter().map(Vec::as_slice).collect())
    }

    /// The room's messages from before a restart.
    pub fn restore_log(&mut self, log: SavedLog) {
        if log.base < POSITION_MAX {
            (self.timeline.log.base, self.timeline.log.end) = (log.base, log.base);
            self.timeline.log.append(&log.bytes);
        }
    }

    /// A member's progress from before a restart. An impossible position is ignored.
    pub fn restore_progress(&mut self, member_id: MemberId, progress: SavedProgress, texts: &[u8]) {
        let mut direct_messages = VecDeque::with_capacity(progress.direct_messages.len());
        let (mut after, mut texts) = (progress.cursor, texts);
        for (at, bytes, sent) in progress.direct_messages {
            if !(after..=self.timeline.log.end).contains(&at) || sent > bytes || bytes > texts.len() {
                return;
            }
            let (text, rest) = texts.split_at(bytes);
            // The record does not say which of them are private: all are treated like that.
            direct_messages.push_back(DirectMessage { at, text: text.into(), sent, is_private: true });
            (after, texts) = (at, rest);
        }
        if !(self.timeline.log.base..=self.timeline.log.end).contains(&progress.cursor) {
            return;
        }
        let member = &mut self.members[member_id.0];
        member.cursor = progress.cursor;
        member.direct_bytes = direct_messages.iter().map(DirectMessage::bytes).sum();
        self.direct_bytes += member.direct_bytes;
        member.direct_messages = direct_messages;
        self.may_trim = true;
        self.mark_pending();
    }

    /// Restores a member without an announcement; `None` if the name is invalid or taken.
    pub fn restore_member(&mut self, peer: ConnectionId, name: &str, joined: u64) -> Option<MemberId> {
        let name = Name::new(name).ok().filter(|name| !self.has(name))?;
        self.joins = self.joins.max(joined);
        self.join_again(&name.shown);
        Some(self.admit(peer, name, joined))
    }
}
