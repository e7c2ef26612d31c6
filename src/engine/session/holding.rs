//! What a session's queues take of the memory that all of them share, and what it does when it has to give way.

use super::Session;
use crate::engine::EngineState;
use crate::engine::codec::detect::Guess;
use crate::engine::limits::RELIEF_REST_BYTES;
use crate::engine::message::{CloseReason, Timestamp};

impl Session {
    /// Memory that its own queues take, in bytes, as far as it counts: where what nobody reads is dropped they have a bound of their own.
    pub(super) fn own_bytes(&self) -> u32 {
        let bytes = self.intake.held_bytes() + self.dialogue.outbox.capacity();
        if self.is_lossy() { 0 } else { u32::try_from(bytes).unwrap_or(u32::MAX) }
    }

    /// Memory that all its queues take, whether it counts or not; what was said to it alone in the room included.
    pub(in crate::engine) fn held_bytes(&self, shared: &EngineState) -> usize {
        let aside = self.member_id().map_or(0, |member_id| shared.room.aside_bytes_of(member_id));
        self.intake.held_bytes() + self.dialogue.outbox.capacity() + aside
    }

    /// Counts what its own queues take now.
    pub(in crate::engine) fn account(&mut self, shared: &mut EngineState) {
        let bytes = self.own_bytes();
        shared.held = shared.held - self.dialogue.held as usize + bytes as usize;
        self.dialogue.held = bytes;
    }

    /// It is gone: what its queues took is free.
    pub(in crate::engine) fn discharge(&mut self, shared: &mut EngineState) {
        shared.held -= std::mem::take(&mut self.dialogue.held) as usize;
    }

    /// It holds most of what there is no room for. It is told so behind the line that it has a part of; what else was
    /// queued is dropped. One that is on its way out already loses its last words.
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
        dialogue.finish(shared, now, CloseReason::PeerHeldMost, Some("Error: too slow"));
        dialogue.outbox.fit();
    }
}
