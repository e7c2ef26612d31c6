//! Messages that the stream had when it was checked, and that were not delivered. Another room's are no loss. But they may have been
//! trimmed in between, and one may have declared us gone: so the stream is checked again before anything is sent.

use super::super::super::message::Timestamp;
use super::super::api::Reply;
use super::super::bounds::ANSWER_TIMEOUT;
use super::super::reason::Reason;
use super::super::subjects::Subjects;
use super::{News, Reader};

impl Reader {
    /// Its position and time for the next process. What was read behind a hole is read again, and does not count twice.
    pub fn save(&self) -> (u64, u64) {
        self.hole.map_or((self.position, self.time), |hole| (hole, 0))
    }

    /// Asks for the stream's state again when everything was read, if messages were not delivered that it had before.
    pub fn check_hole(&mut self, subjects: &Subjects, out: &mut Vec<u8>, now: Timestamp) {
        if self.hole.is_some() && self.decided_by.is_none() && self.has_read_all() {
            self.ask(subjects, out);
            self.decided_by = Some(now + ANSWER_TIMEOUT);
        }
    }

    /// Handles the stream's state after everything was read: what is still there before the end of a hole belongs to another room.
    pub(super) fn decided(&mut self, reply: &Reply) -> Result<News, Reason> {
        if reply.created != self.created || reply.state.last_seq < self.position {
            return Err(Reason::NoQuorum);
        }
        self.decided_by = None;
        self.has_gap = self.hole.take().is_some_and(|hole| reply.state.first_seq > hole.saturating_add(1));
        Ok(News::Nothing)
    }
}
