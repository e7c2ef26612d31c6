#!/usr/bin/env bash
# rustls 0.23.46 (crates.io) as a server that accepts no early data (max_early_data_size is 0, the default), with clients that offer
# none: each resumed handshake still derives the secret of early data (label "c e traffic", RFC 8446, section 7.1), and from it a key
# and an IV, which nothing uses. A handshake that begins a session does not. With SHA-384 these are eight of some hundred blocks.
# The secret for exporters ("exp master") is derived in every handshake, whether or not anybody exports.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "early"
version = "0.0.0"
edition = "2024"
[dependencies]
rustls = { version = "=0.23.46", default-features = false, features = ["ring", "std"] }
rcgen = { version = "=0.14.10", default-features = false, features = ["pem", "ring"] }
TOML
cat > src/main.rs <<'RUST'
use std::sync::{Arc, Mutex};

use rustls::crypto::tls13::{Hkdf, HkdfExpander, OkmBlock, OutputLengthError};
use rustls::crypto::{CipherSuiteCommon, ring, ring::cipher_suite::TLS13_AES_256_GCM_SHA384};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection};
use rustls::{SupportedCipherSuite, Tls13CipherSuite};

static LABELS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Ring's HKDF; it notes the labels.
struct Noting(&'static dyn Hkdf);
struct Expander(Box<dyn HkdfExpander>);

impl Hkdf for Noting {
    fn extract_from_zero_ikm(&self, salt: Option<&[u8]>) -> Box<dyn HkdfExpander> {
        Box::new(Expander(self.0.extract_from_zero_ikm(salt)))
    }
    fn extract_from_secret(&self, salt: Option<&[u8]>, secret: &[u8]) -> Box<dyn HkdfExpander> {
        Box::new(Expander(self.0.extract_from_secret(salt, secret)))
    }
    fn expander_for_okm(&self, okm: &OkmBlock) -> Box<dyn HkdfExpander> {
        Box::new(Expander(self.0.expander_for_okm(okm)))
    }
    fn hmac_sign(&self, key: &OkmBlock, message: &[u8]) -> rustls::crypto::hmac::Tag {
        self.0.hmac_sign(key, message)
    }
}

fn note(info: &[&[u8]]) {
    LABELS.lock().unwrap().push(String::from_utf8_lossy(info[3]).into_owned());
}

impl HkdfExpander for Expander {
    fn expand_slice(&self, info: &[&[u8]], output: &mut [u8]) -> Result<(), OutputLengthError> {
        note(info);
        self.0.expand_slice(info, output)
    }
    fn expand_block(&self, info: &[&[u8]]) -> OkmBlock {
        note(info);
        self.0.expand_block(info)
    }
    fn hash_len(&self) -> usize {
        self.0.hash_len()
    }
}

fn main() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = own.cert.der().clone();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();

    let suite = TLS13_AES_256_GCM_SHA384.tls13().unwrap();
    let noting: &'static Noting = Box::leak(Box::new(Noting(suite.hkdf_provider)));
    let common = CipherSuiteCommon {
        suite: suite.common.suite,
        hash_provider: suite.common.hash_provider,
        confidentiality_limit: suite.common.confidentiality_limit,
    };
    let noted = Tls13CipherSuite { common, hkdf_provider: noting, aead_alg: suite.aead_alg, quic: None };
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![SupportedCipherSuite::Tls13(Box::leak(Box::new(noted)))];
    let mut server = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.ticketer = ring::Ticketer::new().unwrap();
    assert_eq!(server.max_early_data_size, 0);

    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert!(!client.enable_early_data);

    let (server, client) = (Arc::new(server), Arc::new(client));
    for _ in 0..2 {
        LABELS.lock().unwrap().clear();
        let name = ServerName::try_from("localhost").unwrap();
        let mut here = ServerConnection::new(server.clone()).unwrap();
        let mut there = ClientConnection::new(client.clone(), name).unwrap();
        let mut bytes = Vec::new();
        for _ in 0..3 {
            while there.wants_write() {
                there.write_tls(&mut bytes).unwrap();
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                here.read_tls(&mut rest).unwrap();
                here.process_new_packets().unwrap();
            }
            bytes.clear();
            while here.wants_write() {
                here.write_tls(&mut bytes).unwrap();
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                there.read_tls(&mut rest).unwrap();
                there.process_new_packets().unwrap();
            }
            bytes.clear();
        }
        let kind = match here.handshake_kind().unwrap() {
            HandshakeKind::Resumed => "resumed",
            _ => "full",
        };
        println!("{kind}: {}", LABELS.lock().unwrap().join(", "));
    }
}
RUST
CARGO_TARGET_DIR=target cargo run --quiet > out
cat out
grep '^full: ' out | grep -vq 'c e traffic'
grep -q '^resumed: .*c e traffic, key, iv' out
[ "$(grep -c 'exp master' out)" -eq 2 ]
echo "as expected: secrets for early data at each resumption, and for exporters always, although nothing uses them"
