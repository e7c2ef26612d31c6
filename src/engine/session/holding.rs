//! A session's share of the memory for all queues, and how it frees that memory.

use super::Session;
use crate::engine::codec::detect::Guess;
use crate::engine::limits::RELIEF_REST_BYTES;
use crate::engine::message::{CloseReason, Timestamp};
use crate::engine::{EngineState, words};

impl Session {
    /// The memory of its own queues that counts, in bytes. Queues that drop unread data have a bound of their own and do not count.
    pub(super) fn own_bytes(&self) -> u32 {
        let bytes = self.intake.held_bytes() + self.dialogue.outbox.capacity();
        if self.is_lossy() { 0 } else { u32::try_from(bytes).unwrap_or(u32::MAX) }
    }

    /// The memory of all its queues, whether it counts or not, including its direct messages in the room.
    pub(in crate::engine) fn held_bytes(&self, shared: &EngineState) -> usize {
        let direct = self.member_id().map_or(0, |member_id| shared.room.direct_bytes_of(member_id));
        self.intake.held_bytes() + self.dialogue.outbox.capacity() + direct
    }

    /// Counts the memory of its own queues now.
    pub(in crate::engine) fn account(&mut self, shared: &mut EngineState) {
        let bytes = self.own_bytes();
        shared.held = shared.held - self.dialogue.held as usize + bytes as usize;
        self.dialogue.held = bytes;
    }

    /// Frees its share, because it is closed.
    pub(in crate::engine) fn discharge(&mut self, shared: &mut EngineState) {
        shared.held -= std::mem::take(&mut self.dialogue.held) as usize;
    }

    /// Gives up its queues, because the memory for all is full and it holds most. It gets an error after the line that was sent in
    /// part; the rest of its queue is dropped. A connection that is closing already loses its last words.
    pub(in crate::engine) fn give_way(&mut self, shared: &mut EngineState, now: Timestamp) {
        let Session { intake, dialogue, .. } = self;
        if !dialogue.is_serving() {
            return dialogue.outbox.clear();
        }
        shared.counters.of_mut(dialogue.service()).too_slow += 1;
        dialogue.outbox.drop_oldest(0);
        if dialogue.outbox.len() > RELIEF_REST_BYTES {
            dialogue.outbox.clear();
        }
        intake.guess = Guess::default();
        dialogue.finish(shared, now, CloseReason::PeerHeldMost, Some(words::TOO_SLOW));
        dialogue.outbox.fit();
    }
}
