//! The chat room: one shared log of what was said, and a cursor into it for each member. Fan-out copies nothing, a slow
//! member is a cursor that lags, and the memory bound is one number. Knows peers by number; has never seen a socket.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use memchr::memchr;
use serde::{Deserialize, Serialize};
use slab::Slab;

use super::claim::{Claim, SECRET_BYTES_MAX};
use super::limits::{ASIDE_BYTES, NAME_CHARS_MAX, WHO_BYTES_MAX};
use super::looks::Look;
use super::message::{Moment, Peer};
use super::name::{Key, Name};
use super::record::SavedLog;
use super::transcript::Transcript;

/// A member's place in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat(usize);

/// The room.
#[derive(Debug, Default)]
pub struct Room {
    log: Log,
    members: Slab<Member>,
    keys: HashMap<Key, Seat>,
    /// What the members' names look like.
    looks: HashSet<Look>,
    /// How many have ever joined: the order of `/who`.
    joins: u64,
    /// What newcomers are shown, and its bounds in messages and bytes.
    history: VecDeque<Box<str>>,
    history_bytes: usize,
    history_max: usize,
    history_bytes_max: usize,
    transcript: Transcript,
    /// Bytes said since everybody was last offered what there is.
    fresh: usize,
    /// Somebody has something new to be offered.
    dirty: bool,
    /// Something was said, sent or left since the room was [settled](Self::settle): a quiet room costs a turn nothing.
    stirred: bool,
    /// Something was sent, or somebody has left, since what all have heard was [forgotten](Self::forget_heard).
    moved: bool,
    /// Members for which the kernel takes nothing.
    blocked: usize,
    /// Lines that members missed since this was last asked.
    skipped: u64,
    /// What was said to single members and not yet sent, but for those who miss the oldest lines of it.
    aside_bytes: usize,
}

#[derive(Debug)]
struct Member {
    peer: Peer,
    name: Name,
    /// What stands before its words.
    prefix: Box<[u8]>,
    joined: u64,
    /// Up to where in the log it has been sent.
    cursor: u64,
    /// What was said to it alone.
    asides: VecDeque<Aside>,
    aside_bytes: usize,
    /// Since when it has been behind, if it is one of those that get message by message.
    behind_since: Option<Moment>,
    /// The kernel takes nothing for it at the moment.
    blocked: bool,
    /// It is already in the list of those to be offered something.
    called: bool,
    /// When it is too far behind, it misses the oldest lines and stays.
    lossy: bool,
    /// Who shows the same has its name.
    claim: Option<Box<Claim>>,
}

/// How far a member is, for the process after a restart.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedPlace {
    /// Up to where in the log it has been sent.
    cursor: u64,
    /// What was said to it alone: at which place, of how many bytes, and how many of them were sent.
    asides: Vec<(u64, usize, usize)>,
}

/// A place further than any log comes to.
const PLACE_MAX: u64 = 1 << 62;

/// What is said to one member alone, at its place in the room's order.
#[derive(Debug)]
struct Aside {
    at: u64,
    text: Box<[u8]>,
    sent: usize,
    /// Another member said it.
    is_private: bool,
}

impl Aside {
    /// What it counts for: many short ones must not take more memory than the backlog says.
    fn bytes(&self) -> usize {
        self.text.len() + ASIDE_BYTES
    }
}

/// What a member can be sent next.
pub enum Offer<'a> {
    /// It has seen everything.
    Nothing,
    /// A piece said to it alone.
    Aside(&'a [u8]),
    /// The room's log.
    Log {
        /// From this place on.
        from: u64,
        /// To this one.
        to: u64,
        /// Something that was said to it alone comes behind it.
        goes_on: bool,
    },
}

impl Room {
    /// How many are in the room.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Bytes said since everybody was last offered what there is.
    pub fn fresh(&self) -> usize {
        self.fresh
    }

    /// Bytes that the log and the history hold.
    pub fn log_bytes(&self) -> usize {
        self.log.chunks.len() * CHUNK + self.history_bytes
    }

    /// Bytes that one member has not been sent yet.
    pub fn behind(&self, seat: Seat) -> usize {
        let member = &self.members[seat.0];
        let asides: usize = member.asides.iter().map(|aside| aside.text.len() - aside.sent).sum();
        (self.log.end - member.cursor) as usize + asides
    }

    /// What is held of what was said to single members and is not yet sent, but for those who miss the oldest lines of it.
    pub fn aside_bytes(&self) -> usize {
        self.aside_bytes
    }

    /// The same of one member.
    pub fn aside_bytes_of(&self, seat: Seat) -> usize {
        self.members[seat.0].aside_bytes
    }

    /// The same of those who miss the oldest lines.
    pub fn lossy_aside_bytes(&self) -> usize {
        self.members.iter().map(|(_, member)| if member.lossy { member.aside_bytes } else { 0 }).sum()
    }

    /// Whether somebody has something new to hear and has not been [called](Self::call).
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether somebody has that name, or one that can be taken for it.
    pub fn has(&self, name: &Name) -> bool {
        self.keys.contains_key(&name.key) || name.looks.each().iter().any(|look| self.looks.contains(look))
    }

    /// Who has that name.
    pub fn seat_of(&self, key: &Key) -> Option<Seat> {
        self.keys.get(key).copied()
    }

    /// A member's name, as it is shown.
    pub fn name(&self, seat: Seat) -> &str {
        &self.members[seat.0].name.shown
    }

    /// What was said last, oldest first.
    pub fn history(&self) -> impl Iterator<Item = &str> {
        self.history.iter().map(AsRef::as_ref)
    }

    /// Its bytes, with a line end each.
    pub fn history_bytes(&self) -> usize {
        self.history_bytes + self.history.len()
    }

    /// Lets a member in; everybody who was in before hears of it, the newcomer hears what is said from now on.
    pub fn join(&mut self, peer: Peer, name: Name) -> Seat {
        self.announce(&format!("{} has joined the chat!", name.shown));
        self.joins += 1;
        self.admit(peer, name, self.joins)
    }

    fn admit(&mut self, peer: Peer, name: Name, joined: u64) -> Seat {
        let key = name.key.clone();
        let prefix = format!("{}: ", name.shown).into_bytes().into();
        let seat = Seat(self.members.insert(Member {
            peer,
            name,
            prefix,
            joined,
            cursor: self.log.end,
            asides: VecDeque::new(),
            aside_bytes: 0,
            behind_since: None,
            blocked: false,
            called: false,
            lossy: false,
            claim: None,
        }));
        self.looks.extend(self.members[seat.0].name.looks.each());
        self.keys.insert(key, seat);
        seat
    }

    /// What the process after a restart has to know of a member: its name, when it joined, and how far it is; appended to
    /// `texts` what was said to it alone.
    pub fn save_member<'r>(&'r self, seat: Seat, texts: &mut Vec<&'r [u8]>) -> (String, u64, SavedPlace) {
        let member = &self.members[seat.0];
        texts.extend(member.asides.iter().map(|aside| &*aside.text));
        let asides = member.asides.iter().map(|aside| (aside.at, aside.text.len(), aside.sent)).collect();
        (member.name.shown.to_string(), member.joined, SavedPlace { cursor: member.cursor, asides })
    }

    /// The log: the place where it begins, and its bytes.
    pub fn save_log(&self) -> (u64, Vec<&[u8]>) {
        (self.log.base, self.log.chunks.iter().map(Vec::as_slice).collect())
    }

    /// What the room had said before a restart.
    pub fn restore_log(&mut self, log: SavedLog) {
        if log.base < PLACE_MAX {
            (self.log.base, self.log.end) = (log.base, log.base);
            self.log.append(&log.bytes);
        }
    }

    /// Where a member was before a restart. Of a place that cannot have been, nothing is taken.
    pub fn restore_place(&mut self, seat: Seat, place: SavedPlace, texts: &[u8]) {
        let mut asides = VecDeque::with_capacity(place.asides.len());
        let (mut after, mut texts) = (place.cursor, texts);
        for (at, bytes, sent) in place.asides {
            if !(after..=self.log.end).contains(&at) || sent > bytes || bytes > texts.len() {
                return;
            }
            let (text, rest) = texts.split_at(bytes);
            // Which of them are between two members is not kept: all are taken for that.
            asides.push_back(Aside { at, text: text.into(), sent, is_private: true });
            (after, texts) = (at, rest);
        }
        if !(self.log.base..=self.log.end).contains(&place.cursor) {
            return;
        }
        let member = &mut self.members[seat.0];
        member.cursor = place.cursor;
        member.aside_bytes = asides.iter().map(Aside::bytes).sum();
        self.aside_bytes += member.aside_bytes;
        member.asides = asides;
        self.moved = true;
        self.stir();
    }

    /// Gives a member its place back, without a word to anybody; `None` if that is no name, or taken.
    pub fn restore_member(&mut self, peer: Peer, name: &str, joined: u64) -> Option<Seat> {
        let name = Name::new(name).ok().filter(|name| !self.has(name))?;
        self.joins = self.joins.max(joined);
        Some(self.admit(peer, name, joined))
    }

    /// What a member has set to have its name back.
    pub fn claim(&self, seat: Seat) -> Option<&Claim> {
        self.members[seat.0].claim.as_deref()
    }

    /// Who shows the same from now on has the member's name.
    pub fn set_claim(&mut self, seat: Seat, claim: Claim) {
        self.members[seat.0].claim = Some(Box::new(claim));
    }

    /// Gives a member's place to another connection, without a word to anybody; it hears what is said from now on. Whose it
    /// was, and the rest of a line that was sent there in part.
    pub fn take_over(&mut self, seat: Seat, peer: Peer) -> (Peer, Vec<u8>) {
        let mut begun = Vec::new();
        self.finish_line(seat, &mut begun);
        self.set_blocked(seat, false);
        let member = &mut self.members[seat.0];
        self.aside_bytes -= if member.lossy { 0 } else { std::mem::take(&mut member.aside_bytes) };
        member.asides = VecDeque::new();
        (member.cursor, member.behind_since, member.called) = (self.log.end, None, false);
        self.moved = true;
        (std::mem::replace(&mut member.peer, peer), begun)
    }

    /// What was said before a restart.
    pub fn restore_history(&mut self, history: Vec<String>) {
        history.into_iter().for_each(|line| self.remember(line.into()));
    }

    /// A member did not come through a restart.
    pub fn miss(&mut self, name: &str) {
        self.announce(&format!("{name} has left the chat."));
    }

    /// Lets a member go. What it has not been sent yet is appended to `unsent`; the others hear that it left.
    pub fn leave(&mut self, seat: Seat, unsent: &mut Vec<u8>) {
        self.take_unsent(seat, unsent);
        self.remove(seat);
    }

    /// The same when all go because the room closes: nobody stays to hear that a member left.
    pub fn send_home(&mut self, seat: Seat, unsent: &mut Vec<u8>) {
        self.take_unsent(seat, unsent);
        self.forget_member(seat);
    }

    fn take_unsent(&mut self, seat: Seat, unsent: &mut Vec<u8>) {
        loop {
            match self.offer(seat) {
                Offer::Nothing => break,
                Offer::Aside(text) => {
                    let count = text.len();
                    unsent.extend_from_slice(text);
                    self.sent(seat, count);
                }
                Offer::Log { from, to, .. } => {
                    let start = unsent.len();
                    self.log.pieces(from, to, |piece| unsent.extend_from_slice(piece));
                    let count = unsent.len() - start;
                    self.sent(seat, count);
                }
            }
        }
    }

    /// Lets a member go that is too slow or gone. If a line was sent in part, its rest is appended to `unsent`.
    pub fn drop_member(&mut self, seat: Seat, unsent: &mut Vec<u8>) {
        self.finish_line(seat, unsent);
        self.remove(seat);
    }

    /// Appends the rest of a line that was sent in part.
    fn finish_line(&self, seat: Seat, unsent: &mut Vec<u8>) {
        match self.offer(seat) {
            Offer::Aside(text) if self.members[seat.0].asides[0].sent > 0 => unsent.extend_from_slice(text),
            Offer::Log { from, to, .. } if !self.log.is_at_line_start(from) => {
                let mut rest = Vec::new();
                self.log.pieces(from, to, |piece| rest.extend_from_slice(piece));
                let end = memchr(b'\n', &rest).map_or(rest.len(), |lf| lf + 1);
                unsent.extend_from_slice(&rest[..end]);
            }
            _ => {}
        }
    }

    fn remove(&mut self, seat: Seat) {
        let name = self.forget_member(seat);
        self.announce(&format!("{} has left the chat.", name.shown));
    }

    fn forget_member(&mut self, seat: Seat) -> Name {
        self.stirred = true;
        self.moved = true;
        let member = self.members.remove(seat.0);
        self.aside_bytes -= if member.lossy { 0 } else { member.aside_bytes };
        self.blocked -= usize::from(member.blocked);
        self.keys.remove(&member.name.key);
        for look in member.name.looks.each() {
            self.looks.remove(look);
        }
        member.name
    }

    /// Everybody hears `text`, which is clean UTF-8, from a member. A newcomer may be shown it later.
    pub fn say(&mut self, seat: Seat, text: &[u8]) {
        let line = [&*self.members[seat.0].prefix, text];
        self.transcript.add(&line);
        self.fresh += self.log.append_line(&line);
        if self.history_max > 0 {
            let line = String::from_utf8_lossy(&line.concat()).into_owned();
            self.remember(line.into());
        }
        self.stir();
    }

    /// Everybody hears what a member does, likewise.
    pub fn act(&mut self, seat: Seat, text: &str) {
        let line = format!("* {} {text}", self.name(seat));
        self.announce(&line);
        self.remember(line.into());
    }

    /// Everybody hears a line that no member says. A newcomer may be shown it later.
    pub fn proclaim(&mut self, line: &str) {
        self.announce(line);
        self.remember(line.into());
    }

    /// The transcript has a line that nobody hears.
    pub fn write_down(&mut self, line: &str) {
        self.transcript.add(&[line.as_bytes()]);
    }

    /// Whose place it is.
    pub fn peer(&self, seat: Seat) -> Peer {
        self.members[seat.0].peer
    }

    /// How much newcomers are shown: so many messages, and of those no more than so many bytes.
    pub fn set_history(&mut self, max: usize, bytes_max: usize) {
        (self.history_max, self.history_bytes_max) = (max, bytes_max);
        self.trim_history();
    }

    /// Whether what is heard is to be written down.
    pub fn keep_transcript(&mut self, is_kept: bool) {
        self.transcript.keep(is_kept);
    }

    /// The next line to write down.
    pub fn poll_transcript(&mut self) -> Option<Box<str>> {
        self.transcript.poll()
    }

    /// Who is in the room, by name.
    pub fn members(&self) -> impl Iterator<Item = (Peer, &str)> {
        self.members.iter().map(|(_, member)| (member.peer, &*member.name.shown))
    }

    fn remember(&mut self, line: Box<str>) {
        self.history_bytes += line.len();
        self.history.push_back(line);
        self.trim_history();
    }

    /// Forgets what was said longest ago.
    fn trim_history(&mut self) {
        while self.history.len() > self.history_max || self.history_bytes > self.history_bytes_max {
            let Some(line) = self.history.pop_front() else { break };
            self.history_bytes -= line.len();
        }
    }

    /// Everybody hears `line`.
    fn announce(&mut self, line: &str) {
        self.transcript.add(&[line.as_bytes()]);
        if self.members.is_empty() {
            return;
        }
        self.fresh += self.log.append_line(&[line.as_bytes()]);
        self.stir();
    }

    fn stir(&mut self) {
        self.dirty = true;
        self.stirred = true;
    }

    /// One member hears `line`, after all that was said before.
    pub fn tell(&mut self, seat: Seat, line: &str) {
        self.tell_alone(seat, line, false);
    }

    /// The same for what is between two members, and for nobody else's eyes.
    pub fn whisper(&mut self, seat: Seat, line: &str) {
        self.tell_alone(seat, line, true);
    }

    fn tell_alone(&mut self, seat: Seat, line: &str, is_private: bool) {
        let at = self.log.end;
        let member = &mut self.members[seat.0];
        let mut text = Vec::with_capacity(line.len() + 1);
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        let aside = Aside { at, text: text.into(), sent: 0, is_private };
        member.aside_bytes += aside.bytes();
        self.aside_bytes += if member.lossy { 0 } else { aside.bytes() };
        self.fresh += aside.bytes();
        member.asides.push_back(aside);
        self.stir();
    }

    /// `alice, bob (2)`, in the order in which they came.
    pub fn who(&self) -> String {
        let mut members: Vec<&Member> = self.members.iter().map(|(_, member)| member).collect();
        members.sort_unstable_by_key(|member| member.joined);
        let mut list = String::new();
        for member in members {
            if list.len() > WHO_BYTES_MAX {
                list.push_str(", …");
                break;
            }
            if !list.is_empty() {
                list.push_str(", ");
            }
            list.push_str(&member.name.shown);
        }
        format!("{list} ({})", self.members.len())
    }

    /// Whether something that is between two members waits for one.
    pub fn confides(&self, seat: Seat) -> bool {
        self.members[seat.0].asides.iter().any(|aside| aside.is_private)
    }

    /// Whether what the member can be sent next is that.
    pub fn offers_private(&self, seat: Seat) -> bool {
        let member = &self.members[seat.0];
        member.asides.front().is_some_and(|aside| aside.is_private && aside.at == member.cursor)
    }

    /// What the member can be sent next.
    pub fn offer(&self, seat: Seat) -> Offer<'_> {
        let member = &self.members[seat.0];
        let from = member.cursor;
        match member.asides.front() {
            Some(aside) if aside.at == from => Offer::Aside(&aside.text[aside.sent..]),
            Some(aside) => Offer::Log { from, to: aside.at, goes_on: true },
            None if from == self.log.end => Offer::Nothing,
            None => Offer::Log { from, to: self.log.end, goes_on: false },
        }
    }

    /// The log from one place to another, as it lies in memory, in at most `slices.len()` pieces; how many.
    pub fn slices<'a>(&'a self, from: u64, to: u64, slices: &mut [&'a [u8]]) -> usize {
        if let ([place, ..], Some(whole)) = (&mut *slices, self.log.piece(from, to)) {
            *place = whole;
            return 1;
        }
        let mut count = 0;
        self.log.pieces(from, to, |piece| {
            if let Some(place) = slices.get_mut(count) {
                *place = piece;
                count += 1;
            }
        });
        count
    }

    /// Takes what the member hears next, line by line without their ends, until that are `max` bytes or a little more. `each`
    /// is told whether a line is between two members.
    pub fn take_lines(&mut self, seat: Seat, max: usize, mut each: impl FnMut(&[u8], bool)) {
        let (mut left, mut text) = (max, Vec::new());
        while left > 0 {
            let count = match self.offer(seat) {
                Offer::Nothing => break,
                Offer::Aside(line) => {
                    let is_private = self.members[seat.0].asides[0].is_private;
                    each(line.strip_suffix(b"\n").unwrap_or(line), is_private);
                    line.len()
                }
                Offer::Log { from, to, .. } => {
                    let to = if to - from > left as u64 {
                        self.log.line_end(from + left as u64).min(to)
                    } else {
                        to
                    };
                    text.clear();
                    self.log.pieces(from, to, |piece| text.extend_from_slice(piece));
                    text.strip_suffix(b"\n")
                        .unwrap_or(&text)
                        .split(|byte| *byte == b'\n')
                        .for_each(|line| each(line, false));
                    text.len()
                }
            };
            self.sent(seat, count);
            left = left.saturating_sub(count);
        }
    }

    /// How long the member has been behind; `waits`: something that was taken for it was not sent yet.
    pub fn lag(&mut self, seat: Seat, waits: bool, now: Moment) -> Duration {
        let (end, member) = (self.log.end, &mut self.members[seat.0]);
        let is_behind = waits || member.cursor < end || !member.asides.is_empty();
        let since = if is_behind { Some(*member.behind_since.get_or_insert(now)) } else { None };
        member.behind_since = since;
        since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// The first `count` bytes of the current [`offer`](Self::offer), as rendered, were sent.
    #[inline]
    pub fn sent(&mut self, seat: Seat, count: usize) {
        self.stirred = true;
        self.moved = true;
        let member = &mut self.members[seat.0];
        if member.asides.is_empty() {
            member.cursor += count as u64;
            return;
        }
        match member.asides.front_mut() {
            Some(aside) if aside.at == member.cursor => {
                aside.sent += count;
                if aside.sent == aside.text.len() {
                    member.aside_bytes -= aside.bytes();
                    self.aside_bytes -= if member.lossy { 0 } else { aside.bytes() };
                    member.asides.pop_front();
                    if member.asides.is_empty() {
                        member.asides = VecDeque::new(); // its memory counts only while something is in it
                    }
                }
            }
            _ => member.cursor += count as u64,
        }
    }

    /// The kernel takes nothing more for this member, or does again.
    pub fn set_blocked(&mut self, seat: Seat, blocked: bool) {
        self.stirred = true; // who was not slow may be now
        let was_blocked = std::mem::replace(&mut self.members[seat.0].blocked, blocked);
        self.blocked = self.blocked + usize::from(blocked) - usize::from(was_blocked);
    }

    /// The member is never too slow: it misses the oldest lines instead.
    pub fn set_lossy(&mut self, seat: Seat) {
        let member = &mut self.members[seat.0];
        self.aside_bytes -= if member.lossy { 0 } else { member.aside_bytes };
        member.lossy = true;
    }

    /// Lines that members missed since the last call.
    pub fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// Appends to `list` everybody who can be offered something new and is not in it yet.
    pub fn call(&mut self, list: &mut VecDeque<Peer>) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        for (_, member) in &mut self.members {
            let behind = member.cursor < self.log.end || !member.asides.is_empty();
            if behind && !member.blocked && !member.called {
                member.called = true;
                list.push_back(member.peer);
            }
        }
    }

    /// The member is being offered what there is.
    pub fn answer_call(&mut self, seat: Seat) {
        self.members[seat.0].called = false;
    }

    /// Everybody has been offered what there is: what all have heard is forgotten, before more is said.
    pub fn forget_heard(&mut self) {
        if std::mem::take(&mut self.moved) {
            let cursors = self.members.iter().map(|(_, member)| member.cursor);
            self.log.forget(cursors.fold(self.log.end, u64::min));
        }
    }

    /// Everybody has been offered what there is, and had time to take it: new messages are welcome again. Returns those
    /// who are more than `backlog` bytes behind because they do not read.
    pub fn settle(&mut self, backlog: usize) -> Vec<Peer> {
        if !std::mem::take(&mut self.stirred) {
            return Vec::new();
        }
        self.fresh = 0;
        if self.blocked == 0 {
            return Vec::new();
        }
        let end = self.log.end;
        let mut slow = Vec::new();
        for (_, member) in &mut self.members {
            // Who takes what it is offered is behind only by what was said in this turn.
            if member.blocked && member.behind(end) > backlog {
                if member.lossy {
                    self.skipped += member.skip_oldest(&self.log, backlog);
                    self.moved = true;
                } else {
                    slow.push(member.peer);
                }
            }
        }
        slow
    }

    /// Everybody in the room.
    #[cfg(test)]
    pub fn peers(&self) -> impl Iterator<Item = Peer> {
        self.members.iter().map(|(_, member)| member.peer)
    }
}

impl Member {
    /// Bytes that it has not been sent, as they count.
    fn behind(&self, end: u64) -> usize {
        (end - self.cursor) as usize + self.aside_bytes
    }

    /// Leaves out the oldest lines until no more than `backlog` bytes wait for it; how many lines. One that was sent in
    /// part is finished first.
    fn skip_oldest(&mut self, log: &Log, backlog: usize) -> u64 {
        let begun = match self.asides.front() {
            Some(aside) if aside.at == self.cursor && aside.sent > 0 => self.asides.pop_front(),
            _ if !log.is_at_line_start(self.cursor) => {
                let end = log.line_end(self.cursor);
                let mut text = vec![b'\n']; // stands for what was sent
                log.pieces(self.cursor, end, |piece| text.extend_from_slice(piece));
                self.cursor = end;
                let aside = Aside { at: end, text: text.into(), sent: 1, is_private: false };
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
            self.asides.push_front(Aside { at: self.cursor, ..begun });
        }
        count
    }
}

/// What a member takes beside its session and what is said to it: its place, its name as shown, before words and as compared,
/// each at its longest, and its entries among the names and their looks, in tables that have room to grow.
pub const MEMBER_BYTES: usize =
    2 * size_of::<(usize, Member)>() + 2 * size_of::<(Key, Seat)>() + 21 * NAME_CHARS_MAX + LOOKS_BYTES;

/// What a member's name looks like among all names, in a table that has room to grow; and the secret that it has set.
const LOOKS_BYTES: usize = 2 * 2 * (size_of::<Look>() + 1) + size_of::<Claim>() + SECRET_BYTES_MAX + 32;

/// What a line of the history takes beside its text.
pub const HISTORY_LINE_BYTES: usize = 2 * size_of::<Box<str>>() + 24;

/// Bytes in one chunk of the log: some hundred messages.
const CHUNK: usize = 16 * 1024;

/// A sequence of bytes of which the front can be forgotten. Places in it are counted from its beginning for ever.
#[derive(Debug, Default)]
struct Log {
    chunks: VecDeque<Vec<u8>>,
    /// The place of the first chunk's first byte.
    base: u64,
    end: u64,
}

impl Log {
    /// A line made of parts; how many bytes it has with its end.
    fn append_line(&mut self, parts: &[&[u8]]) -> usize {
        let count = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
        match self.chunks.back_mut().filter(|chunk| chunk.len() + count <= CHUNK) {
            Some(chunk) => {
                parts.iter().for_each(|part| chunk.extend_from_slice(part));
                chunk.push(b'\n');
                self.end += count as u64;
            }
            None => {
                parts.iter().for_each(|part| self.append(part));
                self.append(b"\n");
            }
        }
        count
    }

    fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.chunks.push_back(Vec::with_capacity(CHUNK));
            }
            let chunk = self.chunks.back_mut().expect("a chunk with room was just seen to");
            let count = bytes.len().min(CHUNK - chunk.len());
            chunk.extend_from_slice(&bytes[..count]);
            self.end += count as u64;
            bytes = &bytes[count..];
        }
    }

    /// `from..to`, if it lies in the first chunk, as it nearly always does.
    fn piece(&self, from: u64, to: u64) -> Option<&[u8]> {
        self.chunks.front()?.get((from - self.base) as usize..(to - self.base) as usize)
    }

    /// Hands out `from..to`, chunk by chunk.
    fn pieces<'a>(&'a self, from: u64, to: u64, mut each: impl FnMut(&'a [u8])) {
        let mut at = from;
        while at < to {
            let offset = (at - self.base) as usize;
            let chunk = &self.chunks[offset / CHUNK][offset % CHUNK..];
            let piece = &chunk[..chunk.len().min((to - at) as usize)];
            at += piece.len() as u64;
            each(piece);
        }
    }

    /// The place behind the LF that ends the line at `from`.
    fn line_end(&self, from: u64) -> u64 {
        let mut at = from;
        while at < self.end {
            let offset = (at - self.base) as usize;
            let chunk = &self.chunks[offset / CHUNK][offset % CHUNK..];
            match memchr(b'\n', chunk) {
                Some(lf) => return at + lf as u64 + 1,
                None => at += chunk.len() as u64,
            }
        }
        self.end
    }

    fn is_at_line_start(&self, place: u64) -> bool {
        let mut before = Some(&b'\n');
        if place > self.base {
            self.pieces(place - 1, place, |piece| before = piece.first());
        }
        before == Some(&b'\n')
    }

    /// Forgets what lies before `place`, but for the last byte, which says whether a line starts there; a single chunk that
    /// nobody needs any more is kept for the next message.
    fn forget(&mut self, place: u64) {
        while self.chunks.len() > 1 && place > self.base + CHUNK as u64 {
            self.chunks.pop_front();
            self.base += CHUNK as u64;
        }
        if place == self.end {
            self.base = self.end;
            self.chunks.truncate(1);
            if let Some(chunk) = self.chunks.front_mut() {
                chunk.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(index: u32) -> Peer {
        Peer { index, generation: 1 }
    }

    /// A line without a speaker.
    fn say(room: &mut Room, line: &str) {
        room.announce(line);
        room.remember(line.into());
    }

    fn join(room: &mut Room, index: u32) -> Seat {
        room.join(peer(index), Name::new(&format!("m{index}")).unwrap())
    }

    #[test]
    fn a_line_that_was_cut_where_a_chunk_ends_is_still_known_for_one() {
        let mut room = Room::default();
        let (seat, other) = (join(&mut room, 1), join(&mut room, 2));
        room.set_lossy(seat);
        drain(&mut room, seat, 100);
        say(&mut room, &"x".repeat(2 * CHUNK));
        drain(&mut room, other, CHUNK);
        // It takes what is left of the first chunk, and then nothing.
        let Offer::Log { from, .. } = room.offer(seat) else { panic!("nothing to hear") };
        room.sent(seat, CHUNK - from as usize);
        room.set_blocked(seat, true);
        (0..3).for_each(|_| assert!(room.settle(2 * CHUNK).is_empty()));
        say(&mut room, "the last");
        room.settle(10);
        assert_eq!(room.take_skipped(), 1, "the last alone: what was begun is finished");
        let heard = drain(&mut room, seat, 100);
        assert!(heard.ends_with("x\n") && heard.len() > CHUNK, "{}", heard.len());
    }

    #[test]
    fn many_short_words_to_one_member_count_for_the_memory_that_they_take() {
        let mut room = Room::default();
        let seat = join(&mut room, 1);
        drain(&mut room, seat, 100);
        room.set_blocked(seat, true);
        let backlog = 64 * 1024;
        let mut count = 0;
        while room.settle(backlog).is_empty() {
            room.tell(seat, "x");
            count += 1;
        }
        assert_eq!(count, backlog / (2 + ASIDE_BYTES) + 1);
        let (member, words) = (&room.members[seat.0], count * 2);
        // Each has a place of its own, and its text in the smallest piece that the allocator gives.
        assert!(member.asides.capacity() * size_of::<Aside>() + count * 32 <= backlog * 3 / 2);
        assert_eq!((room.behind(seat), room.aside_bytes()), (words, words + count * ASIDE_BYTES));
        assert_eq!(drain(&mut room, seat, 100).len(), words);
        assert_eq!((room.behind(seat), room.aside_bytes()), (0, 0));
    }

    /// All that the member can be sent, in pieces of `step` bytes at most.
    fn drain(room: &mut Room, seat: Seat, step: usize) -> String {
        let mut heard = Vec::new();
        loop {
            let mut piece = Vec::new();
            match room.offer(seat) {
                Offer::Nothing => return String::from_utf8(heard).unwrap(),
                Offer::Aside(text) => piece.extend_from_slice(text),
                Offer::Log { from, to, .. } => {
                    let mut slices = [&[][..]; 2];
                    let count = room.slices(from, to, &mut slices);
                    slices[..count].iter().for_each(|slice| piece.extend_from_slice(slice));
                }
            }
            piece.truncate(step);
            room.sent(seat, piece.len());
            heard.extend_from_slice(&piece);
        }
    }

    #[test]
    fn every_member_hears_the_same_in_the_same_order_however_it_reads() {
        for step in [1, 3, 7, 100_000] {
            let mut room = Room::default();
            let (line, bare) = (join(&mut room, 1), join(&mut room, 2));
            say(&mut room, "m1: a");
            room.tell(line, "to you alone");
            say(&mut room, "m2: b");
            room.tell(bare, "to me alone");
            let long = "x".repeat(3 * CHUNK);
            say(&mut room, &long);
            assert_eq!(
                drain(&mut room, line, step),
                format!("m2 has joined the chat!\nm1: a\nto you alone\nm2: b\n{long}\n")
            );
            let mut lines = Vec::new();
            while !matches!(room.offer(bare), Offer::Nothing) {
                let each = |line: &[u8], _: bool| lines.push(String::from_utf8(line.to_vec()).unwrap());
                room.take_lines(bare, step, each);
            }
            assert_eq!(lines, ["m1: a", "m2: b", "to me alone", &long]);
        }
    }

    #[test]
    fn what_all_have_seen_is_forgotten_and_who_lags_is_named() {
        let mut room = Room::default();
        let (fast, slow) = (join(&mut room, 1), join(&mut room, 2));
        for _ in 0..100 {
            say(&mut room, &"y".repeat(1000));
            drain(&mut room, fast, CHUNK);
            assert_eq!(room.settle(1 << 20), []);
        }
        assert_eq!(room.settle(50_000), [], "it was not offered anything yet");
        assert_eq!(room.settle(50_000), [], "and nothing has happened since");
        room.set_blocked(slow, true);
        assert_eq!(room.settle(100_000), [peer(2)]);
        let mut unsent = Vec::new();
        room.sent(slow, 10);
        room.drop_member(slow, &mut unsent);
        assert_eq!(unsent, "y".repeat(990).into_bytes().into_iter().chain([b'\n']).collect::<Vec<_>>());
        drain(&mut room, fast, CHUNK);
        room.forget_heard();
        assert_eq!(room.log_bytes(), CHUNK);
        assert_eq!(room.log.base, room.log.end, "the next message comes where the first did");
    }

    #[test]
    fn what_a_member_says_has_its_name_in_front_also_where_a_chunk_ends_and_in_the_history() {
        let mut room = Room::default();
        let seat = join(&mut room, 1);
        room.say(seat, b"nobody asked for a history");
        room.set_history(2, CHUNK);
        drain(&mut room, seat, CHUNK);
        let mut expected = String::new();
        for number in 0..2 * CHUNK / 100 {
            room.say(seat, format!("{number:90}").as_bytes());
            expected += &format!("m1: {number:90}\n");
        }
        room.act(seat, "waves");
        assert!(drain(&mut room, seat, CHUNK) == expected + "* m1 waves\n");
        let last = 2 * CHUNK / 100 - 1;
        assert_eq!(room.history().collect::<Vec<_>>(), [format!("m1: {last:90}"), "* m1 waves".to_owned()]);
    }

    #[test]
    fn history_is_bounded_in_messages_and_in_bytes() {
        let mut room = Room::default();
        say(&mut room, "forgotten: nobody asked for a history");
        room.set_history(3, 20);
        ["a: 1", "b: 2", "c: 3", "d: 4"].iter().for_each(|line| say(&mut room, line));
        assert_eq!(room.history().collect::<Vec<_>>(), ["b: 2", "c: 3", "d: 4"]);
        say(&mut room, "e: a longer one");
        assert_eq!(room.history().collect::<Vec<_>>(), ["d: 4", "e: a longer one"]);
        room.set_history(1, 20);
        assert_eq!(room.history().collect::<Vec<_>>(), ["e: a longer one"]);
    }

    #[test]
    fn a_member_who_has_heard_all_that_was_said_to_it_alone_takes_no_memory_for_it() {
        let mut room = Room::default();
        let seat = join(&mut room, 1);
        for _ in 0..1000 {
            room.tell(seat, "psst");
        }
        assert_eq!(room.aside_bytes(), room.aside_bytes_of(seat));
        drain(&mut room, seat, CHUNK);
        assert_eq!((room.aside_bytes(), room.members[seat.0].asides.capacity()), (0, 0));
        room.tell(seat, "psst");
        room.drop_member(seat, &mut Vec::new());
        assert_eq!(room.aside_bytes(), 0, "nor does one who is gone");
    }

    #[test]
    fn who_leaves_is_sent_what_it_has_not_seen() {
        let mut room = Room::default();
        let (a, b) = (join(&mut room, 1), join(&mut room, 2));
        say(&mut room, "m1: hi");
        room.tell(b, "psst");
        let mut unsent = Vec::new();
        room.leave(b, &mut unsent);
        assert_eq!(unsent, b"m1: hi\npsst\n");
        assert_eq!(drain(&mut room, a, 5), "m2 has joined the chat!\nm1: hi\nm2 has left the chat.\n");
        assert_eq!(room.who(), "m1 (1)");
        assert_eq!(room.peers().collect::<Vec<_>>(), [peer(1)]);
    }
}
