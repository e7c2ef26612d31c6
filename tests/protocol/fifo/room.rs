//! FIFOs of the chat: each pair is a member of the room.

use rustix::process::Signal;

use super::{BOTH, at, directory};
use crate::harness::around::failure;
use crate::harness::{Client, Daemon, TestDir};

#[test]
fn fifo_is_a_member_of_the_room() {
    let daemon = Daemon::with(BOTH);
    let mut far = at(&directory(&daemon), "chat");
    let mut alice = Client::member(&daemon, "alice");
    far.hear("alice has joined the chat!\n");
    far.say("build finished\n/etc/passwd is 0666\n//x\n");
    alice.hear("chat: build finished\nchat: /etc/passwd is 0666\nchat: //x\n");
    far.hear("chat: build finished\nchat: /etc/passwd is 0666\nchat: //x\n");
    // Overlong lines of any kind.
    far.say("/msg alice x\n/key 0123456789abcdef0123456789abcdef\n\u{7}\u{202e}\n \n{quit}\nbye\n");
    let said = "chat: /msg alice x\nchat: /key 0123456789abcdef0123456789abcdef\nchat: {quit}\nchat: bye\n";
    far.hear(said);
    alice.hear(said);
    alice.say("/msg chat psst\n");
    far.hear("alice (to you): psst\n");
    alice.hear("you (to chat): psst\n");
    drop(alice);
    far.hear("alice has left the chat.\n");
    far.say(format!("{}\nstill here\n", "x".repeat(4097)));
    far.hear("Error: message longer than 4096 bytes\nchat: still here\n");
    daemon.wait_for_log("/chat: writers: joined as chat");
    daemon.stop();
}

#[test]
fn taken_name_gets_a_number_and_invalid_one_is_refused() {
    let daemon = Daemon::with("[chat]\nlisten = [\"tcp://{ip}:33000\"]\n");
    let mut chat = Client::member(&daemon, "Chat");
    daemon.write_config("[chat]\nlisten = [\"tcp://{ip}:33000\", \"fifo://{dir}/chat\"]\n");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded");
    chat.hear("chat-2 has joined the chat!\n");
    daemon.stop();

    let test_dir = TestDir::new();
    test_dir.write_config("[chat]\nlisten = [\"fifo://{dir}/cave!\"]\n");
    let said = failure(test_dir.command().arg("--check"), 78);
    assert!(
        said.contains("2:11: ") && said.contains("the last part of it is its name in the chat"),
        "{said}"
    );
}

#[test]
fn unread_room_fifo_delays_nobody_and_keeps_the_newest() {
    let daemon =
        Daemon::with("[chat]\nbacklog = \"16KiB\"\nlisten = [\"tcp://{ip}:33000\", \"fifo://{dir}/chat\"]\n");
    let mut far = at(&directory(&daemon), "chat");
    let mut alice = Client::member(&daemon, "alice");
    for number in 0..2000 {
        let line = format!("{number:05} {}\n", "x".repeat(100));
        alice.say(&line);
        alice.hear(format!("alice: {line}"));
    }
    alice.say("end\n");
    let lines = far.hear_up_to("alice: end");
    assert_eq!(lines[0], "alice has joined the chat!");
    assert!(lines.iter().all(|line| line.len() == 113 || line.len() < 40), "each line is whole");
    let said: Vec<&String> = lines.iter().filter(|line| line.len() == 113).collect();
    assert!(said.is_sorted() && said.len() < 1500 && said.len() > 140, "{}", said.len());
    assert!(said.last().unwrap().starts_with("alice: 01999"), "{said:?}");
    daemon.signal(Signal::USR1);
    let line = daemon.wait_for_log("status: chat:");
    assert!(line.ends_with(&format!(" 0 too slow, {} dropped", 2000 - said.len())), "{line}");
    daemon.stop();
}
