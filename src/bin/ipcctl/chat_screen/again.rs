//! After joining again, leaves out the part of the room's history that was shown already. Knows no screen.

use std::collections::VecDeque;

/// The most lines to remember: the longest history that a room can have.
const LINES_MAX: usize = 10_000;

/// The lines that were shown, and those that wait until the whole history is there.
#[derive(Default)]
pub(crate) struct Again {
    /// The last lines of members and the administrator, as the history keeps them.
    shown: VecDeque<String>,
    /// The history so far, until it has ended.
    held: Option<Vec<String>>,
}

impl Again {
    /// We have joined again: the history follows.
    pub(crate) fn begin(&mut self) {
        self.held = Some(Vec::new());
    }

    /// Takes a line of the history; returns any other.
    pub(crate) fn hold(&mut self, line: String) -> Option<String> {
        match &mut self.held {
            Some(held) => {
                held.push(line);
                None
            }
            None => Some(line),
        }
    }

    /// Whether as many lines are held as the longest history has.
    pub(crate) fn is_full(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.len() >= LINES_MAX)
    }

    /// The history has ended: returns its lines that were not shown. Leaves out the longest beginning of the history with which
    /// the shown lines end.
    pub(crate) fn end(&mut self) -> Vec<String> {
        let Some(mut held) = self.held.take() else { return Vec::new() };
        let known = (1..=held.len().min(self.shown.len()))
            .rev()
            .find(|count| self.shown.range(self.shown.len() - count..).eq(held[..*count].iter()));
        held.drain(..known.unwrap_or(0));
        held
    }

    /// A line was shown that belongs to the history.
    pub(crate) fn shown(&mut self, line: String) {
        if self.shown.len() == LINES_MAX {
            self.shown.pop_front();
        }
        self.shown.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shown part of a history after these lines.
    fn after(shown: &[&str], history: &[&str]) -> Vec<String> {
        let mut again = Again::default();
        shown.iter().for_each(|line| again.shown((*line).to_owned()));
        again.begin();
        history.iter().for_each(|line| assert_eq!(again.hold((*line).to_owned()), None));
        let new = again.end();
        assert_eq!(again.hold("x".to_owned()).as_deref(), Some("x"), "the history has ended");
        new
    }

    #[test]
    fn only_new_lines_of_a_history_are_shown() {
        assert_eq!(after(&["a", "b", "c"], &["b", "c", "d"]), ["d"]);
        assert_eq!(after(&["a", "b"], &["a", "b"]), [""; 0]);
        assert_eq!(after(&["a", "a"], &["a", "a", "a"]), ["a"]);
        assert_eq!(after(&["a", "b"], &["c", "b"]), ["c", "b"]);
        assert_eq!(after(&["a", "b"], &["b", "a"]), ["a"]);
        assert_eq!(after(&[], &["a"]), ["a"]);
        assert_eq!(after(&["a"], &[]), [""; 0]);
    }

    #[test]
    fn longest_history_is_held_and_no_more() {
        let mut again = Again::default();
        again.begin();
        for number in 0..LINES_MAX {
            assert!(!again.is_full());
            assert_eq!(again.hold(number.to_string()), None);
        }
        assert!(again.is_full());
        assert_eq!(again.end().len(), LINES_MAX);
        assert!(!again.is_full());
    }
}
