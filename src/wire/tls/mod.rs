//! A wire of TLS records. While nothing is sent, it holds only the keys: received bytes are decrypted in place, and output goes out
//! in one write.

mod acceptor;
#[cfg(feature = "nats")]
mod client;
mod failure;
mod hkdf;
mod identity;
mod material;
mod provider;
mod revoked;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io::{self, ErrorKind};

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CipherSuite, HandshakeKind};

pub use acceptor::{Acceptor, Material, Pair, Rejected, Version, application_protocols};
#[cfg(feature = "nats")]
pub use client::{Client, Connector};
pub use material::Certificates;
pub use provider::provider;

use super::Heard;

/// The longest record with its header (RFC 5246, section 6.2.3), and the longest handshake message that is joined from several
/// records: longer than a chain of four certificates.
const BEGUN_BYTES_MAX: usize = 5 + (1 << 14) + 2048;

/// The longest plain text in a record (RFC 8446, section 5.1).
const RECORD_BYTES_MAX: usize = 1 << 14;

/// The plain text in a record that fits into one Ethernet segment, with either version of IP and any options.
const SEGMENT_BYTES: usize = 1400;

/// After this many bytes, records have their full length: a peer that has read so much gains from that.
const SEGMENTS_BYTES: usize = 64 * 1024;

/// Room for one side's messages of a usual handshake.
const FLIGHT_BYTES: usize = 1024;

/// The plain text that is encrypted for one write.
const BURST_BYTES_MAX: usize = 32 * 1024;

/// The most by which a record is longer than its plain text, with any suite: header, nonce, type and tag.
const RECORD_OVERHEAD: usize = 5 + 8 + 1 + 16;

/// The most memory of one wire: rustls' part, measured in an idle daemon and rounded up; an incomplete record, twice while the rest
/// arrives; and the output.
pub const BYTES_MAX: usize = 6 * 1024
    + 2 * BEGUN_BYTES_MAX
    + SEGMENT_BYTES
    + BURST_BYTES_MAX.div_ceil(SEGMENT_BYTES) * (SEGMENT_BYTES + RECORD_OVERHEAD);

/// The server's side of a TLS connection.
pub struct Tls {
    connection: UnbufferedServerConnection,
    phase: Phase,
    /// An incomplete record.
    begun: Vec<u8>,
    /// Records to be written, from `written` on.
    held: Vec<u8>,
    written: usize,
    /// Bytes sent since something was last received.
    said: usize,
    /// Whether the other side has ended.
    has_heard_end: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("phase", &self.phase).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has arrived yet.
    Silent,
    Handshake,
    Open,
    /// The output has ended.
    Ended,
    /// Nothing is sent or received any more.
    Failed,
}

/// What a wire has become after it has received something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Records,
    /// The input was plain text.
    PlainText,
}

impl Tls {
    /// The wire of a new connection. `serves_page`: its clients are browsers.
    ///
    /// # Errors
    /// If there are no random numbers, or no authority for the certificate that is asked for.
    pub fn accept(acceptor: &Acceptor, asks_for_certificate: bool, serves_page: bool) -> io::Result<Tls> {
        Ok(Tls {
            connection: acceptor.connection(asks_for_certificate, serves_page).map_err(io::Error::other)?,
            phase: Phase::Silent,
            begun: Vec::new(),
            held: Vec::new(),
            written: 0,
            said: 0,
            has_heard_end: false,
        })
    }

    // Not inlined into the paths of plain connections, which would pay for its registers and its stack.
    #[inline(never)]
    pub(super) fn receive(
        &mut self,
        received: &mut [u8],
        more: bool,
        mut hear: impl FnMut(Heard<'_>),
    ) -> Outcome {
        match self.phase {
            Phase::Silent if !is_record(received) => return Outcome::PlainText,
            Phase::Silent => self.phase = Phase::Handshake,
            Phase::Failed => return Outcome::Records,
            Phase::Handshake | Phase::Open | Phase::Ended => {}
        }
        self.said = 0;
        if self.begun.is_empty() {
            let used = self.process(received, more, &mut hear);
            self.begun.extend_from_slice(received.get(used..).unwrap_or_default());
        } else {
            let mut joined = std::mem::take(&mut self.begun);
            joined.extend_from_slice(received);
            let used = self.process(&mut joined, more, &mut hear);
            self.begun.extend_from_slice(joined.get(used..).unwrap_or_default());
        }
        if self.phase == Phase::Failed || self.has_heard_end {
            self.begun = Vec::new();
        }
        if self.begun.len() > BEGUN_BYTES_MAX {
            self.begun = Vec::new();
            self.fail("a message of the handshake is too long", hear);
        }
        Outcome::Records
    }

    /// Processes whole records; returns how many bytes they had.
    fn process(&mut self, input: &mut [u8], more: bool, hear: &mut impl FnMut(Heard<'_>)) -> usize {
        let mut used = 0;
        let mut goes_on = false;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let follows = more || has_second_record(rest);
            let UnbufferedStatus { mut discard, state } = self.connection.process_tls_records(rest);
            match state {
                Ok(ConnectionState::ReadTraffic(mut records)) if self.phase == Phase::Handshake => {
                    // This arrived with the end of the handshake, which rustls reports first.
                    let mut early = Vec::new();
                    while let Some(Ok(record)) = records.next_record() {
                        discard += record.discard;
                        early.extend_from_slice(record.payload);
                    }
                    self.open(&mut *hear);
                    if !early.is_empty() {
                        goes_on = follows;
                        hear(Heard::Bytes { bytes: &early, more: follows });
                    }
                }
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while let Some(Ok(record)) = records.next_record() {
                        discard += record.discard;
                        if !record.payload.is_empty() {
                            goes_on = follows;
                            hear(Heard::Bytes { bytes: record.payload, more: follows });
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut message)) => encode(&mut message, &mut self.held),
                Ok(ConnectionState::TransmitTlsData(message)) => message.done(),
                Ok(ConnectionState::PeerClosed) => {
                    if self.phase == Phase::Handshake && !self.connection.is_handshaking() {
                        self.open(&mut *hear);
                    }
                    self.has_heard_end = true;
                    hear(Heard::End);
                    goes_on = false;
                }
                Ok(ConnectionState::WriteTraffic(_)) if self.phase == Phase::Handshake => {
                    used += discard;
                    self.open(&mut *hear);
                    continue;
                }
                Ok(_) => {
                    used += discard;
                    break;
                }
                Err(error) => {
                    used += discard;
                    self.handle_error(&error, input.get_mut(used..).unwrap_or_default(), hear);
                    goes_on = false;
                    break;
                }
            }
            used += discard;
        }
        if goes_on && !more {
            // What followed was not part of the conversation.
            hear(Heard::Bytes { bytes: &[], more: false });
        }
        used
    }

    /// Answers an error with its alert, and fails. `rest`: input that was not processed.
    fn handle_error(&mut self, error: &rustls::Error, rest: &mut [u8], hear: &mut impl FnMut(Heard<'_>)) {
        let before = self.held.len();
        self.say_alert(rest);
        if self.held.len() == before
            && self.speaks_in_the_clear()
            && let Some(alert) = failure::alert_of(error)
        {
            self.held.extend(failure::record(alert));
        }
        let is_answered = self.held.len() > before;
        let sealed = || failure::alert_of(error).filter(|_| is_answered);
        let reason = failure::sentence(error, self.alert().or_else(sealed));
        self.fail(&reason, hear);
    }

    /// Whether this side's output is not encrypted yet.
    fn speaks_in_the_clear(&self) -> bool {
        match self.connection.protocol_version() {
            None => true,
            // The keys are used from the last message of a handshake on, which comes early if a session is resumed.
            Some(rustls::ProtocolVersion::TLSv1_2) => {
                self.connection.is_handshaking()
                    && self.connection.handshake_kind() == Some(HandshakeKind::Full)
            }
            Some(_) => false,
        }
    }

    /// Handles the end of the handshake.
    fn open(&mut self, hear: &mut impl FnMut(Heard<'_>)) {
        self.phase = Phase::Open;
        hear(Heard::Secured { how: &self.how(), name: self.name().as_deref() });
    }

    /// Handles the end of the socket's input.
    pub(super) fn receive_end(&mut self, mut hear: impl FnMut(Heard<'_>)) {
        match self.phase {
            Phase::Silent => self.fail("closed before the handshake", &mut hear),
            Phase::Handshake => self.fail("closed in the middle of the handshake", &mut hear),
            Phase::Open | Phase::Ended if !self.has_heard_end => hear(Heard::Truncated),
            Phase::Open | Phase::Ended | Phase::Failed => {}
        }
        if !self.has_heard_end {
            hear(Heard::End);
        }
    }

    /// Gives up the handshake. Returns whether the other side has sent nothing at all.
    pub(super) fn give_up(&mut self, reason: &str, hear: impl FnMut(Heard<'_>)) -> Outcome {
        match self.phase {
            Phase::Silent => return Outcome::PlainText,
            Phase::Handshake => self.fail(reason, hear),
            Phase::Open | Phase::Ended | Phase::Failed => {}
        }
        Outcome::Records
    }

    fn fail(&mut self, reason: &str, mut hear: impl FnMut(Heard<'_>)) {
        self.phase = Phase::Failed;
        hear(Heard::Failed(reason));
    }

    /// The alert that is to be written, if it can be read, which is before there are keys.
    fn alert(&self) -> Option<u8> {
        match self.held.get(self.held.len().checked_sub(7)?..)? {
            [21, 3, _, 0, 2, _, alert] => Some(*alert),
            _ => None,
        }
    }

    /// Holds the alert about a failure. `rest`: input that was not processed. rustls may have found further messages in it; it is
    /// ignored, because there is only one alert.
    fn say_alert(&mut self, rest: &mut [u8]) {
        let mut used = 0;
        while self.connection.wants_write() {
            let rest = rest.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(rest);
            used += discard;
            match state {
                Ok(ConnectionState::EncodeTlsData(mut message)) => encode(&mut message, &mut self.held),
                Ok(ConnectionState::TransmitTlsData(message)) => message.done(),
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Version and cipher suite.
    fn how(&self) -> Cow<'static, str> {
        let suite = self.connection.negotiated_cipher_suite();
        if suite.is_some_and(|suite| suite.suite() == CipherSuite::TLS13_AES_256_GCM_SHA384) {
            return Cow::Borrowed("TLS 1.3, TLS13_AES_256_GCM_SHA384"); // usual, and so not put together each time
        }
        let version = match self.connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        };
        match suite {
            Some(suite) => Cow::Owned(format!("{version}, {:?}", suite.suite())),
            None => Cow::Borrowed(version),
        }
    }

    /// The name in the other side's certificate.
    fn name(&self) -> Option<String> {
        identity::name(self.connection.peer_certificates()?.first()?)
    }

    #[inline(never)]
    pub(super) fn send(
        &mut self,
        said: &[&[u8]],
        mut write: impl FnMut(&[&[u8]]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let says_nothing = said.iter().all(|piece| piece.is_empty());
        // The end of the handshake is sent with the first message. If it is longer than a segment, it must be written first.
        if says_nothing || self.phase != Phase::Open || self.held.len() > SEGMENT_BYTES {
            self.write(&mut write)?;
        }
        if says_nothing {
            return Ok(0);
        }
        match self.phase {
            Phase::Open => {}
            Phase::Silent | Phase::Handshake => return Err(ErrorKind::WouldBlock.into()),
            Phase::Ended | Phase::Failed => return Err(ErrorKind::BrokenPipe.into()),
        }
        let taken = match said {
            [one] => self.encrypt(&one[..one.len().min(BURST_BYTES_MAX)])?,
            many => {
                let mut burst = Vec::with_capacity(many.iter().map(|piece| piece.len()).sum());
                many.iter().for_each(|piece| burst.extend_from_slice(piece));
                self.encrypt(&burst[..burst.len().min(BURST_BYTES_MAX)])?
            }
        };
        match self.write(&mut write) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }

    /// Holds records with these contents: short ones first, so that a peer that waits for the first byte gets it with the first
    /// segment.
    fn encrypt(&mut self, burst: &[u8]) -> io::Result<usize> {
        self.held.reserve_exact(burst.len() + (burst.len() / SEGMENT_BYTES + 1) * RECORD_OVERHEAD);
        let mut left = burst;
        while !left.is_empty() {
            let bytes_max = if self.said < SEGMENTS_BYTES { SEGMENT_BYTES } else { RECORD_BYTES_MAX };
            let (record, rest) = left.split_at(left.len().min(bytes_max));
            let encrypted =
                with_traffic(&mut self.connection, &mut self.begun, &mut self.held, |traffic, room| {
                    traffic.encrypt(record, room)
                });
            if !encrypted {
                self.phase = Phase::Failed;
                return Err(ErrorKind::BrokenPipe.into());
            }
            self.said += record.len();
            left = rest;
        }
        Ok(burst.len())
    }

    fn write(&mut self, write: &mut impl FnMut(&[&[u8]]) -> io::Result<usize>) -> io::Result<()> {
        while self.written < self.held.len() {
            self.written += write(&[&self.held[self.written..]])?;
        }
        self.held = Vec::new();
        self.written = 0;
        Ok(())
    }

    pub(super) fn is_holding(&self) -> bool {
        self.written < self.held.len()
    }

    pub(super) fn is_handshaking(&self) -> bool {
        matches!(self.phase, Phase::Silent | Phase::Handshake)
    }

    pub(super) fn end(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Ended;
            with_traffic(&mut self.connection, &mut self.begun, &mut self.held, |traffic, room| {
                traffic.queue_close_notify(room)
            });
        }
    }
}

/// Whether this begins like TLS. No text begins like this.
fn is_record(received: &[u8]) -> bool {
    match received {
        // SSL 2 (RFC 6101, appendix E), which gets an error.
        [length, _, 1, ..] if length & 0x80 != 0 => true,
        [first, ..] => (20..=24).contains(first),
        [] => true,
    }
}

/// Whether another whole record follows the first one.
fn has_second_record(records: &[u8]) -> bool {
    fn rest(records: &[u8]) -> Option<&[u8]> {
        let length = u16::from_be_bytes([*records.get(3)?, *records.get(4)?]);
        records.get(5 + usize::from(length)..)
    }
    rest(records).and_then(rest).is_some()
}

type Message<'c> = rustls::unbuffered::EncodeTlsData<'c, rustls::server::ServerConnectionData>;
type Traffic<'c> = rustls::unbuffered::WriteTraffic<'c, rustls::server::ServerConnectionData>;

/// Appends a message of the handshake.
fn encode(message: &mut Message<'_>, held: &mut Vec<u8>) {
    if held.is_empty() {
        held.reserve_exact(FLIGHT_BYTES);
    }
    let end = held.len();
    match message.encode(&mut []) {
        Err(EncodeError::InsufficientSize(size)) => held.resize(end + size.required_size, 0),
        Ok(_) | Err(EncodeError::AlreadyEncoded) => return,
    }
    let count = message.encode(&mut held[end..]).unwrap_or_default();
    held.truncate(end + count);
}

/// Appends records, if anything can be sent; returns whether it was. `begun`: an incomplete record or message. rustls remembers its
/// position in it, and panics if it then gets less.
fn with_traffic(
    connection: &mut UnbufferedServerConnection,
    begun: &mut Vec<u8>,
    held: &mut Vec<u8>,
    mut append: impl FnMut(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
) -> bool {
    loop {
        let UnbufferedStatus { discard, state } = connection.process_tls_records(begun);
        match state {
            Ok(ConnectionState::EncodeTlsData(mut message)) => encode(&mut message, held),
            Ok(ConnectionState::TransmitTlsData(message)) => message.done(),
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let end = held.len();
                let room = match append(&mut traffic, &mut []) {
                    Err(EncryptError::InsufficientSize(size)) => size.required_size,
                    Ok(_) => return true,
                    Err(EncryptError::EncryptExhausted) => return false,
                };
                held.resize(end + room, 0);
                let count = append(&mut traffic, &mut held[end..]);
                held.truncate(end + count.as_ref().copied().unwrap_or_default());
                return count.is_ok();
            }
            Ok(_) | Err(_) => return false,
        }
        begun.drain(..discard);
    }
}
