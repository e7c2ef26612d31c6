//! A message of TLS itself that is not whole yet, while the daemon has something to say.

use std::io::Write;
use std::sync::Arc;

use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::crypto::ring::cipher_suite::TLS13_AES_256_GCM_SHA384;
use rustls::version::TLS13;
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite};

use super::client::TlsClient;
use super::test_dir;
use crate::harness::{CHAT, Probe};

/// The first three of the five bytes that ask for new keys (RFC 8446, section 4.6.3).
const BEGINNING: &[u8] = &[24, 0, 0];

#[test]
#[allow(deprecated)] // what replaces it needs a connection of another kind
fn member_with_a_partial_key_update_still_gets_messages() {
    let (test_dir, authority) = test_dir("");
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let mut config = authority.client_of(&[&TLS13]);
    config.enable_secret_extraction = true;
    let mut ada = TlsClient::connect(&daemon, CHAT, &Arc::new(config));
    ada.hear("Greetings from the cave! Now type your name and press enter!\n");
    ada.say("ada\n");
    ada.hear("Welcome ada! If you ever want to quit, type {quit} to exit.\n");
    let suite = ada.stream.conn.negotiated_cipher_suite();
    assert_eq!(suite, Some(TLS13_AES_256_GCM_SHA384));
    let Some(SupportedCipherSuite::Tls13(suite)) = suite else { unreachable!() };
    let (connection, mut socket) = ada.stream.into_parts();
    let secrets = connection.dangerous_extract_secrets().unwrap();
    let (number, ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets.tx else { unreachable!() };
    let beginning = OutboundPlainMessage {
        typ: ContentType::Handshake,
        version: ProtocolVersion::TLSv1_3,
        payload: OutboundChunks::Single(BEGINNING),
    };
    let record = suite.aead_alg.encrypter(key, iv).encrypt(beginning, number).unwrap();
    socket.write_all(&record.encode()).unwrap();
    Probe::new(&daemon).wait(); // it has been read
    let mut bob = TlsClient::connect(&daemon, CHAT, &Arc::new(authority.client()));
    bob.hear("Greetings from the cave! Now type your name and press enter!\n");
    bob.say("bob\n"); // ada hears of this
    bob.hear("Welcome bob! If you ever want to quit, type {quit} to exit.\n");
    bob.say("hi\n");
    bob.hear("bob: hi\n");
    daemon.stop();
}
