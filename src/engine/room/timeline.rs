//! The one order in which all members hear the same things. In a room of this daemon alone it is that of arrival; in a shared
//! one it is that of a log elsewhere, from which everything comes back.

use super::super::transcript::Transcript;
#[cfg(feature = "nats")]
use super::super::uplink;
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

/// The room's messages: the log that members are sent, the history for newcomers, and the transcript.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) log: Log,
    pub(super) history: History,
    transcript: Transcript,
    /// There is a transcript, or the room is shared: otherwise what is said goes into the log at once.
    is_special: bool,
    is_shared: bool,
    /// Bytes said since everybody was last offered what there is.
    pub(super) fresh: usize,
    /// The same when nothing was said: more, if members have to wait.
    pub(super) fresh_floor: usize,
}

impl Timeline {
    /// Whether what is said has to be proposed to a log elsewhere.
    #[inline]
    pub(super) fn is_special(&self) -> bool {
        self.is_special
    }

    /// Whether another authority decides on the order.
    #[cfg(feature = "nats")]
    pub(super) fn set_shared(&mut self, is_shared: bool) {
        self.is_shared = is_shared;
        self.is_special = is_shared || self.transcript.is_kept();
    }

    /// Whether there is a transcript.
    pub(super) fn keep_transcript(&mut self, is_kept: bool) {
        self.transcript.keep(is_kept);
        self.is_special = self.is_shared || is_kept;
    }

    /// Only the transcript has this line.
    pub(super) fn write_down(&mut self, line: &str) {
        self.transcript.add(&[line.as_bytes()]);
    }

    /// The next line to write down.
    pub(super) fn poll_transcript(&mut self) -> Option<Box<str>> {
        self.transcript.poll()
    }

    /// What is said in a room of this daemon alone, without a transcript. `prefix` is the speaker's name with a colon and a
    /// blank.
    #[inline]
    pub(super) fn say(&mut self, prefix: &[u8], text: &[u8]) {
        self.append(&[prefix, text], true, true);
    }

    /// Puts an entry into the log, the history and the transcript. `is_heard`: there are members to hear it.
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

    /// The same for an entry that comes from the log of several machines. `is_news`: it is no history.
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
            false if is_remembered => self.remember(parts),
            false => {}
        }
    }

    /// A line about the room itself, for its members here.
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
