//! Tools that people have, and the course's own programs, each against a real daemon.

mod crowd;
#[path = "../harness/mod.rs"]
mod harness;
mod telnet;
mod window;

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::program::{Finished, Program, command};
use crate::harness::{
    BESIDE, CHAT, Client, Daemon, GREETING, Ground, HELLO, MULTIPLY, PATIENCE, STATS, TALK, USUAL, not_http,
    wait_until,
};
use rustix::process::Signal;
use window::{Display, Window};

/// Nobody may be kept waiting for longer by a port that speaks something else.
const QUICK: Duration = Duration::from_secs(2);

const CAVE: &str = "Greetings from the cave! Now type your name and press enter!\n";
const WORDS: &str = "Message received. Thank you for connecting\r\n";

fn welcome(name: &str) -> String {
    format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.")
}

/// The usual services with a longer gap: a tool's end of input counts as right behind its last bytes, and its second
/// recv() as called in time, on a machine that stops it for a moment in between too.
fn daemon() -> Daemon {
    Daemon::talkative(&format!("[limits]\nraw_gap = \"300ms\"\n{USUAL}"))
}

// ---- the tools

fn nc(arguments: &[&str]) -> Command {
    let help = Program::run(command("nc", ["-h"]), "");
    assert!(help.errors.contains("OpenBSD"), "nc is another netcat; this test needs netcat-openbsd");
    command("nc", arguments)
}

/// Every tool at a TCP port, in the way that passes on the end of its input.
fn at_port(daemon: &Daemon, port: u16) -> [Command; 3] {
    let (ip, number) = (daemon.ip.to_string(), port.to_string());
    [
        nc(&["-N", &ip, &number]),
        command("ncat", [&ip, &number]),
        // -t: how long it listens after the end of its input.
        command("socat", ["-t", "2", "-", &format!("TCP:{ip}:{port}")]),
    ]
}

/// Every tool at the Unix socket.
fn at_socket(daemon: &Daemon) -> [Command; 3] {
    let path = daemon.socket().to_str().unwrap().to_owned();
    [
        nc(&["-NU", &path]),
        command("ncat", ["-U", &path]),
        command("socat", ["-t", "2", "-", &format!("UNIX-CONNECT:{path}")]),
    ]
}

/// Runs a tool that succeeds, and says this.
#[track_caller]
fn exchange(tool: Command, input: &str, expected: &str) {
    let name = tool.get_program().to_owned();
    let finished = Program::run(tool, input);
    assert_eq!(finished.output, expected, "from {name:?} for {input:?}; it complains: {}", finished.errors);
    assert!(finished.status.success(), "{name:?}: {finished:?}");
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn every_tool_multiplies_by_line() {
    let daemon = daemon();
    for tool in at_port(&daemon, MULTIPLY).into_iter().chain(at_socket(&daemon)) {
        exchange(
            tool,
            "5 10\n1.5 2\r\n10 / 4\n",
            "Data received\n50.0\nData received\n3.0\nData received\n2.5\n",
        );
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn socat_connects_a_session_over_socket_or_pipes() {
    let ground = Ground::new();
    ground.write_config("[limits]\nraw_gap = \"300ms\"\n[multiply]\nlisten = [\"unix://{dir}/s\"]\n");
    let (ipcd, config) = (env!("CARGO_BIN_EXE_ipcd"), ground.config_file());
    let session = format!("{ipcd} --config {} --stdio multiply", config.display());
    // Standard error would be lost in the conversation if it came through.
    for how in ["", ",pipes", ",pty,rawer", ",stderr"] {
        let tool = command("socat", ["-t", "2", "-", &format!("EXEC:{session}{how}")]);
        if how.contains("pty") {
            let mut tool = Program::start(tool);
            tool.say("5 10\n");
            tool.hear("Data received\n50.0\n");
            continue;
        }
        exchange(tool, "5 10\n3 x", "Data received\n50.0\nData received\nError: not a number: 'x'\n");
    }
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn last_line_without_a_line_end_is_answered() {
    let daemon = daemon();
    for tool in at_port(&daemon, MULTIPLY).into_iter().chain(at_socket(&daemon)) {
        exchange(tool, "5 10", "Data received\n50.0\n");
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn tool_with_open_input_is_answered_by_line_and_raw() {
    let daemon = daemon();
    let (ip, port) = (daemon.ip.to_string(), MULTIPLY.to_string());
    let tools = || {
        let without_n = [nc(&[&ip, &port]), nc(&["-U", daemon.socket().to_str().unwrap()])];
        without_n.into_iter().chain(at_port(&daemon, MULTIPLY)).chain(at_socket(&daemon))
    };
    for tool in tools() {
        let mut tool = Program::start(tool);
        tool.say("5 10\n");
        tool.hear("Data received\n50.0\n");
        tool.say("abc\n");
        tool.hear("Data received\nError: expected two numbers, for example: 5 10\n");
    }
    for tool in tools() {
        let mut tool = Program::start(tool);
        tool.say("5 10");
        tool.hear("Data received50.0");
        tool.say("2 3");
        tool.hear("Data received6.0");
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn every_tool_is_greeted_and_ends() {
    let daemon = daemon();
    for tool in at_port(&daemon, GREETING) {
        exchange(tool, "Hi\n", WORDS);
    }
    for tool in at_socket(&daemon) {
        exchange(tool, "greeting\n", WORDS);
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn every_tool_chats_by_line() {
    let daemon = daemon();
    let expected = format!("{CAVE}{}\nalice: hello\n{{quit}}\n", welcome("alice"));
    for tool in at_port(&daemon, CHAT) {
        exchange(tool, "alice\nhello\n{quit}\n", &expected);
    }
    for tool in at_socket(&daemon) {
        exchange(tool, "chat\nalice\nhello\n{quit}\n", &expected);
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn every_tool_chats_without_line_ends_and_is_reset() {
    let daemon = daemon();
    for tool in at_port(&daemon, CHAT) {
        let mut tool = Program::start(tool);
        tool.hear(CAVE);
        tool.say("alice");
        tool.hear(&welcome("alice"));
        tool.say("hello");
        tool.hear("alice: hello");
        tool.say("{quit}");
        tool.hear("{quit}");
        // Its input is still open: only the end of the connection ends it.
        assert_eq!(tool.finish().output, "");
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn every_tool_gets_help_choice_and_default_on_the_unix_socket() {
    let daemon = daemon();
    for tool in at_socket(&daemon) {
        let finished = Program::run(tool, "help\nmultiply\n5 10\n");
        let services = finished.output.strip_suffix("Data received\n50.0\n");
        let services: Vec<&str> = services.unwrap_or_else(|| panic!("{finished:?}")).lines().collect();
        for service in ["multiply", "greeting", "chat"] {
            assert_eq!(services.iter().filter(|line| **line == service).count(), 1, "{services:?}");
        }
        assert!(
            services.iter().all(|line| line.bytes().all(|byte| byte.is_ascii_lowercase())),
            "{services:?}"
        );
    }
    for tool in at_socket(&daemon) {
        exchange(tool, "multiply\n5 10\n", "Data received\n50.0\n");
    }
    for tool in at_socket(&daemon) {
        exchange(tool, "6 7\n5 x\n", "Data received\n42.0\nData received\nError: not a number: 'x'\n");
    }
    daemon.stop();
    // Another one, in whose log nobody has chosen anything yet.
    let daemon = self::daemon();
    for tool in at_socket(&daemon) {
        let before = daemon.log().len();
        let mut tool = Program::start(tool);
        tool.say("multiply");
        daemon.wait_for_log_since(before, "chose multiply");
        tool.say("5 10");
        tool.hear("Data received50.0");
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn bash_alone_is_a_line_and_raw_client() {
    let daemon = daemon();
    let bash = |port: u16, script: &str| {
        let script = format!("exec 3<>/dev/tcp/{}/{port}; {script}", daemon.ip);
        command("bash", ["-euc", &script])
    };
    exchange(
        bash(
            MULTIPLY,
            "printf '5 10' >&3; read -rN 13 first <&3; read -rN 4 second <&3; echo \"$first|$second\"",
        ),
        "",
        "Data received|50.0\n",
    );
    exchange(
        bash(
            MULTIPLY,
            "printf '5 10\\n' >&3; read -r first <&3; read -r second <&3; echo \"$first|$second\"",
        ),
        "",
        "Data received|50.0\n",
    );
    exchange(bash(GREETING, "cat <&3"), "", WORDS);
    exchange(
        bash(CHAT, "printf 'bash\\nhello\\n{quit}\\n' >&3; cat <&3"),
        "",
        &format!("{CAVE}{}\nbash: hello\n{{quit}}\n", welcome("bash")),
    );
    daemon.stop();
}

// ---- other protocols

#[track_caller]
fn assert_quick(finished: &Finished) {
    assert!(finished.took < QUICK, "{finished:?}");
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn browser_is_told_that_this_is_not_http() {
    let daemon = daemon();
    let socket = daemon.socket();
    let curl = |more: &[&str], url: &str| {
        let mut curl = command("curl", ["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"]);
        curl.args(more).arg(url);
        Program::run(curl, "")
    };
    let text = |service: &str| format!("this port speaks {service}, not HTTP\n");
    let url = format!("http://{}:{MULTIPLY}/index.html", daemon.ip);
    for more in [&[][..], &["--data", "5 10"], &["--request", "purge"]] {
        let finished = curl(more, &url);
        assert_quick(&finished);
        assert_eq!(finished.output, text("multiply"), "{finished:?}");
        assert!(finished.status.success(), "{finished:?}");
    }
    // These read frames, or records, and nothing else.
    for (more, url) in [("--http2-prior-knowledge", &url), ("--insecure", &url.replace("http:", "https:"))] {
        let refused = curl(&[more], url);
        assert!(!refused.status.success() && refused.output.is_empty(), "{refused:?}");
        assert_quick(&refused);
    }
    let finished = curl(&["--unix-socket", socket.to_str().unwrap()], "http://localhost/");
    assert_eq!(finished.output, text("mux"), "{finished:?}");
    // These two have said something before anybody asks.
    for (port, expected) in [(CHAT, format!("{CAVE}{}", not_http("chat"))), (GREETING, WORDS.to_owned())] {
        let finished = curl(&["--http0.9"], &format!("http://{}:{port}/", daemon.ip));
        assert_eq!(finished.output, expected, "{finished:?}");
        assert_quick(&finished);
    }
    daemon.wait_for_log("closed: spoke HTTP");
    daemon.stop();
}

/// What `openssl s_client` says first.
fn client_hello() -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let _openssl = Program::start(command("openssl", ["s_client", "-connect", &address]));
    // Not accept(), which would wait for ever if openssl fell over.
    listener.set_nonblocking(true).unwrap();
    let mut stream = wait_until("openssl connects", || match listener.accept() {
        Ok((stream, _)) => Some(stream),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut header = [0; 5];
    stream.read_exact(&mut header).unwrap();
    let mut hello = header.to_vec();
    hello.resize(5 + usize::from(u16::from_be_bytes([header[3], header[4]])), 0);
    stream.read_exact(&mut hello[5..]).unwrap();
    hello
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn tls_client_is_refused_within_a_second() {
    let daemon = daemon();
    let hello = client_hello();
    let clients = [
        (daemon.tcp(MULTIPLY), "Error: this port speaks multiply, not TLS\n".to_owned()),
        (daemon.tcp(CHAT), format!("{CAVE}Error: this port speaks chat, not TLS\n")),
        (daemon.tcp(GREETING), WORDS.to_owned()),
        (daemon.unix(), "Error: this port speaks mux, not TLS\n".to_owned()),
    ];
    for (mut client, expected) in clients {
        let begun = Instant::now();
        client.say(&hello);
        client.hear(&expected);
        client.hear_end();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?} for {expected}", begun.elapsed());
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn openssl_fails_quickly_and_the_log_says_why() {
    let daemon = daemon();
    let socket = daemon.socket();
    let tcp = |port: u16| vec!["-connect".to_owned(), format!("{}:{port}", daemon.ip)];
    let unix = vec!["-unix".to_owned(), socket.to_str().unwrap().to_owned()];
    for (place, told) in [
        (tcp(MULTIPLY), Some("multiply")),
        (tcp(CHAT), Some("chat")),
        (tcp(GREETING), None),
        (unix, Some("mux")),
    ] {
        let mut openssl = command("openssl", ["s_client"]);
        openssl.args(place);
        let finished = Program::run(openssl, "");
        assert!(!finished.status.success(), "{finished:?}");
        assert!(finished.errors.contains("wrong version number"), "{finished:?}");
        assert_quick(&finished);
        if let Some(service) = told {
            daemon.wait_for_log(&format!("was told: Error: this port speaks {service}, not TLS"));
        }
    }
    daemon.wait_for_log("closed: spoke TLS");
    daemon.stop();
}

// ---- the course's programs

fn python(script: &str, arguments: &[&str]) -> Command {
    let script = format!("{}/tests/tools/{script}", env!("CARGO_MANIFEST_DIR"));
    command("python3", [script.as_str()].iter().chain(arguments))
}

/// Runs a client of a TCP port; what it prints.
#[track_caller]
fn run_python(daemon: &Daemon, script: &str, port: u16, arguments: &[&str]) -> String {
    let (ip, port) = (daemon.ip.to_string(), port.to_string());
    let finished = Program::run(python(script, &[&[&*ip, &*port], arguments].concat()), "");
    assert!(finished.status.success(), "{script}: {finished:?}");
    finished.output
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn multiply_client_never_gets_a_fused_reply_in_200_runs() {
    let daemon = Daemon::usual();
    assert_eq!(run_python(&daemon, "multiply_client.py", MULTIPLY, &["200"]), "200\n");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn greeting_client_is_thanked_and_its_words_are_logged() {
    let daemon = Daemon::usual();
    let heard = run_python(&daemon, "greeting_client.py", GREETING, &[]);
    assert_eq!(heard, "b'Message received. Thank you for connecting\\r\\n'\n");
    daemon.wait_for_log("says 'Hi'");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn hello_client_is_greeted() {
    let daemon = Daemon::with(&format!("{USUAL}{BESIDE}"));
    assert_eq!(run_python(&daemon, "hello_client.py", HELLO, &[]), "b'Hello from server'\n");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn two_talk_clients_take_turns_until_one_says_bye() {
    let daemon = Daemon::talkative(&format!("{USUAL}{BESIDE}"));
    let (ip, port) = (daemon.ip.to_string(), TALK.to_string());
    let [mut one, mut other] = [(); 2].map(|()| Program::start(python("talk_client.py", &[&ip, &port])));
    one.say("hi\n");
    daemon.wait_for_log("is a raw client");
    other.say("ho\n");
    one.hear("Received: ho\n");
    other.hear("Received: hi\n\n"); // it had not said anything yet by which to know it
    one.say("how are you?\n");
    other.say("fine\n");
    other.hear("Received: how are you?\n");
    one.hear("Received: fine\n");
    one.say("Bye\n");
    assert!(one.finish().status.success());
    other.say("anybody?\n"); // it hears the bye, or that the talk is over
    other.close_input();
    other.finish();
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn unix_client_gets_two_messages_in_two_recvs() {
    let daemon = daemon();
    let finished = Program::run(python("unix_client.py", &[daemon.socket().to_str().unwrap()]), "");
    assert_eq!(finished.output, "b'Data received'\nb'50.0'\nb'Data received'\nb'3.0'\n", "{finished:?}");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn chat_client_talks_and_its_receiving_thread_ends() {
    let daemon = daemon();
    let mut alice = Client::member(&daemon, "alice");
    let (ip, port) = (daemon.ip.to_string(), CHAT.to_string());
    let mut bob = Program::start(python("chat_client.py", &[&ip, &port]));
    bob.hear(CAVE);
    bob.say("bob\n");
    bob.hear(&welcome("bob"));
    alice.hear("bob has joined the chat!\n");
    bob.say("hello\n");
    bob.hear("bob: hello");
    alice.hear("bob: hello\n");
    alice.say("hello bob\n");
    bob.hear("alice: hello bob");
    bob.say("{quit}\n");
    bob.hear("{quit}");
    bob.close_input();
    let finished = bob.finish(); // its thread ends on an error of recv() alone
    assert!(finished.status.success() && finished.output.is_empty(), "{finished:?}");
    alice.hear("alice: hello bob\nbob has left the chat.\n");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn statistics_client_may_send_name_and_figures_in_one_burst() {
    let daemon = daemon();
    for how in ["burst", "sends"] {
        let mut watcher = Client::member(&daemon, "watcher");
        run_python(&daemon, "statistics_client.py", CHAT, &["alice", how]);
        watcher.hear("alice has joined the chat!\nalice: {'cpu': 5, 'memory': 42.5, 'load': 0.1}\nalice: {'cpu': 6, 'memory': 42.5}\n");
        watcher.hear("alice: {'cpu': 7, 'memory': 42.5}\nalice has left the chat.\n");
        watcher.say("{quit}\n");
        watcher.hear("{quit}\n");
        watcher.hear_end();
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn python_program_reports_its_machine_and_reads_the_list() {
    let daemon = Daemon::talkative(&format!("[limits]\nraw_gap = \"300ms\"\n{USUAL}{BESIDE}"));
    for how in ["raw", "lines"] {
        let printed = run_python(&daemon, "stats_client.py", STATS, &["pc7", how]);
        assert_eq!(printed, "Data received\nData received\nData received\npc7 2 True\n", "{how}");
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn clients_that_close_without_reading_disturb_nobody() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let before = daemon.descriptors();
    for (port, request) in [(MULTIPLY, "5 10"), (MULTIPLY, "5 10\n"), (GREETING, "Hi"), (CHAT, "bob\nhi\n")] {
        run_python(&daemon, "hasty_client.py", port, &[request, "20"]);
    }
    wait_until("their descriptors are closed", || (daemon.descriptors() == before).then_some(()));
    // Whoever of them was in the room, in time and by whatever name, has left it.
    alice.say("/who\n{quit}\n");
    let heard = String::from_utf8(alice.hear_rest()).unwrap();
    assert!(heard.ends_with("In the room: alice (1)\n{quit}\n"), "{heard}");
    assert_eq!(
        heard.matches(" has joined the chat!\n").count(),
        heard.matches(" has left the chat.\n").count()
    );
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn half_closed_client_still_gets_every_reply() {
    let daemon = daemon();
    for (port, request, expected) in [
        (MULTIPLY, "5 10", "b'Data received\\n50.0\\n'\n"),
        (MULTIPLY, "5 10\n3 4", "b'Data received\\n50.0\\nData received\\n12.0\\n'\n"),
        (MULTIPLY, "5", "b'Data received\\nError: expected two numbers, for example: 5 10\\n'\n"),
        (GREETING, "Hi", "b'Message received. Thank you for connecting\\r\\n'\n"),
    ] {
        assert_eq!(run_python(&daemon, "half_closing_client.py", port, &[request]), expected, "{request:?}");
    }
    daemon.stop();
}

// ---- the course's window

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn course_window_joins_talks_with_a_terminal_and_leaves() {
    let daemon = daemon();
    let display = Display::new();
    let mut bob = Program::start(nc(&[&daemon.ip.to_string(), &CHAT.to_string()]));
    bob.say("bob\n");
    bob.hear(&format!("{CAVE}{}\n", welcome("bob")));

    let mut window = Window::open(&display, &daemon);
    window.hear(CAVE).expect("its thread lives");
    window.send("alice");
    bob.hear("alice has joined the chat!\n");
    let mut all = format!("{CAVE}{}", welcome("alice"));
    window.hear(&all).expect("its thread lives");
    bob.say("hello alice\n");
    bob.hear("bob: hello alice\n");
    all.push_str("bob: hello alice");
    window.hear(&all).expect("its thread lives");
    window.send("hello bob");
    bob.hear("alice: hello bob\n");
    all.push_str("alice: hello bob");
    let shown = window.hear(&all).expect("its thread lives");
    assert!(shown.receives && shown.turns <= 4, "{shown:?}");

    window.send("{quit}");
    bob.hear("alice has left the chat.\n");
    // The window is gone, and its thread with it: it found its socket closed.
    let last = window.read();
    assert!(!last.receives && last.turns <= 5, "{last:?}");
    window.0.finish();
    bob.say("/who\n");
    bob.hear("In the room: bob (1)\n");
    daemon.stop();
}

/// The daemon ends: the window is told so, and its thread ends too.
#[track_caller]
fn assert_parted(mut daemon: Daemon, window: &mut Window, before: &str) {
    daemon.signal(Signal::TERM);
    let last = wait_until("the window's thread ends", || {
        let shown = window.look();
        assert!(shown.turns <= 4, "it spins: {shown:?}");
        (!shown.receives).then_some(shown)
    });
    let words = last.heard.strip_prefix(before).unwrap_or_else(|| panic!("{last:?}"));
    assert_eq!(words.trim_end(), "Server is shutting down.");
    assert!(daemon.wait().success());
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn course_window_notices_the_daemons_end_and_never_spins() {
    let daemon = daemon();
    let display = Display::new();
    let mut window = Window::open(&display, &daemon);
    window.hear(CAVE).expect("its thread lives");
    window.send("alice");
    let before = format!("{CAVE}{}", welcome("alice"));
    window.hear(&before).expect("its thread lives");
    assert_parted(daemon, &mut window, &before);
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn course_window_without_a_name_never_spins() {
    let daemon = daemon();
    let display = Display::new();
    let mut window = Window::open(&display, &daemon);
    window.hear(CAVE).expect("its thread lives");
    assert_parted(daemon, &mut window, CAVE);

    let daemon = Daemon::with(&USUAL.replace("[mux]", "name_timeout = \"1s\"\n[mux]"));
    let mut window = Window::open(&display, &daemon);
    let last = wait_until("the window's thread ends", || {
        let shown = window.look();
        assert!(shown.turns <= 4, "it spins: {shown:?}");
        (!shown.receives).then_some(shown)
    });
    assert_eq!(last.heard, format!("{CAVE}Error: no name for 1 s\n"));
    daemon.stop();
}

// ---- people

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn two_people_at_terminals_talk() {
    let daemon = daemon();
    let (ip, port) = (daemon.ip.to_string(), CHAT.to_string());
    let terminal = || Program::in_terminal(nc(&[&ip, &port]));
    // In a terminal a line ends with CR LF, and what is typed is seen as well.
    let heard = |text: &str| text.replace('\n', "\r\n");

    let mut alice = terminal();
    alice.hear(&heard(CAVE));
    alice.say("alice\n");
    alice.hear(&heard(&format!("alice\n{}\n", welcome("alice"))));
    let mut bob = terminal();
    bob.hear(&heard(CAVE));
    bob.say("alice\n");
    bob.hear("alice\r\nError: somebody is called 'alice' already; type another name\r\n");
    bob.say("bob\n");
    bob.hear(&heard(&format!("bob\n{}\n", welcome("bob"))));
    alice.hear("bob has joined the chat!\r\n");

    alice.say("hello bob\n");
    alice.hear("hello bob\r\nalice: hello bob\r\n");
    bob.hear("alice: hello bob\r\n");
    bob.say("hello alice\n");
    bob.hear("hello alice\r\nbob: hello alice\r\n");
    alice.hear("bob: hello alice\r\n");
    bob.say("{quit}\n");
    bob.hear("{quit}\r\n{quit}\r\n");
    alice.hear("bob has left the chat.\r\n");
    bob.say("\u{4}"); // Ctrl-D: nc itself waits for the end of its input
    bob.finish();
    daemon.stop();
}
