//! The history for new members: the last messages, bounded in number and in bytes.

use std::collections::VecDeque;

/// The last messages, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    lines: VecDeque<Box<str>>,
    bytes: usize,
    max: usize,
    bytes_max: usize,
}

impl History {
    /// Sets its bounds: `max` messages of `bytes_max` bytes together.
    pub(super) fn set_bounds(&mut self, max: usize, bytes_max: usize) {
        (self.max, self.bytes_max) = (max, bytes_max);
        self.trim();
    }

    /// Whether any history is kept.
    pub(super) fn is_kept(&self) -> bool {
        self.max > 0
    }

    /// The bytes of its messages, without line ends.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(AsRef::as_ref)
    }

    pub(super) fn remember(&mut self, line: Box<str>) {
        self.bytes += line.len();
        self.lines.push_back(line);
        self.trim();
    }

    /// Drops the oldest messages beyond the bounds.
    fn trim(&mut self) {
        while self.lines.len() > self.max || self.bytes > self.bytes_max {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.len();
        }
    }
}
