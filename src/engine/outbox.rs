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
    /// Messages as they are sent, from `start` on not yet; where each goes out on its own, an LF stands behind it.
    bytes: Vec<u8>,
    start: u32,
    /// The last message still lacks its end: the rest of the reply to it comes later.
    open: bool,
    /// The message in front was sent in part.
    partial: bool,
    /// Those of a paced style that wait are joined: there are no LFs between them.
    #[serde(default)]
    joined: bool,
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
        let is_open = std::mem::take(&mut self.open);
        if style != Style::Lines {
            return self.encode(style, is_open, message);
        }
        if is_open {
            self.bytes.push(b'\n');
        }
        self.bytes.extend_from_slice(message);
        self.bytes.push(b'\n');
    }

    #[cold]
    fn encode(&mut self, style: Style, is_open: bool, message: &[u8]) {
        let start = self.bytes.len();
        if is_open {
            self.bytes.extend_from_slice(style.end());
        }
        style.encode(message, &mut self.bytes);
        if self.joined && style.is_paced() {
            let tail = self.bytes.split_off(start);
            self.bytes.extend(tail.into_iter().filter(|byte| *byte != b'\n'));
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
        if self.pause.is_some() {
            return &[];
        }
        if !style.is_one_by_one() || self.joined {
            return waiting;
        }
        // An LF in front only ends a message that has gone out already.
        let message = &waiting[usize::from(waiting.first() == Some(&b'\n'))..];
        &message[..memchr(b'\n', message).unwrap_or(message.len())]
    }

    /// The first `count` bytes of [`ready`](Self::ready) were sent at `now`; where messages are paced the next one waits for
    /// `gap`.
    pub fn sent(&mut self, style: Style, count: usize, now: Moment, gap: Duration) {
        if style.is_one_by_one() && !self.joined {
            let mut start = self.start();
            start += usize::from(self.bytes.get(start) == Some(&b'\n')) + count;
            let ended = self.bytes.get(start) == Some(&b'\n');
            self.partial = !ended;
            self.skip_to(start + usize::from(ended));
            if ended && style.is_paced() {
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
            self.joined = false;
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

    /// Messages that wait, where each goes out on its own.
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

    /// Queues bytes as they are, also where LFs stand between messages that wait.
    pub fn push_joined(&mut self, bytes: &[u8]) {
        self.join();
        self.joined = true;
        self.push(bytes);
    }

    /// From now on each message goes out on its own. Lines that wait do so as they are, with what comes behind them until they
    /// have gone.
    pub fn end_lines(&mut self) {
        self.joined |= memchr(b'\n', self.waiting()).is_some();
    }

    /// What waits in a paced style, and what comes until nothing does, goes out together and without pauses.
    pub fn join(&mut self) {
        self.pause = None;
        if !self.joined && !self.is_empty() {
            self.forget_sent();
            self.bytes.retain(|byte| *byte != b'\n');
            self.joined = true;
        }
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
        outbox.say(Style::Raw, "Data received");
        outbox.say(Style::Raw, "50.0");
        assert_eq!(outbox.ready(Style::Raw), b"Data received");
        outbox.sent(Style::Raw, 4, Moment::at(0), GAP);
        assert_eq!(outbox.ready(Style::Raw), b" received");
        outbox.sent(Style::Raw, 9, Moment::at(5), GAP);
        assert_eq!(outbox.ready(Style::Raw), b"");
        assert!(!outbox.resume(Moment::at(24)) && outbox.resume(Moment::at(25)));
        assert_eq!(outbox.ready(Style::Raw), b"50.0");
        outbox.sent(Style::Raw, 4, Moment::at(25), GAP);
        assert!(outbox.is_empty() && outbox.pause().is_none(), "nothing follows, so nothing waits");
    }

    #[test]
    fn the_gap_is_kept_to_a_message_that_comes_after_the_queue_was_empty() {
        let mut outbox = Outbox::default();
        outbox.say(Style::Raw, "50.0");
        outbox.sent(Style::Raw, 4, Moment::at(0), GAP);
        outbox.say(Style::Raw, "Data received");
        assert_eq!((outbox.ready(Style::Raw), outbox.pause()), (&b""[..], Some(Moment::at(20))));
        // A raw client that was told a list, and then chose a service that speaks in lines.
        assert_eq!(outbox.ready(Style::Lines), b"");
        assert!(outbox.resume(Moment::at(20)));
        assert_eq!(outbox.ready(Style::Raw), b"Data received");
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
        paced.say(Style::Raw, "50.0");
        assert_eq!(paced.ready(Style::Raw), b"50.0");
        paced.sent(Style::Raw, 4, Moment::at(20), GAP);
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
    fn who_is_late_is_given_all_that_waits_at_once_and_then_message_by_message_again() {
        for (style, joined, single) in [
            (Style::Raw, &b"a: hib: hoc: he"[..], &b"d: ha"[..]),
            (Style::C, b"a: hi\0b: ho\0c: he\0", b"d: ha\0"),
        ] {
            let mut outbox = Outbox::default();
            outbox.say(style, "a: hi");
            outbox.say(style, "b: ho");
            outbox.join();
            outbox.say(style, "c: he");
            assert_eq!(outbox.ready(style), joined);
            outbox.sent(style, joined.len(), Moment::at(0), GAP);
            outbox.say(style, "d: ha");
            assert_eq!(outbox.ready(style), single);
        }
    }

    #[test]
    fn a_long_message_goes_out_in_pieces_with_pauses() {
        let mut outbox = Outbox::default();
        let long = "x".repeat(1023) + "é" + &"y".repeat(100);
        outbox.say(Style::Raw, &long);
        assert_eq!(outbox.ready(Style::Raw), "x".repeat(1023).as_bytes());
        outbox.sent(Style::Raw, 1023, Moment::at(0), GAP);
        assert!(outbox.ready(Style::Raw).is_empty() && outbox.resume(Moment::at(20)));
        assert_eq!(outbox.ready(Style::Raw), ("é".to_owned() + &"y".repeat(100)).as_bytes());
    }

    #[test]
    fn each_style_ends_what_was_said_openly_in_its_own_way() {
        for (style, rest) in [
            (Style::Lines, &b"\n50.0\n"[..]),
            (Style::Telnet, b"\r\n50.0\r\n"),
            (Style::Raw, b"50.0"),
            (Style::C, b"\0"),
        ] {
            let mut outbox = Outbox::default();
            outbox.say_openly("Data received");
            outbox.sent(Style::Lines, 13, Moment::at(0), GAP);
            outbox.say(style, "50.0");
            assert_eq!(outbox.ready(style), rest, "{style:?}");
        }
    }
}
