//! The unsent bytes of one peer, and where each message ends. Knows bytes and not their meaning. Holds no memory while it is empty.

use std::time::Duration;

use memchr::{memchr, memchr_iter};
use serde::{Deserialize, Serialize};

use super::codec::{Encoding, websocket};
use super::message::Timestamp;

/// The smallest allocation, and the free space that remains before it grows: a common reply, an acknowledgement and a result, fits.
const ROOM: usize = 64;

/// One peer's queue.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Outbox {
    /// Messages in the form in which they are sent; those before `start` have been sent. If each message is sent on its own, an LF
    /// follows it.
    bytes: Vec<u8>,
    start: u32,
    #[serde(rename = "open")] // its name in the records of earlier versions
    last: Last,
    #[serde(rename = "partial")] // its name in the records of earlier versions
    front: Front,
    #[serde(default, rename = "joined")]
    between: Between,
    /// The queued bytes may be private to this peer.
    #[serde(skip)]
    private: bool,
    /// Nothing is sent before this time, because a paced message has just been sent.
    pause: Option<Timestamp>,
}

/// How much of the first message was sent. In the record of a restart: whether a part of it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
enum Front {
    /// Nothing of it, and nothing of any message before it.
    #[default]
    First,
    /// Nothing of it.
    Whole,
    /// A part of it.
    Rest,
}

impl From<bool> for Front {
    fn from(is_rest: bool) -> Front {
        if is_rest { Front::Rest } else { Front::First }
    }
}

impl From<Front> for bool {
    fn from(front: Front) -> bool {
        front == Front::Rest
    }
}

/// Whether the last queued message has its end. In the record of a restart: whether it lacks it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
enum Last {
    /// It has its end.
    #[default]
    Ended,
    /// It lacks its end: the rest of the reply comes later.
    Unterminated,
}

impl From<bool> for Last {
    fn from(is_unterminated: bool) -> Last {
        if is_unterminated { Last::Unterminated } else { Last::Ended }
    }
}

impl From<Last> for bool {
    fn from(last: Last) -> bool {
        last == Last::Unterminated
    }
}

/// What separates two queued messages if each is sent on its own. In the record of a restart: whether nothing separates them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
enum Between {
    /// An LF, which is not sent.
    #[default]
    Mark,
    /// Nothing: they are sent together, until the queue is empty.
    Nothing,
}

impl From<bool> for Between {
    fn from(is_nothing: bool) -> Between {
        if is_nothing { Between::Nothing } else { Between::Mark }
    }
}

impl From<Between> for bool {
    fn from(between: Between) -> bool {
        between == Between::Nothing
    }
}

impl Outbox {
    /// Whether any bytes were ever sent.
    pub fn has_sent(&self) -> bool {
        self.front != Front::First
    }

    /// The number of queued bytes.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether whole messages that are sent from elsewhere, and not from here, change nothing.
    #[inline]
    pub fn is_at_rest(&self) -> bool {
        self.bytes.is_empty() && self.pause.is_none() && self.last == Last::Ended && self.has_sent()
    }

    /// A copy without the bytes.
    pub fn without_bytes(&self) -> Outbox {
        Outbox { bytes: Vec::new(), start: 0, ..*self }
    }

    /// Puts the bytes back.
    pub fn fill(&mut self, bytes: Vec<u8>) {
        (self.bytes, self.start) = (bytes, 0);
    }

    /// Its memory, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Frees unused memory.
    pub fn fit(&mut self) {
        self.forget_sent();
        self.bytes.shrink_to_fit();
    }

    /// Whether it is consistent, as a saved one must be.
    pub fn is_sound(&self) -> bool {
        self.start() <= self.bytes.len()
    }

    /// Marks the bytes that are queued from now on as private to this peer. Until the queue is empty, nobody else may see its
    /// bytes.
    pub fn mark_private(&mut self) {
        self.private = true;
    }

    /// Whether the queued bytes are private.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// Queues a message.
    pub fn say(&mut self, encoding: Encoding, message: impl AsRef<[u8]>) {
        let message = message.as_ref();
        self.make_room(message.len() + 2);
        let last = std::mem::take(&mut self.last);
        match encoding {
            Encoding::Lines => {
                if last == Last::Unterminated {
                    self.bytes.push(b'\n');
                }
                self.bytes.extend_from_slice(message);
                self.bytes.push(b'\n');
            }
            Encoding::WebSocket => websocket::encode(message, &mut self.bytes),
            _ => self.encode(encoding, last, message),
        }
    }

    #[cold]
    fn encode(&mut self, encoding: Encoding, last: Last, message: &[u8]) {
        let start = self.bytes.len();
        if last == Last::Unterminated {
            self.bytes.extend_from_slice(encoding.end());
        }
        encoding.encode(message, &mut self.bytes);
        if self.is_joined() && encoding.is_paced() {
            let tail = self.bytes.split_off(start);
            self.bytes.extend(tail.into_iter().filter(|byte| *byte != b'\n'));
        }
    }

    /// Queues a message that may go on in the same line. Its end is written before the next message.
    pub fn push_unterminated(&mut self, message: &str) {
        self.bytes.extend_from_slice(message.as_bytes());
        self.last = Last::Unterminated;
    }

    /// Whether the last message was [queued without its end](Self::push_unterminated), and nothing has followed it.
    pub fn has_open_line(&self) -> bool {
        self.last == Last::Unterminated
    }

    /// Queues bytes as they are.
    pub fn push(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// The end of the queue, with room for so many bytes: for whole messages, which are written where they wait, each with its
    /// end. Not while a line [lacks its end](Self::has_open_line).
    pub fn end(&mut self, bytes: usize) -> &mut Vec<u8> {
        debug_assert!(!self.has_open_line());
        self.make_room(bytes);
        &mut self.bytes
    }

    /// The bytes that may be sent now. During a pause there are none, even if the encoding has changed since.
    pub fn ready(&self, encoding: Encoding) -> &[u8] {
        let waiting = self.waiting();
        if self.pause.is_some() {
            return &[];
        }
        if !encoding.is_one_by_one() || self.is_joined() {
            return waiting;
        }
        // An LF at the front only ends a message that has been sent already.
        let message = &waiting[usize::from(waiting.first() == Some(&b'\n'))..];
        &message[..memchr(b'\n', message).unwrap_or(message.len())]
    }

    /// The first `count` bytes of [`ready`](Self::ready) were sent at `now`. A paced message is followed by a pause of
    /// `gap`.
    pub fn sent(&mut self, encoding: Encoding, count: usize, now: Timestamp, gap: Duration) {
        if encoding.is_one_by_one() && !self.is_joined() {
            let mut start = self.start();
            start += usize::from(self.bytes.get(start) == Some(&b'\n')) + count;
            let ended = self.bytes.get(start) == Some(&b'\n');
            self.front = if ended { Front::Whole } else { Front::Rest };
            self.skip_to(start + usize::from(ended));
            if ended && encoding.is_paced() {
                self.pause = Some(now + gap); // also before a message that is not queued yet
            }
        } else if count > 0 {
            let start = self.start() + count;
            self.front = if self.bytes[start - 1] == b'\n' { Front::Whole } else { Front::Rest };
            self.skip_to(start);
        }
        self.compact();
    }

    /// Reserves memory for exactly the bytes that come next.
    pub fn expect(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes);
    }

    /// Reserves memory for more bytes.
    fn make_room(&mut self, bytes: usize) {
        if self.bytes.capacity() - self.bytes.len() < bytes {
            self.grow(bytes);
        }
    }

    /// Handles a full buffer: drops sent bytes if that is worth the copying, or grows. The first allocation fits a common reply.
    #[cold]
    fn grow(&mut self, bytes: usize) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(bytes.max(ROOM));
        } else if self.start() > self.bytes.len() / 4 {
            self.forget_sent();
        }
    }

    fn is_joined(&self) -> bool {
        self.between == Between::Nothing
    }

    fn start(&self) -> usize {
        self.start as usize
    }

    /// All bytes that wait.
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.start()..]
    }

    /// Marks everything before `start` as sent or dropped.
    fn skip_to(&mut self, start: usize) {
        match u32::try_from(start) {
            Ok(start) => self.start = start,
            Err(_) => {
                self.bytes.drain(..start);
                self.start = 0;
            }
        }
    }

    fn forget_sent(&mut self) {
        self.bytes.drain(..self.start());
        self.start = 0;
    }

    fn compact(&mut self) {
        if self.start() == self.bytes.len() {
            // This frees the memory too: an idle session holds none.
            self.bytes = Vec::new();
            self.start = 0;
            self.between = Between::Mark;
            self.private = false;
        } else if self.start() > self.bytes.len() / 2 {
            self.forget_sent();
        }
    }

    /// Drops the oldest lines until at most `max` bytes wait, and returns how many. A line that was sent in part stays.
    pub fn drop_oldest(&mut self, max: usize) -> u64 {
        let Some(excess) = self.len().checked_sub(max).filter(|excess| *excess > 0) else { return 0 };
        let waiting = self.waiting();
        let behind_lf = |from: usize| {
            let rest = waiting.get(from..).unwrap_or_default();
            memchr(b'\n', rest).map_or(waiting.len(), |lf| from + lf + 1)
        };
        let head = if self.front == Front::Rest { behind_lf(0) } else { 0 };
        let end = behind_lf(head + excess - 1);
        let count = memchr_iter(b'\n', &waiting[head..end]).count();
        // The rest of the partly sent line moves to the front of the lines that stay.
        let start = self.start();
        self.bytes.copy_within(start..start + head, start + end - head);
        self.skip_to(start + end - head);
        self.compact();
        count as u64
    }

    /// The number of queued messages, if each is sent on its own.
    pub fn messages(&self) -> usize {
        memchr_iter(b'\n', self.waiting()).count()
    }

    /// When the pause after a paced message ends, if another message waits for it.
    pub fn pause(&self) -> Option<Timestamp> {
        self.pause.filter(|_| !self.is_empty())
    }

    /// Ends the pause if its time has come, and returns whether it did.
    pub fn resume(&mut self, now: Timestamp) -> bool {
        let over = self.pause.is_some_and(|pause| pause <= now);
        if over {
            self.pause = None;
        }
        over
    }

    /// Ends the pause: the waiting messages are sent without one.
    pub fn end_pause(&mut self) {
        self.pause = None;
    }

    /// Queues bytes as they are, even if LFs separate the queued messages.
    pub fn push_joined(&mut self, bytes: &[u8]) {
        self.join();
        self.between = Between::Nothing;
        self.push(bytes);
    }

    /// From now on each message is sent on its own. Lines that are already queued are sent as they are, together with everything
    /// that is queued before they are gone.
    pub fn end_lines(&mut self) {
        if memchr(b'\n', self.waiting()).is_some() {
            self.between = Between::Nothing;
        }
    }

    /// Joins the messages of a paced encoding: until the queue is empty, all are sent together and without pauses.
    pub fn join(&mut self) {
        self.pause = None;
        if !self.is_joined() && !self.is_empty() {
            self.forget_sent();
            self.bytes.retain(|byte| *byte != b'\n');
            self.between = Between::Nothing;
        }
    }

    /// Drops all that waits.
    pub fn clear(&mut self) {
        let front = if self.has_sent() { Front::Whole } else { Front::First };
        *self = Outbox { front, ..Outbox::default() };
    }
}

#[cfg(test)]
mod tests;
