//! `ipcd --stdio SERVICE` on everything that descriptors 0 and 1 can be.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::around::{Helper, failure};
use crate::harness::logged::untimed_lines;
use crate::harness::{Client, Stream, TIMEOUT, TestDir, not_http, show, wait_until};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// With the defaults, whatever is in this machine's /etc.
fn ipcd(test_dir: &TestDir, service: &str) -> Command {
    if !test_dir.config_file().exists() {
        test_dir.write_config("[multiply]\nlisten = [\"unix://{dir}/s\"]\n");
    }
    let mut command = test_dir.command();
    command.args(["--stdio", service]).stderr(Stdio::piped());
    command
}

/// Runs it with this input on a pipe; returns its standard output and its standard error.
fn converse(command: &mut Command, input: &[u8]) -> (String, String) {
    let mut helper = Helper(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut stdin = helper.0.stdin.take().unwrap();
    let input = input.to_vec();
    // A client whose connection is closed need not have read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let (mut out, mut err) = (String::new(), String::new());
    helper.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    helper.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    writer.join().unwrap();
    assert_eq!(ended(&mut helper.0), Some(0), "{err}");
    (out, untimed_lines(&err))
}

fn ended(child: &mut Child) -> Option<i32> {
    wait_until("it ends", || child.try_wait().unwrap()).code()
}

fn hear(from: &mut impl Read, expected: &str) {
    let mut heard = vec![0; expected.len()];
    from.read_exact(&mut heard).unwrap();
    assert_eq!(show(&heard), show(expected.as_bytes()));
}

fn blocks(fd: impl AsFd) -> bool {
    !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

#[test]
fn pipe_is_answered_to_its_end_with_status_0() {
    let test_dir = TestDir::new();
    // The end of the input decides what kind of client it is, however late it comes.
    test_dir.write_config("[limits]\nraw_gap = \"10s\"\n[multiply]\nlisten = [\"unix://{dir}/s\"]\n");
    for (service, input, output) in [
        (
            "multiply",
            "5 10\nabc\n3 4",
            "Data received\n50.0\nData received\nError: expected two numbers, for example: 5 10\nData received\n12.0\n",
        ),
        ("multiply", "5 10", "Data received\n50.0\n"),
        ("multiply", "", ""),
        ("greeting", "", "Message received. Thank you for connecting\r\n"),
        ("mux", "multiply\n5 10\n", "Data received\n50.0\n"),
    ] {
        assert_eq!(converse(&mut ipcd(&test_dir, service), input.as_bytes()), (output.into(), String::new()));
    }
}

#[test]
fn hundred_thousand_requests_are_all_answered() {
    let test_dir = TestDir::new();
    let (out, _) = converse(&mut ipcd(&test_dir, "multiply"), "5 10\n".repeat(100_000).as_bytes());
    assert!(out == "Data received\n50.0\n".repeat(100_000), "{} bytes", out.len());
}

#[test]
fn daemon_only_service_is_refused_with_status_2_and_a_reason() {
    let test_dir = TestDir::new();
    let said = failure(&mut ipcd(&test_dir, "chat"), 2);
    assert!(said.starts_with("ipcd: --stdio chat: this service needs the other clients"), "{said}");
    let said = failure(&mut ipcd(&test_dir, "mutliply"), 2);
    assert!(said.contains("no such service; known: multiply, greeting,"), "{said}");
    for option in [&["--check"][..], &["--daemon", "--pid-file", "p", "--log-file", "l"]] {
        let said = failure(ipcd(&test_dir, "multiply").args(option), 2);
        assert!(said.contains("cannot be used with"), "{said}");
    }
    test_dir.write_config("[multiply]\nbacklog = 1\n");
    assert!(failure(&mut ipcd(&test_dir, "multiply"), 78).contains("backlog"));
}

#[test]
fn mux_explains_unavailable_services_and_lists_the_rest() {
    let test_dir = TestDir::new();
    let (out, _) = converse(&mut ipcd(&test_dir, "mux"), b"help\nchat\ncontrol\n");
    assert!(out.starts_with("multiply\ngreeting\n") && !out.contains("\nchat\n"), "{out}");
    assert!(out.contains("Error: chat is not available over --stdio; try help\n"), "{out}");
    assert!(
        out.ends_with("Error: control is only for root and the daemon's own user, on a Unix socket\n"),
        "{out}"
    );
}

#[test]
fn configuration_applies_without_opening_its_endpoints() {
    let test_dir = TestDir::new();
    test_dir.write_config(
        "[limits]\nmax_connections = 1\n[multiply]\nmax_message = 8\nlisten = [\"unix://{dir}/s\"]\n",
    );
    let (out, _) = converse(&mut ipcd(&test_dir, "multiply"), b"5 10\n5 1000000\n3 4\n");
    assert_eq!(out, "Data received\n50.0\nError: message longer than 8 bytes\nData received\n12.0\n");
    assert_eq!(test_dir.names(), ["ipcd.toml"]);
}

#[test]
fn raw_client_gets_two_messages_in_two_reads() {
    let test_dir = TestDir::new();
    let mut helper =
        Helper(ipcd(&test_dir, "multiply").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let (mut stdin, mut stdout) = (helper.0.stdin.take().unwrap(), helper.0.stdout.take().unwrap());
    for (request, reply) in [("5 10", "50.0"), ("3 4", "12.0")] {
        stdin.write_all(request.as_bytes()).unwrap();
        hear(&mut stdout, "Data received");
        hear(&mut stdout, reply);
    }
    drop(stdin);
    assert_eq!(ended(&mut helper.0), Some(0));
    assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
}

#[test]
fn closed_reader_ends_it_without_an_error() {
    let test_dir = TestDir::new();
    for goes_on in [true, false] {
        let mut command = ipcd(&test_dir, "multiply");
        let mut helper = Helper(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        let mut stdin = helper.0.stdin.take().unwrap();
        stdin.write_all(b"5 10\n").unwrap();
        hear(helper.0.stdout.as_mut().unwrap(), "Data received\n50.0\n");
        helper.0.stdout = None;
        if goes_on {
            let _ = stdin.write_all(b"5 10\n"); // it may have noticed before
        }
        assert_eq!(ended(&mut helper.0), Some(0));
        let mut said = String::new();
        helper.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "");
    }
}

#[test]
fn regular_and_special_files_are_read_and_written() {
    let test_dir = TestDir::new();
    let path = |name: &str| test_dir.directory.path().join(name);
    fs::write(path("in"), "5 10\n".repeat(10_000)).unwrap();
    fs::write(path("out"), "before\n").unwrap();
    // Both have a position in the file that is not its beginning.
    let mut input = File::open(path("in")).unwrap();
    input.read_exact(&mut [0; 5]).unwrap();
    let output = fs::OpenOptions::new().append(true).open(path("out")).unwrap();
    let mut helper = Helper(ipcd(&test_dir, "multiply").stdin(input).stdout(output).spawn().unwrap());
    assert_eq!(ended(&mut helper.0), Some(0));
    let heard = fs::read_to_string(path("out")).unwrap();
    assert!(heard == format!("before\n{}", "Data received\n50.0\n".repeat(9_999)), "{} bytes", heard.len());

    let nothing = || File::options().read(true).write(true).open("/dev/null").unwrap();
    let mut helper = Helper(ipcd(&test_dir, "multiply").stdin(nothing()).stdout(nothing()).spawn().unwrap());
    assert_eq!(ended(&mut helper.0), Some(0));

    let said = failure(&mut shell(&test_dir, "exec \"$@\" < in > /dev/full"), 1);
    assert!(said.contains("no space left"), "{said}");
}

/// The same, run by a shell in the test's directory, which sets up its descriptors.
fn shell(test_dir: &TestDir, script: &str) -> Command {
    let inner = ipcd(test_dir, "multiply");
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(test_dir.directory.path()).env_remove("RUST_LOG");
    command
}

#[test]
fn closed_descriptors_are_no_error() {
    let test_dir = TestDir::new();
    for script in ["exec \"$@\" <&-", "echo 5 10 | \"$@\" >&-", "exec \"$@\" <&- >&- 2>&-"] {
        let output = crate::harness::around::outcome(&mut shell(&test_dir, script));
        assert_eq!((output.status.code(), output.stdout), (Some(0), vec![]), "{script}");
    }
}

/// ipcd on one end of a connection, including standard error, as inetd and socat start it.
fn on_socket(test_dir: &TestDir, service: &str, end: OwnedFd) -> Helper {
    let mut command = ipcd(test_dir, service);
    command.args(["--log-level", "debug"]);
    command.stdin(end.try_clone().unwrap()).stdout(end.try_clone().unwrap()).stderr(end);
    Helper(command.spawn().unwrap())
}

fn sockets() -> Vec<(Client, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = Client::of(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    ours.set_read_timeout(Some(TIMEOUT)).unwrap();
    vec![(Client::on(Stream::Unix(ours)), theirs.into()), (tcp, listener.accept().unwrap().0.into())]
}

#[test]
fn socket_is_half_closed_and_gets_no_log_lines() {
    let test_dir = TestDir::new();
    for (mut client, end) in sockets() {
        let mut helper = on_socket(&test_dir, "multiply", end);
        client.say("5 10");
        client.hear("Data received50.0");
        client.half_close();
        client.hear_end();
        assert_eq!(ended(&mut helper.0), Some(0));
    }
    // The client does not see errors on the command line either.
    let (mut client, end) = sockets().swap_remove(0);
    let mut helper = on_socket(&test_dir, "chat", end);
    client.hear_end();
    assert_eq!(ended(&mut helper.0), Some(2));
}

#[test]
fn still_sending_socket_client_gets_its_last_words_without_reset() {
    let test_dir = TestDir::new();
    test_dir.write_config("[limits]\nlinger_timeout = \"60s\"\n[multiply]\nlisten = [\"unix://{dir}/s\"]\n");
    for (mut client, end) in sockets() {
        let mut helper = on_socket(&test_dir, "multiply", end);
        client.try_say(b"GET / HTTP/1.1\r\n");
        for _ in 0..4 {
            client.try_say(&[b'x'; 1 << 20]);
        }
        client.hear(not_http("multiply"));
        client.hear_end();
        drop(client);
        assert_eq!(ended(&mut helper.0), Some(0));
    }
}

#[test]
fn shared_descriptor_never_keeps_o_nonblock() {
    let test_dir = TestDir::new();
    // Pipes are reopened, and keep their state while it runs.
    let ((input, mut writer), (mut reader, output)) = (io::pipe().unwrap(), io::pipe().unwrap());
    let (shared_input, shared_output) = (input.try_clone().unwrap(), output.try_clone().unwrap());
    let mut helper = Helper(ipcd(&test_dir, "multiply").stdin(input).stdout(output).spawn().unwrap());
    writer.write_all(b"5 10\n").unwrap();
    hear(&mut reader, "Data received\n50.0\n");
    assert!(blocks(&shared_input) && blocks(&shared_output));
    drop(writer);
    assert_eq!(ended(&mut helper.0), Some(0));

    // A socket cannot be reopened; its state is restored at the end.
    for (mut client, end) in sockets() {
        let mut helper = on_socket(&test_dir, "multiply", end.try_clone().unwrap());
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
        assert!(!blocks(&end));
        client.half_close();
        assert_eq!(ended(&mut helper.0), Some(0));
        assert!(blocks(&end));
    }
}

#[test]
fn terminal_gets_lines_and_keeps_its_flags() {
    let test_dir = TestDir::new();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let copy = || terminal.try_clone().unwrap();
    let mut helper = Helper(ipcd(&test_dir, "multiply").stdin(copy()).stdout(copy()).spawn().unwrap());
    let mut master = File::from(master);
    // Several lines in one write: each read from a terminal returns one of them.
    master.write_all(b"5 10\n1 2\n3 4\n").unwrap();
    let mut heard = String::new();
    while !heard.ends_with("12.0\r\n") {
        let mut buffer = [0; 1024];
        let count = master.read(&mut buffer).unwrap();
        heard.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert!(heard.contains("50.0\r\n") && heard.contains("2.0\r\n"), "{heard:?}");
    assert!(blocks(&terminal));
    master.write_all(b"\x04").unwrap(); // Ctrl-D
    assert_eq!(ended(&mut helper.0), Some(0));
    assert!(blocks(&terminal));
}

#[test]
fn stop_signal_answers_pending_requests_with_status_0() {
    let test_dir = TestDir::new();
    let mut helper =
        Helper(ipcd(&test_dir, "multiply").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut stdin = helper.0.stdin.take().unwrap();
    let mut stdout = helper.0.stdout.take().unwrap();
    stdin.write_all(b"1 1\n").unwrap();
    hear(&mut stdout, "Data received\n1.0\n");
    let pid = Pid::from_raw(helper.0.id() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    stdin.write_all(b"5 10\n").unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    kill_process(pid, Signal::CONT).unwrap();
    hear(&mut stdout, "Data received\n50.0\n");
    assert_eq!(ended(&mut helper.0), Some(0));
    assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
}

#[test]
fn waiting_uses_no_processor_time() {
    let test_dir = TestDir::new();
    let mut helper =
        Helper(ipcd(&test_dir, "multiply").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut stdin = helper.0.stdin.take().unwrap();
    stdin.write_all(b"1 1\n").unwrap();
    hear(helper.0.stdout.as_mut().unwrap(), "Data received\n1.0\n");
    let switches = || {
        let status = fs::read_to_string(format!("/proc/{}/status", helper.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    wait_until("it sleeps", || {
        let before = switches();
        std::thread::sleep(Duration::from_millis(300));
        (before == switches()).then_some(())
    });
    // Once more, if it was only late to go to sleep.
    let before = switches();
    std::thread::sleep(Duration::from_secs(1));
    assert!(switches() <= before + 1, "it is woken");
}
