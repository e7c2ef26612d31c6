//! Data to be written to a peer: its session's output queue, or the room's log.

use super::Engine;
use super::codec::Encoding;
use super::message::ConnectionId;
use super::outgoing::{Outgoing, SLICES_MAX};
use super::room::{Hearing, MemberId, Offer, Room};

impl Engine {
    /// The bytes that may be written to `peer` now.
    pub fn outgoing(&mut self, peer: ConnectionId) -> Outgoing<'_> {
        let mut outgoing = Outgoing { slices: [&[]; SLICES_MAX], count: 0, is_part: false };
        if self.lent.is_to(peer) {
            outgoing.push(self.lent.bytes());
            return outgoing;
        }
        let Some(session) = self.sessions.get(peer) else { return outgoing };
        if let Some(member_id) = session.member_id_hearing(Hearing::Lines) {
            offer_room(&self.shared.room, member_id, &mut outgoing);
            return outgoing;
        }
        if let Some(member_id) = session.member_id_hearing(Hearing::Frames)
            && self.shared.frames.are_for(&self.shared.room, member_id)
        {
            outgoing.push(self.shared.frames.bytes());
            return outgoing;
        }
        let encoding = session.encoding();
        if encoding != Encoding::Lines && session.member_id().is_some() {
            self.hear_room(peer);
        }
        let Some(session) = self.sessions.at(peer.index as usize) else { return outgoing };
        outgoing.push(session.outbox().ready(encoding));
        outgoing.is_part = encoding.is_one_by_one();
        if let Some(member_id) = session.member_id().filter(|_| encoding == Encoding::Lines) {
            offer_room(&self.shared.room, member_id, &mut outgoing);
        }
        outgoing
    }
}

/// Adds the next messages of the room for a member.
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
