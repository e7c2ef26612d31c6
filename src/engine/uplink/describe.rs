//! The traffic with the servers, in words for watchers.

use std::fmt;

use super::super::text::{private, quote};
use super::batch::Item;
use super::event::Entry;
use super::ids::InstanceId;
use super::reason::Reason;

/// The context of an item.
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
        let shown = |text: &str| quote(text.as_bytes());
        match self.0 {
            Entry::Joined(name) => write!(f, "{} joins", shown(name)),
            Entry::Left(name) => write!(f, "{} leaves", shown(name)),
            Entry::Said { name, text } => write!(f, "{} says '{}'", shown(name), shown(text)),
            Entry::Acted { name, text } => write!(f, "* {} '{}'", shown(name), shown(text)),
            Entry::Announced(line) => write!(f, "'{}'", shown(line)),
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

/// The member that an entry is about, and the entry in words.
pub fn entry(within: Within, entry: Entry<'_>) -> (&str, String) {
    let name = match entry {
        Entry::Joined(name) | Entry::Left(name) | Entry::Said { name, .. } | Entry::Acted { name, .. } => {
            name
        }
        Entry::Announced(_) => "",
    };
    (name, format!("{within}: {}", Shown(entry)))
}

/// An item of an instance itself, in words.
pub fn item(within: Within, item: Item<'_>) -> Option<String> {
    Some(match item {
        Item::Entry(_) | Item::Again => return None,
        Item::Hello { count: 1, .. } => format!("{within}: it is alive, with 1 member"),
        Item::Hello { count, .. } => format!("{within}: it is alive, with {count} members"),
        Item::MemberList { .. } => format!("{within}: the list of its members"),
        Item::Ask(instance) => format!("{within}: it asks instance {instance} for its members"),
        Item::Gone { instance, .. } => format!("{within}: instance {instance} is gone"),
    })
}

/// The answer to a batch, in words.
pub fn answer(number: u64, answer: Result<u64, &Reason>) -> String {
    match answer {
        Ok(sequence) => format!("acknowledged: batch {number} is message {sequence}"),
        Err(reason) => format!("not acknowledged: batch {number}: {reason}"),
    }
}

/// A private message, without its text.
pub fn whisper(from: &str, to: &str, bytes: usize) -> String {
    let shown = |name: &str| quote(name.as_bytes());
    format!("{} whispers to {} {}", shown(from), shown(to), private(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_whispers_are_private() {
        let said = Entry::Said { name: "ann", text: "a\u{1b}[2Jb" };
        let (name, shown) = entry(Within::Batch(7), said);
        assert_eq!((name, shown.as_str()), ("ann", "batch 7: ann says 'a\\u{1b}[2Jb'"));
        let within = Within::Message(9, InstanceId([0x3f; 16]));
        let (_, shown) = entry(within, Entry::Announced("x\u{7}"));
        assert_eq!(shown, format!("message 9 of instance {}: 'x\\u{{7}}'", "3f".repeat(16)));
        assert_eq!(whisper("a\n", "b", 5), "a\\u{a} whispers to b (private, 5 bytes)");
        assert_eq!(item(Within::Batch(1), Item::Entry(Entry::Left("x"))), None);
        assert_eq!(answer(3, Ok(8)), "acknowledged: batch 3 is message 8");
    }
}
