//! The client, against a real daemon.

mod harness;

use std::net::TcpListener;
use std::process::{Command, Output};

use harness::{Daemon, USUAL};

fn ipcctl(arguments: &[&str]) -> Output {
    // Neither an own nor a system-wide daemon is meant by these tests.
    Command::new(env!("CARGO_BIN_EXE_ipcctl")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn multiply_prints_the_result_and_nothing_else() {
    let daemon = Daemon::usual();
    let socket = format!("unix://{}", daemon.socket().display());
    let port = format!("tcp://{}:65432", daemon.ip);
    for to in [&socket, &port] {
        for (request, result) in [
            (&["5", "10"][..], "50.0\n"),
            (&["10", "/", "4"], "2.5\n"),
            (&["-5", "2"], "-10.0\n"),
            (&["2", "**", "-1"], "0.5\n"),
            (&["-8", "-", "-9"], "1.0\n"),
        ] {
            let output = ipcctl(&[&["--to", to, "multiply"][..], request].concat());
            assert_eq!((text(&output.stdout), text(&output.stderr)), (result, ""), "{to} {request:?}");
            assert!(output.status.success());
        }
        let output = ipcctl(&["--to", to, "multiply", "five", "10"]);
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("", "ipcctl: not a number: 'five'\n"));
        assert_eq!(output.status.code(), Some(1));
    }
    daemon.stop();
}

#[test]
fn multiply_works_on_a_unix_socket_of_its_own_as_well() {
    let own = "[multiply]\nlisten = [\"unix://{dir}/multiply.sock\"]\n";
    let daemon = Daemon::with(own);
    let to = format!("unix://{}", daemon.directory.path().join("multiply.sock").display());
    let output = ipcctl(&["--to", &to, "multiply", "5", "10"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("50.0\n", ""));
    let output = ipcctl(&["--to", &to, "multiply", "5", "x"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("", "ipcctl: not a number: 'x'\n"));
    let output = ipcctl(&["--to", &to, "reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("this is not the mux of ipcd; name the daemon's Unix socket with --to")
    );
    daemon.stop();
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let daemon = Daemon::usual();
    let to = format!("unix://{}", daemon.socket().display());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    let output = command.args(["--to", &to, "multiply", "5", "10"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("ipcctl: standard output: No space left"), "{output:?}");
    daemon.stop();
}

#[test]
fn reload_waits_for_the_outcome_and_fails_with_the_reason() {
    let daemon = Daemon::usual();
    let socket = format!("unix://{}", daemon.socket().display());
    let output = ipcctl(&["--to", &socket, "reload"]);
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    daemon.wait_for_log("reloaded");

    daemon.write_config(&format!("{USUAL}[limits]\nmax_conections = 5\nidle_timeout = 7\n"));
    let output = ipcctl(&["--to", &socket, "reload"]);
    assert_eq!(output.status.code(), Some(1));
    let errors: Vec<&str> = text(&output.stderr).lines().collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    let file = daemon.directory.path().join("ipcd.toml");
    let line = format!(
        "ipcctl: {}:11:1: unknown key \"max_conections\"; did you mean \"max_connections\"?",
        file.display()
    );
    assert_eq!(errors[0], line);
    daemon.wait_for_log("reload failed, nothing has changed");
    daemon.stop();
}

#[test]
fn each_trouble_has_its_status_and_says_what_to_do() {
    for (arguments, status, says) in [
        (&["--to", "unix:///nonexistent/s", "reload"][..], 69, "no daemon there (unix:///nonexistent/s: "),
        (&["multiply", "1"], 2, "see 'ipcctl --help'"),
        (&["--to", "tcp://localhost:99999", "reload"], 2, "a port is 1 to 65535"),
        (&["frobnicate"], 2, "see 'ipcctl --help'"),
        (&[], 2, "see 'ipcctl --help'"),
    ] {
        let output = ipcctl(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.starts_with("ipcctl: ") && said.contains(says) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn a_daemon_that_does_not_answer_is_not_waited_for_longer_than_asked() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", silent.local_addr().unwrap());
    let output = ipcctl(&["--to", &to, "--timeout", "50ms", "multiply", "1", "1"]);
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert!(text(&output.stderr).contains("no answer within 50ms"));
}

#[test]
fn completions_are_there_for_the_three_shells() {
    for (shell, word) in [("bash", "complete"), ("zsh", "#compdef ipcctl"), ("fish", "complete -c ipcctl")] {
        let output = ipcctl(&["completions", shell]);
        assert!(output.status.success() && text(&output.stdout).contains(word), "{shell}");
    }
}
