//! An incomplete message of TLS itself, while the daemon has something to send.

use std::sync::Arc;

use super::client::TlsClient;
use super::sealed::{HANDSHAKE, Sealed, config};
use super::test_dir;
use crate::harness::{CHAT, Probe};

/// The first three of the five bytes that request new keys (RFC 8446, section 4.6.3).
const BEGINNING: &[u8] = &[24, 0, 0];

#[test]
fn member_with_a_partial_key_update_still_gets_messages() {
    let (test_dir, authority) = test_dir("");
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let mut ada = TlsClient::connect(&daemon, CHAT, &config(&authority));
    ada.hear("Greetings from the cave! Now type your name and press enter!\n");
    ada.say("ada\n");
    ada.hear("Welcome ada! If you ever want to quit, type {quit} to exit.\n");
    let mut ada = Sealed::of(ada);
    ada.send(HANDSHAKE, BEGINNING);
    Probe::new(&daemon).wait(); // it has been read
    let mut bob = TlsClient::connect(&daemon, CHAT, &Arc::new(authority.client()));
    bob.hear("Greetings from the cave! Now type your name and press enter!\n");
    bob.say("bob\n"); // ada is told
    bob.hear("Welcome bob! If you ever want to quit, type {quit} to exit.\n");
    bob.say("hi\n");
    bob.hear("bob: hi\n");
    daemon.stop();
}
