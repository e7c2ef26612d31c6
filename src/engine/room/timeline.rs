//! The one order in which all members get everything. In a room of one daemon it is the order of arrival; in a shared room it is
//! that of a log elsewhere, from which everything comes back.

use super::super::transcript::Transcript;
#[cfg(feature = "nats")]
use super::super::uplink;
use super::super::words;
use super::history::History;
use super::log::Log;

/// An entry for everyone in the room.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'a> {
    /// A member with this name joined.
    Joined(&'a str),
    /// The member with this name left.
    Left(&'a str),
    /// A member said `text`, which is clean UTF-8; `prefix` is its name with a colon and a space.
    Said { prefix: &'a [u8], text: &'a [u8] },
    /// A member sent an action (`/me`).
    Acted { name: &'a str, text: &'a str },
    /// A line that no member said.
    Announced(&'a str),
}

/// The room's messages: the log that is sent to members, the history for new ones, and the transcript.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) log: Log,
    pub(super) history: History,
    transcript: Transcript,
    /// Set if there is a transcript, or the room is shared. Otherwise messages go into the log at once.
    is_special: bool,
    is_shared: bool,
    /// Bytes since all members were last offered everything.
    pub(super) fresh: usize,
    /// The value of `fresh` without new messages: above zero if members have to wait.
    pub(super) fresh_floor: usize,
}

impl Timeline {
    /// Whether messages must be proposed to a log elsewhere.
    #[inline]
    pub(super) fn is_special(&self) -> bool {
        self.is_special
    }

    /// Whether a log elsewhere decides on the order.
    #[cfg(feature = "nats")]
    pub(super) fn set_shared(&mut self, is_shared: bool) {
        self.is_shared = is_shared;
        self.is_special = is_shared || self.transcript.is_kept();
    }

    /// Begins or ends a transcript.
    pub(super) fn keep_transcript(&mut self, is_kept: bool) {
        self.transcript.keep(is_kept);
        self.is_special = self.is_shared || is_kept;
    }

    /// Adds a line to the transcript only.
    pub(super) fn write_down(&mut self, line: &str) {
        self.transcript.add(&[line.as_bytes()]);
    }

    /// The next line to write to the transcript.
    pub(super) fn poll_transcript(&mut self) -> Option<Box<str>> {
        self.transcript.poll()
    }

    /// Adds a message in a room of this daemon alone without a transcript. `prefix` is the sender's name with a colon and a space.
    #[inline]
    pub(super) fn say(&mut self, prefix: &[u8], text: &[u8]) {
        self.append(&[prefix, text], true, true);
    }

    /// Adds an entry to the log, the history and the transcript. `is_heard`: whether there are members.
    pub(super) fn commit(&mut self, entry: Entry<'_>, is_heard: bool) {
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

    /// Adds an entry from the shared log. `is_news`: it is not history.
    #[cfg(feature = "nats")]
    pub(super) fn commit_shared(&mut self, entry: uplink::Entry<'_>, is_news: bool, is_heard: bool) {
        let (parts, is_remembered): (&[&[u8]], bool) = match entry {
            uplink::Entry::Joined(name) => (&[name.as_bytes(), words::JOINED.as_bytes()], false),
            uplink::Entry::Left(name) => (&[name.as_bytes(), words::LEFT.as_bytes()], false),
            uplink::Entry::Said { name, text } => (&[name.as_bytes(), b": ", text.as_bytes()], true),
            uplink::Entry::Acted { name, text } => (&[b"* ", name.as_bytes(), b" ", text.as_bytes()], true),
            uplink::Entry::Announced(line) => (&[line.as_bytes()], true),
        };
        match is_news {
            true => self.write(parts, is_remembered, is_heard),
            false if is_remembered => self.append(parts, true, false),
            false => {}
        }
    }

    /// Adds a line about the room itself, for its members here.
    #[cfg(feature = "nats")]
    pub(super) fn tell(&mut self, line: &str, is_heard: bool) {
        self.write(&[line.as_bytes()], false, is_heard);
    }

    fn write(&mut self, parts: &[&[u8]], is_remembered: bool, is_heard: bool) {
        self.transcript.add(parts);
        self.append(parts, is_remembered, is_heard);
    }

    #[inline]
    fn append(&mut self, parts: &[&[u8]], is_remembered: bool, is_heard: bool) {
        if is_heard {
            self.fresh += self.log.append_line(parts);
        }
        if is_remembered {
            self.remember(parts);
        }
    }

    #[inline]
    fn remember(&mut self, parts: &[&[u8]]) {
        if self.history.is_kept() {
            self.history.remember(String::from_utf8_lossy(&parts.concat()).into());
        }
    }
}
