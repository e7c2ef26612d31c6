//! Dialogues with a real daemon.

mod harness;

use harness::{CHAT, Client, Daemon, GREETING, MULTIPLY};

#[test]
fn the_classroom_client_gets_two_messages_in_two_recv_200_times_in_a_row() {
    let daemon = Daemon::usual();
    for _ in 0..200 {
        let mut client = daemon.tcp(MULTIPLY);
        client.say("5 10");
        assert_eq!(client.recv(), b"Data received");
        assert_eq!(client.recv(), b"50.0");
    }
    daemon.stop();
}

#[test]
fn a_line_client_a_greeted_one_and_a_chat_of_two() {
    let daemon = Daemon::usual();
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    client.half_close();
    client.hear_end();

    let mut greeted = daemon.tcp(GREETING);
    greeted.hear("Message received. Thank you for connecting\r\n");
    greeted.hear_end();

    let mut alice = Client::member(&daemon, "alice");
    let mut bob = Client::member(&daemon, "bob");
    alice.hear("bob has joined the chat!\n");
    bob.say("hi\n");
    alice.hear("bob: hi\n");
    bob.hear("bob: hi\n");
    bob.say("{quit}\n");
    bob.hear("{quit}\n");
    bob.hear_end();
    alice.hear("bob has left the chat.\n");

    let mut raw = daemon.tcp(CHAT);
    raw.say("carol");
    assert_eq!(raw.recv(), b"Greetings from the cave! Now type your name and press enter!\n");
    raw.hear("Welcome carol! If you ever want to quit, type {quit} to exit.");
    alice.hear("carol has joined the chat!\n");
    raw.say("{quit}");
    raw.hear("carol: {quit}".strip_prefix("carol: ").unwrap());
    raw.hear_reset();
    daemon.stop();
}
