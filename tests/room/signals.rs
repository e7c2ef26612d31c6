//! Signals: whoever has asked for them gets one when something was said, and not more than ten a second.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::harness::around::Helper;
use crate::harness::{Client, Daemon, wait_until};

/// `ipcctl notify` for so many signals, when it is registered.
fn notify(daemon: &Daemon, count: u32) -> Helper {
    let to = format!("unix://{}", daemon.directory.path().join("ipcd.sock").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(["--to", &to, "notify", "--count", &count.to_string()]);
    let mut client = Helper(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(client.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ipcctl: signals will come\n");
    client
}

/// The lines that it has printed at its end, as numbers.
fn values(client: &mut Helper) -> Vec<u64> {
    let status = wait_until("it ends", || client.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
    let lines = BufReader::new(client.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines
        .map(|line| match line.split(' ').next().unwrap() {
            "one" => 1,
            many => many.parse().unwrap(),
        })
        .collect()
}

#[test]
fn message_in_the_room_is_a_signal_and_a_burst_is_one() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let mut client = notify(&daemon, 1);
    alice.say("hi\n");
    alice.hear("alice: hi\n");
    assert_eq!(values(&mut client), [1]);

    let mut client = notify(&daemon, 2);
    alice.say("first\n");
    alice.hear("alice: first\n");
    // What comes soon after a signal is counted in the next one.
    alice.say("1\n2\n3\n4\n5\n");
    assert_eq!(values(&mut client), [1, 5]);
    daemon.stop();
}

#[test]
fn client_that_is_gone_gets_no_signals_and_others_go_on() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let mut killed = notify(&daemon, 1000);
    let mut client = notify(&daemon, 1);
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    alice.say("hi\n");
    assert_eq!(values(&mut client), [1]);
    alice.hear("alice: hi\n");
    daemon.stop();
}
