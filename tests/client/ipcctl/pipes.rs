//! chat in a pipe, and its memory for a daemon's output: every line is sent unchanged, and no daemon is read for ever.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use super::{ipcctl, ipcctl_with, socket, text};
use crate::harness::{Client, Daemon};

#[test]
fn piped_line_is_sent_literally_and_none_ends_the_session() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let mut bob = Client::member(&daemon, "bob");
    let lines = [
        "/etc/passwd: 0644",
        "//comment",
        "/quit",
        "quit",
        "{quit}",
        "bye",
        "EXIT",
        "/me too",
        " /x",
        "last",
    ];
    let output = ipcctl_with(&["--to", &to, "chat", "--name", "cron"], &(lines.join("\n") + "\n"));
    let said: Vec<String> = lines.iter().map(|line| format!("cron: {line}")).collect();
    assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), said, "{output:?}");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let mut heard = String::new();
    while !heard.ends_with("cron has left the chat.\n") {
        heard += std::str::from_utf8(&bob.recv()).unwrap();
    }
    // An invisible character keeps a word from counting as a farewell.
    let heard = heard.replace('\u{200b}', "");
    assert_eq!(heard, format!("cron has joined the chat!\n{}\ncron has left the chat.\n", said.join("\n")));
    daemon.stop();
}

#[test]
fn commands_option_makes_a_pipe_an_ordinary_member() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let output = ipcctl_with(
        &["--to", &to, "chat", "--name", "cron", "--commands"],
        "/me waves\n//x\n/who\nquit\nnever said\n",
    );
    assert_eq!(text(&output.stdout), "* cron waves\ncron: /x\nIn the room: cron (1)\n", "{output:?}");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    daemon.stop();
}

/// A daemon that sends `first`, a line for each of the first lines that it receives, and then continues as `rest` says.
fn daemon_that(
    takes_orders: bool,
    first: &'static [&'static str],
    rest: impl FnOnce(&TcpStream, &mut dyn Iterator<Item = std::io::Result<String>>) + Send + 'static,
) -> String {
    let directory = tempfile::tempdir().unwrap();
    // Orders go only to Unix sockets. Both kinds of stream work alike.
    let path = directory.path().join("orders.sock");
    let (orders, listener) = (UnixListener::bind(&path).unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let to = match takes_orders {
        true => format!("unix://{}", path.display()),
        false => format!("tcp://{}", listener.local_addr().unwrap()),
    };
    std::thread::spawn(move || {
        let _directory = directory;
        let stream = match takes_orders {
            true => TcpStream::from(OwnedFd::from(orders.accept().unwrap().0)),
            false => listener.accept().unwrap().0,
        };
        let mut heard = BufReader::new(&stream).lines();
        for line in first {
            heard.next();
            (&stream).write_all(line.as_bytes()).unwrap();
        }
        rest(&stream, &mut heard);
    });
    to
}

/// A daemon that then sends `rest` until the client ends, so slowly that the time ends every answer long before its length does.
fn endless(takes_orders: bool, first: &'static [&'static str], rest: &'static str) -> String {
    daemon_that(takes_orders, first, move |mut stream, _| {
        while stream.write_all(rest.as_bytes()).is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    })
}

#[test]
fn endless_answer_is_bounded_by_time_and_length() {
    const MACHINE: &str = "{\"host\":\"pc7\",\"age\":1}\n";
    for (first, rest, arguments) in [
        (&[][..], "x", &["multiply", "5", "10"][..]),
        (&["Requests: latest\n"], MACHINE, &["top", "--once"]),
        (&["Requests: latest\n"], "{\"host\":\"", &["top", "--json"]),
        (&[], "{", &["status"]),
        (&[], "Error: no\n", &["reload"]),
        (&[], "Greetings from the cave! Now type your name and press enter!\n", &["chat", "--name", "cron"]),
        (
            &["Welcome cron! If you ever want to quit, type {quit} to exit.\n"],
            "bob: and another thing\n",
            &["chat", "--name", "cron"],
        ),
        (
            &["Welcome cron! If you ever want to quit, type {quit} to exit.\n"],
            "cron: so I never said\n",
            &["chat", "--name", "cron"],
        ),
    ] {
        let to = endless(arguments == ["reload"], first, rest);
        let begun = Instant::now();
        let output = ipcctl_with(&[&["--to", &to, "--timeout", "1s"], arguments].concat(), "hi\n");
        let took = begun.elapsed();
        assert_eq!(output.status.code(), Some(75), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("no answer within 1s"), "{output:?}");
        // One line that comes back and one that does not: two timeouts. A busy machine gets more time.
        assert!(took < Duration::from_secs(20), "{arguments:?}: {took:?}");
    }
}

/// A daemon that receives one more line, and then sends `rest` as fast as possible.
fn torrent(takes_orders: bool, first: &'static [&'static str], rest: &'static str) -> String {
    daemon_that(takes_orders, first, move |mut stream, heard| {
        heard.next();
        let piece = rest.repeat(1 + (64 << 10) / rest.len());
        while stream.write_all(piece.as_bytes()).is_ok() {}
    })
}

#[test]
fn collected_answer_is_bounded() {
    for (first, rest, arguments, says) in [
        (&[][..], "Error: no\n", &["reload"][..], "longer than 1000 lines or 1024 KiB"),
        (
            &["Requests: latest\n"],
            "{\"host\":\"pc7\"}\n",
            &["top", "--once"],
            "longer than 10000 machines or 32 MiB",
        ),
        (&[], "{", &["status"], "its line is longer than 16 MiB"),
    ] {
        // No timeout: the length ends it.
        let to = torrent(arguments == ["reload"], first, rest);
        let output = ipcctl(&[&["--to", &to, "--timeout", "0s"], arguments].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(says) && said.lines().count() == 1, "{said}");
    }
    // Answers without a request are not results.
    let to = torrent(false, &["Data received\n50.0\n"], "Data received\n50.0\n");
    let output = ipcctl_with(&["--to", &to, "multiply", "-"], "5 10\n6 7\n");
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("; is this multiply?"), "{said}");
    assert_eq!(text(&output.stdout).lines().count(), 2, "{output:?}");
}
