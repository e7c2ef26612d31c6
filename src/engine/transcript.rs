//! The transcript of the room: who joined, what was said and done, who left. It has no direct messages. Knows no file.

use std::collections::VecDeque;

/// The most unwritten bytes, including the overhead of each line. The room says less than this in a few turns of the loop.
pub const TRANSCRIPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The capacity that an empty queue keeps.
const LINES_KEPT: usize = 64;

/// The overhead of a line: its entry in the queue, and the allocator's.
const LINE_BYTES: usize = 64;

/// Lines that wait to be written, in the room's order.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    is_kept: bool,
    lines: VecDeque<Box<str>>,
    bytes: usize,
    /// Lines that were dropped because the queue was full.
    lost: u64,
}

impl Transcript {
    /// Begins or ends a transcript.
    pub(super) fn keep(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
        if !is_kept {
            *self = Transcript::default();
        }
    }

    /// Whether a transcript is kept.
    #[cfg(feature = "nats")]
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Adds these pieces as one line.
    pub(super) fn add(&mut self, pieces: &[&[u8]]) {
        if !self.is_kept {
            return;
        }
        let bytes = pieces.iter().map(|piece| piece.len()).sum::<usize>() + LINE_BYTES;
        if self.bytes + bytes > TRANSCRIPT_BYTES_MAX && !self.lines.is_empty() {
            self.lost += 1;
            return;
        }
        self.bytes += bytes;
        self.lines.push_back(String::from_utf8_lossy(&pieces.concat()).into());
    }

    /// The next line to write.
    pub(super) fn poll(&mut self) -> Option<Box<str>> {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.len() + LINE_BYTES;
            return Some(line);
        }
        self.lines.shrink_to(LINES_KEPT);
        match std::mem::take(&mut self.lost) {
            0 => None,
            lost => Some(format!("({lost} lines are missing here)").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcript_is_kept_only_for_a_reader_and_bounded() {
        let mut transcript = Transcript::default();
        transcript.add(&[b"alice: ", b"hi"]);
        assert_eq!(transcript.poll(), None);
        transcript.keep(true);
        transcript.add(&[b"alice: ", b"hi"]);
        assert_eq!(transcript.poll().as_deref(), Some("alice: hi"));
        let line = [b'x'; 1000];
        let fits = TRANSCRIPT_BYTES_MAX / (1000 + LINE_BYTES);
        (0..fits + 7).for_each(|_| transcript.add(&[&line]));
        assert!((0..fits).all(|_| transcript.poll().is_some_and(|line| line.len() == 1000)));
        assert_eq!(transcript.poll().as_deref(), Some("(7 lines are missing here)"));
        assert_eq!((transcript.poll(), transcript.bytes), (None, 0));
        transcript.add(&[b"x"]);
        transcript.keep(false);
        assert_eq!(transcript.poll(), None);
    }
}
