//! Splits the input from a server into frames. Keeps at most one incomplete frame. Knows lines and lengths.

use memchr::memchr;

/// The longest line: INFO of a cluster of some thousand servers. All other lines are much shorter.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The longest message that is kept, including its header: twice as long as a batch.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// One frame from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// About the server, in JSON.
    Info(&'a [u8]),
    /// A message for one of our subscriptions.
    Message(Message<'a>),
    /// A message that is longer than we keep: its payload is skipped.
    Overlong(Message<'a>),
    /// A request for a PONG.
    Ping,
    /// The answer to our PING.
    Pong,
    /// A confirmation, which we do not request.
    Ok,
    /// An error, without its quotes.
    Error(&'a [u8]),
}

/// A message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where it was published; for an answer, our own subject.
    pub subject: &'a [u8],
    /// The subscription.
    pub subscription: u64,
    /// Where an answer goes; for a message of a stream, its position there.
    pub reply: &'a [u8],
    /// The header with its first line, or nothing.
    pub header: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// The status in the header's first line; 0: there is none.
    pub fn status(&self) -> u16 {
        let Some(rest) = self.header.strip_prefix(b"NATS/1.0 ") else { return 0 };
        rest.get(..3).and_then(number).map_or(0, |status| status as u16)
    }

    /// The rest of that line.
    pub fn description(&self) -> &[u8] {
        let line = self.header.split(|byte| *byte == b'\r').next().unwrap_or_default();
        line.get("NATS/1.0 100 ".len()..).unwrap_or_default()
    }

    /// The number in a field of the header.
    pub fn field(&self, name: &[u8]) -> Option<u64> {
        let lines = self.header.split(|byte| *byte == b'\n').skip(1);
        let values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(b":"));
        values.filter_map(|value| number(value.trim_ascii())).next()
    }
}

/// A number, if the text consists of digits only.
pub fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.len() <= 20 && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    text.parse().ok()
}

/// The state between two reads.
#[derive(Debug, Default)]
pub struct Decoder {
    held: Vec<u8>,
    /// How many of its bytes were returned as frames.
    at: usize,
    /// How many bytes the incomplete frame needs, if that is known.
    wanted: usize,
    /// How many bytes of an overlong message are still to be skipped.
    to_skip: usize,
}

/// The contents of a message's line.
struct Head {
    subject: (usize, usize),
    subscription: u64,
    reply: (usize, usize),
    header: usize,
    total: usize,
}

impl Decoder {
    /// Takes the bytes of a read. Call [`next`](Self::next) until it returns none, before the next read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.at);
        self.at = 0;
        let skipped = self.to_skip.min(bytes.len());
        self.to_skip -= skipped;
        self.held.extend_from_slice(&bytes[skipped..]);
    }

    /// Its memory in bytes.
    pub fn bytes(&self) -> usize {
        self.held.capacity()
    }

    /// The next whole frame. An error is final: the server speaks another protocol.
    #[allow(clippy::should_implement_trait)] // the result borrows from it
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, &'static str> {
        let rest = &self.held[self.at..];
        if rest.len() < self.wanted || rest.is_empty() {
            self.free_memory();
            return Ok(None);
        }
        let Some(end) = memchr(b'\n', &rest[..rest.len().min(LINE_BYTES_MAX)]) else {
            if rest.len() >= LINE_BYTES_MAX {
                return Err("a line is longer than 64 KiB");
            }
            return Ok(None);
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let verb = line.split(|byte| *byte == b' ' || *byte == b'\t').next().unwrap_or_default();
        let (start, length) = (self.at, verb.len());
        if verb.eq_ignore_ascii_case(b"MSG") || verb.eq_ignore_ascii_case(b"HMSG") {
            let head = read_head(line, length)?;
            return self.message(start, end + 1, &head);
        }
        let behind = start + length..start + line.len();
        let kind = kind(verb)?;
        self.at += end + 1;
        self.wanted = 0;
        let text = self.held[behind].trim_ascii();
        Ok(Some(match kind {
            Kind::Info => Frame::Info(text),
            Kind::Ping => Frame::Ping,
            Kind::Pong => Frame::Pong,
            Kind::Ok => Frame::Ok,
            Kind::Error => Frame::Error(unquoted(text)),
        }))
    }

    fn message(&mut self, start: usize, line: usize, head: &Head) -> Result<Option<Frame<'_>>, &'static str> {
        let available = self.held.len() - start - line;
        if head.total > MESSAGE_BYTES_MAX {
            let whole = head.total + 2;
            let here = available.min(whole);
            self.to_skip = whole - here;
            self.at = start + line + here;
            self.wanted = 0;
            return Ok(Some(Frame::Overlong(self.at_line(start, head))));
        }
        let whole = line + head.total + 2;
        if available < head.total + 2 {
            self.wanted = whole;
            return Ok(None);
        }
        self.wanted = 0;
        if &self.held[start + whole - 2..start + whole] != b"\r\n" {
            return Err("a message does not end where its line says");
        }
        self.at = start + whole;
        let body = &self.held[start + line..start + line + head.total];
        let (header, payload) = body.split_at(head.header);
        Ok(Some(Frame::Message(Message { header, payload, ..self.at_line(start, head) })))
    }

    /// The parts of a message's line, which begins at `start`.
    fn at_line(&self, start: usize, head: &Head) -> Message<'_> {
        let part = |(from, to): (usize, usize)| &self.held[start + from..start + to];
        Message {
            subject: part(head.subject),
            subscription: head.subscription,
            reply: part(head.reply),
            ..Message::default()
        }
    }

    /// Frees the memory if nothing is incomplete.
    fn free_memory(&mut self) {
        if self.at == self.held.len() {
            self.at = 0;
            self.held.clear();
            self.held.shrink_to(LINE_BYTES_MAX);
        }
    }
}

enum Kind {
    Info,
    Ping,
    Pong,
    Ok,
    Error,
}

fn kind(verb: &[u8]) -> Result<Kind, &'static str> {
    let kinds = [
        ("INFO", Kind::Info),
        ("PING", Kind::Ping),
        ("PONG", Kind::Pong),
        ("+OK", Kind::Ok),
        ("-ERR", Kind::Error),
    ];
    let found = kinds.into_iter().find(|(name, _)| verb.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, kind)| kind).ok_or("a line of it does not begin with a word of the protocol")
}

/// The fields after the verb: subject, subscription, perhaps a reply subject, for HMSG the header's length, and the length.
fn read_head(line: &[u8], verb: usize) -> Result<Head, &'static str> {
    const WRONG: &str = "the line of a message has the wrong fields";
    let mut fields = [(0, 0); 6];
    let mut count = 0;
    let mut at = verb;
    while at < line.len() {
        if matches!(line[at], b' ' | b'\t') {
            at += 1;
            continue;
        }
        let rest = &line[at..];
        let end = at + rest.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(rest.len());
        *fields.get_mut(count).ok_or(WRONG)? = (at, end);
        count += 1;
        at = end;
    }
    let has_header = verb == "HMSG".len();
    let numbers = 1 + usize::from(has_header);
    let reply = match count.checked_sub(2 + numbers) {
        Some(0) => (0, 0),
        Some(1) => fields[2],
        _ => return Err(WRONG),
    };
    let value = |(from, to): (usize, usize)| number(&line[from..to]).ok_or(WRONG);
    let length = |field| value(field).and_then(|length| usize::try_from(length).map_err(|_| WRONG));
    let total = length(fields[count - 1])?;
    let header = if has_header { length(fields[count - 2])? } else { 0 };
    if header > total || total > isize::MAX as usize {
        return Err(WRONG);
    }
    Ok(Head { subject: fields[0], subscription: value(fields[1])?, reply, header, total })
}

fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"'").and_then(|text| text.strip_suffix(b"'")).unwrap_or(text)
}

#[cfg(test)]
mod tests;
