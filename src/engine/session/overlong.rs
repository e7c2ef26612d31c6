//! An overlong message: its sender gets an error, its rest is dropped, and the connection continues.

use super::Session;
use super::dialogue::{Dialogue, Heard};
use crate::engine::codec::rest::MessageEnd;
use crate::engine::counters::ErrorKind;
use crate::engine::limits::GUESS;
use crate::engine::message::{CloseReason, FramingMode, Timestamp};
use crate::engine::{EngineState, words};

impl Session {
    /// Handles `bytes` that are too long for a message whose end is still to come. If a pause ends it, the error follows the pause:
    /// a client that gets a reply continues, and its next message would be taken for the rest.
    #[cold]
    pub(super) fn begin_overlong(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        fresh: &mut &[u8],
        end: MessageEnd,
    ) {
        let Session { intake, dialogue, .. } = self;
        let gap = dialogue.settings(shared).raw_gap;
        match end {
            MessageEnd::Nowhere => {
                let error = dialogue.too_long(shared);
                let head = intake.gather(fresh);
                dialogue.fail_request(shared, now, CloseReason::PeerTooLong, error, head);
                *fresh = &[];
            }
            MessageEnd::Pause if !intake.has_ended() => intake.skip_rest(now, fresh, end, gap),
            MessageEnd::Pause | MessageEnd::Mark | MessageEnd::Behind(_) => {
                dialogue.overflow(shared, now);
                intake.skip_rest(now, fresh, MessageEnd::Mark, gap);
                if let MessageEnd::Behind(left) = end {
                    intake.guess.end_behind(left);
                }
            }
        }
    }

    /// The same while the framing is unknown: an LF or a NUL at its end shows it, or a pause as long as after a valid message.
    #[cold]
    pub(super) fn begin_overlong_guess(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        fresh: &mut &[u8],
        is_complete: bool,
    ) {
        let silence = if is_complete { self.dialogue.settings(shared).raw_gap } else { GUESS };
        self.intake.skip_rest(now, fresh, MessageEnd::Pause, silence);
    }

    /// Drops the bytes of an overlong message.
    #[cold]
    pub(super) fn skip_overlong(&mut self, shared: &mut EngineState, now: Timestamp, fresh: &mut &[u8]) {
        if let Some(kind) = self.intake.skip(now, fresh, self.dialogue.kind) {
            self.end_overlong(shared, now, kind);
        }
    }

    /// Handles its end, which shows the framing.
    #[cold]
    pub(super) fn end_overlong(&mut self, shared: &mut EngineState, now: Timestamp, kind: FramingMode) {
        let is_untold = self.intake.end_rest();
        if self.dialogue.kind.is_none() {
            self.decide(shared, kind);
        }
        if is_untold {
            self.dialogue.overflow(shared, now);
        }
    }

    /// Sends the error now, although the message waits for a pause, because no more input will come.
    pub(super) fn give_up_overlong(&mut self, shared: &mut EngineState, now: Timestamp) {
        if self.intake.guess.ends_with_pause() {
            self.end_overlong(shared, now, FramingMode::Line);
        }
    }
}

impl Dialogue {
    /// Handles a whole message that is too long.
    #[cold]
    pub(super) fn reject_overlong(&mut self, shared: &mut EngineState, now: Timestamp, message: &[u8]) {
        if self.kind == Some(FramingMode::Http) {
            self.heard = Heard::Message;
            let error = self.too_long(shared);
            return self.fail_request(shared, now, CloseReason::PeerTooLong, error, message);
        }
        self.overflow(shared, now);
    }

    /// Sends the error for an overlong message.
    #[cold]
    pub(super) fn overflow(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.heard = Heard::Message;
        self.count_for_pace(shared, now);
        let error = self.too_long(shared);
        self.err_in_order(shared, ErrorKind::TooLong, error);
    }

    pub(super) fn too_long(&self, shared: &EngineState) -> String {
        words::too_long(self.settings(shared).message_bytes_max)
    }

    /// Sends an error in the order of events: in the room, after what was said earlier.
    pub(super) fn err_in_order(&mut self, shared: &mut EngineState, kind: ErrorKind, error: String) {
        match self.member_id() {
            Some(member_id) => {
                shared.room.send_to(member_id, &format!("Error: {error}"));
                self.note_error(shared, kind, error);
            }
            None => self.err(shared, kind, error),
        }
        if self.transport().lossy {
            self.drop_unread(shared);
        }
    }
}
