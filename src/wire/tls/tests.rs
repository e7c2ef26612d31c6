//! One side of TLS and a client, in memory: what is written, and when.

use std::io::{Read, Write};
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::*;

fn acceptor(made: &CertifiedKey<KeyPair>) -> Acceptor {
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let pairs = [Pair { certificate: certificate.as_bytes(), key: key.as_bytes() }];
    Acceptor::new(Material { pairs: &pairs, client_ca: None, client_crl: None, minimum: Version::Tls12 })
        .unwrap()
}

fn client(
    certificate: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
}

/// What the client has to write.
fn flight(client: &mut ClientConnection) -> Vec<u8> {
    let mut flight = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut flight).unwrap();
    }
    flight
}

/// Passes the server's output to the client, and returns what the server has said.
fn heard(client: &mut ClientConnection, mut written: &[u8]) -> Vec<u8> {
    let mut heard = Vec::new();
    while !written.is_empty() {
        client.read_tls(&mut written).unwrap();
        let state = client.process_new_packets().unwrap();
        let mut piece = vec![0; state.plaintext_bytes_to_read()];
        client.reader().read_exact(&mut piece).unwrap();
        heard.extend(piece);
    }
    heard
}

/// The output, in as many pieces as there are writes.
fn sent(tls: &mut Tls, said: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut writes = Vec::new();
    let _ = tls.send(said, |pieces| {
        writes.push(pieces.concat());
        Ok(pieces.iter().map(|piece| piece.len()).sum())
    });
    writes
}

#[test]
fn first_reply_goes_out_in_one_write_with_the_end_of_the_handshake() {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let acceptor = acceptor(&made);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut client = client(made.cert.der(), version);
        let mut tls = Tls::accept(&acceptor, false, false).unwrap();
        let mut asked = Vec::new();
        client.writer().write_all(b"5 10\n").unwrap();
        while tls.is_handshaking() {
            tls.receive(&mut flight(&mut client), false, |heard| {
                if let Heard::Bytes { bytes, .. } = heard {
                    asked.extend_from_slice(bytes);
                }
            });
            if tls.is_handshaking() {
                let writes = sent(&mut tls, &[]);
                assert_eq!(writes.len(), 1, "a flight is one write");
                heard(&mut client, &writes[0]);
            }
        }
        assert!(tls.is_holding(), "a ticket");
        let writes = sent(&mut tls, &[b"Data received\n", b"50.0\n"]);
        assert_eq!(writes.len(), 1);
        assert_eq!(heard(&mut client, &writes[0]), b"Data received\n50.0\n");
        if version.version == rustls::ProtocolVersion::TLSv1_3 {
            assert_eq!(asked, b"5 10\n", "it came with the end of the client's handshake");
        }
    }
}
