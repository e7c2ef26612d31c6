//! The invariants of one session between two inputs, and of the entries that other tables have about it.

use super::Session;
use super::dialogue::{Phase, State};
use crate::engine::EngineState;
use crate::engine::ready_list::For;
use crate::engine::service::talk::PairEnd;

impl Session {
    /// Asserts the invariants.
    pub(in crate::engine) fn check(&self, shared: &EngineState) {
        let peer = self.peer();
        assert!(
            self.is_serving() || self.intake.is_empty(),
            "{peer:?} is not served, and its bytes are kept"
        );
        assert!(
            !self.intake.is_stalled() || !self.intake.is_empty(),
            "{peer:?} waits for room, and has nothing that could wait"
        );
        assert!(
            !self.gives_way(shared) || self.is_in(For::Effort),
            "{peer:?} waits for a turn that does not come"
        );
        assert_eq!(
            self.is_reading(),
            self.wants_input(shared),
            "{peer:?}: what the reactor was told of reading"
        );
        assert_eq!(self.counted_bytes(), self.own_bytes() as usize, "{peer:?}: the memory of its queues");
        let (blocked, unread) = (self.dialogue.is_blocked(), shared.unread.get(peer).is_some());
        assert_eq!(blocked, unread, "{peer:?}: whether it is blocked, and when that began");
        if let Some(member_id) = self.member_id() {
            assert_eq!(shared.room.peer(member_id), peer, "{peer:?} is another member of the room");
            assert_eq!(
                shared.room.is_blocked(member_id),
                blocked,
                "{peer:?} is blocked, here or in the room"
            );
            assert_eq!(shared.room.hearing(member_id), self.hearing(), "{peer:?}: how it hears the room");
        }
        if self.is_watching() {
            assert!(
                shared.event_ring.watchers().any(|watcher| watcher == peer),
                "{peer:?} watches in secret"
            );
        }
        if let Some(end) = self.pair_end() {
            assert_eq!(shared.talk.peer(end), Some(peer), "{peer:?} has another one's end of a line");
        }
        // A session that can be flushed has another deadline then. And new watchers do not set deadlines.
        let is_going_out = self.is_flushable() || shared.event_ring.has_subscribers();
        let deadline = if is_going_out { None } else { self.deadline(shared) };
        let armed = self.timer.at();
        assert!(
            deadline.is_none_or(|deadline| armed.is_some_and(|armed| armed <= deadline)),
            "{peer:?} is to be woken at {deadline:?}, and will be at {armed:?}"
        );
    }

    /// The memory of its queues at the last count.
    pub(in crate::engine) fn counted_bytes(&self) -> usize {
        self.dialogue.held as usize
    }

    /// Whether it is in a list.
    pub(in crate::engine) fn is_in(&self, list: For) -> bool {
        self.dialogue.membership.is_in(list)
    }

    /// Whether it was refused and is lingering.
    pub(in crate::engine) fn is_refused_and_lingers(&self) -> bool {
        !self.is_counted() && matches!(self.dialogue.phase, Phase::Lingering(..))
    }

    /// Whether it is a watcher.
    pub(in crate::engine) fn is_watching(&self) -> bool {
        matches!(self.dialogue.state, State::Watch(Some(_)))
    }

    /// Its end of a pair, if it has a partner in talk or waits for one.
    pub(in crate::engine) fn pair_end(&self) -> Option<PairEnd> {
        let State::Talk(talk) = self.dialogue.state else { return None };
        talk.end()
    }
}

#[cfg(test)]
mod tests;
