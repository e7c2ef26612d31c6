//! Malformed handshakes, each of one record or a few, made by hand from RFC 8446 and RFC 5246. Each gets a fatal alert and a
//! sentence with its name in the log, and nobody else waits.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use super::client::{TlsClient, hear_raw};
use super::{MULTIPLY, daemon};
use crate::harness::{Daemon, Probe, show};

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// A record of this kind.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16).to_be_bytes();
    [&[kind, 3, 3], &length[..], content].concat()
}

/// A message of the handshake.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(content.len() as u16).to_be_bytes(), content].concat()
}

/// The parts of a ClientHello, each of which can be changed.
pub struct Hello {
    session: Vec<u8>,
    suites: Vec<u8>,
    compression: Vec<u8>,
    extensions: Vec<Vec<u8>>,
    rest: Vec<u8>,
}

impl Hello {
    /// A valid one, for TLS 1.3 only.
    pub fn new() -> Hello {
        let point = [9].into_iter().chain([0; 31]).collect::<Vec<u8>>(); // x25519's base point
        let share = [&[0, 36, 0, 29, 0, 32], &point[..]].concat();
        let extensions = vec![
            extension(43, &[2, 3, 4]),     // supported_versions
            extension(13, &[0, 2, 4, 3]),  // signature_algorithms: ecdsa_secp256r1_sha256
            extension(10, &[0, 2, 0, 29]), // supported_groups: x25519
            extension(51, &share),         // key_share
        ];
        let (session, rest) = (Vec::new(), Vec::new());
        Hello { session, suites: vec![0x13, 2], compression: vec![0], extensions, rest }
    }

    /// The same, for TLS 1.2.
    fn tls12() -> Hello {
        let extensions = vec![extension(13, &[0, 2, 4, 3]), extension(10, &[0, 2, 0, 23])];
        Hello { suites: vec![0xc0, 0x2b], extensions, ..Hello::new() }
    }

    /// With this extension instead of the one with the same number, or after all others.
    pub fn with(mut self, kind: u16, content: &[u8]) -> Hello {
        let made = extension(kind, content);
        match self.extensions.iter_mut().find(|extension| extension[..2] == kind.to_be_bytes()) {
            Some(place) => *place = made,
            None => self.extensions.push(made),
        }
        self
    }

    fn without(mut self, kind: u16) -> Hello {
        self.extensions.retain(|extension| extension[..2] != kind.to_be_bytes());
        self
    }

    fn message(&self) -> Vec<u8> {
        let extensions = self.extensions.concat();
        let mut body = vec![3, 3];
        body.extend([7; 32]); // random
        body.push(self.session.len() as u8);
        body.extend(&self.session);
        body.extend((self.suites.len() as u16).to_be_bytes());
        body.extend(&self.suites);
        body.push(self.compression.len() as u8);
        body.extend(&self.compression);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        body.extend(&self.rest);
        message(1, &body)
    }

    pub fn record(&self) -> Vec<u8> {
        record(HANDSHAKE, &self.message())
    }

    /// Followed by records that no client sends at that time.
    fn and(&self, records: &[Vec<u8>]) -> Vec<u8> {
        [self.record(), records.concat()].concat()
    }
}

/// The expected answer, and the name of the alert in the log. In a few cases it differs from that of RFC 8446
/// (record_overflow, missing_extension): rustls turns them into decode_error or handshake_failure.
pub type Case = (&'static str, Vec<u8>, &'static str);

/// A hello that is interrupted by another record.
fn half_and(other: &[u8]) -> Vec<u8> {
    let hello = Hello::new().message();
    let (first, rest) = hello.split_at(hello.len() / 2);
    [&record(HANDSHAKE, first), other, &record(HANDSHAKE, rest)].concat()
}

fn strange_records() -> Vec<Case> {
    let (unexpected, decode) = ("unexpected_message", "decode_error");
    vec![
        ("a record longer than any", [&[HANDSHAKE, 3, 3, 0x48, 1][..], &[0; 40]].concat(), decode),
        ("a message of a handshake without content", record(HANDSHAKE, &[]), decode),
        ("an alert without content", record(ALERT, &[]), decode),
        ("half an alert", record(ALERT, &[2]), decode),
        ("a heartbeat", record(24, &[1, 0, 1, 0]), decode),
        ("application data before anything else", record(23, b"5 10\n"), unexpected),
        ("a change of the cipher before anything else", record(20, &[1]), unexpected),
        ("a server's hello", record(HANDSHAKE, &message(2, &[0; 40])), unexpected),
        ("a request to begin", record(HANDSHAKE, &message(0, &[])), unexpected),
        ("the end of a handshake that has not begun", record(HANDSHAKE, &message(20, &[0; 12])), unexpected),
        ("a message of no kind", record(HANDSHAKE, &message(77, &[0; 9])), unexpected),
        ("a message of 16 megabytes", record(HANDSHAKE, &[1, 0xff, 0xff, 0xff, 3, 3]), decode),
        ("a record of version 9.9", [&[HANDSHAKE, 9, 9, 0, 4][..], &[1, 0, 0, 0]].concat(), decode),
        ("an alert with a byte behind it", record(ALERT, &[2, 40, 0]), decode),
        ("more warnings than anybody sends", record(ALERT, &[1, 90]).repeat(6), unexpected),
        (
            "a warning that is none of TLS 1.3's, before its hello",
            record(ALERT, &[1, 200]).repeat(6),
            unexpected,
        ),
        ("a hello without content", record(HANDSHAKE, &message(1, &[])), decode),
        ("half a hello, and application data", half_and(&record(23, b"5 10\n")), unexpected),
        ("half a hello, and a change of the cipher", half_and(&record(20, &[1])), unexpected),
        ("half a hello, and a record without content", half_and(&record(HANDSHAKE, &[])), decode),
        ("half a hello, and an alert of one byte", half_and(&record(ALERT, &[2])), unexpected),
    ]
}

fn strange_hellos() -> Vec<Case> {
    let (illegal, decode, missing) = ("illegal_parameter", "decode_error", "missing_extension");
    let changed = |change: fn(&mut Hello)| {
        let mut hello = Hello::new();
        change(&mut hello);
        hello.record()
    };
    let point_of_order_one = [&[0, 36, 0, 29, 0, 32][..], &[0; 32]].concat();
    let short_share = [&[0, 35, 0, 29, 0, 31][..], &[9; 31]].concat();
    vec![
        ("bytes behind the last extension", changed(|hello| hello.rest.push(0)), decode),
        ("a session of 33 bytes", changed(|hello| hello.session = vec![1; 33]), decode),
        ("half a cipher suite", changed(|hello| hello.suites.push(1)), decode),
        ("an extension twice", changed(|hello| hello.extensions.push(extension(43, &[2, 3, 4]))), illegal),
        ("no compression that is none", changed(|hello| hello.compression = vec![1]), illegal),
        (
            "an extension that is longer than the message",
            changed(|hello| {
                hello.extensions.push(vec![0, 5, 0, 9, 1]);
            }),
            decode,
        ),
        ("no version at all", Hello::new().with(43, &[0]).record(), decode),
        ("a key of 31 bytes", Hello::new().with(51, &short_share).record(), illegal),
        ("a key that gives no secret", Hello::new().with(51, &point_of_order_one).record(), illegal),
        ("no groups", Hello::new().without(10).record(), "handshake_failure"),
        ("no signature schemes", Hello::new().without(13).record(), "handshake_failure"),
        ("a list of groups of one byte", Hello::new().with(10, &[0, 1, 0]).record(), decode),
        ("a name with a NUL", Hello::new().with(0, &[0, 5, 0, 0, 2, b'a', 0]).record(), illegal),
        ("protocols of no length", Hello::new().with(16, &[0, 1, 0]).record(), decode),
        (
            "a session without a word of its kind",
            Hello::new()
                .with(41, &[&[0, 7, 0, 1, 1, 0, 0, 0, 0][..], &[0, 33, 32], &[0; 32]].concat())
                .record(),
            missing,
        ),
    ]
}

/// Extensions that violate RFC 8446 (section 4.2), RFC 6066, RFC 7301 or RFC 8422.
fn strange_extensions() -> Vec<Case> {
    let (illegal, decode, failure) = ("illegal_parameter", "decode_error", "handshake_failure");
    let with = |kind: u16, content: &[u8]| Hello::new().with(kind, content).record();
    let tls12_with = |kind: u16, content: &[u8]| Hello::tls12().with(kind, content).record();
    let share = |group: u8| [&[0, group, 0, 32][..], &[9], &[0; 31]].concat();
    let shares = |shares: &[Vec<u8>]| {
        let all = shares.concat();
        [&(all.len() as u16).to_be_bytes()[..], &all].concat()
    };
    let modes = |hello: Hello| hello.with(45, &[1, 1]);
    let offer = |identities: &[u8], binders: &[u8]| {
        let length = |list: &[u8]| (list.len() as u16).to_be_bytes();
        [&length(identities)[..], identities, &length(binders), binders].concat()
    };
    let (identity, binder) = ([0, 1, 1, 0, 0, 0, 0], [&[32][..], &[0; 32]].concat());
    let mut not_last = modes(Hello::new()).with(41, &offer(&identity, &binder));
    not_last.extensions.push(extension(0xabcd, &[]));
    let name = |name: &[u8]| [&[0, 0, name.len() as u8][..], name].concat();
    let names = |names: &[u8]| [&(names.len() as u16).to_be_bytes()[..], names].concat();
    vec![
        ("half a version", with(43, &[3, 3, 4, 3]), decode),
        ("versions that nobody has", with(43, &[2, 0x7f, 0x7f]), "protocol_version"),
        ("no groups in the list of groups", with(10, &[0, 0]), decode),
        ("groups that nobody has", with(10, &[0, 2, 0xff, 1]), failure),
        ("no schemes in the list of schemes", with(13, &[0, 0]), decode),
        ("half a signature scheme", with(13, &[0, 3, 4, 3, 4]), decode),
        ("schemes that nobody has", with(13, &[0, 2, 0xff, 1]), failure),
        ("two keys of one group", with(51, &shares(&[share(29), share(29)])), illegal),
        ("a key without content", with(51, &[0, 4, 0, 29, 0, 0]), decode),
        ("a list of keys that is cut", with(51, &[0, 36, 0, 29, 0, 32, 9]), decode),
        ("no keys at all", Hello::new().without(51).record(), failure),
        ("a session that is not the last extension", not_last.record(), illegal),
        ("a session without a proof", modes(Hello::new()).with(41, &offer(&identity, &[])).record(), decode),
        ("a proof without a session", modes(Hello::new()).with(41, &offer(&[], &binder)).record(), decode),
        (
            "two proofs of one session",
            modes(Hello::new()).with(41, &offer(&identity, &binder.repeat(2))).record(),
            illegal,
        ),
        ("no modes in the list of modes", with(45, &[0]), decode),
        ("early data with content", with(42, &[0]), decode),
        ("a list of no names", with(0, &[0, 0]), decode),
        (
            "two names of one kind",
            with(0, &names(&[name(b"a.example"), name(b"b.example")].concat())),
            decode,
        ),
        ("a name of no length", with(0, &names(&name(b""))), decode),
        ("a name that is cut", with(0, &[0, 5, 0, 0, 9, b'a', b'b']), decode),
        ("a protocol of no length", with(16, &[0, 1, 0]), decode),
        ("an empty list of protocols", with(16, &[0, 0]), decode),
        ("extended_master_secret with content", tls12_with(23, &[0]), decode),
        ("point formats without the uncompressed one", tls12_with(11, &[1, 1]), illegal),
        ("no point formats", tls12_with(11, &[0]), decode),
        ("a certificate's status of a cut request", with(5, &[1, 0, 9]), decode),
    ]
}

/// Hellos whose parts contradict each other, and second ones that contradict the first.
fn contradictions() -> Vec<Case> {
    let (illegal, decode, failure) = ("illegal_parameter", "decode_error", "handshake_failure");
    let changed = |mut hello: Hello, change: fn(&mut Hello)| {
        change(&mut hello);
        hello.record()
    };
    // The server asks for an x25519 key, which this hello does not have.
    let asking = || Hello::new().with(51, &[0, 0]);
    let suites = |suites: &[u8]| {
        let mut hello = Hello::new();
        hello.suites = suites.to_vec();
        hello
    };
    vec![
        ("no cipher suites", changed(Hello::new(), |hello| hello.suites.clear()), decode),
        ("suites that nobody has", suites(&[0x13, 0x77]).record(), failure),
        ("a suite of TLS 1.2 for TLS 1.3", suites(&[0xc0, 0x2b]).record(), failure),
        ("no compression at all", changed(Hello::new(), |hello| hello.compression.clear()), decode),
        (
            "a second compression in TLS 1.3",
            changed(Hello::new(), |hello| hello.compression = vec![0, 1]),
            illegal,
        ),
        (
            "no compression that is none, in TLS 1.2",
            changed(Hello::tls12(), |hello| hello.compression = vec![1]),
            illegal,
        ),
        (
            "a hello that is longer than its content",
            {
                let mut message = Hello::new().message();
                message[3] -= 1;
                record(HANDSHAKE, &message)
            },
            decode,
        ),
        ("no key again, after one was asked for", asking().and(&[asking().record()]), illegal),
        ("another suite, after a key was asked for", asking().and(&[suites(&[0x13, 1]).record()]), illegal),
        (
            "early data, after a key was asked for",
            asking().and(&[Hello::new().with(42, &[]).record()]),
            illegal,
        ),
        (
            "another version, after a key was asked for",
            asking().and(&[Hello::tls12().record()]),
            "protocol_version",
        ),
        (
            "an end, after a key was asked for",
            asking().and(&[record(HANDSHAKE, &message(20, &[0; 48]))]),
            "unexpected_message",
        ),
    ]
}

fn out_of_turn() -> Vec<Case> {
    let (unexpected, mac) = ("unexpected_message", "bad_record_mac");
    let (tls13, tls12) = (Hello::new(), Hello::tls12());
    let finished = || record(HANDSHAKE, &message(20, &[0; 12]));
    let sealed = || record(23, &[5; 40]);
    vec![
        ("a second hello, of TLS 1.2", tls12.and(&[tls12.record()]), unexpected),
        ("the cipher changed before there is one", tls12.and(&[record(20, &[1])]), unexpected),
        ("an end without keys", tls12.and(&[finished()]), unexpected),
        ("application data without keys", tls12.and(&[sealed()]), unexpected),
        (
            "a certificate that nobody asked for",
            tls12.and(&[record(HANDSHAKE, &message(11, &[0; 3]))]),
            unexpected,
        ),
        (
            "a point that is on no curve",
            tls12.and(&[record(HANDSHAKE, &message(16, &[&[65, 4][..], &[1; 64]].concat()))]),
            "illegal_parameter",
        ),
        ("a record that no key has made", tls13.and(&[sealed()]), mac),
        ("an end in the clear", tls13.and(&[finished()]), mac),
        ("a change of the cipher to another", tls13.and(&[record(20, &[2])]), unexpected),
        ("a change of the cipher with a byte behind it", tls13.and(&[record(20, &[1, 1])]), unexpected),
        ("an encrypted record without content", tls13.and(&[record(23, &[])]), mac),
        ("an encrypted record shorter than its tag", tls13.and(&[record(23, &[5; 9])]), mac),
        (
            "a key exchange without a point",
            tls12.and(&[record(HANDSHAKE, &message(16, &[]))]),
            "decode_error",
        ),
        ("a point of no length", tls12.and(&[record(HANDSHAKE, &message(16, &[0]))]), "decode_error"),
        (
            "a point with bytes behind it",
            tls12.and(&[record(HANDSHAKE, &message(16, &[&[65, 4][..], &[1; 70]].concat()))]),
            "decode_error",
        ),
        (
            "a proof of a certificate that was not shown",
            tls12.and(&[record(HANDSHAKE, &message(15, &[4, 3, 0, 0]))]),
            unexpected,
        ),
        ("a hello that the server did not ask for twice", tls12.and(&[tls13.record()]), unexpected),
    ]
}

fn all() -> Vec<Case> {
    [strange_records(), strange_hellos(), strange_extensions(), contradictions(), out_of_turn()].concat()
}

/// The log line and the answer, for a client that continues to read.
pub fn outcome(daemon: &Daemon, bytes: &[u8]) -> (String, Vec<u8>) {
    let since = daemon.log().len();
    let mut socket = TcpStream::connect(daemon.address(MULTIPLY)).unwrap();
    socket.write_all(bytes).unwrap();
    let line = daemon.wait_for_log_since(since, "TLS failed: ");
    let _ = socket.shutdown(Shutdown::Write);
    (line, hear_raw(&mut socket))
}

#[test]
fn malformed_handshakes_get_an_alert_that_the_log_names_and_nobody_waits() {
    let (daemon, config) = daemon("");
    let mut probe = Probe::new(&daemon);
    let mut other = TlsClient::connect(&daemon, MULTIPLY, &config);
    other.say("5 10\n");
    other.hear("Data received\n50.0\n");
    let descriptors = daemon.descriptors();
    let mut wrong = Vec::new();
    for (what, bytes, alert) in all() {
        let (line, heard) = outcome(&daemon, &bytes);
        if !line.ends_with(&format!("(alert {alert})")) || heard.is_empty() {
            wrong.push(format!("{what}: {line}, not {alert}; {}", show(&heard)));
        }
        probe.wait();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    other.say("6 7\n");
    other.hear("Data received\n42.0\n");
    crate::harness::wait_until("all are closed", || (daemon.descriptors() == descriptors).then_some(()));
    drop((probe, other));
    daemon.stop();
}

#[test]
fn client_that_sends_an_alert_is_quoted_and_not_answered() {
    let (daemon, _) = daemon("");
    for (number, name) in
        [(40, "handshake_failure"), (48, "unknown_ca"), (90, "user_canceled"), (80, "internal_error")]
    {
        let (line, heard) = outcome(&daemon, &record(ALERT, &[2, number]));
        assert!(line.contains(&format!("the client sent the alert {name}")), "{line}");
        assert_eq!(show(&heard), "", "{name}");
    }
    daemon.stop();
}
