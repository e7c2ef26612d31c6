//! chat and talk in a pipe: their messages, output and end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::{ipcctl_with, socket, text};
use crate::harness::{BESIDE, CHAT, Client, Daemon, TALK, USUAL};

#[test]
fn chat_pipe_sends_all_lines_before_leaving() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let mut bob = Client::member(&daemon, "bob");
    let output = ipcctl_with(&["--to", &to, "chat", "--name", "cron"], "build finished\n/really");
    assert_eq!(text(&output.stdout), "cron: build finished\ncron: /really\n", "{output:?}");
    assert!(output.status.success() && output.stderr.is_empty());
    bob.hear("cron has joined the chat!\ncron: build finished\ncron: /really\ncron has left the chat.\n");
    // Much more than the buffers hold.
    let lines: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
    let output =
        ipcctl_with(&["--to", &format!("tcp://{}:33000", daemon.ip), "chat", "--name", "log"], &lines);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().filter(|line| line.starts_with("log: ")).count(), 50_000);
    daemon.stop();
}

#[test]
fn chat_pipe_fails_with_the_daemons_error() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let _bob = Client::member(&daemon, "bob");
    let output = ipcctl_with(&["--to", &to, "chat", "--name", "Bob"], "hi\n");
    assert_eq!(text(&output.stderr), "ipcctl: the name 'Bob' is taken; choose another\n");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]));
    let output = ipcctl_with(&["--to", &to, "chat", "--name", "cron", "--commands"], "/nonsense\nhi\n");
    assert_eq!(text(&output.stderr), "ipcctl: unknown command: /nonsense (try /help)\n");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), "cron: hi\n"));
    daemon.stop();
}

#[test]
fn chat_pipe_prints_others_while_its_input_is_open() {
    let daemon = Daemon::usual();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(["--to", &socket(&daemon), "chat", "--name", "ear"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    daemon.wait_for_log("joined as ear");
    let mut bob = Client::member(&daemon, "bob");
    bob.say("red \u{1b}[31malert\n");
    assert_eq!(lines.next().unwrap().unwrap(), "bob has joined the chat!");
    assert_eq!(lines.next().unwrap().unwrap(), "bob: red [31malert");
    child.stdin.take().unwrap().write_all(b"noted\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "ear: noted");
    assert!(child.wait().unwrap().success());
    daemon.stop();
}

#[test]
fn other_members_words_are_never_our_error() {
    let daemon = Daemon::with(&format!("{USUAL}{BESIDE}"));
    let listen = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.args(["--to", &socket(&daemon)]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut ear = listen(&["chat", "--name", "ear"]);
    daemon.wait_for_log("joined as ear");
    let mut eve = daemon.tcp(CHAT);
    eve.say("Error\nError\u{2d0}\neve\nError: no\n{quit}!\n/me Error: no\n/msg ear Error: no\n//Error: no\nWelcome eve!\n");
    let mut lines = BufReader::new(ear.stdout.take().unwrap()).lines();
    for line in [
        "eve has joined the chat!",
        "eve: Error: no",
        "eve: {quit}!",
        "* eve Error: no",
        "eve (to you): Error: no",
        "eve: /Error: no",
        "eve: Welcome eve!",
    ] {
        assert_eq!(lines.next().unwrap().unwrap(), line);
    }
    drop(ear.stdin.take());
    let output = ear.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));

    let ear = listen(&["talk"]);
    let mut partner = daemon.tcp(TALK);
    partner.say("Error: too many connections, try again later\nbye\n");
    let output = ear.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!text(&output.stderr).contains("Error"), "{output:?}");
    assert_eq!(text(&output.stdout), "Error: too many connections, try again later\nbye\n");
    daemon.stop();
}

#[test]
fn room_that_ends_before_the_farewell_is_a_failure() {
    let daemon = Daemon::usual();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(["--to", &socket(&daemon), "chat", "--name", "ear"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    daemon.wait_for_log("joined as ear");
    daemon.stop();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "Server is shutting down.\n");
    assert!(text(&output.stderr).ends_with("the connection ended\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn invalid_name_and_wrong_service_are_reported_at_once() {
    let daemon = Daemon::usual();
    for name in ["", " ", "quit", "{quit}", "\n"] {
        let output = ipcctl_with(&["--to", &socket(&daemon), "chat", "--name", name], "hi\n");
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{name:?}: {output:?}");
        let told = text(&output.stderr);
        assert!(
            told.starts_with("ipcctl: chat --name '") && told.contains("is not a valid name; give another"),
            "{told}"
        );
    }
    for (port, found) in [(65432, "multiply"), (9999, "greeting")] {
        let to = format!("tcp://{}:{port}", daemon.ip);
        let output = ipcctl_with(&["--to", &to, "chat", "--name", "ann"], "hi\n");
        let told = format!("ipcctl: {to}: this is {found}, not chat\n");
        assert_eq!((text(&output.stderr), output.status.code()), (told.as_str(), Some(1)));
    }
    daemon.stop();
}

#[test]
fn talk_pipe_waits_for_its_partner_and_ends_with_bye() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let first = {
        let to = to.clone();
        std::thread::spawn(move || ipcctl_with(&["--to", &to, "talk"], "anybody?\nhello\n"))
    };
    daemon.wait_for_log("connected");
    let mut second = daemon.unix();
    second.say("talk\n");
    second.hear("anybody?\nhello\nbye\n");
    second.hear_end();
    let output = first.join().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    // It waited, and has said so.
    assert!(
        text(&output.stderr).starts_with("ipcctl: the input has ended; waiting for the partner"),
        "{output:?}"
    );
    assert_eq!(text(&output.stderr).lines().count(), 1, "{output:?}");

    let mut third = daemon.unix();
    third.say("talk\nwho is there?\n");
    let output = ipcctl_with(&["--to", &to, "talk"], "bye\n");
    assert_eq!((text(&output.stdout), output.status.code()), ("who is there?\n", Some(0)));
    third.hear("bye\n");
    daemon.stop();
}
