//! What has come from one peer and is not yet a message: bytes in, messages out, one at a time. Knows how messages end;
//! has never seen what they say, nor who hears them.

mod frames;
mod skip;

use memchr::memchr;
use thin_vec::ThinVec;

use crate::engine::codec::detect::{self, BYTE_ORDER_MARK, Decision, Guess};
use crate::engine::codec::lines::without_cr;
use crate::engine::codec::rest::MessageEnd;
use crate::engine::codec::shape::{self, Shape, Unreadable};
use crate::engine::codec::{self, cstrings, lines, packets, prefixed, websocket};
use crate::engine::limits::{GUESS, ServiceSettings};
use crate::engine::message::{FramingMode, Prefix, Timestamp};

/// Bytes on their way to becoming messages. Holds no memory while none wait.
#[derive(Debug, Default)]
pub struct Intake {
    /// Bytes that are not yet a message, or that wait because too much waits to be sent.
    bytes: ThinVec<u8>,
    /// What the first bursts have told of the kind of client, until that is known.
    pub guess: Guess,
    /// When the unfinished message began.
    begun: Option<Timestamp>,
    /// How many of the bytes have been taken already: no message, read or backlog is as long as u32 can say.
    taken: u32,
    /// How many of the others are known to hold no end of a message.
    scanned: u32,
    burst: Burst,
    taking: Taking,
    /// The reactor was told not to read.
    pub paused: bool,
}

/// What becomes of the bytes that wait, and of the next ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taking {
    /// Messages are cut out of them.
    #[default]
    Messages,
    /// They hold messages, which wait for room in a queue.
    Nothing,
    /// They are the rest of a message that was too long, and are dropped.
    RestOfOverlong,
}

/// How what has come ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Burst {
    /// With a burst.
    #[default]
    Ended,
    /// It does not: more of the burst has come than was read, and the next read says how it goes on.
    GoesOn {
        /// How often in a row that was so, since the last message.
        full_reads: u16,
    },
    /// With Telnet's command for the end of the input: what still comes is no input, and the stream goes on.
    EndOfInput,
    /// With the end of the stream: nothing more will come.
    EndOfStream,
}

/// What is left when no message has an end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest<'a> {
    /// A message: the end of a raw client's burst, or of the stream, is its end.
    Message(&'a [u8]),
    /// More than a message may be, and what ends that.
    TooLong(&'a [u8], MessageEnd),
    /// It may go on.
    Unfinished,
}

/// What the first bursts say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First<'a> {
    /// The kind of client is known.
    Is(FramingMode),
    /// What it sends is no text.
    Unreadable(Unreadable),
    /// It is not, and these bytes have just become a complete request.
    Complete(&'a [u8]),
    /// It is not.
    Unknown,
    /// These are longer than a message may be, and have no end.
    TooLong(&'a [u8]),
}

impl Intake {
    /// What the process before had not yet read.
    pub fn restore(
        bytes: ThinVec<u8>,
        guess: Guess,
        begun: Option<Timestamp>,
        burst: Burst,
        taking: Taking,
    ) -> Intake {
        Intake { bytes, guess, begun, burst, taking, ..Intake::default() }
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken as usize
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory that it takes beside itself.
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity() + self.guess.held_bytes()
    }

    /// What waits.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.taken as usize..]
    }

    /// How what has come ends.
    pub fn burst(&self) -> Burst {
        self.burst
    }

    /// Whether nothing more will come that is to be heard.
    pub fn has_ended(&self) -> bool {
        matches!(self.burst, Burst::EndOfInput | Burst::EndOfStream)
    }

    /// Whether the stream itself has ended.
    pub fn is_at_end(&self) -> bool {
        self.burst == Burst::EndOfStream
    }

    /// Whether more of the burst is there already.
    #[inline]
    pub fn goes_on(&self) -> bool {
        matches!(self.burst, Burst::GoesOn { .. })
    }

    /// When the unfinished message began.
    pub fn begun(&self) -> Option<Timestamp> {
        self.begun
    }

    /// Whether the rest of a message that was too long is still to come.
    #[inline]
    pub fn is_skipping(&self) -> bool {
        self.taking == Taking::RestOfOverlong
    }

    /// Whether it holds messages that wait for room in a queue.
    #[inline]
    pub fn is_stalled(&self) -> bool {
        self.taking == Taking::Nothing
    }

    /// There is no room in a queue: the messages wait.
    pub fn stall(&mut self) {
        self.taking = Taking::Nothing;
    }

    /// Messages are taken again, if there is room. Whether bytes are to be [skipped](Self::skip) first.
    #[inline]
    pub fn go_on(&mut self) -> bool {
        let is_skipping = self.is_skipping();
        if !is_skipping {
            self.taking = Taking::Messages;
        }
        is_skipping
    }

    /// Another read, of which the bytes are still to be [taken](Self::next). `more`: the burst goes on behind it.
    #[inline]
    pub fn push(&mut self, kind: Option<FramingMode>, more: bool) {
        if self.burst == Burst::Ended && kind == Some(FramingMode::Raw) && !self.is_empty() {
            self.bytes.push(b'\n'); // the burst before ended here
        }
        self.burst = match (more, self.burst) {
            (_, Burst::EndOfInput) => Burst::EndOfInput,
            (false, _) => Burst::Ended,
            (true, Burst::GoesOn { full_reads }) => {
                Burst::GoesOn { full_reads: full_reads.saturating_add(1) }
            }
            (true, _) => Burst::GoesOn { full_reads: 1 },
        };
    }

    /// One packet, which is one message.
    pub fn push_packet(&mut self, packet: &[u8]) {
        self.bytes.extend(packets::as_line(packet));
    }

    /// The stream has ended: what waits is all there is.
    pub fn end(&mut self) {
        self.burst = Burst::EndOfStream;
    }

    /// A Telnet client has said that its input ends: what waits is all there is, though its connection goes on.
    pub fn end_input(&mut self) {
        self.burst = Burst::EndOfInput;
    }

    /// All that waits, with `fresh` behind it, which has just been read.
    pub fn gather<'a, 'b: 'a>(&'a mut self, fresh: &mut &'b [u8]) -> &'a [u8] {
        if self.bytes.is_empty() {
            return fresh;
        }
        self.bytes.extend_from_slice(std::mem::take(fresh));
        &self.bytes[self.taken as usize..]
    }

    /// Drops a byte order mark from the beginning of what waits; it tells nothing of the kind of client.
    pub fn drop_byte_order_mark(&mut self, fresh: &mut &[u8]) {
        if self.bytes.is_empty() {
            *fresh = fresh.strip_prefix(BYTE_ORDER_MARK).unwrap_or(fresh);
        } else if detect::is_part_of_mark(&self.bytes) {
            self.bytes.extend_from_slice(std::mem::take(fresh));
            if self.bytes.starts_with(BYTE_ORDER_MARK) {
                self.bytes.drain(..BYTE_ORDER_MARK.len());
                self.guess = Guess::default();
                if self.bytes.is_empty() {
                    self.clear();
                }
            }
        }
    }

    /// Looks at the first bursts, as long as the kind of client is not known.
    pub fn look<'a, 'b: 'a>(
        &'a mut self,
        now: Timestamp,
        fresh: &mut &'b [u8],
        settings: &ServiceSettings,
        is_complete: impl Fn(&[u8]) -> bool,
    ) -> First<'a> {
        if !self.bytes.is_empty() {
            self.bytes.extend_from_slice(std::mem::take(fresh));
        }
        let bytes = if self.bytes.is_empty() { *fresh } else { &self.bytes[..] };
        let is_within = matches!(self.burst, Burst::GoesOn { .. });
        let max = settings.message_bytes_max;
        let shape = shape::of(bytes, max);
        match shape {
            Shape::Is(kind) => return First::Is(kind),
            Shape::Unreadable(what) => return First::Unreadable(what),
            Shape::Text if memchr(b'\n', bytes).is_some() => {}
            Shape::Text if without_cr(bytes).len() > max => return First::TooLong(bytes),
            _ if is_within => return First::Unknown, // the rest of the first burst is there already
            Shape::Text => {}
            Shape::Unclear | Shape::String => {
                let patience = if shape == Shape::String { settings.raw_gap } else { GUESS };
                self.guess.handle_unclear(now, settings.raw_gap, bytes, patience);
                return First::Unknown;
            }
        }
        if bytes.is_empty() {
            return First::Unknown;
        }
        match self.guess.handle_burst(now, settings.raw_gap, bytes, is_complete) {
            Decision::Is(kind) => First::Is(kind),
            Decision::WaitComplete => First::Complete(bytes),
            Decision::Wait => First::Unknown,
        }
    }

    /// Nothing has followed for so long that it is a raw client, unless there is another end of a message in what has come.
    pub fn end_guessing(&mut self, is_complete: impl Fn(&[u8]) -> bool) -> FramingMode {
        let kind = match shape::is_behind_blank(&self.bytes) && !self.guess.is_typed() {
            true => FramingMode::Prefixed(Prefix::Seven),
            false => self.kind_at_end(FramingMode::Raw),
        };
        match kind {
            FramingMode::Raw => self.guess.handle_silence(&mut self.bytes, is_complete),
            _ => self.guess.settle(),
        }
        self.scanned = 0;
        kind
    }

    /// The kind of client, if nothing more comes; `otherwise` where there is neither an LF nor a NUL behind a text.
    pub fn kind_at_end(&self, otherwise: FramingMode) -> FramingMode {
        match (memchr(0, &self.bytes), memchr(b'\n', &self.bytes)) {
            (Some(1..), _) => FramingMode::C,
            (_, Some(_)) => FramingMode::Line,
            _ => otherwise,
        }
    }

    /// It is a Telnet client: what waits, with `fresh` behind it, is text with commands in between. What is to be answered to
    /// them, and whether one of them has ended the input.
    pub fn be_telnet(&mut self, fresh: &mut &[u8]) -> (Vec<u8>, bool) {
        if self.guess.telnet().is_none() {
            self.guess.be_telnet();
        }
        let begun = std::mem::take(&mut self.bytes);
        let (mut text, mut replies) = (ThinVec::new(), Vec::new());
        let telnet = self.guess.telnet().expect("it was just seen to");
        let has_ended = telnet.filter(&begun, &mut text, &mut replies)
            || telnet.filter(std::mem::take(fresh), &mut text, &mut replies);
        self.bytes = text;
        self.scanned = 0;
        (replies, has_ended)
    }

    /// The same of further bytes; those that wait are text already.
    pub fn push_telnet(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut replies = Vec::new();
        let Some(telnet) = self.guess.telnet() else { return (replies, false) };
        let has_ended = telnet.filter(bytes, &mut self.bytes, &mut replies);
        (replies, has_ended)
    }

    /// Whether there is anything to be taken.
    #[inline]
    pub fn has_more(&self, fresh: &[u8]) -> bool {
        !fresh.is_empty() || !self.is_empty()
    }

    /// The next message: in what waits, or else in `fresh`, which then is cut and not copied. To be asked while there
    /// [is](Self::has_more) something; `None` leaves the [rest](Self::rest), and what is left then is to be
    /// [kept](Self::keep).
    #[inline]
    pub fn next<'a, 'b: 'a>(&'a mut self, fresh: &mut &'b [u8], kind: FramingMode) -> Option<&'a [u8]> {
        let scanned = std::mem::take(&mut self.scanned) as usize;
        if self.bytes.is_empty() {
            let bytes = *fresh;
            let found = codec::find(kind, bytes, 0)?;
            *fresh = &bytes[found.taken..];
            return Some(&bytes[found.start..found.end]);
        }
        self.bytes.extend_from_slice(std::mem::take(fresh));
        let bytes = &self.bytes[self.taken as usize..];
        let found = codec::find(kind, bytes, scanned)?;
        self.taken += found.taken as u32;
        Some(&bytes[found.start..found.end])
    }

    /// What there is when there is no [next](Self::next) message.
    pub fn rest<'a, 'b: 'a>(&'a mut self, fresh: &mut &'b [u8], kind: FramingMode, max: usize) -> Rest<'a> {
        let bytes = if self.bytes.is_empty() { *fresh } else { &self.bytes[self.taken as usize..] };
        let message = match kind {
            FramingMode::Prefixed(_) | FramingMode::WebSocket => &[][..],
            FramingMode::C => without_cr(cstrings::without_line_end(bytes)),
            FramingMode::Line => lines::without_nuls(without_cr(bytes)),
            FramingMode::Raw | FramingMode::Telnet | FramingMode::Packet | FramingMode::Http => {
                without_cr(bytes)
            }
        };
        let length = match kind {
            FramingMode::Prefixed(prefix) => prefixed::announced(prefix, bytes),
            _ => message.len(),
        };
        if length > max {
            return Rest::TooLong(message, MessageEnd::of(kind, bytes));
        }
        let ends = match self.burst {
            Burst::GoesOn { .. } => false,
            Burst::Ended => {
                kind == FramingMode::Raw || kind == FramingMode::Line && message.is_empty() && bytes[0] == 0
            }
            Burst::EndOfInput | Burst::EndOfStream => true,
        };
        let message = if kind == FramingMode::Http { &[][..] } else { message }; // half a request asks for nothing
        if !ends {
            self.scanned = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            return Rest::Unfinished;
        }
        *fresh = &[];
        self.taken = self.bytes.len() as u32;
        Rest::Message(message)
    }

    /// The message that was taken last waits on, before all else.
    pub fn put_back(&mut self, kind: FramingMode, message: &[u8], fresh: &mut &[u8]) {
        let mut bytes = ThinVec::new();
        let mut whole = message.to_vec();
        match kind {
            FramingMode::Prefixed(prefix) => {
                whole.clear();
                prefixed::encode(prefix, message, &mut whole);
            }
            FramingMode::WebSocket => {
                whole.clear();
                websocket::put_back(message, &mut whole);
            }
            FramingMode::C => whole.push(0),
            FramingMode::Line
            | FramingMode::Raw
            | FramingMode::Telnet
            | FramingMode::Packet
            | FramingMode::Http => whole.push(b'\n'),
        }
        bytes.extend_from_slice(&whole);
        bytes.extend_from_slice(self.bytes());
        bytes.extend_from_slice(std::mem::take(fresh));
        (self.bytes, self.taken, self.scanned) = (bytes, 0, 0);
    }

    /// One of the messages that were taken had something to say: what comes is no endless burst of nothing.
    #[inline]
    pub fn count_message(&mut self) {
        if let Burst::GoesOn { full_reads } = &mut self.burst {
            *full_reads = 0;
        }
    }

    /// Drops what stands behind a C string in the same burst, if it is no text: an array was sent whole.
    #[cold]
    pub fn drop_garbage(&mut self, fresh: &mut &[u8]) -> bool {
        let bytes = if self.bytes.is_empty() { *fresh } else { self.bytes() };
        let is_garbage = cstrings::is_garbage(bytes);
        if is_garbage {
            self.drop_all();
            *fresh = &[];
        }
        is_garbage
    }

    /// Nothing more is taken at the moment: what is left of `fresh` waits.
    #[inline]
    pub fn keep(&mut self, fresh: &[u8]) {
        let taken = std::mem::take(&mut self.taken);
        if taken > 0 {
            self.begun = None; // what is left is another message
            self.bytes.drain(..taken as usize);
            if self.bytes.is_empty() {
                self.bytes = ThinVec::new();
            }
        }
        self.bytes.extend_from_slice(fresh);
    }

    /// After input: whether a message is begun. One that waits for room was not begun just now.
    #[inline]
    pub fn note_progress(&mut self, now: Timestamp) {
        if self.is_empty() && !self.is_skipping() {
            self.begun = None;
        } else if !self.is_stalled() {
            self.begun.get_or_insert(now);
        }
    }

    /// It could not go on: its time starts again.
    pub fn begin_again(&mut self, now: Timestamp) {
        self.begun = self.begun.map(|_| now);
    }

    /// A message that was begun is given up, and the next one begins anew. Whether it had been too long already.
    pub fn give_up(&mut self) -> bool {
        self.begun = None;
        self.drop_all();
        std::mem::take(&mut self.taking) == Taking::RestOfOverlong
    }

    /// Drops what waits; nothing of it is going to be read.
    pub fn clear(&mut self) {
        self.drop_all();
        self.begun = None;
        self.taking = Taking::Messages;
    }

    fn drop_all(&mut self) {
        self.bytes = ThinVec::new();
        self.taken = 0;
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests;
