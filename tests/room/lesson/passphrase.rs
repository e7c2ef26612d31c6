//! A room with a passphrase: a client that sends it may join, it is shown to nobody, and a warning appears if other users can read
//! it.

use super::BRISK;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::harness::around::{free_port, outcome};
use crate::harness::{CHAT, Daemon, TestDir};

const ROOM: &str = "[chat]\npassphrase = \"open sesame\"\nlisten = [\"tcp://{ip}:33000\"]\n[watch]\n[mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\n";
const GREETING: &str = "Greetings from the cave! Now type your name and press enter!\n";
const QUESTION: &str = "What is the passphrase of this room?";
const WRONG: &str = "Error: wrong passphrase";

#[test]
fn passphrase_admits_and_others_stay_out() {
    let daemon = Daemon::with(&format!("{ROOM}{BRISK}"));
    let mut ann = daemon.tcp(CHAT);
    ann.say("ann\n");
    ann.hear(format!("{GREETING}{QUESTION}\n"));
    ann.say("Open Sesame\n");
    ann.hear(format!("{WRONG}; try again\n"));
    ann.say("open sesame\n");
    ann.hear("Welcome ann! If you ever want to quit, type {quit} to exit.\n");
    ann.say("open sesame\n"); // the others receive it like any message
    ann.hear("ann: open sesame\n");
    // It may try three times.
    let mut eve = daemon.tcp(CHAT);
    eve.say("eve\n1\n2\n3\nopen sesame\n");
    eve.hear(format!("{GREETING}{QUESTION}\n{WRONG}; try again\n{WRONG}; try again\n{WRONG}: ask the administrator of this room\n"));
    eve.hear_end();
    // An invalid or taken name is reported first. Once the passphrase was sent, it is not requested again.
    let mut bob = daemon.tcp(CHAT);
    bob.say("ann\n");
    bob.hear(format!("{GREETING}Error: the name 'ann' is taken; choose another\n"));
    bob.say("bob\n");
    bob.hear(format!("{QUESTION}\n"));
    let mut first = daemon.tcp(CHAT);
    first.say("bob\nopen sesame\n");
    ann.hear("bob has joined the chat!\n");
    bob.say("open sesame\n");
    bob.hear("Error: the name 'bob' is taken; choose another\n");
    bob.say("robert\n");
    bob.hear("Welcome robert!");
    // A raw client receives each sentence in its own recv().
    let mut raw = daemon.tcp(CHAT);
    raw.hear(GREETING);
    raw.say("carol");
    raw.hear(QUESTION);
    raw.say("open sesame");
    raw.hear("Welcome carol!");
    let mut quitter = daemon.tcp(CHAT);
    quitter.say("dave\n{quit}\n");
    quitter.hear(format!("{GREETING}{QUESTION}\n{{quit}}\n"));
    quitter.hear_end();
    daemon.stop();
}

#[test]
fn passphrase_is_in_no_log_and_no_watch() {
    let daemon = Daemon::talkative(ROOM);
    let mut watcher = daemon.unix();
    watcher.say("watch\nall\n");
    watcher.hear("Watching: all\n");
    let mut ann = daemon.tcp(CHAT);
    ann.say("ann\nopen sesame?\n");
    ann.hear(format!("{GREETING}{QUESTION}\n{WRONG}"));
    ann.say("open ses"); // in two pieces
    ann.say("ame\n");
    ann.hear("; try again\nWelcome ann!");
    ann.say("that is all\n");
    let mut seen = Vec::new();
    while !seen.last().is_some_and(|line: &String| line.contains("that is all")) {
        seen.push(watcher.hear_line());
    }
    assert!(seen.iter().any(|line| line.contains("(private, ")), "{seen:#?}");
    daemon.wait_for_log("that is all");
    for line in seen.iter().chain(&daemon.log()) {
        assert!(!line.contains("ses") || line.contains("sessions"), "{line}");
    }
    daemon.stop();
}

fn check(config: &str) -> (TestDir, String) {
    let test_dir = TestDir::new();
    test_dir.write_config(config);
    let output = outcome(test_dir.command().arg("--check"));
    let text =
        String::from_utf8_lossy(&output.stderr).replace(&test_dir.config_file().display().to_string(), "f");
    (test_dir, text)
}

#[test]
fn check_and_start_report_passphrase_readers_and_never_its_text() {
    let everywhere = format!("tcp://0.0.0.0:{}", free_port());
    let open = format!(
        "[chat]\npassphrase = \"sesame\"\nlisten = [\"tcp://localhost:33000\", \"{everywhere}\"]\n[mux]\nlisten = [\"unix://{{dir}}/s\"]\n"
    );
    let warning = format!("the passphrase under [chat] travels to {everywhere} as plain text");
    let (test_dir, said) = check(&open);
    assert!(said.contains(&format!("f:3:36: {warning}")), "{said}");
    assert!(!said.contains("localhost:33000") && !said.contains("sesame"), "{said}");
    set_permissions(test_dir.config_file(), Permissions::from_mode(0o644)).expect("a mode");
    let told = |test_dir: &TestDir| {
        String::from_utf8(outcome(test_dir.command().arg("--check")).stderr).expect("text")
    };
    assert!(
        told(&test_dir).contains("every user of this machine can read the passphrase"),
        "{}",
        told(&test_dir)
    );
    set_permissions(test_dir.config_file(), Permissions::from_mode(0o640)).expect("a mode");
    assert!(!told(&test_dir).contains("every user of this machine"), "{}", told(&test_dir));
    let far = BRISK.to_owned()
        + &ROOM.replace("\"tcp://{ip}:33000\"", &format!("\"tcp://{{ip}}:33000\", \"{everywhere}\""));
    let daemon = Daemon::with(&far);
    let warning = daemon.wait_for_log(&warning);
    assert!(!warning.contains("sesame"));
    daemon.stop();
    for value in ["\" sesame\"", "\"\"\"sesame\n2\"\"\"", "sesame", "'sesame", "[\"sesame\"]"] {
        let (_, said) = check(&open.replace("\"sesame\"", value));
        assert!(
            said.starts_with("f:2:") || said.contains("\nf:2:") || said.contains("f:3:"),
            "{value}: {said}"
        );
        assert!(!said.contains("sesame"), "{value}: {said}");
    }
}

#[test]
fn client_reads_the_passphrase_from_a_file_or_says_it_is_missing() {
    let daemon = Daemon::with(&format!("{ROOM}{BRISK}"));
    let chat = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.arg("--to").arg(format!("unix://{}", daemon.socket().display()));
        command.args(["chat", "--name", "ann"]).args(arguments).stdin(Stdio::null());
        let output = outcome(&mut command);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let file = daemon.socket().with_file_name("word");
    std::fs::write(&file, "open sesame\n").expect("a file");
    assert_eq!(chat(&["--passphrase-file", file.to_str().expect("text")]), (Some(0), String::new()));
    let (status, said) = chat(&[]);
    assert!(
        status == Some(1) && said.contains("give a file that contains it with --passphrase-file"),
        "{said}"
    );
    std::fs::write(&file, "close sesame\n").expect("a file");
    let (status, said) = chat(&["--passphrase-file", file.to_str().expect("text")]);
    assert!(status == Some(1) && said.contains("wrong passphrase"), "{said}");
    std::fs::write(&file, "\n").expect("a file");
    assert_eq!(chat(&["--passphrase-file", file.to_str().expect("text")]).0, Some(2));
    daemon.stop();
}
