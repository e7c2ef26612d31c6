//! The answer to a typing mistake: one line, with the correct form.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{ipcctl, socket, text};
use crate::harness::{CHAT, Client, Daemon, MULTIPLY};

#[test]
fn star_expanded_by_the_shell_is_explained() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let directory = tempfile::tempdir().unwrap();
    let calculate = |line: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("\"$0\" --to \"$1\" multiply {line}"), env!("CARGO_BIN_EXE_ipcctl"), &to]);
        let output = shell.current_dir(&directory).output().unwrap();
        (output.status.code(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    // In an empty directory the shell leaves the star as it is.
    assert_eq!(calculate("5 * 10"), (Some(0), "50.0\n".to_owned(), String::new()));
    std::fs::write(directory.path().join("notes.txt"), "").unwrap();
    let said = "ipcctl: the shell replaced the star with a file name (notes.txt); \
                quote it: ipcctl multiply 5 '*' 10\n";
    assert_eq!(calculate("5 * 10"), (Some(2), String::new(), said.to_owned()));
    for name in ["a\u{1b}[2J", "zebra"] {
        std::fs::write(directory.path().join(name), "").unwrap();
    }
    let said = "ipcctl: the shell replaced the star with file names (a\\u{1b}[2J); \
                quote it: ipcctl multiply 5 '*' 10\n";
    for line in ["5 * 10", "5 ** 10"] {
        assert_eq!(calculate(line), (Some(2), String::new(), said.to_owned()));
    }
    for (line, result) in
        [("5 '*' 10", "50.0\n"), ("'5 10'", "50.0\n"), ("-5 - -6", "1.0\n"), ("2 '**' 3", "8.0\n")]
    {
        assert_eq!(calculate(line), (Some(0), result.to_owned(), String::new()), "{line}");
    }
    let (status, _, said) = calculate("1 2 3 4");
    assert!(status == Some(2) && said.starts_with("ipcctl: multiply takes two numbers, "), "{said}");
    daemon.stop();
}

#[test]
fn chat_never_sees_orders_that_were_sent_to_its_port() {
    let daemon = Daemon::usual();
    let mut ann = Client::member(&daemon, "ann");
    let to = format!("tcp://{}", daemon.address(CHAT));
    for order in ["kick ann", "mute ann", "unmute ann", "say hello", "close 127.0.0.1", "reload", "handover"]
    {
        let arguments: Vec<&str> = ["--to", &to].into_iter().chain(order.split(' ')).collect();
        let output = ipcctl(&arguments);
        let said = format!(
            "ipcctl: {to}: only the daemon's Unix socket takes orders; leave --to out, or give that socket, for example --to unix:///run/ipcd/ipcd.sock\n"
        );
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), &*said), "{order}");
    }
    let secure = ipcctl(&["--to", "tls://127.0.0.1:1", "kick", "ann"]);
    assert_eq!(secure.status.code(), Some(2), "{secure:?}");
    let why = match cfg!(feature = "tls") {
        true => "ipcctl: tls://127.0.0.1:1: only the daemon's Unix socket takes orders;",
        false => {
            "ipcctl: invalid value 'tls://127.0.0.1:1' for '--to <ENDPOINT>': this program was built without TLS"
        }
    };
    assert!(text(&secure.stderr).starts_with(why), "{secure:?}");
    let mut slowest = Duration::ZERO;
    for question in ["status", "watch", "class", "top", "report", "hello", "greeting"] {
        let begun = Instant::now();
        let output = ipcctl(&["--to", &to, question]);
        slowest = slowest.max(begun.elapsed());
        assert_eq!(output.status.code(), Some(1), "{question}: {output:?}");
        assert!(text(&output.stderr).contains(": this is chat, not "), "{output:?}");
    }
    ann.say("still alone\n");
    // If the greeting has not come after a quarter of a second, ipcctl sends its question, which is a name for the chat.
    if slowest < Duration::from_millis(250) {
        ann.hear("ann: still alone\n"); // and nobody has joined
    } else {
        ann.hear_line_with("ann: still alone");
    }
    daemon.stop();
}

#[test]
fn greeting_works_under_the_services_name() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    for name in ["greet", "greeting"] {
        let output = ipcctl(&["--to", &to, name]);
        assert_eq!(text(&output.stdout), "Message received. Thank you for connecting\n", "{output:?}");
    }
    daemon.stop();
}

#[test]
fn ipcctl_alone_lists_its_commands() {
    let output = ipcctl(&[]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 8), "{said}");
    for word in ["ipcctl: which command? ", "multiply, greeting, hello", "'ipcctl --help'"] {
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn muting_nobody_names_them_without_the_time() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let mut ann = Client::member(&daemon, "ann");
    for (arguments, status, said) in [
        (&["nobody", "5min"][..], 1, "ipcctl: nobody in the room is called 'nobody'\n"),
        (&["nobody"], 1, "ipcctl: nobody in the room is called 'nobody'\n"),
        (&["ann", "lee"], 2, "ipcctl: 'lee' is not a time, for example 5min; "),
        (&["ann", "5"], 2, "ipcctl: '5' is not a time, for example 5min; "),
    ] {
        let output = ipcctl(&[&["--to", &to, "mute"], arguments].concat());
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert!(text(&output.stderr).starts_with(said), "{arguments:?}: {output:?}");
    }
    let output = ipcctl(&["--to", &to, "mute", "ann", "5", "min"]);
    let said = text(&output.stdout);
    assert!(said.starts_with("muted ann (") && said.ends_with(") for 5 minutes\n"), "{output:?}");
    ann.hear("Error: you are muted for 5 minutes: nobody sees your messages\n");
    daemon.stop();
}

#[test]
fn usage_errors_say_what_would_be_right() {
    for (arguments, says) in [
        (&["multiply"][..], "for example: ipcctl multiply 5 10; see 'ipcctl multiply --help'"),
        (
            &["multiply", "5", "10", "--json"],
            "options come before the numbers, for example: ipcctl multiply --json 5 10",
        ),
        (&["chat", "ann"], "unexpected argument 'ann' found; for example: ipcctl chat --name ann; see "),
        (&["kick"], "for example: ipcctl kick ann; see 'ipcctl kick --help'"),
        (
            &["--timeout", "5", "status"],
            "a time is a number with a unit, for example 500ms, 10s or 5min; see ",
        ),
        (&["top", "--every", "soon"], "a time is a number with a unit, for example 500ms, 10s or 5min; see "),
        (&["report", "--count", "0"], "it must be a number, at least 1; see 'ipcctl report --help'"),
        (&["--to", "udp://teacher", "multiply", "5", "10"], "udp://teacher:65432 for multiply; see "),
        (&["class", "--every", "10ms"], "it must be at least 100ms; see 'ipcctl class --help'"),
        (
            &["chat", "--name", "ann", "--passphrase-file", "/nonexistent"],
            "--passphrase-file /nonexistent: no such file or directory\n",
        ),
    ] {
        let output = ipcctl(arguments);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.starts_with("ipcctl: ") && said.contains(says), "{said}");
    }
}

#[test]
fn endpoint_without_a_daemon_says_what_is_there() {
    let daemon = Daemon::usual();
    let at = |name: &str| daemon.directory.path().join(name).display().to_string();
    let tcp = daemon.address(MULTIPLY);
    for (to, reason) in [
        (
            format!("unix://{}", daemon.directory.path().display()),
            "this is a directory, not a socket".to_owned(),
        ),
        (format!("unix://{}", at("ipcd.toml")), "this is a file, not a socket".to_owned()),
        (
            format!("unixseq://{}", at("ipcd.sock")),
            "this is a socket of another type; try unix://, unixseq:// or unixgram://".to_owned(),
        ),
    ] {
        let output = ipcctl(&["--to", &to, "multiply", "5", "10"]);
        let said = format!("ipcctl: no ipcd at {to}: {reason}\n");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(69), said.as_str()));
    }
    let output = ipcctl(&["--to", &format!("udp://{tcp}"), "multiply", "5", "10"]);
    let said = format!("ipcctl: udp://{tcp}: no datagrams are received here, but tcp://{tcp} is open\n");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(69), said.as_str()));
    daemon.stop();
}
