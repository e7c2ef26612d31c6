//! The one order in which all members hear the same things. A message is proposed, and then committed to the log. Here
//! a proposal is committed at once: the order is that of arrival.

use super::super::transcript::Transcript;
use super::super::words;
use super::history::History;
use super::log::Log;

/// Something that everybody in the room hears.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'a> {
    /// A member with this name came.
    Joined(&'a str),
    /// The member with this name left.
    Left(&'a str),
    /// A member said `text`, which is clean UTF-8; `prefix` is its name with a colon and a blank.
    Said { prefix: &'a [u8], text: &'a [u8] },
    /// A member did something.
    Acted { name: &'a str, text: &'a str },
    /// A line that no member says.
    Announced(&'a str),
}

/// The authority that decides on the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    /// This room alone.
    #[default]
    Local,
}

/// The outcome of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Proposed {
    /// It is in the log.
    Committed,
}

/// The room's messages: the log that members are sent, the history for newcomers, and the transcript.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    order: Order,
    pub(super) log: Log,
    pub(super) history: History,
    pub(super) transcript: Transcript,
    /// Bytes said since everybody was last offered what there is.
    pub(super) fresh: usize,
}

impl Timeline {
    /// Proposes an entry. `is_heard`: there are members to hear it.
    #[inline]
    pub(super) fn propose(&mut self, entry: Entry<'_>, is_heard: bool) -> Proposed {
        match self.order {
            Order::Local => {
                self.commit(entry, is_heard);
                Proposed::Committed
            }
        }
    }

    /// Puts an entry into the log, the history and the transcript: the only place that does.
    fn commit(&mut self, entry: Entry<'_>, is_heard: bool) {
        match entry {
            Entry::Joined(name) => self.write(&[name.as_bytes(), words::JOINED.as_bytes()], false, is_heard),
            Entry::Left(name) => self.write(&[name.as_bytes(), words::LEFT.as_bytes()], false, is_heard),
            Entry::Said { prefix, text } => self.write(&[prefix, text], true, is_heard),
            Entry::Acted { name, text } => {
                self.write(&[b"* ", name.as_bytes(), b" ", text.as_bytes()], true, is_heard);
            }
            Entry::Announced(line) => self.write(&[line.as_bytes()], true, is_heard),
        }
    }

    #[inline]
    fn write(&mut self, parts: &[&[u8]], is_remembered: bool, is_heard: bool) {
        self.transcript.add(parts);
        if is_heard {
            self.fresh += self.log.append_line(parts);
        }
        if is_remembered && self.history.is_kept() {
            self.history.remember(String::from_utf8_lossy(&parts.concat()).into());
        }
    }
}
