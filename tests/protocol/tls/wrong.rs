//! Wrong clients on a TLS endpoint: each gets an error in a form that it can read, if there is one, and a line in the log; nobody
//! else waits.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::client::{TlsClient, hear_raw};
use super::{MULTIPLY, daemon};
use crate::harness::{CHAT, Daemon, show};

/// The answer to these bytes if nothing follows.
fn reply(daemon: &Daemon, port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(daemon.address(port)).unwrap();
    socket.write_all(bytes).unwrap();
    let _ = socket.shutdown(Shutdown::Write);
    hear_raw(&mut socket)
}

#[test]
fn plain_text_client_gets_a_readable_error_on_a_tls_port() {
    let (daemon, _) = daemon("");
    for port in [MULTIPLY, CHAT] {
        for text in ["5 10", "ada\n", "GET / HTTP/1.1\r\n\r\n"] {
            assert_eq!(show(&reply(&daemon, port, text.as_bytes())), show(b"Error: this port speaks TLS\n"));
        }
    }
    daemon.wait_for_log("error reply: this port speaks TLS");
    daemon.wait_for_log("closed: spoke no TLS");
    let log = daemon.stop();
    assert!(!log.iter().any(|line| line.contains("joined") || line.contains("message '")), "{log:?}");
}

/// A ClientHello of this version, with these cipher suites and extensions.
fn client_hello(version: [u8; 2], suites: &[u8], extensions: &[u8]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]); // random
    body.push(0); // no session
    body.extend((suites.len() as u16).to_be_bytes());
    body.extend(suites);
    body.extend([1, 0]); // no compression
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut message = vec![1, 0];
    message.extend((body.len() as u16).to_be_bytes());
    message.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend((message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}

#[test]
fn hello_that_cannot_be_served_gets_an_alert_that_the_log_names() {
    // signature_algorithms: ecdsa_secp256r1_sha256; supported_groups: secp256r1.
    let usual = [0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23];
    let ecdhe = [0xc0, 0x2b];
    let protocol_version = (70, "protocol_version");
    for (what, hello, (alert, name)) in [
        ("SSL 3", client_hello([3, 0], &ecdhe, &usual), protocol_version),
        ("TLS 1.0", client_hello([3, 1], &ecdhe, &usual), protocol_version),
        ("TLS 1.1", client_hello([3, 2], &ecdhe, &usual), protocol_version),
        ("a suite that nobody has", client_hello([3, 3], &[0, 1], &usual), (40, "handshake_failure")),
        ("garbage in a record", vec![22, 3, 1, 0, 4, 9, 0, 0, 0], (0, "")),
        ("a record of no kind of TLS", vec![23, 3, 3, 0, 1, 0], (0, "")),
    ] {
        let (daemon, _) = daemon("");
        let heard = reply(&daemon, MULTIPLY, &hello);
        assert_eq!(heard.len(), 7, "{what}: {}", show(&heard));
        assert_eq!((heard[0], heard[5]), (21, 2), "{what}: a fatal alert");
        let line = daemon.wait_for_log("TLS failed: ");
        if alert > 0 {
            assert_eq!(heard[6], alert, "{what}: {line}");
            assert!(line.ends_with(&format!("(alert {name})")), "{what}: {line}");
        }
        daemon.wait_for_log("closed: its TLS failed");
        daemon.stop();
    }
}

#[test]
fn unfinished_handshake_ends_after_ten_seconds_and_delays_nobody() {
    let (daemon, config) = daemon("");
    let begun = Instant::now();
    let mut half = TcpStream::connect(daemon.address(MULTIPLY)).unwrap();
    half.write_all(&client_hello([3, 3], &[0xc0, 0x2b], &[])[..20]).unwrap();
    let mut silent = TcpStream::connect(daemon.address(CHAT)).unwrap();
    let mut other = TlsClient::connect(&daemon, MULTIPLY, &config);
    other.say("5 10\n");
    other.hear("Data received\n50.0\n");
    assert_eq!(hear_raw(&mut half), b"");
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(hear_raw(&mut silent), b"Error: this port speaks TLS\n");
    daemon.wait_for_log("TLS failed: the handshake was not finished within 10 s");
    other.say("6 7\n");
    other.hear("Data received\n42.0\n");
    daemon.stop();
}

#[test]
fn handshake_that_stalls_does_not_hold_a_stop() {
    let (daemon, _) = daemon("[limits]\nshutdown_grace = \"1h\"\n");
    // The room's greeting waits for the handshake.
    let mut half = TcpStream::connect(daemon.address(CHAT)).unwrap();
    half.write_all(&client_hello([3, 3], &[0xc0, 0x2b], &[])[..20]).unwrap();
    daemon.wait_for_log("connected");
    let log = daemon.stop();
    assert!(log.iter().any(|line| line.contains("TLS failed: the daemon is stopping")), "{log:?}");
    assert!(log.iter().any(|line| line.ends_with("stopped")), "{log:?}");
}

#[test]
fn handshake_that_breaks_off_is_logged_and_leaves_nothing() {
    let (daemon, _) = daemon("");
    let descriptors = daemon.descriptors();
    let hello = client_hello([3, 3], &[0xc0, 0x2b], &[]);
    for cut in [1, 5, 20, hello.len() - 1] {
        assert_eq!(reply(&daemon, MULTIPLY, &hello[..cut]), b"", "cut at {cut}");
    }
    daemon.wait_for_log("TLS failed: closed in the middle of the handshake");
    drop(TcpStream::connect(daemon.address(MULTIPLY)).unwrap());
    daemon.wait_for_log("TLS failed: closed before the handshake");
    crate::harness::wait_until("all are closed", || (daemon.descriptors() == descriptors).then_some(()));
    daemon.stop();
}
