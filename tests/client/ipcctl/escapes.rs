//! JSON from a daemon, or from a machine that reports to it: no terminal and no log obeys the output of `--json`, and its meaning
//! stays the same.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use super::{ipcctl, ipcctl_with, socket, text};
use crate::harness::{Client, Daemon};

/// C1 and DEL, bidirectional controls, line separators, tags, characters without width; and an escape of JSON itself.
const ORDERS: &str =
    "\u{1b}]0;x\u{7}\u{9b}2J\u{7f}\u{85}\u{202e}\u{2066}\u{2028}\u{200b}\u{e0041}\u{feff} é字";

/// Whether a terminal or a log displays each of these characters, in its place.
fn is_harmless(printed: &str) -> bool {
    printed.chars().all(|c| c == '\n' || !ipcd::engine::text::is_invisible(c))
}

/// JSON with as many characters unescaped as is allowed.
fn raw(value: &Value) -> String {
    value.to_string()
}

/// The next line.
fn line_of(client: &mut Client) -> String {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while byte[0] != b'\n' {
        assert_eq!(client.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&line));
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// A daemon that answers each message with the next of these lines.
fn hostile(lines: Vec<String>) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut heard = BufReader::new(&stream).lines();
        for line in lines {
            if heard.next().is_none() {
                return;
            }
            (&stream).write_all(line.as_bytes()).unwrap();
        }
    });
    (to, server)
}

#[test]
fn hostile_json_keeps_its_meaning_without_control_characters() {
    let machine = json!({"host": "pc7", "age": 1.5, "x": {ORDERS: [ORDERS]}});
    let report = json!({"schema": 1, "version": ORDERS, ORDERS: [ORDERS, 0.1]});
    let event = json!({"schema": 1, "event": "watching", "time": 0.5, "text": ORDERS});
    let line = |value: &Value| raw(value) + "\n";
    let help = "Requests: latest\n".to_owned();
    let list = line(&machine) + &line(&json!({"machines": 1}));
    for (arguments, lines, printed) in [
        (&["top", "--once", "--json"][..], vec![help, list], json!([machine])),
        (&["status", "--json"], vec![line(&report)], report),
        (&["watch", "--json"], vec![line(&event)], event),
    ] {
        let (to, server) = hostile(lines);
        let output = ipcctl(&[&["--to", &to][..], arguments].concat());
        let said = text(&output.stdout);
        assert!(is_harmless(said) && said.lines().count() == 1, "{arguments:?}: {output:?}");
        assert_eq!(serde_json::from_str::<Value>(said).unwrap(), printed, "{arguments:?}");
        server.join().unwrap();
    }
    // Invalid JSON is an error, and no terminal obeys it either.
    for arguments in [&["top", "--json"][..], &["status", "--json"], &["watch", "--json"]] {
        let (to, server) = hostile(vec![format!("Error: {ORDERS}\n")]);
        let output = ipcctl(&[&["--to", &to][..], arguments].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{output:?}");
        let said = text(&output.stderr).trim_end();
        assert_eq!(ipcd::engine::text::clean(said.as_bytes()), said, "{arguments:?}: {output:?}");
        server.join().unwrap();
    }
}

#[test]
fn machine_report_and_query_are_printed_as_safe_json() {
    let daemon = Daemon::usual();
    let to = socket(&daemon);
    let mut machine = daemon.unix();
    let fields = json!({"host": "pc7", "x": ORDERS});
    machine.say(format!("stats\n{}\n", raw(&fields)));
    machine.hear("Data received\n");
    // In the form in which the daemon sends it to users of nc.
    machine.say("latest pc7\n");
    let told = line_of(&mut machine);
    assert!(is_harmless(&told) && told.contains("\\u202e"), "{told:?}");
    let output = ipcctl(&["--to", &to, "top", "--once", "--json"]);
    assert!(is_harmless(text(&output.stdout)), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed[0]["x"], ORDERS);
    let request = ORDERS.replace(['\u{1b}', '\u{7}'], "");
    let output = ipcctl_with(&["--to", &to, "multiply", "--json", "-"], &request);
    assert!(is_harmless(text(&output.stdout)), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["request"], *request);
    daemon.stop();
}

#[test]
fn daemons_json_escapes_endpoint_names() {
    // A path may have any character except control characters. These are none, but they change the direction of a line.
    let strange = "s\u{202e}\u{200b}\u{2066}é";
    let daemon = Daemon::with(&format!(
        "[multiply]\nlisten = [\"unix://{{dir}}/{strange}\"]\n[mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n"
    ));
    let path = daemon.directory.path().join(strange);
    for (request, name) in [("status\n", "status"), ("watch\nall json\n", "watch")] {
        let mut client = daemon.unix();
        client.say(request);
        let mut said = line_of(&mut client);
        if name == "watch" {
            let to = format!("unix://{}", path.display());
            assert!(ipcctl(&["--to", &to, "--direct", "multiply", "5", "10"]).status.success());
            while !said.contains("\"opened\"") {
                said = line_of(&mut client);
            }
        }
        assert!(is_harmless(&said) && said.contains("\\u202e"), "{said:?}");
        let value: Value = serde_json::from_str(&said).unwrap();
        let endpoint = format!("unix://{}", path.display());
        let named = |value: &Value| value["endpoint"] == *endpoint;
        assert!(named(&value) || value["endpoints"].as_array().unwrap().iter().any(named), "{said}");
    }
    daemon.stop();
}
