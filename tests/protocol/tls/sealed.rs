//! Malformed messages under the right keys (RFC 8446): a client that has finished its handshake encrypts them by hand.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::crypto::ring::cipher_suite::TLS13_AES_256_GCM_SHA384;
use rustls::version::TLS13;
use rustls::{ClientConfig, ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite};

use super::client::{Authority, TlsClient, hear_raw};
use super::{MULTIPLY, test_dir};
use crate::harness::{Probe, wait_until};

const CHANGE: u8 = 20;
const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

/// Clients whose keys can be extracted.
pub fn config(authority: &Authority) -> Arc<ClientConfig> {
    let mut config = authority.client_of(&[&TLS13]);
    config.enable_secret_extraction = true;
    Arc::new(config)
}

/// The client's side after its handshake, without a library.
pub struct Sealed {
    encrypter: Box<dyn MessageEncrypter>,
    number: u64,
    pub socket: TcpStream,
}

impl Sealed {
    #[allow(deprecated)] // its replacement needs a connection of another kind
    pub fn of(client: TlsClient) -> Sealed {
        let suite = client.stream.conn.negotiated_cipher_suite();
        assert_eq!(suite, Some(TLS13_AES_256_GCM_SHA384));
        let Some(SupportedCipherSuite::Tls13(suite)) = suite else { unreachable!() };
        let (connection, socket) = client.stream.into_parts();
        let secrets = connection.dangerous_extract_secrets().unwrap();
        let (number, ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets.tx else { unreachable!() };
        Sealed { encrypter: suite.aead_alg.encrypter(key, iv), number, socket }
    }

    /// A record with this content, of any kind.
    pub fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ: ContentType::from(kind),
            version: ProtocolVersion::TLSv1_3,
            payload: OutboundChunks::Single(content),
        };
        self.number += 1;
        self.encrypter.encrypt(message, self.number - 1).unwrap().encode()
    }

    pub fn send(&mut self, kind: u8, content: &[u8]) {
        let record = self.record(kind, content);
        self.socket.write_all(&record).unwrap();
    }
}

/// What is sent, and the name of the alert in the log; `None`: rustls ends such a connection without one.
type Case = (&'static str, fn(&mut Sealed) -> Vec<u8>, Option<&'static str>);

const CASES: &[Case] = &[
    ("a record of zeros", |client| client.record(0, &[0; 9]), None),
    ("a record of no kind", |client| client.record(77, b"5 10"), Some("decode_error")),
    (
        "a record longer than any",
        |client| client.record(DATA, &[b'5'; (1 << 14) + 1]),
        Some("record_overflow"),
    ),
    ("an alert without content", |client| client.record(ALERT, &[]), Some("decode_error")),
    ("an encrypted change of the cipher", |client| client.record(CHANGE, &[1]), Some("unexpected_message")),
    ("a second hello", |client| client.record(HANDSHAKE, &[1, 0, 0, 0]), Some("decode_error")),
    (
        "a second end",
        |client| client.record(HANDSHAKE, &[&[20, 0, 0, 48][..], &[0; 48]].concat()),
        Some("unexpected_message"),
    ),
    (
        "a certificate that nobody asked for",
        |client| client.record(HANDSHAKE, &[11, 0, 0, 4, 0, 0, 0, 0]),
        Some("unexpected_message"),
    ),
    (
        "a server's ticket, which is cut",
        |client| client.record(HANDSHAKE, &[4, 0, 0, 13, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 7, 0]),
        Some("decode_error"),
    ),
    ("new keys of no kind", |client| client.record(HANDSHAKE, &[24, 0, 0, 1, 2]), Some("illegal_parameter")),
    (
        "new keys with a message behind them",
        |client| client.record(HANDSHAKE, &[24, 0, 0, 1, 0, 24, 0, 0, 1, 0]),
        Some("unexpected_message"),
    ),
    (
        "new keys, and a record under the old ones",
        |client| [client.record(HANDSHAKE, &[24, 0, 0, 1, 0]), client.record(DATA, b"5 10\n")].concat(),
        Some("bad_record_mac"),
    ),
    (
        "half a message, and application data",
        |client| [client.record(HANDSHAKE, &[24, 0]), client.record(DATA, b"5 10\n")].concat(),
        None,
    ),
    ("a record twice", |client| client.record(DATA, b"5 10\n").repeat(2), Some("bad_record_mac")),
    (
        "a record that is missing",
        |client| {
            client.record(DATA, b"5 10\n");
            client.record(DATA, b"5 10\n")
        },
        Some("bad_record_mac"),
    ),
    (
        "a record that was changed",
        |client| {
            let mut record = client.record(DATA, b"5 10\n");
            record[7] ^= 1;
            record
        },
        Some("bad_record_mac"),
    ),
    (
        "a record without encryption",
        |_| vec![DATA, 3, 3, 0, 5, b'5', b' ', b'1', b'0', b'\n'],
        Some("bad_record_mac"),
    ),
    (
        "a change of the cipher after the handshake",
        |_| vec![CHANGE, 3, 3, 0, 1, 1],
        Some("unexpected_message"),
    ),
    (
        "more warnings than anybody sends",
        |client| (0..6).flat_map(|_| client.record(ALERT, &[1, 90])).collect(),
        None,
    ),
];

#[test]
fn wrong_messages_under_right_keys_end_the_connection_and_are_named() {
    let (test_dir, authority) = test_dir("");
    let mut command = test_dir.command();
    command.args(["--log-level", "debug"]);
    let daemon = test_dir.start(command);
    let config = config(&authority);
    let mut probe = Probe::new(&daemon);
    let mut other = TlsClient::connect(&daemon, MULTIPLY, &config);
    other.say("5 10\n");
    other.hear("Data received\n50.0\n");
    let descriptors = daemon.descriptors();
    let mut wrong = Vec::new();
    for (what, make, alert) in CASES {
        let since = daemon.log().len();
        let mut client = TlsClient::connect(&daemon, MULTIPLY, &config);
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
        let mut client = Sealed::of(client);
        let bytes = make(&mut client);
        client.socket.write_all(&bytes).unwrap();
        let line = daemon.wait_for_log_since(since, "TLS failed: ");
        let _ = client.socket.shutdown(Shutdown::Write);
        let heard = hear_raw(&mut client.socket);
        let is_named = match alert {
            Some(alert) => line.ends_with(&format!("(alert {alert})")) && !heard.is_empty(),
            None => !line.contains("(alert "),
        };
        if !is_named {
            wrong.push(format!("{what}: {line}, not {alert:?}; {} bytes", heard.len()));
        }
        probe.wait();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    other.say("6 7\n");
    other.hear("Data received\n42.0\n");
    wait_until("all are closed", || (daemon.descriptors() == descriptors).then_some(()));
    drop((probe, other));
    daemon.stop();
}
