//! A session with a rate limit: what it sends too fast waits, without effect on other sessions.

use super::Session;
use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::message::{FramingMode, Timestamp};
use crate::engine::text::is_empty;

impl Session {
    /// The time at which its waiting messages may continue.
    pub(super) fn pace_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        if self.intake.is_stalled() { self.dialogue.paced_until(shared) } else { None }
    }

    /// Whether to read from it although its messages wait. If two bursts of a raw client waited in the kernel, they would become
    /// one message. This does not depend on the time, so that reading never has to start at a deadline.
    pub(super) fn keeps_bursts_apart(&self, shared: &EngineState) -> bool {
        let settings = self.dialogue.settings(shared);
        self.dialogue.kind == Some(FramingMode::Raw)
            && self.intake.len() < settings.message_bytes_max
            && settings.messages_per_second > 0
    }

    /// Gives it a new rate limit, with a full burst.
    pub(in crate::engine) fn renew_pace(&self, shared: &mut EngineState) {
        shared.paces.remove(self.dialogue.peer);
    }
}

impl Dialogue {
    /// The time until which no message is taken, because it has sent too many. When the daemon stops, all received messages are
    /// answered.
    pub(super) fn paced_until(&self, shared: &EngineState) -> Option<Timestamp> {
        let per_second = self.settings(shared).messages_per_second;
        if per_second == 0 || shared.stop.is_some() {
            return None;
        }
        shared.paces.get(self.peer)?.until(shared.now, per_second)
    }

    /// Counts one whole message, unless it is empty.
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
