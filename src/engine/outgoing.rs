//! What may be written to a peer, as it lies in memory.

use super::codec::Style;
use super::message::ConnectionId;
use super::room::{MemberId, Offer, Room};
use super::{Engine, SLICES_MAX};

/// What may be written to a peer now, in the order in which it is to be sent.
#[derive(Debug)]
pub struct Outgoing<'a> {
    slices: [&'a [u8]; SLICES_MAX],
    count: usize,
    /// There may be more to write behind it.
    is_part: bool,
}

impl<'a> Outgoing<'a> {
    /// The pieces.
    pub fn slices(&self) -> &[&'a [u8]] {
        &self.slices[..self.count]
    }

    /// Their bytes in all.
    pub fn len(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.slices().iter().all(|slice| slice.is_empty())
    }

    /// Whether more may be written once it is, without anything else happening.
    pub fn is_part(&self) -> bool {
        self.is_part
    }

    fn push(&mut self, slice: &'a [u8]) {
        if !slice.is_empty() && self.count < SLICES_MAX {
            self.slices[self.count] = slice;
            self.count += 1;
        }
    }
}

impl Engine {
    /// What may be written to `peer` now.
    pub fn outgoing(&mut self, peer: ConnectionId) -> Outgoing<'_> {
        let mut outgoing = Outgoing { slices: [&[]; SLICES_MAX], count: 0, is_part: false };
        let Some(session) = self.sessions.get(peer) else { return outgoing };
        if let Some(member_id) = session.listening_member_id() {
            offer_room(&self.shared.room, member_id, &mut outgoing);
            return outgoing;
        }
        let style = session.style();
        if style != Style::Pairs && session.member_id().is_some() {
            self.hear_room(peer);
        }
        let Some(session) = self.sessions.at(peer.index as usize) else { return outgoing };
        outgoing.push(session.outbox().ready(style));
        outgoing.is_part = style.is_one_by_one();
        if let Some(member_id) = session.member_id().filter(|_| style == Style::Pairs) {
            offer_room(&self.shared.room, member_id, &mut outgoing);
        }
        outgoing
    }
}

/// Adds what a member of the room can hear next.
#[inline]
fn offer_room<'a>(room: &'a Room, member_id: MemberId, outgoing: &mut Outgoing<'a>) {
    match room.offer(member_id) {
        Offer::Nothing => {}
        Offer::DirectMessage(text) => {
            outgoing.push(text);
            outgoing.is_part = true;
        }
        Offer::Log { from, to, goes_on } => {
            outgoing.count += room.slices(from, to, &mut outgoing.slices[outgoing.count..]);
            outgoing.is_part |= outgoing.count == SLICES_MAX || goes_on;
        }
    }
}
