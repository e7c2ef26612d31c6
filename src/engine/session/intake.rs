//! The received bytes of one peer that are not yet a message: bytes in, messages out, one at a time. Knows how messages end, and
//! not what they mean.

mod frames;
mod skip;
mod taking;

use memchr::memchr;
use thin_vec::ThinVec;

use crate::engine::codec::detect::{self, BYTE_ORDER_MARK, Decision, Guess};
use crate::engine::codec::lines::without_cr;
use crate::engine::codec::rest::MessageEnd;
use crate::engine::codec::shape::{self, Shape, Unreadable};
use crate::engine::codec::{self, cstrings, lines, packets, prefixed, websocket};
use crate::engine::limits::{GUESS, ServiceSettings};
use crate::engine::message::{FramingMode, Prefix, Timestamp};

/// Bytes that become messages. Holds no memory while none wait.
#[derive(Debug, Default)]
pub struct Intake {
    /// Bytes that are not yet a message, or that wait because the output queue is full.
    bytes: ThinVec<u8>,
    /// What the first bursts show of the framing, until it is known.
    pub guess: Guess,
    /// When the unfinished message began.
    begun: Option<Timestamp>,
    /// How many of the bytes were taken. A u32 can hold the length of any message, read or backlog.
    taken: u32,
    /// How many of the remaining bytes contain no end of a message.
    scanned: u32,
    burst: Burst,
    taking: Taking,
    /// Set while the reactor does not read from this peer.
    pub paused: bool,
}

/// What is done with the waiting and the next bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taking {
    /// They are split into messages.
    #[default]
    Messages,
    /// They contain messages, which wait for room in a queue.
    Nothing,
    /// They contain messages, which wait for another turn because they may cost much.
    Later,
    /// They are the rest of an overlong message, and are dropped.
    RestOfOverlong,
}

/// Where the input ends so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Burst {
    /// At the end of a burst.
    #[default]
    Ended,
    /// Inside a burst: the kernel has more of it for the next read.
    GoesOn {
        /// The number of consecutive full reads since the last message.
        full_reads: u16,
    },
    /// At Telnet's command for the end of the input, or at the end of a WebSocket's frames: bytes that follow are no input, and the
    /// stream continues.
    EndOfInput,
    /// At the end of the stream: nothing follows.
    EndOfStream,
}

/// What remains if there is no message with an end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest<'a> {
    /// A message that ends with a raw client's burst, or with the stream.
    Message(&'a [u8]),
    /// Bytes that are too long for a message; and how that message ends.
    TooLong(&'a [u8], MessageEnd),
    /// The beginning of a message, perhaps.
    Unfinished,
}

/// What the first bursts show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First<'a> {
    /// The framing is known.
    Is(FramingMode),
    /// The client does not send text.
    Unreadable(Unreadable),
    /// The framing is unknown, and these bytes have just become a complete request.
    Complete(&'a [u8]),
    /// The framing is unknown.
    Unknown,
    /// These bytes are too long for a message, which has no end yet.
    TooLong(&'a [u8]),
}

impl Intake {
    /// The input that the previous process has not handled.
    pub fn restore(
        bytes: ThinVec<u8>,
        guess: Guess,
        begun: Option<Timestamp>,
        burst: Burst,
        taking: Taking,
    ) -> Intake {
        Intake { bytes, guess, begun, burst, taking, ..Intake::default() }
    }

    /// The number of waiting bytes.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken as usize
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing of the input so far matters to what comes next.
    #[inline]
    pub fn is_at_rest(&self) -> bool {
        self.is_empty()
            && self.burst == Burst::Ended
            && self.taking == Taking::Messages
            && self.guess.is_nothing()
    }

    /// Its memory in addition to its own size, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity() + self.guess.held_bytes()
    }

    /// The waiting bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.taken as usize..]
    }

    /// Where the input ends so far.
    pub fn burst(&self) -> Burst {
        self.burst
    }

    /// Whether no more input will come.
    pub fn has_ended(&self) -> bool {
        matches!(self.burst, Burst::EndOfInput | Burst::EndOfStream)
    }

    /// Whether the stream itself has ended.
    pub fn is_at_end(&self) -> bool {
        self.burst == Burst::EndOfStream
    }

    /// Whether the kernel has more of the burst.
    #[inline]
    pub fn goes_on(&self) -> bool {
        matches!(self.burst, Burst::GoesOn { .. })
    }

    /// When the unfinished message began.
    pub fn begun(&self) -> Option<Timestamp> {
        self.begun
    }

    /// Notes that another read begins; its bytes are then [taken](Self::next). `more`: the burst continues after them.
    #[inline]
    pub fn push(&mut self, kind: Option<FramingMode>, more: bool) {
        if self.burst == Burst::Ended && kind == Some(FramingMode::Raw) && !self.is_empty() {
            self.bytes.push(b'\n'); // the previous burst ended here
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

    /// Adds one packet, which is one message.
    pub fn push_packet(&mut self, packet: &[u8]) {
        self.bytes.extend(packets::as_line(packet));
    }

    /// Notes the end of the stream: nothing follows what waits.
    pub fn end(&mut self) {
        self.burst = Burst::EndOfStream;
    }

    /// Notes that a Telnet client or a WebSocket has ended its input. Only the waiting bytes are left, although the connection stays
    /// open.
    pub fn end_input(&mut self) {
        self.burst = Burst::EndOfInput;
    }

    /// All waiting bytes, followed by `fresh`, which has just been read.
    pub fn gather<'a, 'b: 'a>(&'a mut self, fresh: &mut &'b [u8]) -> &'a [u8] {
        if self.bytes.is_empty() {
            return fresh;
        }
        self.bytes.extend_from_slice(std::mem::take(fresh));
        &self.bytes[self.taken as usize..]
    }

    /// Drops a byte order mark at the beginning; it shows nothing about the framing.
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

    /// Looks at the first bursts, while the framing is unknown.
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
            _ if is_within => return First::Unknown, // the kernel has the rest of the first burst already
            Shape::Text => {}
            Shape::Unclear | Shape::String => {
                let pause = if shape == Shape::String { settings.raw_gap } else { GUESS };
                self.guess.handle_unclear(now, settings.raw_gap, bytes, pause);
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

    /// Handles a pause that was long enough: the client is raw, unless its bytes end in another known way.
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

    /// The framing if nothing follows; `otherwise` if there is neither an LF nor a NUL after a text.
    pub fn kind_at_end(&self, otherwise: FramingMode) -> FramingMode {
        match (memchr(0, &self.bytes), memchr(b'\n', &self.bytes)) {
            (Some(1..), _) => FramingMode::C,
            (_, Some(_)) => FramingMode::Line,
            _ => otherwise,
        }
    }

    /// Makes it a Telnet client: takes the commands out of what waits and of `fresh`. Returns the replies to them, and whether one
    /// of them ended the input.
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

    /// The same for further bytes; waiting bytes are text already.
    pub fn push_telnet(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut replies = Vec::new();
        let Some(telnet) = self.guess.telnet() else { return (replies, false) };
        let has_ended = telnet.filter(bytes, &mut self.bytes, &mut replies);
        (replies, has_ended)
    }

    /// Whether there are bytes to take messages from.
    #[inline]
    pub fn has_more(&self, fresh: &[u8]) -> bool {
        !fresh.is_empty() || !self.is_empty()
    }

    /// All bytes to take messages from, where they lie; `None`: those in front wait elsewhere than `fresh`.
    #[inline]
    pub fn in_one_piece<'a, 'b: 'a>(&'a self, fresh: &'b [u8]) -> Option<&'a [u8]> {
        match (self.bytes.is_empty(), fresh.is_empty()) {
            (true, _) => Some(fresh),
            (false, true) => Some(self.bytes()),
            (false, false) => None,
        }
    }

    /// The first `count` of these were whole messages, none of them empty, and have been handled.
    #[inline]
    pub fn take(&mut self, fresh: &mut &[u8], count: usize) {
        match self.bytes.is_empty() {
            true => *fresh = &fresh[count..],
            false => self.taken += count as u32,
        }
        self.scanned = 0;
        self.count_message();
    }

    /// The next message: from the waiting bytes, or else from `fresh`, which then is not copied. Call it only while there
    /// [are](Self::has_more) bytes. After `None`, take the [rest](Self::rest), and [keep](Self::keep) the remainder.
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

    /// The rest, if there is no [next](Self::next) message.
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
        let message = if kind == FramingMode::Http { &[][..] } else { message }; // an incomplete request is not executed
        if !ends {
            self.scanned = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            return Rest::Unfinished;
        }
        *fresh = &[];
        self.taken = self.bytes.len() as u32;
        Rest::Message(message)
    }

    /// Puts the last message back before all other bytes.
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

    /// Notes that a message was not empty, so this is no endless burst of empty ones.
    #[inline]
    pub fn count_message(&mut self) {
        if let Burst::GoesOn { full_reads } = &mut self.burst {
            *full_reads = 0;
        }
    }

    /// Drops the bytes after a C string in the same burst, unless they are text: the client sent a whole array.
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

    /// Takes no more messages for now: the remainder of `fresh` waits.
    #[inline]
    pub fn keep(&mut self, fresh: &[u8]) {
        let taken = std::mem::take(&mut self.taken);
        if taken > 0 {
            self.begun = None; // the remainder belongs to another message
            self.bytes.drain(..taken as usize);
            if self.bytes.is_empty() {
                self.bytes = ThinVec::new();
            }
        }
        self.bytes.extend_from_slice(fresh);
    }

    /// Notes when the unfinished message began. Call it after input. A message that waits for room did not begin just now.
    #[inline]
    pub fn note_progress(&mut self, now: Timestamp) {
        if self.is_empty() && !self.is_skipping() {
            // Of an unfinished frame there may be the head alone, which does not wait here.
            self.begun = self.guess.unfinished_frames().map(|_| self.begun.unwrap_or(now));
        } else if !self.is_stalled() {
            self.begun.get_or_insert(now);
        }
    }

    /// Restarts the time of an unfinished message, because it could not continue.
    pub fn begin_again(&mut self, now: Timestamp) {
        self.begun = self.begun.map(|_| now);
    }

    /// Drops all input; nothing more is handled.
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
