//! The room's next messages as WebSocket frames. They are the same for all members at the same position, so they are encoded once
//! and lent to each. Knows the room and no session.

use super::codec::websocket;
use super::limits::ROOM_QUEUE_BYTES;
use super::room::{MemberId, Offer, Room};

/// Chunks of the log in which [`ROOM_QUEUE_BYTES`] can lie.
const PIECES_MAX: usize = 2;

/// The frames of one part of the log.
#[derive(Debug, Default)]
pub(super) struct LentFrames {
    from: u64,
    to: u64,
    bytes: Vec<u8>,
}

impl LentFrames {
    /// Whether the frames hold all that a member at this position is offered; encodes them if not. A member that is further behind
    /// gets its lines through its own queue.
    #[inline]
    pub(super) fn are_for(&mut self, room: &Room, member_id: MemberId) -> bool {
        let Offer::Log { from, to, goes_on: false } = room.offer(member_id) else { return false };
        self.are_of(room, from, to)
    }

    /// Whether the frames hold this part of the log; encodes them if not.
    #[inline]
    pub(super) fn are_of(&mut self, room: &Room, from: u64, to: u64) -> bool {
        if (self.from, self.to) != (from, to) {
            if to - from > ROOM_QUEUE_BYTES as u64 {
                return false;
            }
            self.encode(room, from, to);
        }
        true
    }

    /// The frames.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of bytes that they have in the log.
    pub(super) fn log_bytes(&self) -> usize {
        (self.to - self.from) as usize
    }

    fn encode(&mut self, room: &Room, from: u64, to: u64) {
        (self.from, self.to) = (from, to);
        self.bytes = Vec::with_capacity((to - from) as usize + 64); // frees the memory of the previous frames
        let mut pieces = [&[][..]; PIECES_MAX];
        let count = room.slices(from, to, &mut pieces);
        let mut begun = Vec::new();
        for part in pieces[..count].iter().flat_map(|piece| piece.split_inclusive(|byte| *byte == b'\n')) {
            match part.strip_suffix(b"\n") {
                Some(line) if begun.is_empty() => websocket::encode(line, &mut self.bytes),
                Some(rest) => {
                    begun.extend_from_slice(rest);
                    websocket::encode(&begun, &mut self.bytes);
                    begun.clear();
                }
                None => begun.extend_from_slice(part),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::ConnectionId;
    use super::super::name::Name;
    use super::*;

    #[test]
    fn members_are_lent_the_same_bytes_across_chunks_of_the_log() {
        let mut room = Room::default();
        let mut enter =
            |index, name: &str| room.join(ConnectionId { index, generation: 1 }, Name::new(name).unwrap());
        let (ada, bob, _late) = (enter(0, "ada"), enter(1, "bob"), enter(2, "late"));
        let mut frames = LentFrames::default();
        for round in 0..40 {
            for member_id in [ada, bob] {
                room.sent(member_id, room.behind(member_id));
                assert!(!frames.are_for(&room, member_id), "there is nothing");
            }
            let mut expected = Vec::new();
            for number in 0..20 {
                let line = format!("{round} {number} {}", "x".repeat(number * 7));
                room.proclaim(&line).unwrap();
                websocket::encode(line.as_bytes(), &mut expected);
            }
            assert!(frames.are_for(&room, ada) && frames.bytes() == expected);
            let place = frames.bytes().as_ptr();
            assert!(frames.are_for(&room, bob) && frames.bytes().as_ptr() == place, "they are made once");
            assert_eq!(frames.log_bytes(), room.behind(bob));
        }
        room.proclaim(&"x".repeat(ROOM_QUEUE_BYTES)).unwrap();
        assert!(!frames.are_for(&room, bob), "it is too far behind");
    }
}
