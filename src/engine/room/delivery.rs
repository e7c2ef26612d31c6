//! The next offer to each member, what was sent to it, and which members are too slow.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::message::{ConnectionId, Timestamp};
use super::Room;
use super::member::{Hearing, ListedMember, MemberId};
use super::offer::Offer;

impl Room {
    /// Whether a private message waits for this member.
    pub fn has_private(&self, member_id: MemberId) -> bool {
        self.members[member_id.0].direct_messages.iter().any(|direct| direct.is_private)
    }

    /// Whether the member's next offer is a private message.
    pub fn offers_private(&self, member_id: MemberId) -> bool {
        let member = &self.members[member_id.0];
        member.direct_messages.front().is_some_and(|direct| direct.is_private && direct.at == member.cursor)
    }

    /// The next offer to a member.
    pub fn offer(&self, member_id: MemberId) -> Offer<'_> {
        let member = &self.members[member_id.0];
        let from = member.cursor;
        match member.direct_messages.front() {
            Some(direct) if direct.at == from => Offer::DirectMessage(&direct.text[direct.sent..]),
            Some(direct) => Offer::Log { from, to: direct.at, goes_on: true },
            None if from == self.timeline.log.end => Offer::Nothing,
            None => Offer::Log { from, to: self.timeline.log.end, goes_on: false },
        }
    }

    /// The log from one position to another, in at most `slices.len()` slices; returns how many.
    pub fn slices<'a>(&'a self, from: u64, to: u64, slices: &mut [&'a [u8]]) -> usize {
        if let ([slice, ..], Some(whole)) = (&mut *slices, self.timeline.log.piece(from, to)) {
            *slice = whole;
            return 1;
        }
        let mut count = 0;
        self.timeline.log.pieces(from, to, |piece| {
            if let Some(slice) = slices.get_mut(count) {
                *slice = piece;
                count += 1;
            }
        });
        count
    }

    /// Takes the member's next messages, line by line without their ends, until they have `max` bytes or a little more. The second
    /// argument of `each` is whether the line is a direct message.
    pub fn take_lines(&mut self, member_id: MemberId, max: usize, mut each: impl FnMut(&[u8], bool)) {
        let (mut left, mut text) = (max, Vec::new());
        while left > 0 {
            let count = match self.offer(member_id) {
                Offer::Nothing => break,
                Offer::DirectMessage(line) => {
                    let is_private = self.members[member_id.0].direct_messages[0].is_private;
                    each(line.strip_suffix(b"\n").unwrap_or(line), is_private);
                    line.len()
                }
                Offer::Log { from, to, .. } => {
                    let to = if to - from > left as u64 {
                        self.timeline.log.line_end(from + left as u64).min(to)
                    } else {
                        to
                    };
                    text.clear();
                    self.timeline.log.pieces(from, to, |piece| text.extend_from_slice(piece));
                    text.strip_suffix(b"\n")
                        .unwrap_or(&text)
                        .split(|byte| *byte == b'\n')
                        .for_each(|line| each(line, false));
                    text.len()
                }
            };
            self.sent(member_id, count);
            left = left.saturating_sub(count);
        }
    }

    /// How long the member has been behind; `waits`: whether something that was taken for it is still unsent.
    pub fn lag(&mut self, member_id: MemberId, waits: bool, now: Timestamp) -> Duration {
        let (end, member) = (self.timeline.log.end, &mut self.members[member_id.0]);
        let is_behind = waits || member.cursor < end || !member.direct_messages.is_empty();
        let since = if is_behind { Some(*member.behind_since.get_or_insert(now)) } else { None };
        member.behind_since = since;
        since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Notes that the first `count` bytes of the current [`offer`](Self::offer), as rendered, were sent.
    #[inline]
    pub fn sent(&mut self, member_id: MemberId, count: usize) {
        self.is_unsettled = true;
        self.may_trim = true;
        let member = &mut self.members[member_id.0];
        if member.direct_messages.is_empty() {
            member.cursor += count as u64;
            return;
        }
        match member.direct_messages.front_mut() {
            Some(direct) if direct.at == member.cursor => {
                direct.sent += count;
                if direct.sent == direct.text.len() {
                    member.direct_bytes -= direct.bytes();
                    self.direct_bytes -= if member.lossy { 0 } else { direct.bytes() };
                    member.direct_messages.pop_front();
                    if member.direct_messages.is_empty() {
                        member.direct_messages = VecDeque::new(); // frees the memory, which counts only while it holds something
                    }
                }
            }
            _ => member.cursor += count as u64,
        }
    }

    /// Notes whether the kernel accepts bytes for this member.
    pub fn set_blocked(&mut self, member_id: MemberId, blocked: bool) {
        self.is_unsettled = true; // a member may be too slow from now on
        let was_blocked = std::mem::replace(&mut self.members[member_id.0].blocked, blocked);
        self.blocked = self.blocked + usize::from(blocked) - usize::from(was_blocked);
    }

    /// Lets the member miss the oldest lines instead of dropping it as too slow.
    pub fn set_lossy(&mut self, member_id: MemberId) {
        let member = &mut self.members[member_id.0];
        self.direct_bytes -= if member.lossy { 0 } else { member.direct_bytes };
        member.lossy = true;
    }

    /// The lines that members missed since the last call.
    pub fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// Appends to `list` each member that can be offered something new and is not in it yet.
    #[inline]
    pub fn collect_ready(&mut self, list: &mut VecDeque<ListedMember>) {
        if std::mem::take(&mut self.dirty) {
            self.collect_all_ready(list);
        }
    }

    #[inline(never)]
    fn collect_all_ready(&mut self, list: &mut VecDeque<ListedMember>) {
        for (index, member) in &mut self.members {
            let behind = member.cursor < self.timeline.log.end || !member.direct_messages.is_empty();
            if behind && !member.blocked && !member.is_listed {
                member.is_listed = true;
                list.push_back(ListedMember { peer: member.peer, member_id: MemberId(index) });
            }
        }
    }

    /// Notes that the member is being offered everything. Returns whether it is still there.
    pub fn clear_ready(&mut self, listed: ListedMember) -> bool {
        let member = self.members.get_mut(listed.member_id.0).filter(|member| member.peer == listed.peer);
        member.map(|member| member.is_listed = false).is_some()
    }

    /// What a listed member is offered, if it is a part of the log alone: from where to where, and in which form it gets that.
    #[inline]
    pub fn delivery(&self, listed: ListedMember) -> Option<(u64, u64, Hearing)> {
        let member = self.members.get(listed.member_id.0)?;
        let end = self.timeline.log.end;
        let is_of_log =
            member.peer == listed.peer && member.direct_messages.is_empty() && member.cursor < end;
        let is_of_log = is_of_log && !member.blocked;
        is_of_log.then_some((member.cursor, end, member.hearing))
    }

    /// Notes that a listed member's [`delivery`](Self::delivery) begins.
    #[inline]
    pub fn begin_delivery(&mut self, member_id: MemberId) {
        self.members[member_id.0].is_listed = false;
    }

    /// Notes that a [`delivery`](Self::delivery) of so many bytes of the log was sent.
    #[inline]
    pub fn delivered(&mut self, member_id: MemberId, bytes: usize) {
        (self.is_unsettled, self.may_trim) = (true, true);
        self.members[member_id.0].cursor += bytes as u64;
    }

    /// The log from one position to another, if it lies in one piece, as nearly always.
    #[inline]
    pub fn piece(&self, from: u64, to: u64) -> Option<&[u8]> {
        self.timeline.log.piece(from, to)
    }

    /// Notes how its messages go to a member.
    #[inline]
    pub fn set_hearing(&mut self, member_id: MemberId, hearing: Hearing) {
        self.members[member_id.0].hearing = hearing;
    }

    /// Trims the part of the log that all members were sent. Called when everyone was offered everything, before new messages.
    pub fn trim_log(&mut self) {
        if std::mem::take(&mut self.may_trim) {
            let cursors = self.members.iter().map(|(_, member)| member.cursor);
            self.timeline.log.forget(cursors.fold(self.timeline.log.end, u64::min));
        }
    }

    /// Allows new messages again. Called when everyone was offered everything and had time to read it. Returns the members that are
    /// more than `backlog` bytes behind because they do not read.
    pub fn settle(&mut self, backlog: usize) -> Vec<ConnectionId> {
        if !std::mem::take(&mut self.is_unsettled) {
            return Vec::new();
        }
        self.timeline.fresh = self.timeline.fresh_floor;
        if self.blocked == 0 {
            return Vec::new();
        }
        let end = self.timeline.log.end;
        let mut slow = Vec::new();
        for (_, member) in &mut self.members {
            // A member that accepts its offers is behind only by the messages of this turn.
            if member.blocked && member.behind(end) > backlog {
                if member.lossy {
                    self.skipped += member.skip_oldest(&self.timeline.log, backlog);
                    self.may_trim = true;
                } else {
                    slow.push(member.peer);
                }
            }
        }
        slow
    }
}
