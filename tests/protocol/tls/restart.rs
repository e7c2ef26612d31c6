//! A restart, which no keys survive; and many clients at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::client::{Authority, TlsClient, write};
use super::{MULTIPLY, USUAL_TLS, daemon};
use crate::harness::interrupted::uninterrupted;
use crate::harness::manager::Manager;
use crate::harness::{CHAT, Client, Probe, TestDir, wait_until};

const PLAIN_CHAT: u16 = 33001;

#[test]
fn restart_closes_encrypted_members_and_keeps_the_others() {
    let (test_dir, authority) = (TestDir::new(), Authority::new());
    let (certificate, key) = authority.issue(&["localhost"], |_| {});
    write(&test_dir.directory.path().join("certificate.pem"), &certificate);
    write(&test_dir.directory.path().join("key.pem"), &key);
    test_dir.write_config(&format!(
        "{USUAL_TLS}[chat]\nlisten = [\"tls://{{ip}}:{CHAT}\", \"tcp://{{ip}}:{PLAIN_CHAT}\"]\n\
         [mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n"
    ));
    let manager = Manager::new(&test_dir);
    let command = manager.command(&test_dir, Vec::new());
    let mut before = test_dir.start(command);
    let config = Arc::new(authority.client());
    let mut ada = TlsClient::connect(&before, CHAT, &config);
    ada.say("ada\n");
    ada.hear("Greetings from the cave! Now type your name and press enter!\n");
    ada.hear("Welcome ada! If you ever want to quit, type {quit} to exit.\n");
    let mut bob: Client = before.tcp(PLAIN_CHAT);
    bob.say("bob\n");
    bob.hear("Greetings from the cave! Now type your name and press enter!\n");
    bob.hear("Welcome bob! If you ever want to quit, type {quit} to exit.\n");
    ada.hear("bob has joined the chat!\n");

    let mut control = before.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert_eq!(ada.hear_rest(), b"Server is restarting.\n", "and close_notify");
    assert!(before.wait().success());
    before.wait_for_log("handed over 1 connections");

    let test_dir = TestDir { directory: tempfile::tempdir().unwrap(), ip: before.ip };
    std::fs::copy(before.directory.path().join("ipcd.toml"), test_dir.config_file()).unwrap();
    let command = manager.command(&test_dir, manager.take_stored());
    let after = test_dir.start(command);
    after.wait_for_log("1 connections from before the restart continue");
    bob.hear("ada has left the chat.\n");
    bob.say("/who\n");
    bob.hear("In the room: bob (1)\n");
    let mut again = TlsClient::connect(&after, CHAT, &config);
    again.say("ada\n");
    bob.hear("ada has joined the chat!\n");
    drop((again, bob));
    after.stop();
}

/// How many have something to read.
fn answered(sockets: &mut [TcpStream]) -> usize {
    sockets.iter_mut().filter(|socket| socket.peek(&mut [0]).is_ok_and(|count| count > 0)).count()
}

#[test]
fn many_simultaneous_handshakes_delay_nobody() {
    const MANY: usize = 200;
    /// As many as fit into a few turns.
    const BEFORE_THE_REPLY: usize = 60;
    let (daemon, config) = daemon("[log]\nlevel = \"warn\"\n");
    let mut probe = Probe::new(&daemon);
    let mut other = daemon.tcp(crate::harness::MULTIPLY);
    // It was accepted, and counts.
    other.say("1 1\n");
    other.hear("Data received\n1.0\n");
    let descriptors = daemon.descriptors();
    // On a busy machine this test may look too late. Then it tries again.
    wait_until("the reply comes before most handshakes", || {
        wait_until("the others are closed", || (daemon.descriptors() == descriptors).then_some(()));
        let mut sockets: Vec<TcpStream> =
            (0..MANY).map(|_| TcpStream::connect(daemon.address(MULTIPLY)).unwrap()).collect();
        wait_until("all are accepted", || (daemon.descriptors() == descriptors + MANY).then_some(()));
        probe.wait();
        // All work is there before any is done, and the request comes last.
        daemon.freeze();
        for socket in &mut sockets {
            let name = ServerName::try_from("localhost").unwrap();
            let mut connection = ClientConnection::new(Arc::clone(&config), name).unwrap();
            let mut hello = Vec::new();
            while connection.wants_write() {
                connection.write_tls(&mut hello).unwrap();
            }
            socket.write_all(&hello).unwrap();
            socket.set_nonblocking(true).unwrap();
        }
        other.say("5 10\n");
        daemon.thaw();
        other.hear("Data received\n50.0\n");
        let before = answered(&mut sockets);
        wait_until("all handshakes are answered", || (answered(&mut sockets) == MANY).then_some(()));
        assert!(uninterrupted(|| sockets[0].read(&mut [0; 5])).unwrap() == 5);
        (before <= BEFORE_THE_REPLY).then_some(())
    });
    drop((probe, other));
    daemon.stop();
}
