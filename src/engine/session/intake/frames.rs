//! A WebSocket client's frames, which become messages.

use thin_vec::ThinVec;

use super::Intake;
use crate::engine::codec::websocket::{Ending, Frames};
use crate::engine::message::Timestamp;

impl Intake {
    /// Takes the messages out of a client's frames. Returns the answers to pings and, if the frames end, how.
    pub fn push_frames(&mut self, bytes: &[u8], bytes_max: usize) -> (Vec<u8>, Option<Ending>) {
        let mut replies = Vec::new();
        let mut frames = self.guess.take_frames();
        let ending = frames.filter(bytes, bytes_max, &mut self.bytes, &mut replies);
        self.guess.keep_frames(frames);
        (replies, ending)
    }

    /// Notes the end of the frames, behind which nothing is input. Messages before it may still wait.
    pub fn end_frames(&mut self, code: u16, error: Option<String>) {
        self.guess.keep_frames(Frames::ended(code, error));
        self.end_input();
    }

    /// Notes when an unfinished frame began, even if none of its payload waits yet. Call it after input. `begun`: the start of the
    /// previous unfinished frame.
    pub fn note_frames(&mut self, now: Timestamp, begun: Option<Timestamp>) {
        if self.is_empty()
            && let Some(has_ended_one) = self.guess.unfinished_frames()
        {
            self.begun = Some(begun.filter(|_| !has_ended_one).unwrap_or(now));
        }
    }

    /// Takes all waiting bytes, followed by those just read.
    pub fn take_all(&mut self, fresh: &mut &[u8]) -> Vec<u8> {
        let all = [self.bytes(), std::mem::take(fresh)].concat();
        (self.bytes, self.taken, self.scanned, self.begun) = (ThinVec::new(), 0, 0, None);
        all
    }
}
