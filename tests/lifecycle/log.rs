//! The log: one line for each event, whatever peers send, and whether or not anybody reads it.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::harness::around::Helper;
use crate::harness::interrupted::uninterrupted;
use crate::harness::logged::{is_timed, untimed};
use crate::harness::{CHAT, Client, Daemon, GREETING, MULTIPLY, Stream, TestDir, USUAL, wait_until};
use rustix::pipe::{PipeFlags, pipe_with};

#[track_caller]
fn answered(client: &mut Client) {
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
}

fn port_of(client: &Client) -> u16 {
    let Stream::Tcp(stream) = &client.stream else { unreachable!() };
    stream.local_addr().unwrap().port()
}

#[test]
fn each_event_is_one_line_with_endpoint_and_peer() {
    let daemon = Daemon::talkative(USUAL);
    let mut client = daemon.tcp(MULTIPLY);
    answered(&mut client);
    client.say("abc\n");
    client.hear("Data received\nError: expected two numbers, for example: 5 10\n");
    let peer = format!("tcp://{}:65432: 127.0.0.1:{}: ", daemon.ip, port_of(&client));
    drop(client);
    for line in [
        "info: {peer}connected",
        "debug: {peer}is a line client",
        "debug: {peer}message '5 10'",
        "info: {peer}error reply: expected two numbers, for example: 5 10 (to 'abc')",
        "info: {peer}closed by the peer",
    ] {
        let line = line.replace("{peer}", &peer);
        assert_eq!(daemon.wait_for_log(&line), line);
        assert_eq!(daemon.log().iter().filter(|it| **it == line).count(), 1);
    }
    let mut client = daemon.unix();
    answered(&mut client);
    drop(client);
    let uid = rustix::process::geteuid().as_raw();
    let line = daemon.wait_for_log("info: unix://");
    assert!(line.contains(daemon.socket().to_str().unwrap()) && line.ends_with(": connected"), "{line}");
    assert!(
        line.contains(&format!("uid {uid}")) && line.contains(&format!("pid {}", std::process::id())),
        "{line}"
    );
    daemon.stop();
}

#[test]
fn later_lines_of_a_member_carry_its_name() {
    let daemon = Daemon::with(USUAL);
    let mut alice = daemon.tcp(CHAT);
    alice.hear("Greetings from the cave! Now type your name and press enter!\n");
    let peer = format!("info: tcp://{}:33000: 127.0.0.1:{}: ", daemon.ip, port_of(&alice));
    alice.say("no!name\n");
    let line = daemon.wait_for_log(&format!("{peer}error reply: a name has"));
    assert!(line.ends_with("; type another one (to 'no!name')"), "{line}");
    alice.say("Ann B.\n/msg nobody hush\n/key 5esame\n/dance\n");
    daemon.wait_for_log(&format!("{peer}joined as Ann B."));
    daemon.wait_for_log(&format!("{peer}[Ann B.] error reply: unknown command: /dance"));
    let is_secret = |line: &&String| line.contains("hush") || line.contains("5esame");
    assert_eq!(daemon.log().iter().find(is_secret), None);
    alice.say("{quit}\n");
    alice.hear_rest();
    drop(alice);
    daemon.wait_for_log(&format!("{peer}[Ann B.] closed: the peer quit"));
    // The next client in the same slot does not get her name.
    let other = daemon.tcp(CHAT);
    let peer = format!("info: tcp://{}:33000: 127.0.0.1:{}: ", daemon.ip, port_of(&other));
    drop(other);
    daemon.wait_for_log(&format!("{peer}closed")); // by the peer, or with a reset if it had received the greeting
    daemon.stop();
}

#[test]
fn peer_text_cannot_end_a_line_or_control_the_terminal() {
    let daemon = Daemon::talkative(&format!("[limits]\nlinger_timeout = \"1min\"\n{USUAL}"));
    let mut greeted = daemon.tcp(GREETING);
    greeted.say(b"Hi\x1b[2J\r\ninfo: forged\xff\xe2\x80\xae\n");
    greeted.hear_rest();
    drop(greeted);
    // A hint names endpoints, with this directory in their paths.
    let longest = 300 + daemon.directory.path().as_os_str().len();
    let line = daemon.wait_for_log("says '");
    assert!(line.contains("says 'Hi\\u{1b}[2J"), "{line}");
    let mut client = daemon.tcp(MULTIPLY);
    client.say(b"5 \x1b]0;owned\x07\n");
    client.hear_rest_until_error();
    client.say("x".repeat(4000) + "\n");
    client.hear_rest_until_error();
    drop(client);
    daemon.wait_for_log("message 'xxx");
    for line in daemon.stop() {
        assert!(!line.chars().any(char::is_control) && !line.contains('\u{202e}'), "{line:?}");
        assert!(["info: ", "debug: ", "warning: "].iter().any(|level| line.starts_with(level)), "{line}");
        assert!(!line.starts_with("info: forged") && line.chars().count() < longest, "{line}");
    }
}

trait ToError {
    fn hear_rest_until_error(&mut self);
}

impl ToError for Client {
    /// Receives an acknowledgement and one line with an error.
    #[track_caller]
    fn hear_rest_until_error(&mut self) {
        self.hear("Data received\nError: ");
        while self.hear_byte() != b'\n' {}
    }
}

#[test]
fn flood_of_mistakes_is_logged_as_few_lines_and_a_count() {
    let daemon = Daemon::usual();
    let start = Instant::now();
    let mut client = daemon.tcp(MULTIPLY);
    let reply = "Data received\nError: not a number: 'x'\n".repeat(1000);
    for _ in 0..100 {
        client.say("5 x\n".repeat(1000));
        client.hear(&reply);
    }
    drop(client);
    let counted = |log: &[String]| -> u64 {
        let written = log.iter().filter(|line| line.contains("error reply: ")).count() as u64;
        let more = log.iter().filter(|line| line.ends_with(" more lines suppressed: error replies"));
        written + more.map(|line| line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    wait_until("all are counted", || (counted(&daemon.log()) == 100_000).then_some(()));
    let seconds = start.elapsed().as_secs() as usize + 2;
    let log = daemon.stop();
    assert!(log.len() < 100 + 202 * seconds, "{} lines in {seconds} s", log.len());
}

/// Connects from an address of loopback.
fn from(daemon: &Daemon, last: u8) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 77, 79, last), 0)).into()).unwrap();
    socket.connect(&daemon.address(MULTIPLY).into()).unwrap();
    Client::of(socket.into())
}

#[test]
fn flood_from_one_address_hides_no_other() {
    let daemon = Daemon::with(&USUAL.replace("[multiply]", "[multiply]\nmax_connections = 37"));
    let inside: Vec<Client> = (0..35).map(|_| from(&daemon, 1)).collect();
    daemon.wait_for_log("127.77.79.1:");
    let (is_over, mut expected) = (AtomicBool::new(false), Vec::new());
    std::thread::scope(|scope| {
        // Floods of refusals and of errors.
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let mut flood = from(&daemon, 1);
                    if flood.try_say("5 x\n".repeat(200).as_bytes()) {
                        let mut heard = 0;
                        while heard < 200 * "Data received\nError: not a number: 'x'\n".len() {
                            match uninterrupted(|| flood.read(&mut [0; 65536])) {
                                Ok(count @ 1..) => heard += count,
                                _ => break,
                            }
                        }
                    }
                }
            });
        }
        daemon.wait_for_log("more lines suppressed: error replies");
        for _ in 0..3 {
            for last in 10..20 {
                let mut other = from(&daemon, last);
                other.say("5 y\n");
                let said = match other.recv().starts_with(b"Data received") {
                    true => "error reply: not a number: 'y' (to '5 y')",
                    false => "refused: too many connections",
                };
                expected.push(format!("127.77.79.{last}:{}: {said}", port_of(&other)));
            }
            let last = expected.last().unwrap();
            daemon.wait_for_log(last);
            let seen = daemon.log().iter().position(|line| line.contains(last.as_str())).unwrap();
            daemon.wait_for_log_since(seen, "more lines suppressed"); // the second of that line is over
        }
        is_over.store(true, Ordering::Relaxed);
    });
    drop(inside);
    let log = daemon.stop();
    let is_written = |line: &&String| log.iter().any(|written| written.contains(line.as_str()));
    let count = expected.iter().filter(is_written).count();
    println!("of {} lines about others {count} are written beside a flood", expected.len());
    assert_eq!(count, expected.len());
}

#[test]
fn two_hundred_arrivals_are_two_hundred_lines() {
    let daemon = Daemon::usual();
    let begun = daemon.log().len();
    let clients: Vec<Client> = (0..200).map(|_| daemon.tcp(MULTIPLY)).collect();
    let connected = || daemon.log()[begun..].iter().filter(|line| line.ends_with(": connected")).count();
    wait_until("all are told of", || (connected() == 200).then_some(()));
    drop(clients);
    assert!(!daemon.stop().iter().any(|line| line.contains("more lines suppressed")));
}

/// Serves requests with more log lines than any buffer holds.
fn serves_on(daemon: &Daemon) {
    for _ in 0..3000 {
        let mut client = daemon.tcp(MULTIPLY);
        client.say("5 x\n");
        client.hear("Data received\nError: not a number: 'x'\n");
    }
}

fn unheard(stderr: Stdio, level: &str) -> Daemon {
    let test_dir = TestDir::new();
    test_dir.write_config(USUAL);
    let mut command = test_dir.command();
    command.args(["--log-level", level]);
    test_dir.start_unheard(command, stderr, MULTIPLY)
}

fn ends_well(mut daemon: Daemon) {
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait().success());
}

#[test]
fn full_disk_costs_only_lines() {
    let daemon = unheard(File::options().write(true).open("/dev/full").unwrap().into(), "trace");
    serves_on(&daemon);
    ends_well(daemon);
}

#[test]
fn unread_pipe_costs_only_lines() {
    let (mut reader, writer) = {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        (File::from(reader), writer)
    };
    // Full before the daemon writes its first line.
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while rustix::io::write(&writer, &[b'.'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    let daemon = unheard(writer.into(), "trace");
    serves_on(&daemon);
    let mut filling = vec![0; 65536];
    reader.read_exact(&mut filling).unwrap();
    let mut client = daemon.tcp(MULTIPLY);
    answered(&mut client);
    drop(client);
    ends_well(daemon);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let notice = untimed(text.trim_start_matches('.').lines().next().unwrap());
    assert!(
        notice.starts_with("warning: ") && notice.ends_with(" log lines could not be written"),
        "{notice}"
    );
    assert!(text.ends_with("info: stopped\n"), "{text}");
}

#[test]
fn missing_or_unread_standard_error_never_stops_the_daemon() {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    drop(reader);
    let daemon = unheard(writer.into(), "trace");
    serves_on(&daemon);
    ends_well(daemon);

    let test_dir = TestDir::new();
    test_dir.write_config(USUAL);
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$0\" \"$@\" 2>&-", env!("CARGO_BIN_EXE_ipcd"), "--config"])
        .arg(test_dir.config_file());
    let daemon = test_dir.start_unheard(command, Stdio::null(), MULTIPLY);
    serves_on(&daemon);
    ends_well(daemon);
}

#[test]
fn log_level_comes_from_command_line_then_environment_then_file() {
    for (file, environment, option, expected) in [
        ("info", None, None, "info"),
        ("info", Some("debug"), None, "debug"),
        ("debug", Some("warn"), Some("info"), "info"),
        ("warn", Some("error"), Some("debug"), "debug"),
        ("info", Some("ipcd=debug"), None, "debug"),
    ] {
        let test_dir = TestDir::new();
        test_dir.write_config(&format!("[log]\nlevel = \"{file}\"\n{USUAL}"));
        let mut command = test_dir.command();
        if let Some(value) = environment {
            command.env("RUST_LOG", value);
        }
        if let Some(level) = option {
            command.args(["--log-level", level]);
        }
        let daemon = test_dir.start(command);
        answered(&mut daemon.tcp(MULTIPLY));
        daemon.wait_for_log("connected");
        let log = daemon.stop();
        let has_debug = log.iter().any(|line| line.starts_with("debug: "));
        assert_eq!(has_debug, expected == "debug", "{file} {environment:?} {option:?}: {log:?}");
    }
}

#[test]
fn silenced_targets_are_silent() {
    for (environment, option) in [(Some("error"), None), (Some("debug"), Some("error"))] {
        let test_dir = TestDir::new();
        test_dir.write_config(USUAL);
        let path = test_dir.directory.path().join("log");
        let mut command = test_dir.command();
        command.env("RUST_LOG", environment.unwrap_or_default());
        if let Some(level) = option {
            command.args(["--log-level", level]);
        }
        let daemon = test_dir.start_unheard(command, File::create(&path).unwrap().into(), MULTIPLY);
        answered(&mut daemon.tcp(MULTIPLY));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        ends_well(daemon);
    }
}

#[test]
fn terminal_lines_begin_with_the_time_of_day() {
    let test_dir = TestDir::new();
    test_dir.write_config(USUAL);
    let path = test_dir.directory.path().join("shown");
    let mut command = Command::new("script");
    let inner = format!("{} --config {}", env!("CARGO_BIN_EXE_ipcd"), test_dir.config_file().display());
    command
        .args(["-q", "-e", "-f", "-c", &inner])
        .arg(&path)
        .env_remove("RUST_LOG")
        .env_remove("JOURNAL_STREAM");
    let mut shown = Helper(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    let text = wait_until("it is ready", || {
        std::fs::read_to_string(&path).ok().filter(|text| text.contains(" is ready\r\n"))
    });
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("info: ")).collect();
    assert!(lines.len() > 3, "{text}");
    for line in lines {
        let (time, _) = line.split_once(" info: ").unwrap();
        assert_eq!(time.replace(|c: char| c.is_ascii_digit(), "9"), "99:99:99", "{line}");
    }
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid_of_listener(test_dir.ip)).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(wait_until("it ends", || shown.0.try_wait().unwrap()).success());
}

/// The process that uses multiply's port.
fn pid_of_listener(ip: std::net::Ipv4Addr) -> i32 {
    let error = ipcd::transport::owner::of_tcp((ip, MULTIPLY).into());
    error.expect("somebody listens").pid
}

#[test]
fn journal_lines_begin_with_their_priority() {
    for is_journal in [true, false] {
        let test_dir = TestDir::new();
        test_dir.write_config(USUAL);
        let path = test_dir.directory.path().join("log");
        let file = File::create(&path).unwrap();
        let it = file.metadata().unwrap();
        let mut command = test_dir.command();
        // The inode of another file: the variable was inherited by a process whose standard error was redirected.
        command.env("JOURNAL_STREAM", format!("{}:{}", it.dev(), it.ino() + u64::from(!is_journal)));
        let daemon = test_dir.start_unheard(command, file.into(), MULTIPLY);
        answered(&mut daemon.tcp(MULTIPLY));
        let text = wait_until("it says so", || {
            std::fs::read_to_string(&path).ok().filter(|text| text.contains("connected"))
        });
        // The journal has its own time; in any other file each line begins with it.
        for line in text.lines() {
            assert_eq!(line.starts_with("<6>"), is_journal, "{text}");
            assert_eq!(is_timed(line) && untimed(line).starts_with("info: "), !is_journal, "{text}");
        }
        ends_well(daemon);
    }
}
