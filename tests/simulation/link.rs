//! A connection as in a kernel: the bytes in flight in both directions, and its two ends; also the reactor's memory of edges. Knows
//! bytes and edges, and no message.

/// Bytes in flight: appended at the end, taken from the front.
#[derive(Default)]
pub struct Bytes {
    bytes: Vec<u8>,
    start: usize,
}

impl Bytes {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.growing().extend_from_slice(bytes);
    }

    /// An end with room for more.
    pub fn growing(&mut self) -> &mut Vec<u8> {
        // Taken bytes are dropped before they outnumber the rest.
        if self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        &mut self.bytes
    }

    pub fn take(&mut self, count: usize) -> &[u8] {
        let start = self.start;
        self.start += count;
        &self.bytes[start..self.start]
    }

    /// A line, without its LF.
    pub fn take_line(&mut self) -> &[u8] {
        let length = self.all().iter().position(|byte| *byte == b'\n');
        let line = self.take(length.map_or(self.len(), |length| length + 1));
        line.strip_suffix(b"\n").unwrap_or(line)
    }

    pub fn clear(&mut self) {
        *self = Bytes::default();
    }

    /// All bytes.
    pub fn all(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// The outcome of a write.
pub enum Written {
    Bytes(usize),
    Blocked,
    Broken,
}

/// The outcome of a read.
pub enum Read {
    Bytes,
    EndOfFile,
    Blocked,
    Broken,
}

/// A connection between the engine's end and a peer's.
#[derive(Default)]
pub struct Link {
    /// Sent by the peer, not yet read by the reactor.
    pub inbound: Bytes,
    /// Written by the reactor, not yet read by the peer.
    pub outbound: Bytes,
    pub outbound_room: usize,
    /// The peer has ended its input.
    pub fin: bool,
    /// The peer has closed its end.
    pub abandoned: bool,
    /// Reset: nothing can pass.
    pub failed: bool,
    /// The engine shut down its sending side.
    pub shut: bool,

    // The reactor's memory of it.
    pub readable: bool,
    pub ended: bool,
    pub blocked: bool,
    pub queued: bool,
    /// Set while it is not to be read from.
    pub held: bool,
    /// There is room again, and the reactor does not know it yet.
    pub writable_edge: bool,
    /// It was blocked at the beginning of this turn.
    pub was_blocked: bool,
    pub ever_blocked: bool,
    /// The kernel reports room only when three quarters of it are free.
    pub tells_late: bool,
    /// Set if the peer has read something since this was last checked.
    pub took: bool,
    /// The reactor has seen its end of file.
    pub end_read: bool,
}

impl Link {
    // ---- the reactor's end

    /// At most `max` bytes, which are appended to `into`.
    pub fn read(&mut self, max: usize, into: &mut Vec<u8>) -> Read {
        if self.failed {
            return Read::Broken;
        }
        if self.inbound.is_empty() {
            return if self.fin { Read::EndOfFile } else { Read::Blocked };
        }
        let count = self.inbound.len().min(max);
        into.clear();
        into.extend_from_slice(self.inbound.take(count));
        Read::Bytes
    }

    pub fn write(&mut self, slices: &[&[u8]]) -> Written {
        assert!(!self.shut, "written to after the sending side was shut down");
        let total = slices.iter().map(|slice| slice.len()).sum();
        if self.failed {
            return Written::Broken;
        }
        if self.abandoned {
            // The peer's kernel answers with a reset.
            self.failed = true;
            self.ended = true;
            self.readable = true;
            return Written::Bytes(total);
        }
        let mut room = self.outbound_room - self.outbound.len().min(self.outbound_room);
        if room == 0 {
            return Written::Blocked;
        }
        let before = self.outbound.len();
        for slice in slices {
            let count = slice.len().min(room);
            self.outbound.push(&slice[..count]);
            room -= count;
        }
        Written::Bytes(self.outbound.len() - before)
    }

    /// All of a packet or nothing; an empty queue has room for any packet.
    pub fn write_packet(&mut self, packet: &[u8]) -> Written {
        let lost = self.failed || self.abandoned;
        if !lost && !self.outbound.is_empty() && self.outbound.len() + packet.len() > self.outbound_room {
            return Written::Blocked;
        }
        let room = self.outbound_room;
        self.outbound_room = usize::MAX;
        let written = self.write(&[packet]);
        self.outbound_room = room;
        written
    }

    // ---- the peer's end; each returns whether the reactor gets an event

    pub fn send(&mut self, bytes: &[u8]) -> bool {
        if self.fin || self.failed || bytes.is_empty() {
            return false;
        }
        self.inbound.push(bytes);
        self.readable = true;
        true
    }

    pub fn half_close(&mut self) -> bool {
        self.fin = true;
        self.ended = true;
        self.readable = true;
        true
    }

    /// Closes it; with unread bytes this is a reset.
    pub fn abandon(&mut self) -> bool {
        self.abandoned = true;
        if !self.outbound.is_empty() {
            return self.reset();
        }
        self.half_close()
    }

    pub fn reset(&mut self) -> bool {
        self.failed = true;
        self.inbound.clear();
        self.outbound.clear();
        self.ended = true;
        self.readable = true;
        self.writable_edge = true;
        true
    }

    pub fn receive(&mut self, max: usize) -> &[u8] {
        let count = self.outbound.len().min(max);
        self.took |= count > 0;
        let has_much_room = (self.outbound.len() - count) * 4 <= self.outbound_room;
        self.writable_edge |= self.blocked && count > 0 && (has_much_room || !self.tells_late);
        self.outbound.take(count)
    }
}
