//! The members of the room, as far as known from its lines. Knows no screen and no connection.

use std::collections::BTreeSet;

use ipcd::engine::words;

/// More than any room has; beyond this, only completion suffers.
const MEMBERS_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Members {
    names: BTreeSet<String>,
    /// Pending answers to questions that the user did not type.
    asked: usize,
}

impl Members {
    /// A new room: no member is known.
    pub(crate) fn clear(&mut self) {
        *self = Members::default();
    }

    /// The client is about to ask the room by itself.
    pub(crate) fn ask(&mut self) {
        self.asked += 1;
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Learns from a line; returns whether it answers a question that the user did not type.
    pub(crate) fn handle(&mut self, line: &str) -> bool {
        if let Some(names) = line.strip_prefix(words::WHO) {
            let names = names.rsplit_once(" (").map_or(names, |(names, _)| names);
            self.names = names.split(", ").take(MEMBERS_MAX).map(str::to_owned).collect();
            let is_ours = self.asked > 0;
            self.asked = self.asked.saturating_sub(1);
            return is_ours;
        }
        match line.split_once(": ") {
            // A member that speaks is in the room.
            Some((name, _)) if !name.contains(['(', '*']) => self.add(name),
            Some(_) => {}
            None => match (line.strip_suffix(words::JOINED), line.strip_suffix(words::LEFT)) {
                (Some(name), _) => self.add(name),
                (None, Some(name)) => _ = self.names.remove(name),
                (None, None) => {}
            },
        }
        false
    }

    fn add(&mut self, name: &str) {
        if self.names.len() < MEMBERS_MAX && !self.names.contains(name) {
            self.names.insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_follow_joins_speech_and_leaves_and_own_query_is_hidden() {
        let mut members = Members::default();
        for line in ["bob has joined the chat!", "Ann B.: hi: you", "eve (to you): psst", "* eve waves: x"] {
            assert!(!members.handle(line), "{line}");
        }
        assert_eq!(members.names().collect::<Vec<_>>(), ["Ann B.", "bob"]);
        members.handle("bob has left the chat.");
        members.handle("eve: bob has joined the chat!");
        assert_eq!(members.names().collect::<Vec<_>>(), ["Ann B.", "eve"]);
        members.ask();
        assert!(members.handle("In the room: ann, bob, cay (3)"));
        assert!(!members.handle("In the room: ann, bob (2)"));
        assert_eq!(members.names().collect::<Vec<_>>(), ["ann", "bob"]);
    }
}
