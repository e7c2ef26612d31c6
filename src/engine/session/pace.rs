//! A session that is held to a pace: what it sends too fast waits with it, and nobody else does.

use super::Session;
use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::message::{FramingMode, Timestamp};
use crate::engine::text::is_empty;

impl Session {
    /// When something of it that waits for its pace may go on.
    pub(super) fn pace_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        if self.intake.is_stalled() { self.dialogue.paced_until(shared) } else { None }
    }

    /// Whether it is read from although what it has said waits: two bursts of a raw client that both wait in the kernel
    /// would become one message there. Not a matter of time, so that no moment passes unnoticed in which it is read from.
    pub(super) fn keeps_bursts_apart(&self, shared: &EngineState) -> bool {
        let settings = self.dialogue.settings(shared);
        self.dialogue.kind == Some(FramingMode::Raw)
            && self.intake.len() < settings.message_bytes_max
            && settings.messages_per_second > 0
    }

    /// It has another pace from now on, and a burst of its own there.
    pub(in crate::engine) fn renew_pace(&self, shared: &mut EngineState) {
        shared.paces.remove(self.dialogue.peer);
    }
}

impl Dialogue {
    /// Until when nothing more is taken from it, because it has said so much. Once the daemon stops, everybody is
    /// answered what was received.
    pub(super) fn paced_until(&self, shared: &EngineState) -> Option<Timestamp> {
        let per_second = self.settings(shared).messages_per_second;
        if per_second == 0 || shared.stop.is_some() {
            return None;
        }
        shared.paces.get(self.peer)?.until(shared.now, per_second)
    }

    /// One whole message counts, if there is anything in it.
    #[inline]
    pub(super) fn keep_pace(&self, shared: &mut EngineState, now: Timestamp, message: &[u8]) {
        if self.settings(shared).messages_per_second > 0 && !is_empty(message) {
            self.count_for_pace(shared, now);
        }
    }

    pub(super) fn count_for_pace(&self, shared: &mut EngineState, now: Timestamp) {
        let per_second = self.settings(shared).messages_per_second;
        if per_second == 0 {
            return;
        }
        let mut pace = shared.paces.get(self.peer).copied().unwrap_or_default();
        pace.count(now, per_second);
        shared.paces.set(self.peer, pace);
        if matches!(self.state, State::Chat(_)) {
            shared.lately.note(now, self.remote.into(), pace);
        }
    }
}
