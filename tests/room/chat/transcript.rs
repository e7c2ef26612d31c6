//! The daemon's transcript of the room.

use crate::harness::{Client, Daemon, TestDir, logged, wait_until};

const WRITTEN: &str = "[chat]\nlisten = [\"tcp://{ip}:33000\", \"fifo://{dir}/board\"]\ntranscript = \"{dir}/chat.log\"\n\
                       [mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\n[limits]\nshutdown_grace = \"200ms\"\n";

/// The lines of a transcript without their times, which each must have.
fn transcript(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text.lines().all(logged::is_timed), "{text}");
    logged::untimed_lines(&text).lines().map(str::to_owned).collect()
}

#[test]
fn transcript_has_timed_room_lines_and_nothing_private() {
    use std::os::unix::fs::MetadataExt;
    let daemon = Daemon::with(WRITTEN);
    let file = daemon.directory.path().join("chat.log");
    let mut alice = Client::member(&daemon, "alice");
    let mut bob = Client::member(&daemon, "bob");
    alice.hear("bob has joined the chat!\n");
    alice.say("hi \u{1b}[2Jall\n/me waves\n/msg bob psst\n/who\n/nonsense\n");
    bob.hear("alice: hi [2Jall\n* alice waves\nalice (to you): psst\n");
    std::fs::write(daemon.directory.path().join("board.in"), "build finished\n").unwrap();
    bob.hear("board: build finished\n");
    drop(bob);
    let said = [
        "board has joined the chat!",
        "alice has joined the chat!",
        "bob has joined the chat!",
        "alice: hi [2Jall",
        "* alice waves",
        "board: build finished",
        "bob has left the chat.",
    ];
    let written = |path: &std::path::Path, lines: usize| {
        wait_until("it is written down", || Some(transcript(path)).filter(|text| text.len() == lines))
    };
    assert_eq!(written(&file, said.len()), said);
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);

    // If the file was moved away, the transcript continues in it until SIGHUP, and then in a new file.
    let old = daemon.directory.path().join("chat.log.1");
    std::fs::rename(&file, &old).unwrap();
    alice.say("before\n");
    assert_eq!(written(&old, said.len() + 1).last().unwrap(), "alice: before");
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log("reloaded: ");
    alice.say("after\n");
    assert_eq!(written(&file, 1), ["alice: after"]);

    // Without the key, nothing more is written. If the new file cannot be opened, nothing changes.
    daemon.write_config(&WRITTEN.replace("/chat.log", "/missing/chat.log"));
    daemon.signal(rustix::process::Signal::HUP);
    let error = daemon.wait_for_log("cannot be written to");
    assert!(
        error.contains("/missing/chat.log: ") && error.contains("choose a file where ipcd may write"),
        "{error}"
    );
    daemon.wait_for_log("reload failed");
    alice.say("still\n");
    assert_eq!(written(&file, 2).last().unwrap(), "alice: still");
    let since = daemon.log().len();
    daemon.write_config(&WRITTEN.replace("transcript", "#transcript"));
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log_since(since, "reloaded: ");
    alice.say("unwritten\n");
    alice.say("{quit}\n");
    alice.hear_rest();
    assert_eq!(transcript(&file).len(), 2);
    daemon.stop();
}

#[test]
fn transcript_on_a_full_disk_costs_only_lines() {
    let test_dir = TestDir::new();
    test_dir.write_config(WRITTEN);
    std::fs::create_dir(test_dir.directory.path().join("chat.log")).unwrap();
    let said = crate::harness::around::failure(&mut test_dir.command(), 69);
    assert!(said.contains("/chat.log: cannot be written to: is a directory"), "{said}");
    std::fs::remove_dir(test_dir.directory.path().join("chat.log")).unwrap();

    // A limit on the size of files stands for the full disk (setrlimit(2), RLIMIT_FSIZE).
    let mut command = std::process::Command::new("sh");
    let inner = test_dir.command();
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    command.env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
    let daemon = test_dir.start(command);
    let file = daemon.directory.path().join("chat.log");
    let mut alice = Client::member(&daemon, "alice");
    for number in 0..40 {
        alice.say(format!("{number:0100}\n"));
        alice.hear(format!("alice: {number:0100}\n"));
    }
    let warning = daemon.wait_for_log("lines of the transcript are lost: ");
    assert!(warning.contains("/chat.log: ") && warning.contains("file too large"), "{warning}");
    alice.say("/who\n");
    alice.hear_line(); // a turn later: nothing more is written now
    let kept = transcript(&file);
    assert!((2..40).contains(&kept.len()), "{kept:?}");
    assert!(kept[2..].iter().all(|line| line.len() == "alice: ".len() + 100), "whole lines: {kept:?}");
    // There is room again.
    std::fs::write(&file, "").unwrap();
    alice.say("room\n");
    let text = wait_until("it goes on", || {
        Some(transcript(&file)).filter(|text| text.last().is_some_and(|line| line == "alice: room"))
    });
    // Two members have joined, and 41 messages were sent. The last of the lost lines may have found room again.
    let lost = text[0].strip_prefix('(').unwrap().strip_suffix(" lines could not be written here)").unwrap();
    assert_eq!(kept.len() + lost.parse::<usize>().unwrap() + text.len() - 1, 43, "{text:?}");
    daemon.wait_for_log("are lost");
    assert_eq!(daemon.log().iter().filter(|line| line.contains("are lost")).count(), 1);
    daemon.stop();
}
