//! The client, against a real daemon.

mod escapes;
mod hosts;
mod pipes;
mod words;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output, Stdio};

use crate::harness::{BESIDE, CHAT, Client, Daemon, Ground, TALK, USUAL};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use socket2::{Domain, SockAddr, Socket, Type};

fn ipcctl(arguments: &[&str]) -> Output {
    // Neither an own nor a system-wide daemon is meant by these tests.
    Command::new(env!("CARGO_BIN_EXE_ipcctl")).args(arguments).output().unwrap()
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
        text(&output.stderr).contains("this is not the mux of ipcd; name the daemon's Unix socket with --to")
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
    assert!(text(&output.stderr).starts_with("ipcctl: standard output: No space left"), "{output:?}");
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
        (&["multiply", "1"], 2, "a second number is missing"),
        (&["--direct", "reload"], 2, "--to"),
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
fn unresponsive_daemon_times_out_as_asked() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", silent.local_addr().unwrap());
    let output = ipcctl(&["--to", &to, "--timeout", "50ms", "multiply", "1", "1"]);
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert!(text(&output.stderr).contains("no answer within 50ms"));
}

/// The same with this on its standard input.
fn ipcctl_with(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // One that leaves early need not have read it all.
    let _ = writer.join().unwrap();
    output
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
    // More than any buffer between us and the daemon holds, in both directions.
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
    let output = ipcctl(&["--to", &to, "greet", "--json"]);
    assert_eq!(text(&output.stdout), "{\"reply\":\"Message received. Thank you for connecting\"}\n");
    daemon.stop();
}

#[test]
fn greet_prints_the_greeting_and_reports_a_missing_one() {
    let daemon = Daemon::usual();
    for to in [socket(&daemon), format!("tcp://{}:9999", daemon.ip)] {
        let output = ipcctl(&["--to", &to, "greet"]);
        assert_eq!(text(&output.stdout), "Message received. Thank you for connecting\n", "{output:?}");
        assert!(output.status.success());
    }
    let output = ipcctl(&["--to", &format!("tcp://{}:65432", daemon.ip), "greet"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("greeting is not there: it says 'Data received'"), "{output:?}");
    daemon.stop();
}

#[test]
fn chat_pipe_sends_all_lines_before_leaving() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let mut bob = Client::member(&daemon, "bob");
    let output = ipcctl_with(&["--to", &to, "chat", "--name", "cron"], "build finished\n/really");
    assert_eq!(text(&output.stdout), "cron: build finished\ncron: /really\n", "{output:?}");
    assert!(output.status.success() && output.stderr.is_empty());
    bob.hear("cron has joined the chat!\ncron: build finished\ncron: /really\ncron has left the chat.\n");
    // Far more than the buffers hold.
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
    assert_eq!(text(&output.stderr), "ipcctl: somebody is called 'Bob' already; type another name\n");
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
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
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
fn unix_socket_selects_its_service_by_name_or_option() {
    let own = "[chat]\nlisten = [\"unix://{dir}/chat.sock\", \"unix://{dir}/room\"]\n";
    let daemon = Daemon::with(own);
    let place = |name: &str| format!("unix://{}", daemon.directory.path().join(name).display());
    for to in [&["--to", &place("chat.sock")][..], &["--to", &place("room"), "--direct"]] {
        let output = ipcctl_with(&[to, &["chat", "--name", "cron"]].concat(), "hi\n");
        assert_eq!(text(&output.stdout), "cron: hi\n", "{output:?}");
    }
    daemon.stop();
}

#[test]
fn chat_over_a_connectionless_endpoint_is_refused_at_once() {
    for to in ["udp://127.0.0.1:1", "unixgram:///nonexistent/g", "fifo:///nonexistent/f"] {
        let output = ipcctl_with(&["--to", to, "chat", "--name", "x"], "");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains("chat needs a connection"), "{output:?}");
    }
}

/// What multiply answers to `6 7`, as two messages.
const REPLY: [&[u8]; 2] = [b"Data received", b"42.0"];

#[test]
fn datagram_is_answered_over_udp_and_a_bound_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let path = directory.path().join("multiply.gram");
    let gram = UnixDatagram::bind(&path).unwrap();
    let places = [format!("udp://{}", udp.local_addr().unwrap()), format!("unixgram://{}", path.display())];
    let servers = [
        std::thread::spawn(move || {
            for _ in 0..2 {
                let mut buffer = [0; 100];
                let (count, from) = udp.recv_from(&mut buffer).unwrap();
                assert_eq!(&buffer[..count], b"6 7");
                REPLY.iter().for_each(|message| assert!(udp.send_to(message, from).is_ok()));
            }
        }),
        std::thread::spawn(move || {
            for _ in 0..2 {
                let mut buffer = [0; 100];
                let (count, from) = gram.recv_from(&mut buffer).unwrap();
                assert_eq!(&buffer[..count], b"6 7");
                REPLY.iter().for_each(|message| assert!(gram.send_to_addr(message, &from).is_ok()));
            }
        }),
    ];
    for to in &places {
        let output = ipcctl_with(&["--to", to, "multiply", "-"], "6 7\n6 7\n");
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("42.0\n42.0\n", ""), "{to}");
        assert!(output.status.success());
    }
    servers.into_iter().for_each(|server| server.join().unwrap());
}

#[test]
fn lost_and_refused_datagrams_have_their_exit_status() {
    // At an address of its own: nobody else takes the port once it is free.
    let silent = UdpSocket::bind((Ground::new().ip, 0)).unwrap();
    let to = format!("udp://{}", silent.local_addr().unwrap());
    let output = ipcctl(&["--to", &to, "--timeout", "50ms", "multiply", "6", "7"]);
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    drop(silent);
    let output = ipcctl(&["--to", &to, "multiply", "6", "7"]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
}

#[test]
fn packet_socket_sends_the_choice_first_then_a_packet_per_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ipcd.seq");
    let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(1).unwrap();
    let server = std::thread::spawn(move || {
        let (peer, _) = listener.accept().unwrap();
        for expected in [&b"multiply"[..], b"6 7"] {
            let mut buffer = [0; 100];
            let count = (&peer).read(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], expected);
        }
        REPLY.iter().for_each(|message| assert!(peer.send(message).is_ok()));
    });
    let to = format!("unixseq://{}", path.display());
    let output = ipcctl(&["--to", &to, "multiply", "6", "7"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("42.0\n", ""));
    server.join().unwrap();
}

#[test]
fn fifo_pair_is_queried_and_stale_replies_are_skipped() {
    let daemon = Daemon::with("[multiply]\nlisten = [\"fifo://{dir}/multiply\"]\n");
    let path = |end: &str| daemon.directory.path().join(format!("multiply{end}"));
    let mut other = File::options().write(true).open(path(".in")).unwrap();
    other.write_all(b"1 1\n").unwrap();
    // Its answer is there, and stays.
    let out = File::options().read(true).open(path(".out")).unwrap();
    let mut ready = [PollFd::new(&out, PollFlags::IN)];
    assert_eq!(poll(&mut ready, None).unwrap(), 1);
    let to = format!("fifo://{}", path("").display());
    let output = ipcctl_with(&["--to", &to, "multiply", "-"], "6 7\n8 9\n");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("42.0\n72.0\n", ""));
    let directory = tempfile::tempdir().unwrap();
    for end in ["in", "out"] {
        let path = directory.path().join(format!("multiply.{end}"));
        mkfifoat(CWD, path, Mode::RWXU).unwrap();
    }
    // Nobody reads there.
    let to = format!("fifo://{}", directory.path().join("multiply").display());
    let output = ipcctl(&["--to", &to, "multiply", "6", "7"]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
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
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");

    let mut third = daemon.unix();
    third.say("talk\nwho is there?\n");
    let output = ipcctl_with(&["--to", &to, "talk"], "bye\n");
    assert_eq!((text(&output.stdout), output.status.code()), ("who is there?\n", Some(0)));
    third.hear("bye\n");
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
        for command in ["multiply", "greet", "hello", "chat", "talk", "--direct", "--json", "--name"] {
            let name = if shell == "fish" { command.trim_start_matches('-') } else { command };
            assert!(text(&output.stdout).contains(name), "{shell}: {command}");
        }
    }
}

#[test]
fn request_works_over_every_kind_of_endpoint() {
    let daemon = Daemon::with(
        r#"
        [multiply]
        listen = ["tcp://{ip}:65432", "udp://{ip}:65432", "unix://{dir}/multiply.sock", "unixseq://{dir}/multiply.seq",
            "unixgram://{dir}/multiply.gram", "fifo://{dir}/multiply"]
        [hello]
        listen = ["tcp://{ip}:8080", "udp://{ip}:8080", "unixgram://{dir}/hello.gram", "unixseq://{dir}/hello.seq"]
        "#,
    );
    let directory = daemon.directory.path().display().to_string();
    let endpoint = |to: &str, service: &str, suffix: &str| match to {
        "tcp" | "udp" => {
            format!("{to}://{}", daemon.address(if service == "hello" { 8080 } else { 65432 }))
        }
        _ => format!("{to}://{directory}/{service}{suffix}"),
    };
    for (kind, suffix) in [
        ("tcp", ""),
        ("udp", ""),
        ("unix", ".sock"),
        ("unixseq", ".seq"),
        ("unixgram", ".gram"),
        ("fifo", ""),
    ] {
        let to = endpoint(kind, "multiply", suffix);
        let output = ipcctl(&["--to", &to, "multiply", "6", "7"]);
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("42.0\n", ""), "{to}");
        if !matches!(kind, "unix" | "fifo") {
            let to = endpoint(kind, "hello", suffix);
            let output = ipcctl(&["--to", &to, "hello"]);
            assert_eq!((text(&output.stdout), text(&output.stderr)), ("Hello from server\n", ""), "{to}");
        }
    }
    daemon.stop();
}

#[test]
fn status_is_a_table_or_the_daemons_json() {
    let daemon = Daemon::usual();
    let _member = Client::member(&daemon, "alice");
    let output = ipcctl(&["status", "--to", &socket(&daemon)]);
    let table = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(table.starts_with(&format!("ipcd {}, pid {}, up ", env!("CARGO_PKG_VERSION"), daemon.pid())));
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let memory = table.lines().nth(1).unwrap_or_default();
    assert!(memory.starts_with("uses ") && memory.contains(" MiB; bound "), "{table}");
    assert!(rows.iter().any(|row| row.starts_with(&["chat", "1", "1"])), "{table}");
    let member = rows.iter().find(|row| row.starts_with(&["chat", "alice"]));
    assert!(member.is_some_and(|row| row.contains(&"serving")), "{table}");

    let output = ipcctl(&["status", "--json", "--to", &socket(&daemon)]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["schema"], &report["members"]), (&1.into(), &1.into()));
    daemon.stop();
}

#[test]
fn status_shows_loop_latency() {
    let daemon = Daemon::usual();
    let mut client = daemon.tcp(65432);
    for _ in 0..100 {
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
    }
    let output = ipcctl(&["status", "--to", &socket(&daemon)]);
    let table = text(&output.stdout);
    let summary = table.lines().find(|line| line.starts_with("turns of the event loop: "));
    let summary = summary.unwrap_or_else(|| panic!("{table}"));
    let rest = summary.strip_prefix("turns of the event loop: ").unwrap();
    let (turns, percentiles) = rest.split_once("; ").unwrap();
    let turns: u64 = turns.parse().unwrap();
    assert!(turns >= 100, "{summary}");
    for (percentile, name) in percentiles.split(", ").zip(["p50 ", "p90 ", "p99 ", "max "]) {
        let bound = percentile.strip_prefix(name).unwrap_or_else(|| panic!("{summary}"));
        let is_bound = bound.starts_with("<= ") || bound.starts_with("> ");
        assert!(is_bound && bound.ends_with('s'), "{summary}");
    }
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip_while(|line| !line.starts_with("TURN UP TO"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!((1..=8).contains(&rows.len()), "{table}");
    // No turn is counted twice or forgotten, and where there are some there is a bar.
    let counts = rows.iter().map(|row| row[1].parse::<u64>().unwrap());
    assert_eq!(counts.clone().sum::<u64>(), turns, "{table}");
    for (row, count) in rows.iter().zip(counts) {
        assert_eq!(row.get(2).is_some_and(|bar| bar.starts_with('#')), count > 0, "{table}");
    }
    daemon.stop();
}

#[test]
fn closed_output_ends_the_client_without_further_events() {
    use std::os::unix::process::ExitStatusExt;
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    for arguments in
        [&["watch"][..], &["chat", "--name", "ann"], &["talk"], &["status"], &["multiply", "6", "7"]]
    {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ipcctl"))
            .args(["--to", &to])
            .args(arguments)
            // Stays open: its end is not what ends it.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let status = crate::harness::wait_until("it ends", || child.try_wait().unwrap());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(status.signal(), Some(Signal::PIPE.as_raw()), "{arguments:?}: {status}, {told}");
        assert_eq!(told.replace("ipcctl: Watching: all\n", ""), "", "{arguments:?}");
    }
    daemon.stop();
}

#[test]
fn overlong_line_still_gets_an_output_line() {
    let daemon =
        Daemon::with("[multiply]\nlisten = [\"tcp://{ip}:65432\", \"udp://{ip}:65432\"]\nmax_message = 64\n");
    let input = format!("1 2\n{}\n6 7\n", "1".repeat(65));
    let ask = |kind: &str| {
        let to = format!("{kind}://{}:65432", daemon.ip);
        let output = ipcctl_with(&["--to", &to, "multiply", "-"], &input);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        (text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    let told = "2.0\nError: message longer than 64 bytes\n";
    for kind in ["udp", "tcp"] {
        assert_eq!(ask(kind), (format!("{told}42.0\n"), "ipcctl: 1 of 3 requests failed\n".to_owned()));
    }
    daemon.stop();
}

#[test]
fn invalid_name_and_wrong_service_are_reported_at_once() {
    let daemon = Daemon::usual();
    for name in ["", " ", "quit", "{quit}", "\n"] {
        let output = ipcctl_with(&["--to", &socket(&daemon), "chat", "--name", name], "hi\n");
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{name:?}: {output:?}");
        let told = text(&output.stderr);
        assert!(
            told.starts_with("ipcctl: chat --name '") && told.contains("is no name; give another"),
            "{told}"
        );
    }
    let to = format!("tcp://{}:65432", daemon.ip);
    let output = ipcctl_with(&["--to", &to, "chat", "--name", "ann"], "hi\n");
    let told = format!("ipcctl: {to}: chat is not there: it says 'Data received'\n");
    assert_eq!((text(&output.stderr), output.status.code()), (told.as_str(), Some(1)));
    daemon.stop();
}

#[test]
fn watch_prints_a_line_per_event_and_ends_with_the_daemon() {
    let daemon = Daemon::usual();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ipcctl"))
        .args(["watch", "--service", "multiply", "--to", &socket(&daemon)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut told).unwrap();
    assert_eq!(told, "ipcctl: Watching: service=multiply\n");
    let mut client = daemon.tcp(65432);
    client.say("3,14 2\n");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let hint = lines.find(|line| line.as_ref().unwrap().contains("  hint: ")).unwrap().unwrap();
    assert!(hint.ends_with("'3,14' is no number here: write 3.14, with a point"), "{hint}");
    daemon.stop();
    assert_eq!(child.wait().unwrap().code(), Some(1));

    let daemon = Daemon::usual();
    let output = ipcctl(&["watch", "--service", "chess", "--to", &socket(&daemon)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("ipcctl: unknown service: 'chess' (known: multiply"));
    assert_eq!(ipcctl(&["watch", "--peer", "a b"]).status.code(), Some(2));
    daemon.stop();
}
