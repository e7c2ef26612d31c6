//! The chat room: one shared log of everything said, and a cursor into it for each member. Fan-out copies nothing, a slow member is
//! a cursor that lags, and the memory bound is one number. Knows peers by number, and no socket.

mod audience;
mod check;
mod delivery;
mod history;
mod log;
mod member;
#[cfg(not(feature = "nats"))]
mod no_sharing;
mod offer;
mod progress;
mod saved;
#[cfg(feature = "nats")]
mod shared;
#[cfg(not(feature = "nats"))]
#[path = "room/no_shared.rs"]
mod shared;
#[cfg(feature = "nats")]
mod sharing;
mod timeline;

use std::collections::{HashMap, HashSet, VecDeque};

use memchr::memchr;
use slab::Slab;

use super::claim::{Claim, SECRET_BYTES_MAX};
use super::limits::{NAME_CHARS_MAX, WHO_BYTES_MAX};
use super::looks::Look;
use super::message::ConnectionId;
use super::name::{Key, Name};
use timeline::{Entry, Timeline};

pub use audience::Audience;
use member::{DirectMessage, Member};
pub use member::{Hearing, ListedMember, MemberId};
pub use offer::Offer;
pub use progress::{SavedLog, SavedProgress};
#[cfg(feature = "nats")]
pub use shared::Consequence;
pub use shared::Shared;

/// The room.
#[derive(Debug, Default)]
pub struct Room {
    timeline: Timeline,
    /// The state of a shared room; `None`: it is not shared.
    shared: Option<Box<Shared>>,
    members: Slab<Member>,
    keys: HashMap<Key, MemberId>,
    /// The looks of the members' names.
    looks: HashSet<Look>,
    /// How many members have ever joined: the order of `/who`.
    joins: u64,
    /// Set if a member can be offered something new.
    dirty: bool,
    /// Set if something has changed since the room was [settled](Self::settle), so that a quiet room costs nothing in a turn.
    is_unsettled: bool,
    /// Set if something was sent, or a member has left, since the log was [trimmed](Self::trim_log).
    may_trim: bool,
    /// The number of members for which the kernel accepts nothing.
    blocked: usize,
    /// Lines that members missed since this number was last taken.
    skipped: u64,
    /// Bytes of unsent direct messages, except those of members that miss the oldest lines.
    direct_bytes: usize,
}

impl Room {
    /// The number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Bytes that were sent to the room since all members were last offered everything.
    pub fn fresh(&self) -> usize {
        self.timeline.fresh
    }

    /// Bytes that the log and the history hold.
    pub fn log_bytes(&self) -> usize {
        self.timeline.log.memory_bytes() + self.timeline.history.bytes()
    }

    /// Bytes that one member has not been sent yet.
    pub fn behind(&self, member_id: MemberId) -> usize {
        let member = &self.members[member_id.0];
        let direct_messages: usize =
            member.direct_messages.iter().map(|direct| direct.text.len() - direct.sent).sum();
        (self.timeline.log.end - member.cursor) as usize + direct_messages
    }

    /// The memory of unsent direct messages, except those of members that miss the oldest lines.
    pub fn direct_bytes(&self) -> usize {
        self.direct_bytes
    }

    /// The memory of one member's unsent direct messages.
    pub fn direct_bytes_of(&self, member_id: MemberId) -> usize {
        self.members[member_id.0].direct_bytes
    }

    /// The memory of unsent direct messages of members that miss the oldest lines.
    pub fn lossy_direct_bytes(&self) -> usize {
        self.members.iter().map(|(_, member)| if member.lossy { member.direct_bytes } else { 0 }).sum()
    }

    /// Whether a member can be offered something new and was not [collected](Self::collect_ready).
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether a member has that name, or one that it can be mistaken for.
    pub fn has(&self, name: &Name) -> bool {
        self.keys.contains_key(&name.key)
            || name.looks.each().iter().any(|look| self.looks.contains(look))
            || self.is_held_elsewhere(name)
    }

    /// Whether exactly this name is taken.
    pub fn is_taken(&self, key: &Key) -> bool {
        self.keys.contains_key(key) || self.is_named_elsewhere(key)
    }

    /// The member with that name.
    pub fn member_id_of(&self, key: &Key) -> Option<MemberId> {
        self.keys.get(key).copied()
    }

    /// A member's name, as displayed.
    pub fn name(&self, member_id: MemberId) -> &str {
        &self.members[member_id.0].name.shown
    }

    /// The last messages, oldest first.
    pub fn history(&self) -> impl Iterator<Item = &str> {
        self.timeline.history.lines()
    }

    /// The bytes of the history, with a line end each.
    pub fn history_bytes(&self) -> usize {
        self.timeline.history.bytes() + self.timeline.history.len()
    }

    /// Adds a member, together with what the client sent after its name. `None`: it joins once its place in the shared log is
    /// known, which [`poll_shared`](Self::poll_shared) reports.
    pub fn enter(
        &mut self,
        peer: ConnectionId,
        name: Name,
        rest: &str,
        claim: Option<Claim>,
    ) -> Option<MemberId> {
        if self.must_wait(peer, &name, rest, claim.as_ref()) {
            return None;
        }
        let member_id = self.join(peer, name);
        self.members[member_id.0].claim = claim.map(Box::new);
        Some(member_id)
    }

    /// Adds a member. All other members are told, and the new one gets everything from now on.
    pub fn join(&mut self, peer: ConnectionId, name: Name) -> MemberId {
        self.propose(Entry::Joined(&name.shown));
        self.joins += 1;
        self.admit(peer, name, self.joins)
    }

    fn admit(&mut self, peer: ConnectionId, name: Name, joined: u64) -> MemberId {
        let key = name.key.clone();
        let prefix = format!("{}: ", name.shown).into_bytes().into();
        let member_id = MemberId(self.members.insert(Member {
            peer,
            name,
            prefix,
            joined,
            cursor: self.timeline.log.end,
            direct_messages: VecDeque::new(),
            direct_bytes: 0,
            behind_since: None,
            blocked: false,
            is_listed: false,
            lossy: false,
            claim: None,
            hearing: Hearing::default(),
        }));
        self.looks.extend(self.members[member_id.0].name.looks.each());
        self.keys.insert(key, member_id);
        member_id
    }

    /// The secret with which a member can get its name back.
    pub fn claim(&self, member_id: MemberId) -> Option<&Claim> {
        self.members[member_id.0].claim.as_deref()
    }

    /// Makes a client with this secret the owner of the member's name.
    pub fn set_claim(&mut self, member_id: MemberId, claim: Claim) {
        self.members[member_id.0].claim = Some(Box::new(claim));
    }

    /// Moves a member to another connection, without an announcement; it gets everything from now on.
    /// Returns the previous connection, and the rest of a line that was sent to it in part.
    pub fn take_over(&mut self, member_id: MemberId, peer: ConnectionId) -> (ConnectionId, Vec<u8>) {
        let mut begun = Vec::new();
        self.finish_line(member_id, &mut begun);
        self.set_blocked(member_id, false);
        let member = &mut self.members[member_id.0];
        self.direct_bytes -= if member.lossy { 0 } else { std::mem::take(&mut member.direct_bytes) };
        member.direct_messages = VecDeque::new();
        (member.cursor, member.behind_since, member.is_listed) = (self.timeline.log.end, None, false);
        self.may_trim = true;
        (std::mem::replace(&mut member.peer, peer), begun)
    }

    /// The messages from before a restart.
    pub fn restore_history(&mut self, history: Vec<String>) {
        history.into_iter().for_each(|line| self.timeline.history.remember(line.into()));
    }

    /// Announces that a member did not come through a restart.
    pub fn announce_left(&mut self, name: &str) {
        self.propose(Entry::Left(name));
    }

    /// Removes a member. Its unsent messages are appended to `unsent`; the others are told that it left.
    pub fn leave(&mut self, member_id: MemberId, unsent: &mut Vec<u8>) {
        self.take_unsent(member_id, unsent);
        self.remove(member_id);
    }

    /// Removes a member without an announcement: all leave, because the room closes.
    pub fn remove_all(&mut self, member_id: MemberId, unsent: &mut Vec<u8>) {
        self.take_unsent(member_id, unsent);
        self.forget_member(member_id);
    }

    fn take_unsent(&mut self, member_id: MemberId, unsent: &mut Vec<u8>) {
        loop {
            match self.offer(member_id) {
                Offer::Nothing => break,
                Offer::DirectMessage(text) => {
                    let count = text.len();
                    unsent.extend_from_slice(text);
                    self.sent(member_id, count);
                }
                Offer::Log { from, to, .. } => {
                    let start = unsent.len();
                    self.timeline.log.pieces(from, to, |piece| unsent.extend_from_slice(piece));
                    let count = unsent.len() - start;
                    self.sent(member_id, count);
                }
            }
        }
    }

    /// Removes a member that is too slow or gone. If a line was sent in part, its rest is appended to `unsent`.
    pub fn drop_member(&mut self, member_id: MemberId, unsent: &mut Vec<u8>) {
        self.finish_line(member_id, unsent);
        self.remove(member_id);
    }

    /// Appends the rest of a line that was sent in part.
    fn finish_line(&self, member_id: MemberId, unsent: &mut Vec<u8>) {
        match self.offer(member_id) {
            Offer::DirectMessage(text) if self.members[member_id.0].direct_messages[0].sent > 0 => {
                unsent.extend_from_slice(text)
            }
            Offer::Log { from, to, .. } if !self.timeline.log.is_at_line_start(from) => {
                let mut rest = Vec::new();
                self.timeline.log.pieces(from, to, |piece| rest.extend_from_slice(piece));
                let end = memchr(b'\n', &rest).map_or(rest.len(), |lf| lf + 1);
                unsent.extend_from_slice(&rest[..end]);
            }
            _ => {}
        }
    }

    fn remove(&mut self, member_id: MemberId) {
        let name = self.forget_member(member_id);
        self.propose(Entry::Left(&name.shown));
    }

    fn forget_member(&mut self, member_id: MemberId) -> Name {
        self.is_unsettled = true;
        self.may_trim = true;
        let member = self.members.remove(member_id.0);
        self.direct_bytes -= if member.lossy { 0 } else { member.direct_bytes };
        self.blocked -= usize::from(member.blocked);
        self.keys.remove(&member.name.key);
        for look in member.name.looks.each() {
            self.looks.remove(look);
        }
        member.name
    }

    /// Sends `text`, which is clean UTF-8, from a member to everyone. New members may be shown it later.
    pub fn broadcast(&mut self, member_id: MemberId, text: &[u8]) {
        if self.timeline.is_special() {
            return self.broadcast_specially(member_id, text);
        }
        let prefix = &self.members[member_id.0].prefix;
        self.timeline.say(prefix, text);
        self.mark_pending();
    }

    /// The same, in a room with a transcript or a shared one.
    #[cold]
    #[inline(never)]
    fn broadcast_specially(&mut self, member_id: MemberId, text: &[u8]) {
        let prefix = std::mem::take(&mut self.members[member_id.0].prefix);
        self.propose(Entry::Said { prefix: &prefix, text });
        self.members[member_id.0].prefix = prefix;
    }

    /// Sends a member's action to everyone in the same way.
    pub fn emote(&mut self, member_id: MemberId, text: &str) {
        let name = self.members[member_id.0].name.shown.clone();
        self.propose(Entry::Acted { name: &name, text });
    }

    /// Sends everyone a line that no member said. New members may be shown it later.
    ///
    /// # Errors
    /// Why a shared room does not accept it.
    pub fn proclaim(&mut self, line: &str) -> Result<(), String> {
        self.try_propose(Entry::Announced(line))
    }

    /// Adds a line to the transcript only.
    pub fn write_down(&mut self, line: &str) {
        self.timeline.write_down(line);
    }

    /// The connection of a member.
    pub fn peer(&self, member_id: MemberId) -> ConnectionId {
        self.members[member_id.0].peer
    }

    /// The size of the history for newcomers: the most messages, and the most bytes of them.
    pub fn set_history(&mut self, max: usize, bytes_max: usize) {
        self.timeline.history.set_bounds(max, bytes_max);
    }

    /// Whether there is a transcript.
    pub fn keep_transcript(&mut self, is_kept: bool) {
        self.timeline.keep_transcript(is_kept);
    }

    /// The next line for the transcript.
    pub fn poll_transcript(&mut self) -> Option<Box<str>> {
        self.timeline.poll_transcript()
    }

    /// The members of the room, by name.
    pub fn members(&self) -> impl Iterator<Item = (ConnectionId, &str)> {
        self.members.iter().map(|(_, member)| (member.peer, &*member.name.shown))
    }

    /// Adds an entry to the room: now or, in a shared room, when it comes back from the log.
    fn propose(&mut self, entry: Entry<'_>) {
        let _ = self.try_propose(entry); // its author gets the error
    }

    fn try_propose(&mut self, entry: Entry<'_>) -> Result<(), String> {
        if self.propose_to_log(entry)? {
            return Ok(());
        }
        let is_heard = !self.members.is_empty();
        self.timeline.commit(entry, is_heard);
        if is_heard {
            self.mark_pending();
        }
        Ok(())
    }

    fn mark_pending(&mut self) {
        self.dirty = true;
        self.is_unsettled = true;
    }

    /// Sends `line` to one member, after everything that was said before.
    pub fn send_to(&mut self, member_id: MemberId, line: &str) {
        self.tell_alone(member_id, line, false);
    }

    /// Sends a direct message to one member, which nobody else may see.
    pub fn whisper(&mut self, member_id: MemberId, line: &str) {
        self.tell_alone(member_id, line, true);
    }

    fn tell_alone(&mut self, member_id: MemberId, line: &str, is_private: bool) {
        let at = self.timeline.log.end;
        let member = &mut self.members[member_id.0];
        let mut text = Vec::with_capacity(line.len() + 1);
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        let direct = DirectMessage { at, text: text.into(), sent: 0, is_private };
        member.direct_bytes += direct.bytes();
        self.direct_bytes += if member.lossy { 0 } else { direct.bytes() };
        self.timeline.fresh += direct.bytes();
        member.direct_messages.push_back(direct);
        self.mark_pending();
    }

    /// `alice, bob (2)`, in the order of joining.
    pub fn who(&self) -> String {
        if let Some(shared) = self.shared.as_deref() {
            return listed(shared.names());
        }
        let mut members: Vec<&Member> = self.members.iter().map(|(_, member)| member).collect();
        members.sort_unstable_by_key(|member| member.joined);
        listed(members.iter().map(|member| &*member.name.shown))
    }

    /// All members.
    #[cfg(test)]
    pub fn peers(&self) -> impl Iterator<Item = ConnectionId> {
        self.members.iter().map(|(_, member)| member.peer)
    }
}

/// Names with commas between them, and their number.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let (mut list, mut count) = (String::new(), 0);
    for name in names {
        count += 1;
        if list.len() > WHO_BYTES_MAX {
            continue;
        }
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(if list.len() > WHO_BYTES_MAX { "…" } else { name });
    }
    format!("{list} ({count})")
}

/// The memory of a member in addition to its session and its direct messages: its entry in the table; its name as displayed, before
/// messages and as compared, each at its longest; and its entries among the names and their looks, in tables that have room to
/// grow.
pub const MEMBER_BYTES: usize =
    2 * size_of::<(usize, Member)>() + 2 * size_of::<(Key, MemberId)>() + 21 * NAME_CHARS_MAX + LOOKS_BYTES;

/// The memory of a name's look among all names, in a table that has room to grow; and of its secret.
const LOOKS_BYTES: usize = 2 * 2 * (size_of::<Look>() + 1) + size_of::<Claim>() + SECRET_BYTES_MAX + 32;

/// The memory of a line of the history in addition to its text.
pub const HISTORY_LINE_BYTES: usize = 2 * size_of::<Box<str>>() + 24;

#[cfg(test)]
mod tests;
