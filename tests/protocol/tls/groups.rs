//! The key exchange of a handshake: which one is agreed, and what happens on a processor that graviola cannot use.

use std::sync::Arc;

use ipcd::wire::tls::provider;
use rustls::NamedGroup;
use rustls::crypto::ring::kx_group::{SECP256R1, SECP384R1, X25519};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::version::{TLS12, TLS13};

use super::client::{Authority, TlsClient};
use super::malformed::{Case, Hello, outcome};
use super::{MULTIPLY, daemon, test_dir};
use crate::harness::Daemon;

/// What a client multiplies with that computes with this provider, in either version.
fn agreed(daemon: &Daemon, authority: &Authority, provider: &Arc<CryptoProvider>) -> [NamedGroup; 2] {
    [&TLS13, &TLS12].map(|version| {
        let config = Arc::new(authority.client_computing_with(Arc::clone(provider), &[version]));
        let mut client = TlsClient::connect(daemon, MULTIPLY, &config);
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
        client.stream.conn.negotiated_key_exchange_group().unwrap().name()
    })
}

fn computing_with(groups: &[&'static dyn SupportedKxGroup]) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { kx_groups: groups.to_vec(), ..ring::default_provider() })
}

/// The first choice of this processor.
fn best() -> NamedGroup {
    provider().kx_groups[0].name()
}

#[test]
fn key_exchange_is_the_best_that_both_sides_have() {
    let (test_dir, authority) = test_dir("");
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    for group in [X25519, SECP256R1, SECP384R1] {
        assert_eq!(agreed(&daemon, &authority, &computing_with(&[group])), [group.name(); 2]);
    }
    // A client that prefers another one, for which it has sent a key, is not asked for a second hello.
    let tls12 = NamedGroup::X25519;
    assert_eq!(agreed(&daemon, &authority, &Arc::new(provider())), [best(), tls12]);
    daemon.stop();
}

/// Without ADX graviola would panic. It has this switch in debug builds alone.
#[cfg(all(target_arch = "x86_64", debug_assertions))]
#[test]
fn processor_without_fast_arithmetic_has_the_handshakes_of_ring() {
    let (test_dir, authority) = test_dir("");
    let mut command = test_dir.command();
    command.env("GRAVIOLA_CPU_DISABLE_adx", "1");
    let daemon = test_dir.start(command);
    let x25519 = NamedGroup::X25519;
    assert_eq!(agreed(&daemon, &authority, &Arc::new(provider())), [x25519, x25519]);
    daemon.stop();
}

/// FIPS 203, section 7.2: the coefficients of a key of ML-KEM are below 3329.
#[test]
fn wrong_keys_of_the_hybrid_exchange_get_an_alert() {
    if best() != NamedGroup::X25519MLKEM768 {
        return; // nothing to be wrong: the group is unknown, and another key is asked for
    }
    let (daemon, _) = daemon("");
    let hello = |key: &[u8]| {
        let length = |bytes: usize| (bytes as u16).to_be_bytes();
        let share = [&length(4 + key.len())[..], &[0x11, 0xec], &length(key.len()), key].concat();
        Hello::new().with(10, &[0, 2, 0x11, 0xec]).with(51, &share).record()
    };
    let base_point = [&[9][..], &[0; 31]].concat();
    let (good, large) = ([0; 1184], [0xff; 1184]);
    let cases: [Case; 5] = [
        ("X25519's part alone", hello(&base_point), "illegal_parameter"),
        ("a byte too few", hello(&[&good[..], &base_point[1..]].concat()), "illegal_parameter"),
        ("a byte too many", hello(&[&good[..], &base_point, &[0]].concat()), "illegal_parameter"),
        ("coefficients that are too large", hello(&[&large[..], &base_point].concat()), "illegal_parameter"),
        ("X25519's part gives no secret", hello(&[&good[..], &[0; 32]].concat()), "illegal_parameter"),
    ];
    for (what, bytes, alert) in cases {
        let (line, heard) = outcome(&daemon, &bytes);
        assert!(line.ends_with(&format!("(alert {alert})")) && !heard.is_empty(), "{what}: {line}");
    }
    daemon.stop();
}
