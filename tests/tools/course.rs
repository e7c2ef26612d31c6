//! The course's own programs in Python.

use std::process::Command;

use crate::harness::program::{Program, command};
use crate::harness::{
    BESIDE, CHAT, Client, Daemon, GREETING, HELLO, MULTIPLY, STATS, TALK, USUAL, wait_until,
};
use crate::{CAVE, daemon, welcome};

fn python(script: &str, arguments: &[&str]) -> Command {
    let script = format!("{}/tests/tools/{script}", env!("CARGO_MANIFEST_DIR"));
    command("python3", [script.as_str()].iter().chain(arguments))
}

/// Runs a client of a TCP port; returns its output.
#[track_caller]
fn run_python(daemon: &Daemon, script: &str, port: u16, arguments: &[&str]) -> String {
    let (ip, port) = (daemon.ip.to_string(), port.to_string());
    let finished = Program::run(python(script, &[&[&*ip, &*port], arguments].concat()), "");
    assert!(finished.status.success(), "{script}: {finished:?}");
    finished.output
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn multiply_client_never_gets_a_fused_reply_in_200_runs() {
    let daemon = Daemon::usual();
    assert_eq!(run_python(&daemon, "multiply_client.py", MULTIPLY, &["200"]), "200\n");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn greeting_client_is_thanked_and_its_words_are_logged() {
    let daemon = Daemon::usual();
    let heard = run_python(&daemon, "greeting_client.py", GREETING, &[]);
    assert_eq!(heard, "b'Message received. Thank you for connecting\\r\\n'\n");
    daemon.wait_for_log("says 'Hi'");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn hello_client_is_greeted() {
    let daemon = Daemon::with(&format!("{USUAL}{BESIDE}"));
    assert_eq!(run_python(&daemon, "hello_client.py", HELLO, &[]), "b'Hello from server'\n");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn two_talk_clients_take_turns_until_one_says_bye() {
    let daemon = Daemon::talkative(&format!("{USUAL}{BESIDE}"));
    let (ip, port) = (daemon.ip.to_string(), TALK.to_string());
    let [mut one, mut other] = [(); 2].map(|()| Program::start(python("talk_client.py", &[&ip, &port])));
    one.say("hi\n");
    daemon.wait_for_log("is a raw client");
    other.say("ho\n");
    one.hear("Received: ho\n");
    other.hear("Received: hi\n\n"); // it has sent nothing yet that shows its kind
    one.say("how are you?\n");
    other.say("fine\n");
    other.hear("Received: how are you?\n");
    one.hear("Received: fine\n");
    one.say("Bye\n");
    assert!(one.finish().status.success());
    other.say("anybody?\n"); // it receives the bye, or the end of the talk
    other.close_input();
    other.finish();
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn unix_client_gets_two_messages_in_two_recvs() {
    let daemon = daemon();
    let finished = Program::run(python("unix_client.py", &[daemon.socket().to_str().unwrap()]), "");
    assert_eq!(finished.output, "b'Data received'\nb'50.0'\nb'Data received'\nb'3.0'\n", "{finished:?}");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn chat_client_talks_and_its_receiving_thread_ends() {
    let daemon = daemon();
    let mut alice = Client::member(&daemon, "alice");
    let (ip, port) = (daemon.ip.to_string(), CHAT.to_string());
    let mut bob = Program::start(python("chat_client.py", &[&ip, &port]));
    bob.hear(CAVE);
    bob.say("bob\n");
    bob.hear(&welcome("bob"));
    alice.hear("bob has joined the chat!\n");
    bob.say("hello\n");
    bob.hear("bob: hello");
    alice.hear("bob: hello\n");
    alice.say("hello bob\n");
    bob.hear("alice: hello bob");
    bob.say("{quit}\n");
    bob.hear("{quit}");
    bob.close_input();
    let finished = bob.finish(); // only an error of recv() ends its thread
    assert!(finished.status.success() && finished.output.is_empty(), "{finished:?}");
    alice.hear("alice: hello bob\nbob has left the chat.\n");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn statistics_client_may_send_name_and_figures_in_one_burst() {
    let daemon = daemon();
    for how in ["burst", "sends"] {
        let mut watcher = Client::member(&daemon, "watcher");
        run_python(&daemon, "statistics_client.py", CHAT, &["alice", how]);
        watcher.hear("alice has joined the chat!\nalice: {'cpu': 5, 'memory': 42.5, 'load': 0.1}\nalice: {'cpu': 6, 'memory': 42.5}\n");
        watcher.hear("alice: {'cpu': 7, 'memory': 42.5}\nalice has left the chat.\n");
        watcher.say("{quit}\n");
        watcher.hear("{quit}\n");
        watcher.hear_end();
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn python_program_reports_its_machine_and_reads_the_list() {
    let daemon = Daemon::talkative(&format!("[limits]\nraw_gap = \"300ms\"\n{USUAL}{BESIDE}"));
    for how in ["raw", "lines"] {
        let printed = run_python(&daemon, "stats_client.py", STATS, &["pc7", how]);
        assert_eq!(printed, "Data received\nData received\nData received\npc7 2 True\n", "{how}");
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn clients_that_close_without_reading_disturb_nobody() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let before = daemon.descriptors();
    for (port, request) in [(MULTIPLY, "5 10"), (MULTIPLY, "5 10\n"), (GREETING, "Hi"), (CHAT, "bob\nhi\n")] {
        run_python(&daemon, "hasty_client.py", port, &[request, "20"]);
    }
    wait_until("their descriptors are closed", || (daemon.descriptors() == before).then_some(()));
    // All of them have left the room.
    alice.say("/who\n{quit}\n");
    let heard = String::from_utf8(alice.hear_rest()).unwrap();
    assert!(heard.ends_with("In the room: alice (1)\n{quit}\n"), "{heard}");
    assert_eq!(
        heard.matches(" has joined the chat!\n").count(),
        heard.matches(" has left the chat.\n").count()
    );
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn half_closed_client_still_gets_every_reply() {
    let daemon = daemon();
    for (port, request, expected) in [
        (MULTIPLY, "5 10", "b'Data received\\n50.0\\n'\n"),
        (MULTIPLY, "5 10\n3 4", "b'Data received\\n50.0\\nData received\\n12.0\\n'\n"),
        (MULTIPLY, "5", "b'Data received\\nError: expected two numbers, for example: 5 10\\n'\n"),
        (GREETING, "Hi", "b'Message received. Thank you for connecting\\r\\n'\n"),
    ] {
        assert_eq!(run_python(&daemon, "half_closing_client.py", port, &[request]), expected, "{request:?}");
    }
    daemon.stop();
}
