//! The netcats, socat and bash as clients, by line and raw.

use std::process::Command;

use crate::harness::program::{Program, command};
use crate::harness::{CHAT, Daemon, GREETING, MULTIPLY, TestDir};
use crate::{CAVE, WORDS, daemon, daemon_with_gap, exchange, nc, welcome};

/// Every tool on a TCP port, with the option that passes on the end of its input.
fn at_port(daemon: &Daemon, port: u16) -> [Command; 5] {
    at_port_reading(daemon, port, "30")
}

/// The same; after the end of either direction, socat continues with the other one for so many seconds.
fn at_port_reading(daemon: &Daemon, port: u16, seconds: &str) -> [Command; 5] {
    let (ip, number) = (daemon.ip.to_string(), port.to_string());
    [
        nc(&["-N", &ip, &number]),
        command("ncat", [&ip, &number]),
        command("socat", ["-t", seconds, "-", &format!("TCP:{ip}:{port}")]),
        command("busybox", ["nc", &ip, &number]),
        command("toybox", ["nc", &ip, &number]),
    ]
}

/// Every tool on the Unix socket.
fn at_socket(daemon: &Daemon) -> [Command; 3] {
    let path = daemon.socket().to_str().unwrap().to_owned();
    [
        nc(&["-NU", &path]),
        command("ncat", ["-U", &path]),
        command("socat", ["-t", "30", "-", &format!("UNIX-CONNECT:{path}")]),
    ]
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
fn tools_that_do_not_pass_on_the_end_are_answered_before_they_leave() {
    let daemon = daemon();
    let (ip, port) = (daemon.ip.to_string(), MULTIPLY.to_string());
    let tool = command("nc.traditional", ["-q", "5", &ip, &port]);
    exchange(tool, "5 10\n2 3\n", "Data received\n50.0\nData received\n6.0\n");
    let mut tool = Program::start(command("curl", ["-sN", &format!("telnet://{ip}:{port}")]));
    tool.say("5 10\n");
    tool.hear("Data received\n50.0\n");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn socat_connects_a_session_over_socket_or_pipes() {
    let test_dir = TestDir::new();
    test_dir.write_config("[limits]\nraw_gap = \"10s\"\n[multiply]\nlisten = [\"unix://{dir}/s\"]\n");
    let (ipcd, config) = (env!("CARGO_BIN_EXE_ipcd"), test_dir.config_file());
    let session = format!("{ipcd} --config {} --stdio multiply", config.display());
    // If standard error were passed through, it would be lost in the conversation.
    for how in ["", ",pipes", ",pty,rawer", ",stderr"] {
        // With pipes it does not see the end of the session, and waits all this time.
        let tool = command("socat", ["-t", "8", "-", &format!("EXEC:{session}{how}")]);
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
    // The end of the input ends the message; on a busy machine it comes a while after the last bytes.
    let daemon = daemon_with_gap("10s");
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
    for tool in at_port_reading(&daemon, CHAT, "2") {
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
    // A new daemon, in whose log no service has been selected yet.
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

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn two_people_at_terminals_talk() {
    let daemon = daemon();
    let (ip, port) = (daemon.ip.to_string(), CHAT.to_string());
    let terminal = || Program::in_terminal(nc(&[&ip, &port]));
    // In a terminal a line ends with CR LF, and typed characters are echoed.
    let heard = |text: &str| text.replace('\n', "\r\n");

    let mut alice = terminal();
    alice.hear(&heard(CAVE));
    alice.say("alice\n");
    alice.hear(&heard(&format!("alice\n{}\n", welcome("alice"))));
    let mut bob = terminal();
    bob.hear(&heard(CAVE));
    bob.say("alice\n");
    bob.hear("alice\r\nError: the name 'alice' is taken; choose another\r\n");
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
    bob.say("\u{4}"); // Ctrl-D, because nc waits for the end of its input
    bob.finish();
    daemon.stop();
}
