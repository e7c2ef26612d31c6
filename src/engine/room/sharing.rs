//! A shared room: messages are proposed to the log, and delivered when they come back from there. Knows members by name; the
//! uplink decides about names and implements the protocol.

use std::collections::VecDeque;

use super::super::claim::Claim;
use super::super::limits::ROOM_BURST_BYTES;
use super::super::message::{ConnectionId, Timestamp};
use super::super::name::{Key, Name};
use super::super::uplink::{self, Event, InstanceId, Outcome, Seen, Ticket, Uplink, Whisper, WhisperId};
use super::super::words;
use super::Room;
use super::audience::Audience;
use super::member::MemberId;
use super::shared::{Consequence, Newcomer, Shared};
use super::timeline::Entry;

/// The most private messages of ours that wait for an answer, which takes seconds at most.
const WHISPERS_MAX: usize = 1024;

/// The most newcomers that have left before the log had them: each needs two entries there, joined and left.
const NEWCOMERS_GONE_MAX: usize = 1000;

impl Room {
    /// Shares the room from now on. Its members join again, each at its place in the log.
    /// `seen`: what its members have seen of the shared room before a restart.
    pub fn share(&mut self, uplink: Uplink, now: Timestamp, seen: Option<(bool, bool)>) {
        let (joining, whispers) = (Vec::new(), VecDeque::new());
        let (has_begun, is_cut_off) = seen.unwrap_or_default();
        // Clients that were waiting to join, if it was already shared with other settings.
        let before = self.shared.take().map(|shared| shared.joining).unwrap_or_default();
        self.shared = Some(Box::new(Shared {
            uplink,
            now,
            joining,
            has_begun,
            is_cut_off,
            is_continued: seen.is_some(),
            whispers,
        }));
        self.timeline.set_shared(true);
        if seen.is_none() {
            let mut members: Vec<_> =
                self.members.iter().map(|(_, member)| (member.joined, &member.name)).collect();
            members.sort_unstable_by_key(|(joined, _)| *joined);
            let shared = self.shared.as_mut().expect("it was just set");
            for (_, name) in members {
                shared.propose(uplink::Entry::Joined(&name.shown));
            }
            for newcomer in before.into_iter().filter(|newcomer| newcomer.peer.is_some()) {
                shared.propose(uplink::Entry::Joined(&newcomer.name.shown));
                shared.joining.push(newcomer);
            }
        }
    }

    /// Stops sharing the room. Clients that were waiting to join do so now; returns their consequences.
    pub fn stop_sharing(&mut self) -> Vec<Consequence> {
        let Some(shared) = self.shared.take() else { return Vec::new() };
        self.timeline.set_shared(false);
        self.timeline.fresh_floor = 0;
        self.announce(words::ALONE);
        let newcomers = shared.joining.into_iter().filter_map(|newcomer| Some((newcomer.peer?, newcomer)));
        let mut consequences = Vec::new();
        for (peer, newcomer) in newcomers {
            consequences.push(match self.has(&newcomer.name) {
                true => Consequence::NameTaken(peer, newcomer.name.shown, Vec::new()),
                false => {
                    let member_id = self.join(peer, newcomer.name);
                    self.members[member_id.0].claim = newcomer.claim.map(Box::new);
                    Consequence::Joined(peer, member_id, newcomer.rest)
                }
            });
        }
        consequences
    }

    /// The shared side, if the room is shared.
    pub fn shared(&self) -> Option<&Shared> {
        self.shared.as_deref()
    }

    /// The uplink, with the current time set.
    pub fn uplink_mut(&mut self, now: Timestamp) -> Option<&mut Uplink> {
        let shared = self.shared.as_deref_mut()?;
        shared.now = now;
        Some(&mut shared.uplink)
    }

    /// The value of [`fresh`](Self::fresh) without new messages.
    pub fn floor(&self) -> usize {
        self.timeline.fresh_floor
    }

    /// Whether the log accepts nothing for now, so that members wait.
    pub fn is_full(&self) -> bool {
        self.timeline.fresh_floor > 0
    }

    /// Handles a client that wants to join with this name. Returns whether it must wait for its place in the log.
    pub(super) fn must_wait(
        &mut self,
        peer: ConnectionId,
        name: &Name,
        rest: &str,
        claim: Option<&Claim>,
    ) -> bool {
        let Some(shared) = &mut self.shared else { return false };
        let mut left = shared.joining.iter_mut().filter(|newcomer| newcomer.peer.is_none());
        match left.find(|newcomer| newcomer.name.key == name.key) {
            // It takes the place of a client whose connection is closed.
            Some(newcomer) => {
                *newcomer = Newcomer {
                    peer: Some(peer),
                    name: newcomer.name.clone(),
                    rest: rest.into(),
                    claim: claim.cloned(),
                };
                return true;
            }
            None => drop(shared.propose(uplink::Entry::Joined(&name.shown))),
        }
        let (name, rest, claim) = (name.clone(), rest.into(), claim.cloned());
        shared.joining.push(Newcomer { peer: Some(peer), name, rest, claim });
        true
    }

    /// Restores a client that was waiting to join before a restart: its joining is under way.
    pub fn wait_again(&mut self, peer: ConnectionId, name: &str, rest: &str) -> bool {
        let (Some(shared), Ok(name)) = (&mut self.shared, Name::new(name)) else { return false };
        shared.join_again(&name.shown);
        shared.joining.push(Newcomer { peer: Some(peer), name, rest: rest.into(), claim: None });
        true
    }

    /// Handles a member from before a restart.
    pub(super) fn join_again(&mut self, name: &str) {
        if let Some(shared) = &mut self.shared {
            shared.join_again(name);
        }
    }

    /// What is known of a client that waits to join: its name, and what it sent after the name.
    pub fn newcomer(&self, peer: ConnectionId) -> Option<(&str, &str)> {
        let mut joining = self.shared.as_ref()?.joining.iter();
        joining
            .find(|newcomer| newcomer.peer == Some(peer))
            .map(|newcomer| (&*newcomer.name.shown, &*newcomer.rest))
    }

    /// Handles a waiting client whose connection is closed: it leaves as soon as it has joined.
    pub fn forget_newcomer(&mut self, peer: ConnectionId) {
        if let Some(shared) = &mut self.shared {
            let mine = shared.joining.iter_mut().find(|newcomer| newcomer.peer == Some(peer));
            if let Some(newcomer) = mine {
                (newcomer.peer, newcomer.rest, newcomer.claim) = (None, Box::default(), None);
            }
        }
    }

    /// Whether too many have joined and left while the log accepted nothing, so that no newcomer is admitted.
    pub fn is_crowded(&self) -> bool {
        let is_gone = |newcomer: &&Newcomer| newcomer.peer.is_none();
        let joining = self.shared.as_ref().map_or(&[][..], |shared| &shared.joining);
        joining.len() >= NEWCOMERS_GONE_MAX && joining.iter().filter(is_gone).count() >= NEWCOMERS_GONE_MAX
    }

    /// Whether a member or newcomer elsewhere has that name, or one that it can be mistaken for.
    pub(super) fn is_held_elsewhere(&self, name: &Name) -> bool {
        let Some(shared) = &self.shared else { return false };
        let is_alike = |other: &Name| {
            other.key == name.key || name.looks.each().iter().any(|look| other.looks.each().contains(look))
        };
        let joins = |newcomer: &Newcomer| newcomer.peer.is_some() && is_alike(&newcomer.name);
        shared.joining.iter().any(joins)
            || shared.uplink.holder(name).is_some_and(|(instance, _)| instance != shared.uplink.instance())
    }

    /// Whether exactly this name is taken elsewhere.
    pub(super) fn is_named_elsewhere(&self, key: &Key) -> bool {
        let Some(shared) = &self.shared else { return false };
        shared.joining.iter().any(|newcomer| newcomer.peer.is_some() && newcomer.name.key == *key)
            || self.is_elsewhere(key)
    }

    /// Whether a member elsewhere has this name.
    pub fn is_elsewhere(&self, key: &Key) -> bool {
        self.instance_of(key).is_some()
    }

    /// Those who would hear what is said now.
    pub fn audience(&self) -> Audience {
        let Some(shared) = &self.shared else { return Audience::Here(self.members.len()) };
        let (members, machines) = shared.uplink.size();
        if shared.uplink.is_up() { Audience::Everywhere(members, machines) } else { Audience::Later }
    }

    /// Whether members have been told that the room is cut off.
    pub fn is_cut_off(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is_cut_off)
    }

    /// The other instance where a member has this name.
    fn instance_of(&self, key: &Key) -> Option<InstanceId> {
        let shared = self.shared.as_ref()?;
        let (instance, _) = shared.uplink.find(key)?;
        (instance != shared.uplink.instance()).then_some(instance)
    }

    /// Proposes an entry; `false`: the room is not shared.
    ///
    /// # Errors
    /// Why a line that no member sent is not accepted. A member gets the error itself.
    pub(super) fn propose_to_log(&mut self, entry: Entry<'_>) -> Result<bool, String> {
        let Some(shared) = &mut self.shared else { return Ok(false) };
        let (author, refused) = match entry {
            Entry::Joined(name) => (None, shared.propose(uplink::Entry::Joined(name))),
            Entry::Left(name) => (None, shared.propose(uplink::Entry::Left(name))),
            Entry::Announced(line) => {
                if let Some(reason) = shared.propose(uplink::Entry::Announced(line)) {
                    return Err(reason);
                }
                (None, None)
            }
            Entry::Acted { name, text } => {
                (Some(Key::new(name)), shared.propose(uplink::Entry::Acted { name, text }))
            }
            Entry::Said { prefix, text } => {
                // This is clean UTF-8: the prefix is a name with a colon and a space.
                let name = std::str::from_utf8(&prefix[..prefix.len() - 2]).unwrap_or_default();
                let text = String::from_utf8_lossy(text);
                let refused = shared.propose(uplink::Entry::Said { name, text: &text });
                (refused.is_some().then(|| Key::new(name)), refused)
            }
        };
        if let (Some(author), Some(reason)) = (author, refused) {
            self.tell_refusal(&author, &reason);
        }
        self.note_fullness();
        Ok(true)
    }

    /// Tells a member here that the log did not accept its message.
    fn tell_refusal(&mut self, author: &Key, reason: &str) {
        if let Some(member_id) = self.keys.get(author).copied() {
            self.send_to(member_id, &format!("{}{}", words::ERROR, words::refused(reason)));
        }
    }

    /// Sends a private message to a member elsewhere.
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub fn whisper_elsewhere(
        &mut self,
        member_id: MemberId,
        key: &Key,
        text: &str,
    ) -> Option<Result<(), String>> {
        let instance = self.instance_of(key)?;
        let shared = self.shared.as_deref_mut()?;
        let Shared { uplink, whispers, now, .. } = shared;
        let to: Box<str> = uplink.find(key)?.1.into();
        if whispers.len() >= WHISPERS_MAX {
            return Some(Err(words::TOO_MANY_UNDELIVERED.to_owned()));
        }
        let member = &self.members[member_id.0];
        let peer = member.peer;
        let sent = uplink.whisper(instance, (&member.name.shown, &to), text, *now);
        Some(match sent {
            Ok(id) => {
                whispers.push_back((id, peer, to.clone()));
                self.whisper(member_id, &format!("{}{to}): {text}", words::YOU_TO));
                Ok(())
            }
            Err(outcome) => Err(words::undelivered(&to, failure(outcome))),
        })
    }

    /// Takes the next consequence of what came from the log or the connection. Call it until it returns `None`, after every call of
    /// the uplink.
    pub fn poll_shared(&mut self) -> Option<Consequence> {
        let shared = self.shared.as_deref_mut()?;
        let Some(event) = shared.uplink.next_event() else {
            self.note_fullness();
            return None;
        };
        if let Event::Entry { place, .. } = event {
            shared.has_begun |= place.is_own; // everything before our own first entry is history
        }
        let is_heard = shared.has_begun && !self.members.is_empty();
        Some(match event {
            Event::Entry { place, entry } => {
                self.timeline.commit_shared(entry, shared.has_begun, is_heard);
                let name: Option<Box<str>> = match entry {
                    uplink::Entry::Joined(name) if place.is_own => Some(name.into()),
                    _ => None,
                };
                if is_heard {
                    self.mark_pending();
                }
                name.map_or(Consequence::Nothing, |name| self.admit_own(&name))
            }
            Event::NameTaken { name } => {
                let name: Box<str> = name.into();
                self.refuse(name)
            }
            Event::Gone { .. } => Consequence::Nothing, // each of its members has an entry of its own
            Event::Up => {
                shared.has_begun = true;
                if std::mem::take(&mut shared.is_cut_off) {
                    self.announce(words::WHOLE_AGAIN);
                }
                Consequence::Nothing
            }
            Event::Down(_) => {
                if !std::mem::replace(&mut shared.is_cut_off, true) {
                    self.announce(words::CUT_OFF);
                }
                Consequence::Nothing
            }
            Event::Missed(count) => {
                if shared.has_begun {
                    self.announce(&words::missed(count));
                }
                Consequence::Nothing
            }
            Event::HistoryLost => {
                self.announce(words::HISTORY_LOST);
                Consequence::Nothing
            }
            Event::Refused { entry, reason } => {
                let author = match entry {
                    uplink::Entry::Said { name, .. } | uplink::Entry::Acted { name, .. } => {
                        Some(Key::new(name))
                    }
                    uplink::Entry::Joined(_) | uplink::Entry::Left(_) | uplink::Entry::Announced(_) => None,
                };
                let reason = reason.to_string();
                if let Some(author) = author {
                    self.tell_refusal(&author, &reason);
                }
                Consequence::Nothing
            }
            Event::Whisper(Whisper { ticket, from, to, text }) => {
                let line = format!("{from} (to you): {text}");
                let to = self.keys.get(&Key::new(to)).copied();
                self.hear_whisper(ticket, to, &line)
            }
            Event::Whispered { id, outcome } => self.end_whisper(id, outcome),
            Event::Stats { host, report } => Consequence::Stats(host.into(), report.into()),
            Event::Log(event) => Consequence::Log(event.clone()),
            Event::Seen(Seen { direction, name, text }) => {
                Consequence::Seen(direction, name.into(), text.into())
            }
        })
    }

    /// Handles the log's entry for a member of ours that joins: a waiting client joins now; a member was in the room already.
    fn admit_own(&mut self, name: &str) -> Consequence {
        self.joins += 1;
        let key = Key::new(name);
        if let Some(member_id) = self.keys.get(&key) {
            self.members[member_id.0].joined = self.joins;
            return Consequence::Nothing;
        }
        let shared = self.shared.as_deref_mut().expect("its log has just spoken");
        let newcomer = shared.joining.iter().position(|newcomer| newcomer.name.key == key);
        let newcomer = newcomer.map(|index| shared.joining.remove(index));
        match newcomer {
            Some(Newcomer { peer: Some(peer), name, rest, claim }) => {
                let member_id = self.admit(peer, name, self.joins);
                self.members[member_id.0].claim = claim.map(Box::new);
                Consequence::Joined(peer, member_id, rest)
            }
            // Its client has left, perhaps before a restart, where this could not be proposed.
            Some(Newcomer { peer: None, .. }) | None => {
                shared.propose(uplink::Entry::Left(name));
                Consequence::Nothing
            }
        }
    }

    /// Handles that another member has this name.
    fn refuse(&mut self, name: Box<str>) -> Consequence {
        let key = Key::new(&name);
        if let Some(member_id) = self.keys.get(&key).copied() {
            let peer = self.members[member_id.0].peer;
            let mut unsent = Vec::new();
            self.take_unsent(member_id, &mut unsent);
            self.forget_member(member_id);
            return Consequence::NameTaken(peer, name, unsent);
        }
        let shared = self.shared.as_deref_mut().expect("its log has just spoken");
        let newcomer = shared.joining.iter().position(|newcomer| newcomer.name.key == key);
        match newcomer.map(|index| shared.joining.remove(index).peer) {
            Some(Some(peer)) => Consequence::NameTaken(peer, name, Vec::new()),
            Some(None) | None => Consequence::Nothing,
        }
    }

    fn hear_whisper(&mut self, ticket: Ticket, to: Option<MemberId>, line: &str) -> Consequence {
        if let Some(member_id) = to {
            self.whisper(member_id, line);
        }
        if let Some(shared) = &mut self.shared {
            shared.uplink.answer(ticket, to.is_some());
        }
        Consequence::Nothing
    }

    fn end_whisper(&mut self, id: WhisperId, outcome: Outcome) -> Consequence {
        let whispers = self.shared.as_mut().map(|shared| &mut shared.whispers);
        let ended = whispers.and_then(|whispers| {
            let index = whispers.iter().position(|(other, ..)| *other == id)?;
            whispers.remove(index)
        });
        if let (Some((_, peer, to)), false) = (ended, outcome == Outcome::Delivered)
            && let Some((index, _)) = self.members.iter().find(|(_, member)| member.peer == peer)
        {
            let line = format!("{}{}", words::ERROR, words::undelivered(&to, failure(outcome)));
            self.whisper(MemberId(index), &line);
        }
        Consequence::Nothing
    }

    /// Sends the members here a line about the room, which is not in the log.
    fn announce(&mut self, line: &str) {
        let is_heard = !self.members.is_empty();
        self.timeline.tell(line, is_heard);
        if is_heard {
            self.mark_pending();
        }
    }

    /// Makes members wait while the log accepts nothing.
    fn note_fullness(&mut self) {
        let is_full = self.shared.as_ref().is_some_and(|shared| shared.uplink.is_full());
        self.timeline.fresh_floor = if is_full { ROOM_BURST_BYTES } else { 0 };
        self.timeline.fresh = self.timeline.fresh.max(self.timeline.fresh_floor);
        self.is_unsettled |= !is_full;
    }
}

fn failure(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "it was delivered",
        Outcome::NoMember => words::MEMBER_HAS_LEFT,
        Outcome::NoInstance => words::MACHINE_IS_SILENT,
        Outcome::NoAnswer => words::MACHINE_WAS_SILENT,
        Outcome::CutOff => words::ROOM_IS_CUT_OFF,
    }
}

#[cfg(test)]
mod tests;
