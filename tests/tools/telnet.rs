//! Telnet clients in a terminal, as people start them: PuTTY's plink, in both of its modes, and GNU inetutils' telnet.

use crate::harness::program::{Program, command};
use crate::harness::{CHAT, Daemon, MULTIPLY};
use crate::{CAVE, daemon, welcome};

/// A client in its own terminal, so that it gets Ctrl-C.
fn at(program: &str, options: &[&str], daemon: &Daemon, port: u16) -> Program {
    let (ip, port) = (daemon.ip.to_string(), port.to_string());
    // plink takes the port as an option, telnet after the address.
    let to = if program == "plink" { vec!["-P", &port, &ip] } else { vec![&*ip, &*port] };
    // This shows first whether the client is installed.
    drop(Program::run(command(program, ["--version"]), ""));
    Program::in_terminal(command("setsid", [&["--ctty", program], options, &to].concat()))
}

/// The terminal's contents after a typed line and its answer.
fn shown(typed: &str, answers: &[&str], end: &str) -> String {
    let answers: String = answers.iter().map(|answer| format!("{answer}{end}")).collect();
    format!("{typed}\r\n{answers}")
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn inetutils_telnet_multiplies_chats_and_survives_ctrl_c() {
    let daemon = daemon();
    let connected = format!("Trying {0}...\r\nConnected to {0}.\r\nEscape character is '^]'.\r\n", daemon.ip);
    let mut telnet = at("inetutils-telnet", &[], &daemon, MULTIPLY);
    telnet.hear(&connected);
    let mut ask = |request: &str, result: &str| {
        telnet.say(&format!("{request}\n"));
        telnet.hear(&shown(request, &["Data received", result], "\r\n"));
    };
    ask("5 10", "50.0");
    ask("abc", "Error: expected two numbers, for example: 5 10");
    for request in ["3 4", "6 2"] {
        telnet.say("\x03");
        telnet.hear("^C");
        // Without an answer to its timing mark it would display nothing more.
        telnet.say(&format!("{request}\n"));
        telnet.hear(&shown(request, &["Data received", "12.0"], "\r\n"));
    }
    telnet.say("\x1d");
    telnet.hear("^]\r\ninetutils-telnet> ");
    telnet.say("quit\n");
    telnet.hear("quit\r\nConnection closed.\r\n");
    assert_eq!(telnet.finish().status.code(), Some(0));

    let mut telnet = at("inetutils-telnet", &[], &daemon, CHAT);
    telnet.hear(&(connected + &CAVE.replace('\n', "\r\n")));
    for (typed, answer) in [("ann", &*welcome("ann")), ("hi", "ann: hi"), ("{quit}", "{quit}")] {
        telnet.say(&format!("{typed}\n"));
        telnet.hear(&shown(typed, &[answer], "\r\n"));
    }
    telnet.hear("Connection closed by foreign host.\r\n");
    telnet.finish();
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn plink_multiplies_and_chats_by_telnet_and_raw() {
    let daemon = daemon();
    // In Telnet, lines end with CR LF, and the terminal turns that LF into CR LF again.
    for (way, end) in [("-telnet", "\r\r\n"), ("-raw", "\r\n")] {
        let mut plink = at("plink", &[way], &daemon, MULTIPLY);
        for (typed, result) in [("5 10", "50.0"), ("5 x", "Error: not a number: 'x'"), ("3 4", "12.0")] {
            plink.say(&format!("{typed}\n"));
            plink.hear(&shown(typed, &["Data received", result], end));
        }
        // The end of its input, which it passes on as IAC EOF or as end of file.
        plink.say("\x04");
        let finished = plink.finish();
        assert_eq!((finished.status.code(), &*finished.output), (Some(0), ""), "{way}");

        let mut plink = at("plink", &[way], &daemon, CHAT);
        plink.hear(&CAVE.replace('\n', "\r\n"));
        for (typed, answer) in [("ben", &*welcome("ben")), ("hi", "ben: hi"), ("{quit}", "{quit}")] {
            plink.say(&format!("{typed}\n"));
            plink.hear(&shown(typed, &[answer], end));
        }
        // In Telnet mode it has ended with the connection; otherwise it ends with its input.
        plink.say("\x04");
        plink.finish();
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn input_piped_into_plink_is_answered_to_its_end() {
    let daemon = daemon();
    let (ip, port) = (daemon.ip.to_string(), MULTIPLY.to_string());
    for (way, end) in [("-telnet", "\r\n"), ("-raw", "\n")] {
        let plink = command("plink", [way, "-P", &port, &ip]);
        let finished = Program::run(plink, "5 10\n3 4\n");
        let answers = ["Data received", "50.0", "Data received", "12.0"].map(|line| format!("{line}{end}"));
        assert_eq!((finished.output, finished.status.code()), (answers.concat(), Some(0)), "{way}");
    }
    daemon.stop();
}
