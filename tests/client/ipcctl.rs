//! The client, against a real daemon.

mod chat;
mod endpoints;
mod escapes;
mod hosts;
mod pipes;
mod status;
#[cfg(feature = "tls")]
mod targets;
mod websockets;
mod words;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use crate::harness::logged::assert_without_numbers;
use crate::harness::{Daemon, USUAL};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

fn ipcctl(arguments: &[&str]) -> Output {
    // These tests must not find the user's or the system's daemon.
    checked(Command::new(env!("CARGO_BIN_EXE_ipcctl")).args(arguments).output().unwrap())
}

/// An output whose errors have no error numbers.
fn checked(output: Output) -> Output {
    assert_without_numbers(&String::from_utf8_lossy(&output.stderr));
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn multiply_prints_only_the_result() {
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
fn multiply_works_on_its_own_unix_socket() {
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
        text(&output.stderr)
            .contains("this is not the mux of ipcd; leave --to out, or give the daemon's Unix socket")
    );
    daemon.stop();
}

#[test]
fn unwritable_result_is_a_failure() {
    let daemon = Daemon::usual();
    let to = format!("unix://{}", daemon.socket().display());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    let output = command.args(["--to", &to, "multiply", "5", "10"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("ipcctl: standard output: no space left"), "{output:?}");
    daemon.stop();
}

#[test]
fn reload_reports_its_outcome_and_fails_with_a_reason() {
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
fn each_failure_has_its_exit_status_and_remedy() {
    for (arguments, status, says) in [
        (
            &["--to", "unix:///nonexistent/s", "reload"][..],
            69,
            "no ipcd at unix:///nonexistent/s: no such file or directory\n",
        ),
        (&["multiply", "1"], 2, "the second number is missing"),
        (&["--direct", "reload"], 2, "--to"),
        (&["--to", "tcp://localhost:99999", "reload"], 2, "a port is 1 to 65535"),
        (&["frobnicate"], 2, "see 'ipcctl --help'"),
    ] {
        let output = ipcctl(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.starts_with("ipcctl: ") && said.contains(says) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn unresponsive_daemon_times_out_as_asked() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", silent.local_addr().unwrap());
    let output = ipcctl(&["--to", &to, "--timeout", "50ms", "multiply", "1", "1"]);
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert!(text(&output.stderr).contains("no answer within 50ms"));
}

/// The same with this standard input.
fn ipcctl_with(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A command that ends early need not have read all of it.
    let _ = writer.join().unwrap();
    checked(output)
}

fn socket(daemon: &Daemon) -> String {
    format!("unix://{}", daemon.socket().display())
}

#[test]
fn each_input_line_gets_its_output_line_in_order() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let output = ipcctl_with(&["--to", &to, "multiply", "-"], "5 10\n1 / 0\n\n7 * 6");
    assert_eq!(text(&output.stdout), "50.0\nError: division by zero\n\n42.0\n");
    assert_eq!(text(&output.stderr), "ipcctl: 1 of 4 requests failed\n");
    assert_eq!(output.status.code(), Some(1));
    // More than all buffers on the way to the daemon and back can hold.
    let requests: String = (0..200_000).map(|number| format!("{number} 1\n")).collect();
    let results: String = (0..200_000).map(|number| format!("{number}.0\n")).collect();
    let output = ipcctl_with(&["--to", &to, "multiply", "-"], &requests);
    assert!(output.status.success() && text(&output.stdout) == results, "{}", text(&output.stderr));
    let output = ipcctl_with(&["--to", &to, "multiply", "-"], "");
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    daemon.stop();
}

#[test]
fn json_option_prints_results_and_errors_as_json() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let output = ipcctl(&["--to", &to, "multiply", "--json", "10", "/", "4"]);
    assert_eq!(text(&output.stdout), "{\"request\":\"10 / 4\",\"result\":2.5}\n");
    let output = ipcctl_with(&["--to", &to, "multiply", "--json", "-"], "inf 1\n2 x\n\n");
    let lines = [
        r#"{"request":"inf 1","result":"inf"}"#,
        r#"{"error":"not a number: 'x'","request":"2 x"}"#,
        r#"{"request":"","result":null}"#,
    ];
    assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), lines);
    let output = ipcctl(&["--to", &to, "greeting", "--json"]);
    assert_eq!(text(&output.stdout), "{\"reply\":\"Message received. Thank you for connecting\"}\n");
    daemon.stop();
}

#[test]
fn greet_prints_the_greeting_and_reports_a_missing_one() {
    let daemon = Daemon::usual();
    for to in [socket(&daemon), format!("tcp://{}:9999", daemon.ip)] {
        let output = ipcctl(&["--to", &to, "greeting"]);
        assert_eq!(text(&output.stdout), "Message received. Thank you for connecting\n", "{output:?}");
        assert!(output.status.success());
    }
    let output = ipcctl(&["--to", &format!("tcp://{}:65432", daemon.ip), "greeting"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("this is multiply, not greeting"), "{output:?}");
    daemon.stop();
}

#[test]
fn hello_command_prints_the_reply() {
    let daemon = Daemon::usual();
    let output = ipcctl(&["--to", &socket(&daemon), "hello"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("Hello from server\n", ""));
    daemon.stop();
}

#[test]
fn completions_exist_for_three_shells() {
    for (shell, word) in [("bash", "complete"), ("zsh", "#compdef ipcctl"), ("fish", "complete -c ipcctl")] {
        let output = ipcctl(&["completions", shell]);
        assert!(output.status.success() && text(&output.stdout).contains(word), "{shell}");
        for command in ["multiply", "greeting", "hello", "chat", "talk", "--direct", "--json", "--name"] {
            let name = if shell == "fish" { command.trim_start_matches('-') } else { command };
            assert!(text(&output.stdout).contains(name), "{shell}: {command}");
        }
    }
}

#[test]
fn closed_output_ends_the_client_without_further_events() {
    use std::os::unix::process::ExitStatusExt;
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    for arguments in
        [&["watch"][..], &["chat", "--name", "ann"], &["talk"], &["status"], &["multiply", "6", "7"]]
    {
        let (reader, output) = std::io::pipe().unwrap();
        drop(reader);
        // A child that another test starts may have a copy of the reader until execve(2).
        crate::harness::wait_until("nobody reads", || {
            let mut ready = [PollFd::new(&output, PollFlags::OUT)];
            poll(&mut ready, Some(&Timespec::default())).unwrap();
            ready[0].revents().contains(PollFlags::ERR).then_some(())
        });
        let mut child = Command::new(env!("CARGO_BIN_EXE_ipcctl"))
            .args(["--to", &to])
            .args(arguments)
            // It stays open: ipcctl ends for another reason.
            .stdin(Stdio::piped())
            .stdout(output) // its reader is gone from the start
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let status = crate::harness::wait_until("it ends", || child.try_wait().unwrap());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(status.signal(), Some(Signal::PIPE.as_raw()), "{arguments:?}: {status}, {told}");
        assert_eq!(told.replace("ipcctl: Watching: all\n", ""), "", "{arguments:?}");
    }
    daemon.stop();
}
