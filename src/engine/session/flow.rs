//! Whether a peer is read from, whether its messages go on, and what has gone out to it: backpressure.

use std::time::Duration;

use super::dialogue::{Dialogue, Phase, State};
use super::{Lists, Session};
use crate::engine::EngineState;
use crate::engine::codec::Style;
use crate::engine::limits::{
    CATCH_UP, CATCH_UP_BYTES, OUTBOX_BYTES_HIGH, READ_BYTES_MAX, ROOM_BURST_BYTES, ROOM_GAP, ROOM_QUEUE_BYTES,
};
use crate::engine::message::Timestamp;

impl Session {
    // ---- what comes in

    /// Whether the peer is to be read from: not when it does not read itself.
    pub(in crate::engine) fn wants_input(&self, world: &EngineState) -> bool {
        !self.intake.is_at_end() && (!self.is_serving() || !self.is_held_back(world))
    }

    pub(super) fn is_held_back(&self, world: &EngineState) -> bool {
        let dialogue = &self.dialogue;
        if dialogue.is_on_fifo() {
            return self.intake.stalled;
        }
        // What is said before a partner has come is kept for that one.
        let keeps = || {
            dialogue.is_alone(world) && self.intake.len() < dialogue.settings(world).backlog_bytes_max
                || self.keeps_bursts_apart(world)
        };
        (self.intake.stalled && !keeps())
            || (dialogue.flags.blocked && dialogue.seat().is_some())
            || dialogue.outbox.len() >= OUTBOX_BYTES_HIGH
            || (dialogue.flags.blocked && !dialogue.outbox.is_empty())
    }

    /// Whether the reactor has to be told to read from it again.
    pub(in crate::engine) fn is_to_be_heard_again(&mut self, world: &EngineState, now: Timestamp) -> bool {
        let deaf = !self.wants_input(world);
        let again = std::mem::replace(&mut self.intake.deaf, deaf) && !deaf;
        if again {
            self.intake.begin_again(now);
        }
        again
    }

    // ---- what goes out

    /// The first `count` bytes of the outbox's offer were sent.
    pub(in crate::engine) fn handle_sent(&mut self, world: &mut EngineState, now: Timestamp, count: usize) {
        self.dialogue.handle_sent(world, now, count);
    }

    /// Takes what the room has for it, where its messages are not the lines of the room's log.
    pub(in crate::engine) fn hear_room(&mut self, world: &mut EngineState) {
        self.dialogue.hear_room(world);
    }

    /// The kernel takes bytes for it, or does not.
    pub(in crate::engine) fn set_blocked(&mut self, world: &mut EngineState, now: Timestamp, blocked: bool) {
        if blocked && self.dialogue.flags.blocked {
            return self.dialogue.give_up_sending(world, now);
        }
        self.dialogue.flags.blocked = blocked;
        self.dialogue.note_blocked(world, now, blocked);
        if let Some(seat) = self.seat() {
            world.room.set_blocked(seat, blocked);
        }
    }

    /// Whether the outbox has something that may go out now.
    pub(in crate::engine) fn is_flushable(&self) -> bool {
        let Dialogue { flags, outbox, .. } = &self.dialogue;
        !flags.blocked && !outbox.is_empty() && outbox.pause().is_none()
    }

    // ---- the engine's lists

    /// Marks that it stands in the list of those to be flushed (or no longer); whether it did.
    pub(in crate::engine) fn mark_called(&mut self, called: bool) -> bool {
        self.dialogue.lists.set(Lists::FLUSH, called)
    }

    /// The same for the list of those that wait for room in the chat's log.
    pub(in crate::engine) fn mark_waiting(&mut self, waiting: bool) -> bool {
        self.dialogue.lists.set(Lists::WAITING, waiting)
    }

    /// The same for the list of those whose report goes on.
    pub(in crate::engine) fn mark_reporting(&mut self, reporting: bool) -> bool {
        self.dialogue.lists.set(Lists::REPORTING, reporting)
    }

    /// Whether it holds messages for which its own queue has room: it waits for the room's.
    pub(in crate::engine) fn is_waiting_for_room(&self, world: &EngineState) -> bool {
        self.intake.stalled
            && self.seat().is_some()
            && (self.dialogue.has_own_room(world) || self.dialogue.is_on_fifo())
            && (!self.dialogue.flags.blocked || self.dialogue.is_on_fifo())
            && self.dialogue.paced_until(world).is_none()
    }
}

impl Dialogue {
    /// Whether more may be asked of the services on this peer's behalf, while it is served.
    pub(super) fn has_room(&self, world: &mut EngineState) -> bool {
        if self.flags.withdrawn || self.paced_until(world).is_some() {
            return false;
        }
        let is_member = match self.state {
            State::Status(Some(_)) | State::Stats(Some(_)) => return false, // one after the other
            State::Talk(Some(chair)) => {
                let max = super::talk::line_bytes_max(world);
                return !self.flags.meeting && world.talk.has_room(chair, max);
            }
            State::Chat(Ok(_)) if world.room.fresh() >= ROOM_BURST_BYTES => return false,
            State::Chat(Ok(_)) => true,
            State::Outside
            | State::Multiply
            | State::Greeting
            | State::Chat(Err(_))
            | State::Plain(_)
            | State::Talk(None)
            | State::Stats(None)
            | State::Status(None)
            | State::Watch(_)
            | State::Mux
            | State::Control => false,
        };
        if self.is_on_fifo() && self.flags.blocked {
            return true; // what nobody reads is dropped, and only then
        }
        self.has_own_room(world) && !(is_member && self.flags.blocked)
    }

    /// Whether little enough waits in its own queue.
    fn has_own_room(&self, world: &EngineState) -> bool {
        self.outbox.len() < OUTBOX_BYTES_HIGH.min(self.settings(world).backlog_bytes_max)
    }

    fn handle_sent(&mut self, world: &mut EngineState, now: Timestamp, count: usize) {
        self.flags.told = true;
        let style = self.style();
        let mut gap = self.gap(world);
        if let Some(stop) = world.stop.as_ref().filter(|_| style.is_paced()) {
            // A long paced queue must not outlast the grace.
            gap = gap.min(stop.by.since(now) / (2 * (self.outbox.messages() as u32 + 1)));
        }
        self.outbox.sent(style, count, now, gap);
        if self.outbox.is_empty() {
            self.active = now;
            self.flags.confided = false;
        }
        self.report_held(world);
        if let Phase::Draining(_, progress) = &mut self.phase {
            *progress = now;
        }
    }
    /// The pause between two messages to a client that gets each by itself.
    fn gap(&self, world: &EngineState) -> Duration {
        let gap = self.settings(world).raw_gap;
        if matches!(self.state, State::Chat(_)) { gap.min(ROOM_GAP) } else { gap }
    }

    fn hear_room(&mut self, world: &mut EngineState) {
        let style = self.style();
        let Some(seat) = self.seat().filter(|_| style != Style::Pairs && !self.flags.blocked) else { return };
        let now = world.now;
        self.outbox.resume(now);
        let mut max = ROOM_QUEUE_BYTES;
        if style.is_paced() {
            let lag = world.room.lag(seat, !self.outbox.is_empty(), now);
            // Nobody is dropped for our pauses, and nobody's place keeps the log for them.
            if lag > CATCH_UP || world.room.behind(seat) > CATCH_UP_BYTES {
                max = READ_BYTES_MAX;
                self.outbox.join();
            }
        }
        let Some(room) = max.checked_sub(self.outbox.len()).filter(|room| *room > 0) else { return };
        let Dialogue { outbox, flags, .. } = self;
        world.room.take_lines(seat, room, |line, is_private| {
            flags.confided |= is_private;
            outbox.say(style, line);
        });
        if max == READ_BYTES_MAX {
            outbox.join(); // also what was taken just now
        }
    }
}
