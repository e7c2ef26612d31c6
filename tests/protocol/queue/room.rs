//! Message queues of the chat: each pair is a member of the room.

use crate::harness::queues::Queues;
use crate::harness::{Client, Daemon, wait_until};

#[test]
fn pair_is_a_member_of_the_room_and_long_lines_come_in_parts() {
    let queues = Queues::new("board");
    let name = &queues.0[1..];
    let daemon = Daemon::with(&format!(
        "[chat]\nmax_message = 1000\nlisten = [\"tcp://{{ip}}:33000\", \"mq:///{name}\"]\n"
    ));
    let mut alice = Client::member(&daemon, "alice");
    queues.hear(&["alice has joined the chat!"]);
    for said in ["build finished", "/etc/passwd is 0666", "{quit}"] {
        queues.say(said);
        let line = format!("{name}: {said}");
        queues.hear(&[&line]);
        alice.hear(format!("{line}\n"));
    }
    alice.say(format!("/msg {name} psst\n"));
    queues.hear(&["alice (to you): psst"]);
    alice.hear(format!("you (to {name}): psst\n"));
    let long = "é".repeat(500);
    alice.say(format!("{long}\n"));
    queues.hear(&[&format!("alice: {long}")]);
    daemon.wait_for_log(&format!("{}: writers: joined as {name}", queues.0));
    drop(alice);
    queues.hear(&["alice has left the chat."]);
    daemon.stop();
}

#[test]
fn line_longer_than_the_queue_allows_comes_in_parts() {
    let queues = Queues::new("narrow");
    let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
    queues.make(".out", 4, 64, mode);
    let daemon = Daemon::with(&format!(
        "[chat]\nmax_message = 300\nlisten = [\"tcp://{{ip}}:33000\", \"mq://{}\"]\n",
        queues.0
    ));
    let mut alice = Client::member(&daemon, "alice");
    queues.hear(&["alice has joined the chat!"]);
    let long = "é".repeat(100);
    alice.say(format!("{long}\nnext\n"));
    let line = format!("alice: {long}");
    let mut heard = String::new();
    while heard.len() < line.len() {
        let part = wait_until("a part", || queues.try_hear());
        assert!((1..=64).contains(&part.len()), "{part:?}");
        heard += std::str::from_utf8(&part).expect("whole characters");
    }
    assert_eq!(heard, line);
    queues.hear(&["alice: next"]);
    daemon.stop();
    assert_eq!(queues.names(), [".out"], "somebody else's stays");
}
