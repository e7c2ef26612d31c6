//! What goes up to the servers and comes down from them, in words for watchers. Knows values; nobody watches here.

use std::fmt;

use super::super::text::{private, quote};
use super::batch::Item;
use super::event::Entry;
use super::ids::InstanceId;
use super::why::Why;

/// Where an item stands.
#[derive(Clone, Copy, Debug)]
pub enum Within {
    /// In a batch of ours, with this number.
    Batch(u64),
    /// In the log's message with this sequence, from this instance.
    Message(u64, InstanceId),
}

/// A text of members, escaped.
struct Shown<'a>(Entry<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |text: &str| quote(text.as_bytes());
        match self.0 {
            Entry::Joined(name) => write!(f, "{} joins", told(name)),
            Entry::Left(name) => write!(f, "{} leaves", told(name)),
            Entry::Said { name, text } => write!(f, "{} says '{}'", told(name), told(text)),
            Entry::Acted { name, text } => write!(f, "* {} '{}'", told(name), told(text)),
            Entry::Announced(line) => write!(f, "'{}'", told(line)),
        }
    }
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Within::Batch(number) => write!(f, "batch {number}"),
            Within::Message(sequence, instance) => write!(f, "message {sequence} of instance {instance}"),
        }
    }
}

/// An entry of members, and who that is.
pub fn of_entry(within: Within, entry: Entry<'_>) -> (&str, String) {
    let name = match entry {
        Entry::Joined(name) | Entry::Left(name) | Entry::Said { name, .. } | Entry::Acted { name, .. } => {
            name
        }
        Entry::Announced(_) => "",
    };
    (name, format!("{within}: {}", Shown(entry)))
}

/// What an instance says itself.
pub fn of_item(within: Within, item: Item<'_>) -> Option<String> {
    Some(match item {
        Item::Entry(_) | Item::Again => return None,
        Item::Hello { count: 1, .. } => format!("{within}: it lives, with 1 member"),
        Item::Hello { count, .. } => format!("{within}: it lives, with {count} members"),
        Item::Roll { .. } => format!("{within}: the list of its members"),
        Item::Ask(instance) => format!("{within}: it asks instance {instance} for its members"),
        Item::Gone { instance, .. } => format!("{within}: instance {instance} is gone"),
    })
}

/// The answer to a batch.
pub fn of_answer(number: u64, answer: Result<u64, &Why>) -> String {
    match answer {
        Ok(sequence) => format!("acknowledged: batch {number} is message {sequence}"),
        Err(why) => format!("not acknowledged: batch {number}: {why}"),
    }
}

/// A whisper, without its text.
pub fn of_whisper(from: &str, to: &str, bytes: usize) -> String {
    let told = |name: &str| quote(name.as_bytes());
    format!("{} whispers to {} {}", told(from), told(to), private(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_whispers_are_private() {
        let entry = Entry::Said { name: "ann", text: "a\u{1b}[2Jb" };
        let (name, told) = of_entry(Within::Batch(7), entry);
        assert_eq!((name, told.as_str()), ("ann", "batch 7: ann says 'a\\u{1b}[2Jb'"));
        let within = Within::Message(9, InstanceId([0x3f; 16]));
        let (_, told) = of_entry(within, Entry::Announced("x\u{7}"));
        assert_eq!(told, format!("message 9 of instance {}: 'x\\u{{7}}'", "3f".repeat(16)));
        assert_eq!(of_whisper("a\n", "b", 5), "a\\u{a} whispers to b (private, 5 bytes)");
        assert_eq!(of_item(Within::Batch(1), Item::Entry(Entry::Left("x"))), None);
        assert_eq!(of_answer(3, Ok(8)), "acknowledged: batch 3 is message 8");
    }
}
