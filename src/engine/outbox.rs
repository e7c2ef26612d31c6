//! What waits to be sent to one peer, and where one message to it ends and the next begins.
//! Knows bytes; has never seen what they say. Holds no memory while nothing waits.

use std::time::Duration;

use memchr::{memchr, memchr_iter};
use serde::{Deserialize, Serialize};

use super::codec::Style;
use super::message::Moment;

/// Bytes of room in a queue's memory, from which on it is going to grow, and the least that it takes: a common reply, which
/// is an acknowledgement and a result.
const ROOM: usize = 64;

/// One peer's queue.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Outbox {
    /// Messages, each followed by LF (in [`Style::Bare`] by nothing), from `start` on not yet sent.
    bytes: Vec<u8>,
    start: u32,
    /// The last message still lacks its end: the rest of the reply to it comes later.
    open: bool,
    /// The message in front was sent in part.
    partial: bool,
    /// Nothing goes out before this moment (a paced message has just gone).
    pause: Option<Moment>,
}

impl Outbox {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that is known of it but what waits.
    pub fn without_bytes(&self) -> Outbox {
        Outbox { bytes: Vec::new(), start: 0, ..*self }
    }

    /// This waits again.
    pub fn fill(&mut self, bytes: Vec<u8>) {
        (self.bytes, self.start) = (bytes, 0);
    }

    /// The memory that it takes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives back what memory it does not need.
    pub fn fit(&mut self) {
        self.forget_sent();
        self.bytes.shrink_to_fit();
    }

    /// Whether it can be one that was saved.
    pub fn is_sound(&self) -> bool {
        self.start() <= self.bytes.len()
    }

    /// Queues a message.
    pub fn say(&mut self, style: Style, message: impl AsRef<[u8]>) {
        let message = message.as_ref();
        self.make_room(message.len() + 2);
        if std::mem::take(&mut self.open) && style.marks_with_lf() {
            self.bytes.push(b'\n');
        }
        self.bytes.extend_from_slice(message);
        if style.marks_with_lf() {
            self.bytes.push(b'\n');
        }
    }

    /// Queues a message of which more is to come, perhaps, in the same line: its end is written before the next one.
    pub fn say_openly(&mut self, message: &str) {
        self.bytes.extend_from_slice(message.as_bytes());
        self.open = true;
    }

    /// Whether the last message was said [openly](Self::say_openly) and nothing has followed it.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Queues bytes as they are.
    pub fn push(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// What may be sent now: nothing during a pause, also where the style has changed since.
    pub fn ready(&self, style: Style) -> &[u8] {
        let waiting = self.waiting();
        match style {
            _ if self.pause.is_some() => &[],
            Style::Lines | Style::Bare => waiting,
            Style::Paced | Style::Packets => {
                // An LF in front only ends a message that has gone out already.
                let message = &waiting[usize::from(waiting.first() == Some(&b'\n'))..];
                &message[..memchr(b'\n', message).unwrap_or(message.len())]
            }
        }
    }

    /// The first `count` bytes of [`ready`](Self::ready) were sent at `now`; in [`Style::Paced`] the next message waits for `gap`.
    pub fn sent(&mut self, style: Style, count: usize, now: Moment, gap: Duration) {
        if style.is_one_by_one() {
            let mut start = self.start();
            start += usize::from(self.bytes.get(start) == Some(&b'\n')) + count;
            let ended = self.bytes.get(start) == Some(&b'\n');
            self.partial = !ended;
            self.skip_to(start + usize::from(ended));
            if ended && style == Style::Paced {
                self.pause = Some(now + gap); // also for a message that is not there yet
            }
        } else if count > 0 {
            let start = self.start() + count;
            self.partial = self.bytes[start - 1] != b'\n';
            self.skip_to(start);
        }
        self.compact();
    }

    /// So many bytes come next: their memory need not be guessed.
    pub fn expect(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes);
    }

    /// So many bytes come.
    fn make_room(&mut self, bytes: usize) {
        if self.bytes.capacity() - self.bytes.len() < bytes {
            self.grow(bytes);
        }
    }

    /// The memory is full: what was sent goes, if that is worth the copying. The first memory is enough for a common reply.
    #[cold]
    fn grow(&mut self, bytes: usize) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(bytes.max(ROOM));
        } else if self.start() > self.bytes.len() / 4 {
            self.forget_sent();
        }
    }

    fn start(&self) -> usize {
        self.start as usize
    }

    /// All that waits.
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.start()..]
    }

    /// What comes before was sent, or is dropped.
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
            // The memory goes back as well: an idle session holds none.
            self.bytes = Vec::new();
            self.start = 0;
        } else if self.start() > self.bytes.len() / 2 {
            self.forget_sent();
        }
    }

    /// Drops the oldest lines, so that no more than `max` bytes wait; how many. One that was sent in part stays.
    pub fn drop_oldest(&mut self, max: usize) -> u64 {
        let Some(excess) = self.len().checked_sub(max).filter(|excess| *excess > 0) else { return 0 };
        let waiting = self.waiting();
        let behind_lf = |from: usize| {
            let rest = waiting.get(from..).unwrap_or_default();
            memchr(b'\n', rest).map_or(waiting.len(), |lf| from + lf + 1)
        };
        let head = if self.partial { behind_lf(0) } else { 0 };
        let end = behind_lf(head + excess - 1);
        let count = memchr_iter(b'\n', &waiting[head..end]).count();
        // The rest of the partial line is moved to where the lines go on.
        let start = self.start();
        self.bytes.copy_within(start..start + head, start + end - head);
        self.skip_to(start + end - head);
        self.compact();
        count as u64
    }

    /// Messages that wait, for a [`Style::Paced`] queue.
    pub fn messages(&self) -> usize {
        memchr_iter(b'\n', self.waiting()).count()
    }

    /// When the pause after a paced message ends, if another one waits for that.
    pub fn pause(&self) -> Option<Moment> {
        self.pause.filter(|_| !self.is_empty())
    }

    /// Ends the pause if its time has come; whether it did.
    pub fn resume(&mut self, now: Moment) -> bool {
        let over = self.pause.is_some_and(|pause| pause <= now);
        if over {
            self.pause = None;
        }
        over
    }

    /// What waits goes on without pauses.
    pub fn end_pause(&mut self) {
        self.pause = None;
    }

    /// What waits in [`Style::Paced`] goes on in [`Style::Bare`].
    pub fn stop_pacing(&mut self) {
        self.forget_sent();
        self.bytes.retain(|byte| *byte != b'\n');
        self.pause = None;
    }

    /// Drops all that waits.
    pub fn clear(&mut self) {
        *self = Outbox::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_micros(20);

    #[test]
    fn paced_messages_go_out_one_by_one_a_gap_apart() {
        let mut outbox = Outbox::default();
        outbox.say(Style::Paced, "Data received");
        outbox.say(Style::Paced, "50.0");
        assert_eq!(outbox.ready(Style::Paced), b"Data received");
        outbox.sent(Style::Paced, 4, Moment::at(0), GAP);
        assert_eq!(outbox.ready(Style::Paced), b" received");
        outbox.sent(Style::Paced, 9, Moment::at(5), GAP);
        assert_eq!(outbox.ready(Style::Paced), b"");
        assert!(!outbox.resume(Moment::at(24)) && outbox.resume(Moment::at(25)));
        assert_eq!(outbox.ready(Style::Paced), b"50.0");
        outbox.sent(Style::Paced, 4, Moment::at(25), GAP);
        assert!(outbox.is_empty() && outbox.pause().is_none(), "nothing follows, so nothing waits");
    }

    #[test]
    fn the_gap_is_kept_to_a_message_that_comes_after_the_queue_was_empty() {
        let mut outbox = Outbox::default();
        outbox.say(Style::Paced, "50.0");
        outbox.sent(Style::Paced, 4, Moment::at(0), GAP);
        outbox.say(Style::Paced, "Data received");
        assert_eq!((outbox.ready(Style::Paced), outbox.pause()), (&b""[..], Some(Moment::at(20))));
        // A raw client that was told a list, and then chose a service that speaks in lines.
        assert_eq!(outbox.ready(Style::Lines), b"");
        assert!(outbox.resume(Moment::at(20)));
        assert_eq!(outbox.ready(Style::Paced), b"Data received");
        assert_eq!(outbox.ready(Style::Lines), b"Data received\n");
    }

    #[test]
    fn what_was_said_openly_is_ended_by_the_next_message() {
        let mut lines = Outbox::default();
        lines.say_openly("Data received");
        assert_eq!(lines.ready(Style::Lines), b"Data received");
        lines.sent(Style::Lines, 13, Moment::at(0), GAP);
        lines.say(Style::Lines, "50.0");
        assert_eq!(lines.ready(Style::Lines), b"\n50.0\n");

        let mut paced = Outbox::default();
        paced.say_openly("Data received");
        paced.sent(Style::Lines, 13, Moment::at(0), GAP);
        paced.say(Style::Paced, "50.0");
        assert_eq!(paced.ready(Style::Paced), b"50.0");
        paced.sent(Style::Paced, 4, Moment::at(20), GAP);
        assert!(paced.is_empty());
    }

    #[test]
    fn of_what_nobody_reads_the_oldest_whole_lines_are_dropped() {
        let mut outbox = Outbox::default();
        for line in ["one", "two", "three", "four"] {
            outbox.say(Style::Lines, line);
        }
        assert_eq!(outbox.drop_oldest(100), 0);
        assert_eq!((outbox.drop_oldest(12), outbox.ready(Style::Lines)), (2, &b"three\nfour\n"[..]));
        outbox.sent(Style::Lines, 2, Moment::at(0), GAP);
        outbox.say(Style::Lines, "five");
        assert_eq!((outbox.drop_oldest(9), outbox.ready(Style::Lines)), (1, &b"ree\nfive\n"[..]));
        assert_eq!(
            (outbox.drop_oldest(2), outbox.ready(Style::Lines)),
            (1, &b"ree\n"[..]),
            "the rest of a line stays"
        );
        assert_eq!(outbox.drop_oldest(0), 0);
        outbox.sent(Style::Lines, 4, Moment::at(0), GAP);
        outbox.say(Style::Lines, "six");
        assert_eq!((outbox.drop_oldest(3), outbox.is_empty()), (1, true));
    }

    #[test]
    fn what_was_sent_is_not_kept_while_more_is_said() {
        let mut outbox = Outbox::default();
        outbox.push(&[b'x'; 4096]);
        for _ in 0..1000 {
            outbox.push(&[b'y'; 1000]);
            outbox.sent(Style::Lines, 1000, Moment::at(0), GAP);
            assert_eq!(outbox.len(), 4096);
            assert!(outbox.bytes.capacity() <= 2 * 5096, "{}", outbox.bytes.capacity());
        }
    }

    #[test]
    fn packets_are_offered_one_by_one_without_a_pause() {
        let mut outbox = Outbox::default();
        outbox.say(Style::Packets, "Data received");
        outbox.say(Style::Packets, "50.0");
        assert_eq!(outbox.ready(Style::Packets), b"Data received");
        outbox.sent(Style::Packets, 13, Moment::at(0), GAP);
        assert_eq!((outbox.ready(Style::Packets), outbox.pause()), (&b"50.0"[..], None));
        outbox.sent(Style::Packets, 4, Moment::at(0), GAP);
        assert!(outbox.is_empty());
    }

    #[test]
    fn bare_messages_run_together() {
        let mut outbox = Outbox::default();
        outbox.say(Style::Bare, "a: hi");
        outbox.say(Style::Bare, "b: ho");
        assert_eq!(outbox.ready(Style::Bare), b"a: hib: ho");
    }
}
