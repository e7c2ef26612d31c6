//! TLS endpoints: the same services, the ends, wrong clients, and certificates.

mod certificates;
mod choice;
mod client;
mod groups;
mod hook;
mod malformed;
mod memory;
mod names;
mod partial;
mod records;
mod restart;
mod sealed;
mod talk;
mod wrong;

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};

use crate::harness::{CHAT, Daemon, TestDir, USUAL};
use client::{Authority, TlsClient, write};

/// Multiply's port with TLS; its usual port has none.
pub const MULTIPLY: u16 = 65433;

/// The certificate for the usual services, all of which use TLS.
pub const USUAL_TLS: &str = "[tls]\ncertificate = \"{dir}/certificate.pem\"\nkey = \"{dir}/key.pem\"\n";

/// A directory with a certificate, its authority, and the configuration of [`USUAL_TLS`].
fn test_dir(more: &str) -> (TestDir, Authority) {
    let (test_dir, authority) = (TestDir::new(), Authority::new());
    let (certificate, key) = authority.issue(&["localhost"], |_| {});
    write(&test_dir.directory.path().join("certificate.pem"), &certificate);
    write(&test_dir.directory.path().join("key.pem"), &key);
    let usual = USUAL
        .replace("tcp://", "tls://")
        .replace("tls://{ip}:65432", "tcp://{ip}:65432\", \"tls://{ip}:65433");
    test_dir.write_config(&format!("{USUAL_TLS}{more}{}", usual));
    (test_dir, authority)
}

/// A daemon there that logs every message, and clients that trust it.
fn daemon(more: &str) -> (Daemon, Arc<ClientConfig>) {
    let (test_dir, authority) = test_dir(more);
    let mut command = test_dir.command();
    command.args(["--log-level", "debug"]);
    (test_dir.start(command), Arc::new(authority.client()))
}

#[test]
fn both_versions_of_tls_carry_a_conversation_and_its_ends() {
    let (test_dir, authority) = test_dir("");
    let mut command = test_dir.command();
    command.args(["--log-level", "debug"]);
    let daemon = test_dir.start(command);
    for (version, name) in [(&TLS13, "TLS 1.3"), (&TLS12, "TLS 1.2")] {
        let config = Arc::new(authority.client_of(&[version]));
        let since = daemon.log().len();
        let mut client = TlsClient::connect(&daemon, MULTIPLY, &config);
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
        client.say("6 7\n8 9\n");
        client.say_end();
        assert_eq!(client.hear_rest(), b"Data received\n42.0\nData received\n72.0\n");
        daemon.wait_for_log_since(since, &format!("encrypted with {name}, TLS"));
        daemon.wait_for_log_since(since, "closed by the peer");
        assert!(!daemon.log()[since..].iter().any(|line| line.contains("close_notify")));
    }
    daemon.stop();
}

#[test]
fn raw_client_gets_each_message_in_a_record_of_its_own() {
    let (daemon, config) = daemon("");
    let mut client = TlsClient::connect(&daemon, MULTIPLY, &config);
    client.say("5 10");
    assert_eq!(client.recv(), b"Data received");
    assert_eq!(client.recv(), b"50.0");
    daemon.stop();
}

#[test]
fn tls_and_plain_clients_share_one_room() {
    let (test_dir, authority) = test_dir("[talk]\nlisten = [\"tls://{ip}:5000\"]\n");
    let config = test_dir.config_file();
    let text = std::fs::read_to_string(&config).unwrap();
    let both = text.replace(":33000\"]", &format!(":33000\", \"tcp://{}:33001\"]", test_dir.ip));
    test_dir.write_config(&both);
    let daemon = {
        let command = test_dir.command();
        test_dir.start(command)
    };
    let mut ada = TlsClient::connect(&daemon, CHAT, &Arc::new(authority.client()));
    ada.hear("Greetings from the cave! Now type your name and press enter!\n");
    ada.say("ada\n");
    ada.hear("Welcome ada! If you ever want to quit, type {quit} to exit.\n");
    let mut bob = daemon.tcp(33001);
    bob.say("bob\n");
    ada.hear("bob has joined the chat!\n");
    bob.say("hi\n");
    ada.hear("bob: hi\n");
    ada.say("{quit}\n");
    assert_eq!(ada.hear_rest(), b"{quit}\n", "close_notify follows");
    bob.half_close();
    assert!(String::from_utf8(bob.hear_rest()).unwrap().ends_with("ada has left the chat.\n"));
    daemon.stop();
}

#[test]
fn stop_says_farewell_and_close_notify() {
    let (daemon, config) = daemon("");
    let mut ada = TlsClient::connect(&daemon, CHAT, &config);
    ada.say("ada\n");
    ada.hear("Greetings from the cave! Now type your name and press enter!\n");
    ada.hear("Welcome ada! If you ever want to quit, type {quit} to exit.\n");
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(ada.hear_rest(), b"Server is shutting down.\n");
}

#[test]
fn input_that_ends_without_close_notify_is_answered_and_logged() {
    let (daemon, config) = daemon("[limits]\nraw_gap = \"10s\"\n");
    let mut client = TlsClient::connect(&daemon, MULTIPLY, &config);
    client.say("5 10");
    client.half_close();
    assert_eq!(client.hear_rest(), b"Data received\n50.0\n", "an end of file ends a line");
    daemon.wait_for_log("its input ended without close_notify");
    daemon.stop();
}

#[test]
fn raw_member_of_the_room_gets_close_notify_and_then_a_reset() {
    let (daemon, config) = daemon("");
    let mut ada = TlsClient::connect(&daemon, CHAT, &config);
    ada.say("ada");
    ada.hear("Greetings from the cave! Now type your name and press enter!\n");
    ada.hear("Welcome ada! If you ever want to quit, type {quit} to exit.");
    ada.say("{quit}");
    assert_eq!(ada.hear_rest(), b"{quit}", "close_notify follows");
    let error = std::io::Read::read(&mut ada.stream.sock, &mut [0; 9]).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    daemon.stop();
}

#[test]
fn megabytes_of_pipelined_requests_are_answered_in_order() {
    const REQUESTS: usize = 50_000;
    let (daemon, config) = daemon("[log]\nlevel = \"warn\"\n");
    let mut client = TlsClient::connect(&daemon, MULTIPLY, &config);
    let chunk = "5 10\n".repeat(1000);
    for _ in 0..REQUESTS / 1000 {
        client.say(&chunk);
        client.hear("Data received\n50.0\n".repeat(1000));
    }
    client.say_end();
    assert_eq!(client.hear_rest(), b"");
    daemon.stop();
}
