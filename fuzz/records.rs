//! Input for a TLS endpoint: arbitrary records, and those of a real client, changed in transit.

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use ipcd::wire::tls::{Acceptor, Material, Pair, Tls, Version};
use ipcd::wire::{Heard, Wire};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// The longest input; longer ones show nothing new.
const BYTES_MAX: usize = 4096;

/// The number of cuts to try, spread evenly over the input.
const CUTS_MAX: usize = 24;

/// The real client's messages, each in its own record.
const SAID: [&str; 4] = ["5 10\n", "6 7\n8 9\n", "ada\nhello, everybody\n", "{quit}\n"];

const REPLY: &[u8] = b"Data received\n50.0\n";

/// The configurations of a server, and of clients of both versions that trust it.
struct Sides {
    acceptor: Acceptor,
    clients: [Arc<ClientConfig>; 2],
}

fn sides() -> &'static Sides {
    static SIDES: OnceLock<Sides> = OnceLock::new();
    SIDES.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let pair = Pair { certificate: certificate.as_bytes(), key: key.as_bytes() };
        let material =
            Material { pairs: &[pair], client_ca: None, client_crl: None, minimum: Version::Tls12 };
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("it is one's own authority");
        let clients = [&TLS13, &TLS12].map(|version| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
            let builder = builder.expect("it has both versions").with_root_certificates(roots.clone());
            Arc::new(builder.with_no_client_auth())
        });
        Sides { acceptor: Acceptor::new(material).expect("a certificate and its key"), clients }
    })
}

/// A server's wire, and what it has delivered.
struct Server {
    wire: Wire,
    heard: Vec<u8>,
    events: Vec<String>,
    has_ended: bool,
    has_failed: bool,
}

impl Server {
    fn accept() -> Server {
        let tls = Tls::accept(&sides().acceptor, false, false).expect("there are random numbers");
        let wire = Wire::Tls(Box::new(tls));
        Server { wire, heard: Vec::new(), events: Vec::new(), has_ended: false, has_failed: false }
    }

    fn note(&mut self, heard: Heard<'_>) {
        assert!(!self.has_failed || heard == Heard::End, "{heard:?} after a failure");
        match heard {
            // Text that is not TLS would be answered by the engine, which is missing here.
            Heard::Bytes { .. } if self.events.iter().any(|event| event == "plain text") => {}
            Heard::Bytes { bytes, .. } => {
                assert!(!self.has_ended || bytes.is_empty(), "{bytes:?} after the end");
                self.heard.extend_from_slice(bytes);
            }
            Heard::End => self.has_ended = true,
            Heard::Secured { how, .. } => self.events.push(how.to_owned()),
            Heard::Truncated => self.events.push("truncated".to_owned()),
            Heard::PlainText => self.events.push("plain text".to_owned()),
            Heard::Failed(why) => {
                assert!(!why.contains(char::is_control), "{why:?}");
                self.has_failed = true;
                self.events.push(why.to_owned());
            }
        }
    }

    /// Passes one read's bytes to the wire.
    fn take(&mut self, bytes: &[u8]) {
        let mut buffer = bytes.to_vec();
        let mut wire = std::mem::take(&mut self.wire);
        wire.receive(&mut buffer, false, |heard| self.note(heard));
        self.wire = wire;
    }

    fn take_end(&mut self) {
        let mut wire = std::mem::take(&mut self.wire);
        wire.receive_end(|heard| self.note(heard));
        self.wire = wire;
    }

    /// The bytes to write for `said`; `None` if nothing can be sent.
    fn say(&mut self, said: &[&[u8]]) -> Option<Vec<u8>> {
        let mut written = Vec::new();
        let taken = self.wire.send(said, |pieces| {
            pieces.iter().for_each(|piece| written.extend_from_slice(piece));
            Ok(pieces.iter().map(|piece| piece.len()).sum())
        });
        assert!(!self.wire.is_holding(), "everything was taken");
        taken.ok().map(|_| written)
    }
}

/// If a handshake never completes, the peer's answer and the log line do not depend on how the bytes were cut.
pub fn strange_records_are_refused_the_same_at_every_cut(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    let outcome = |pieces: &[&[u8]]| {
        let mut server = Server::accept();
        pieces.iter().filter(|piece| !piece.is_empty()).for_each(|piece| server.take(piece));
        server.take_end();
        assert_eq!(server.heard, b"", "there are no keys");
        let _ = server.say(&[]);
        server.events
    };
    let whole = outcome(&[bytes]);
    // The third byte tells SSL 2 from text; other text is recognized by its first byte.
    let first = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 3 } else { 1 };
    for cut in (first..bytes.len()).step_by(bytes.len() / CUTS_MAX + 1) {
        assert_eq!(outcome(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    }
}

/// Records arrive as they were sent, or not at all. If bytes are changed, dropped, repeated or reordered in transit, the server
/// receives a prefix of the client's output, and an end only after all of it.
pub fn changed_records_never_say_what_was_not_said(bytes: &[u8]) {
    let (&kind, script) = bytes.split_first().unwrap_or((&0, &[]));
    let script = &script[..script.len().min(64)];
    let config = &sides().clients[usize::from(kind & 1)];
    let is_late = kind & 2 != 0;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut server = Server::accept();
    let (mut is_changed, mut is_refused) = (false, false);
    for _ in 0..4 {
        let mut flight = drain(&mut client);
        if !is_late {
            is_changed |= change(&mut flight, script);
        }
        pieces(&flight, script).for_each(|piece| server.take(piece));
        let answer = server.say(&[]).unwrap_or_default();
        if client.read_tls(&mut &answer[..]).is_err() || client.process_new_packets().is_err() {
            assert!(is_changed, "a true handshake fails: {:?}", server.events);
            is_refused = true;
            break;
        }
    }
    let is_open = !client.is_handshaking() && !is_refused;
    assert!(is_open || is_changed, "a true handshake is not finished: {:?}", server.events);
    if is_open {
        let mut records = Vec::new();
        for words in SAID {
            client.writer().write_all(words.as_bytes()).expect("there is room");
            records.extend(drain(&mut client));
        }
        client.send_close_notify();
        records.extend(drain(&mut client));
        is_changed |= change(&mut records, script);
        pieces(&records, script).for_each(|piece| server.take(piece));
    }
    let said = SAID.concat();
    assert!(said.as_bytes().starts_with(&server.heard), "{}", server.heard.escape_ascii());
    let is_whole = server.heard == said.as_bytes();
    assert!(!server.has_ended || is_whole || server.heard.is_empty(), "the end in the middle");
    if !is_changed {
        assert!(is_whole && server.has_ended && !server.has_failed, "{:?}", server.events);
        assert_eq!(reply(&mut server, &mut client), REPLY);
    }
    server.take_end();
    assert!(server.has_ended);
}

/// The bytes that the client has to write.
fn drain(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).expect("memory takes everything");
    }
    bytes
}

/// What the client receives in a reply.
fn reply(server: &mut Server, client: &mut ClientConnection) -> Vec<u8> {
    let records = server.say(&[&REPLY[..5], &REPLY[5..]]).expect("the client still hears");
    client.read_tls(&mut &records[..]).expect("memory gives everything");
    let state = client.process_new_packets().expect("true records");
    let mut heard = vec![0; state.plaintext_bytes_to_read()];
    client.reader().read_exact(&mut heard).expect("it has come");
    heard
}

/// Changes records as the script says, three bytes for each change. Returns whether any byte differs.
fn change(records: &mut Vec<u8>, script: &[u8]) -> bool {
    let before = records.clone();
    for step in script.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([step[1], step[2]]));
        if records.is_empty() {
            break;
        }
        let at = at % records.len();
        match step[0] % 8 {
            bit @ 0..3 => records[at] ^= 1 << (bit * 3),
            3 => drop(records.remove(at)),
            4 => records.insert(at, step[2]),
            5 => records.truncate(at),
            6 => {
                // Repeats a record.
                let (start, end) = record(records, at);
                let copy = records[start..end].to_vec();
                records.splice(end..end, copy);
            }
            _ => {
                // Swaps two records.
                let (start, end) = record(records, at);
                let (_, last) = record(records, end.min(records.len() - 1));
                records[start..last.max(end)].rotate_left(end - start);
            }
        }
    }
    *records != before
}

/// The beginning and end of the record at this byte, according to the length fields.
fn record(records: &[u8], at: usize) -> (usize, usize) {
    let mut start = 0;
    while let Some([high, low]) = records.get(start + 3..start + 5) {
        let end = start + 5 + usize::from(u16::from_be_bytes([*high, *low]));
        if at < end || end >= records.len() {
            return (start, end.min(records.len()));
        }
        start = end;
    }
    (start.min(records.len()), records.len())
}

/// The bytes in pieces, whose lengths the script gives.
fn pieces<'a>(bytes: &'a [u8], script: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths = script.iter().map(|byte| usize::from(*byte) + 1);
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(rest.len().min(lengths.next().unwrap_or(usize::MAX)));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
