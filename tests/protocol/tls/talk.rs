//! Talk over TLS: nobody is paired with a client that has not finished its handshake.

use std::net::TcpStream;

use super::client::{TlsClient, write};
use super::names::client;
use super::{daemon, test_dir};

const TALK: u16 = 5000;

const TALK_TABLE: &str = "[talk]\nlisten = [\"tls://{ip}:5000\"]\n";

/// Ada says something, and bob, who comes later, receives it.
fn ada_and_bob_talk(ada: &mut TlsClient, bob: &mut TlsClient) {
    ada.say("hi\n");
    bob.hear("hi\n");
    bob.say("hello\n");
    ada.hear("hello\n");
}

#[test]
fn client_in_its_handshake_is_nobodys_partner() {
    let (daemon, config) = daemon(TALK_TABLE);
    let stranger = TcpStream::connect(daemon.address(TALK)).unwrap();
    daemon.wait_for_log("connected");
    let mut ada = TlsClient::connect(&daemon, TALK, &config);
    let mut bob = TlsClient::connect(&daemon, TALK, &config);
    ada_and_bob_talk(&mut ada, &mut bob);
    drop(stranger);
    daemon.wait_for_log("closed before the handshake");
    ada_and_bob_talk(&mut ada, &mut bob);
    daemon.stop();
}

#[test]
fn client_whose_certificate_is_not_allowed_is_nobodys_partner() {
    let (test_dir, authority) = test_dir("");
    write(&test_dir.directory.path().join("ca.pem"), &authority.pem());
    test_dir.write_config(&format!(
        "{}client_ca = \"{{dir}}/ca.pem\"\n{TALK_TABLE}allow_names = [\"ada\", \"bob\"]\n",
        super::USUAL_TLS
    ));
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let named = |name: &str| client(&authority, &authority, name, 1);
    let mut ada = TlsClient::connect(&daemon, TALK, &named("ada"));
    ada.say("hi\n");
    daemon.wait_for_log("is ada, by its certificate");
    let mut eve = TlsClient::connect(&daemon, TALK, &named("eve"));
    assert!(String::from_utf8(eve.hear_rest()).unwrap().starts_with("Error: "));
    let mut bob = TlsClient::connect(&daemon, TALK, &named("bob"));
    bob.hear("hi\n");
    daemon.stop();
}
