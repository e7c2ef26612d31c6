//! A session that is held to a pace: what it sends too fast waits with it, and nobody else does.

use super::Session;
use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::message::{Kind, Timestamp};
use crate::engine::text::is_empty;

impl Session {
    /// When something of it that waits for its pace may go on.
    pub(super) fn pace_deadline(&self, world: &EngineState) -> Option<Timestamp> {
        if self.intake.stalled { self.dialogue.paced_until(world) } else { None }
    }

    /// Whether it is read from although what it has said waits: two bursts of a raw client that both wait in the kernel
    /// would become one message there. Not a matter of time, so that no moment passes unnoticed in which it is read from.
    pub(super) fn keeps_bursts_apart(&self, world: &EngineState) -> bool {
        let settings = self.dialogue.settings(world);
        self.dialogue.kind == Some(Kind::Raw)
            && self.intake.len() < settings.message_bytes_max
            && settings.messages_per_second > 0
    }

    /// It has another pace from now on, and a burst of its own there.
    pub(in crate::engine) fn renew_pace(&self, world: &mut EngineState) {
        world.paces.remove(self.dialogue.peer);
    }
}

impl Dialogue {
    /// Until when nothing more is taken from it, because it has said so much. Once the daemon stops, everybody is
    /// answered what was received.
    pub(super) fn paced_until(&self, world: &EngineState) -> Option<Timestamp> {
        let per_second = self.settings(world).messages_per_second;
        if per_second == 0 || world.stop.is_some() {
            return None;
        }
        world.paces.get(self.peer)?.until(world.now, per_second)
    }

    /// One whole message counts, if there is anything in it.
    #[inline]
    pub(super) fn keep_pace(&self, world: &mut EngineState, now: Timestamp, message: &[u8]) {
        if self.settings(world).messages_per_second > 0 && !is_empty(message) {
            self.count_for_pace(world, now);
        }
    }

    pub(super) fn count_for_pace(&self, world: &mut EngineState, now: Timestamp) {
        let per_second = self.settings(world).messages_per_second;
        if per_second == 0 {
            return;
        }
        let mut pace = world.paces.get(self.peer).copied().unwrap_or_default();
        pace.count(now, per_second);
        world.paces.set(self.peer, pace);
        if matches!(self.state, State::Chat(_)) {
            world.lately.note(now, self.origin.into(), pace);
        }
    }
}
