//! The status report matches docs/status.schema.json and the facts: for every service, for connections in every state, for errors
//! by kind, and for ten thousand connections, piece by piece, while others are served.

use std::time::Instant;

use crate::harness::{BESIDE, CHAT, Client, Daemon, GREETING, MULTIPLY, TALK, USUAL, not_http, wait_until};
use rustix::process::Signal;
use serde_json::Value;

/// Checks a report against the schema.
fn check(line: &str) -> Value {
    let schema: Value = serde_json::from_str(include_str!("../../docs/status.schema.json")).unwrap();
    jsonschema::draft202012::meta::validate(&schema).expect("the schema is one");
    let report: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let errors: Vec<String> = jsonschema::draft202012::new(&schema)
        .expect("a schema")
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}: {line}");
    report
}

/// Checks what `ipcctl status --all --json` prints.
pub fn check_all(line: &str) -> Value {
    let schema: Value = serde_json::from_str(include_str!("../../docs/status.schema.json")).unwrap();
    let all = serde_json::json!({"$ref": "#/$defs/all", "$defs": schema["$defs"]});
    let found: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let errors: Vec<String> = jsonschema::draft202012::new(&all)
        .expect("a schema")
        .iter_errors(&found)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}: {line}");
    for one in found["instances"].as_array().unwrap().iter().filter(|one| !one["report"].is_null()) {
        check(&one["report"].to_string());
    }
    found
}

fn report(daemon: &Daemon) -> Value {
    let mut client = daemon.unix();
    client.say("status\n");
    check(&client.hear_line())
}

fn service<'r>(report: &'r Value, name: &str) -> &'r Value {
    let services = report["services"].as_array().unwrap();
    services.iter().find(|service| service["service"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// The connections of a service, in one state.
fn connections<'r>(report: &'r Value, name: &str, state: &str) -> Vec<&'r Value> {
    let all = report["connections"].as_array().unwrap().iter();
    all.filter(|one| one["service"] == name && one["state"] == state).collect()
}

/// Waits until a service has this many connections in a state.
fn wait_for(daemon: &Daemon, name: &str, state: &str, count: usize) -> Value {
    wait_until(&format!("{count} of {name} {state}"), || {
        let report = report(daemon);
        (connections(&report, name, state).len() == count).then_some(report)
    })
}

#[test]
fn echo_status_prints_one_line_and_ends() {
    let daemon = Daemon::usual();
    for asks in ["status\n", "status", "status\r\n"] {
        let mut client = daemon.unix();
        client.say(asks);
        client.half_close();
        let said = String::from_utf8(client.hear_rest()).unwrap();
        assert_eq!((said.matches('\n').count(), said.ends_with('\n')), (1, true), "{said}");
        check(&said);
    }
    daemon.stop();
}

#[test]
fn report_names_the_daemon_its_endpoints_and_every_service() {
    let daemon = Daemon::usual();
    let report = report(&daemon);
    assert_eq!(report["pid"], daemon.pid());
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    let endpoints = report["endpoints"].as_array().unwrap();
    let multiply = format!("tcp://{}:{MULTIPLY}", daemon.ip);
    assert!(endpoints.iter().any(|one| one["endpoint"] == multiply && one["service"] == "multiply"));
    let names: Vec<&str> =
        report["services"].as_array().unwrap().iter().map(|one| one["service"].as_str().unwrap()).collect();
    let all: Vec<&str> = ipcd::engine::service::Service::ALL.map(|service| service.name()).into();
    assert_eq!(names, all);
    wait_until("turns have been counted", || {
        let report = self::report(&daemon);
        let counts =
            report["turns"].as_array().unwrap().iter().map(|bucket| bucket["count"].as_u64().unwrap());
        (counts.sum::<u64>() > 0).then_some(())
    });
    daemon.stop();
}

#[test]
fn each_connection_is_listed_with_its_state() {
    let limits = "[limits]\nlinger_timeout = \"10min\"\nshutdown_grace = \"200ms\"\n";
    let daemon = Daemon::with(&format!("{limits}{USUAL}{BESIDE}"));
    let mut serving = daemon.tcp(MULTIPLY);
    serving.say("5 10\n");
    serving.hear("Data received\n50.0\n");
    let mut raw = daemon.tcp(MULTIPLY);
    raw.say("5 10");
    raw.hear("Data received50.0");
    let _unknown = daemon.tcp(MULTIPLY);
    let _naming = daemon.tcp(CHAT);
    let _waiting = daemon.tcp(TALK);
    let _choosing = daemon.unix();
    let member = Client::member(&daemon, "alice \u{e4}");
    let mut greeted = daemon.tcp(GREETING);
    greeted.hear("Message received. Thank you for connecting\r\n");
    greeted.hear_end();
    let report = wait_for(&daemon, "multiply", "serving", 3);
    let kinds: Vec<&Value> =
        connections(&report, "multiply", "serving").into_iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["line", "raw"].map(Value::from).iter().chain([&Value::Null]).collect::<Vec<_>>());
    assert_eq!(connections(&report, "chat", "naming").len(), 1);
    assert_eq!(connections(&report, "talk", "waiting").len(), 1);
    assert_eq!(connections(&report, "mux", "choosing").len(), 1);
    assert_eq!(connections(&report, "chat", "serving")[0]["name"], "alice \u{e4}");
    assert_eq!(report["members"], 1);
    let lingering = connections(&report, "greeting", "lingering");
    assert_eq!(lingering[0]["reason"], "served");
    let asker = connections(&report, "status", "serving");
    assert_eq!((asker.len(), asker[0]["kind"].as_str()), (1, Some("line")));
    drop(member);
    daemon.stop();
}

/// A client that sends request after request and reads when it likes. While its requests wait, the daemon has not finished.
struct Asker(Client);

impl Asker {
    /// The configuration must contain this.
    const ENDPOINT: &str = "[status]\nlisten = [\"unix://{dir}/status.sock\"]\n";

    fn new(daemon: &Daemon) -> Asker {
        Asker(Client::unix(&daemon.directory.path().join("status.sock")))
    }

    fn ask(&mut self, count: usize) {
        self.0.say("status\n".repeat(count));
    }

    /// The connections of a service in a state, in the next of `count` reports that has any.
    fn find(&mut self, count: usize, name: &str, state: &str) -> Option<Vec<Value>> {
        (0..count).find_map(|_| {
            let line = self.0.hear_line();
            let report: Value = serde_json::from_str(&line).unwrap();
            let found: Vec<Value> = connections(&report, name, state).into_iter().cloned().collect();
            (!found.is_empty()).then(|| {
                check(&line); // only this one: there may be hundreds before it
                found
            })
        })
    }
}

#[test]
fn connection_drains_at_stop_only_while_output_is_queued() {
    let services = USUAL.replace("[greeting]", "raw_gap = \"10s\"\nframing = \"raw\"\n[greeting]");
    let limits = "[limits]\nshutdown_grace = \"1h\"\nlinger_timeout = \"1h\"\n";
    let daemon = Daemon::with(&format!("{limits}{services}{}", Asker::ENDPOINT));
    // Its second message is due after the gap.
    let mut hearing = daemon.tcp(MULTIPLY);
    hearing.say("5 10");
    hearing.hear("Data received");
    let _idle = daemon.tcp(MULTIPLY);
    let mut asker = Asker::new(&daemon);
    // No buffer holds this many reports.
    let questions = 2000;
    asker.ask(questions);
    assert_eq!(asker.find(1, "multiply", "serving").map(|serving| serving.len()), Some(2));
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopping");
    let draining = asker.find(questions / 2, "multiply", "draining").expect("one drains");
    assert_eq!((draining.len(), &draining[0]["reason"]), (1, &"the daemon is stopping".into()));
    assert!(draining[0]["outbox"].as_u64() > Some(0), "{draining:?}");
    let lingering = asker.find(questions / 4, "multiply", "lingering").expect("one lingers");
    assert_eq!((lingering.len(), &lingering[0]["reason"]), (1, &"the daemon is stopping".into()));
}

#[test]
fn raw_chat_client_parts_before_its_reset() {
    let daemon = Daemon::with(&format!("{USUAL}{}", Asker::ENDPOINT));
    let mut number = 0;
    let parting = wait_until("the moment between the last words and the reset is met", || {
        number += 1;
        let mut window = daemon.tcp(CHAT);
        window.hear_line();
        window.say(format!("window{number}"));
        window.hear(format!("Welcome window{number}! If you ever want to quit, type {{quit}} to exit."));
        let mut asker = Asker::new(&daemon);
        window.say("{quit}");
        asker.ask(100);
        let found = asker.find(100, "chat", "closing");
        drop(window);
        found
    });
    assert_eq!((parting.len(), &parting[0]["reason"]), (1, &"the peer quit".into()));
    assert_eq!((&parting[0]["kind"], &parting[0]["outbox"]), (&"raw".into(), &0.into()));
    daemon.stop();
}

#[test]
fn http_client_lingers_until_it_has_read_its_error() {
    let daemon = Daemon::with(&format!("[limits]\nlinger_timeout = \"1h\"\n{USUAL}"));
    let mut browser = daemon.tcp(MULTIPLY);
    browser.say("GET / HTTP/1.1\r\n");
    let report = wait_for(&daemon, "multiply", "lingering", 1);
    assert_eq!(connections(&report, "multiply", "lingering")[0]["reason"], "spoke HTTP");
    browser.hear(not_http("multiply"));
    browser.hear_end();
    drop(browser);
    wait_for(&daemon, "multiply", "lingering", 0);
    daemon.stop();
}

#[test]
fn queued_bytes_of_a_nonreader_are_reported() {
    let daemon = Daemon::usual();
    let mut client = daemon.tcp(MULTIPLY);
    // More requests than all buffers on the way hold: this ends when the daemon does.
    let writer = std::thread::spawn(move || while client.try_say(&b"5 10\n".repeat(10_000)) {});
    let mut before = 0;
    wait_until("the same number of bytes waits twice", || {
        let report = report(&daemon);
        let one = connections(&report, "multiply", "serving").first().map(|one| one["outbox"].as_u64());
        let waiting = one.flatten().unwrap_or(0);
        (std::mem::replace(&mut before, waiting) == waiting && waiting > 0).then_some(())
    });
    drop(daemon);
    writer.join().unwrap();
}

#[test]
fn errors_count_by_kind_and_bytes_by_service() {
    let daemon = Daemon::usual();
    let mut client = daemon.tcp(MULTIPLY);
    client.say("abc\n5 x\n1 / 0\n");
    for _ in 0..6 {
        client.hear_line();
    }
    let mut chatter = daemon.tcp(CHAT);
    chatter.say("?\n");
    chatter.hear_line();
    chatter.hear_line();
    let mut greeted = daemon.tcp(GREETING);
    greeted.hear("Message received. Thank you for connecting\r\n");
    let mut browser = daemon.tcp(MULTIPLY);
    browser.say("GET / HTTP/1.1\r\n");
    browser.hear_line();
    let report = report(&daemon);
    let multiply = service(&report, "multiply");
    assert_eq!((&multiply["errors"], &multiply["messages"]), (&4.into(), &3.into()));
    let kinds = &multiply["errors_by_kind"];
    assert_eq!((&kinds["request"], &kinds["result"], &kinds["foreign"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!(multiply["bytes_in"], 14 + 16);
    assert_eq!(service(&report, "chat")["errors_by_kind"]["name"], 1);
    assert_eq!(service(&report, "greeting")["bytes_out"], 44);
    daemon.stop();
}

#[test]
fn network_client_gets_no_status_through_the_mux() {
    let daemon = Daemon::with("[mux]\nlisten = [\"tcp://{ip}:65432\"]");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("help\nstatus\nmultiply\n");
    client.half_close();
    let heard = String::from_utf8(client.hear_rest()).unwrap();
    assert!(!heard.lines().any(|line| line == "status"), "{heard}");
    assert!(
        heard.ends_with("Error: status needs a Unix socket, where the kernel identifies the user\n"),
        "{heard}"
    );
    daemon.stop();
}

#[test]
fn status_endpoint_answers_every_message() {
    let daemon = Daemon::with("[status]\nlisten = [\"tcp://{ip}:65432\"]");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("status\n\nagain\n");
    client.half_close();
    let heard = String::from_utf8(client.hear_rest()).unwrap();
    assert_eq!(heard.lines().map(check).count(), 2);
    daemon.stop();
}

#[test]
fn long_report_reaches_a_slow_reader_while_others_are_served() {
    let daemon = Daemon::usual();
    let crowd: Vec<Client> = (0..2000).map(|_| daemon.tcp(CHAT)).collect();
    let report = wait_for(&daemon, "chat", "naming", crowd.len());
    assert!(report.to_string().len() > 256 * 1024);
    let mut slow = daemon.unix();
    slow.say("status\n");
    let begin = slow.hear_byte();
    let mut other = daemon.tcp(MULTIPLY);
    other.say("5 10\n");
    other.hear("Data received\n50.0\n");
    let rest = slow.hear_line();
    let report = check(&format!("{}{rest}", char::from(begin)));
    assert_eq!(connections(&report, "chat", "naming").len(), crowd.len());
    daemon.stop();
}

/// The second number of proc_pid_statm(5) is in pages.
fn resident_bytes(daemon: &Daemon) -> u64 {
    let sizes = std::fs::read_to_string(format!("/proc/{}/statm", daemon.pid())).unwrap();
    let pages: u64 = sizes.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

#[test]
fn status_reports_resources_and_the_last_reload() {
    let daemon = Daemon::usual();
    // Until it has returned what only its start needed, it may differ.
    let (first, used) = wait_until("it tells its resident memory", || {
        let first = report(&daemon);
        let used = first["memory_used"].as_u64().expect("bytes");
        let resident = resident_bytes(&daemon);
        (resident / 2..2 * resident).contains(&used).then_some((first, used))
    });
    assert!(used < first["memory_max"].as_u64().unwrap());
    let descriptors = first["descriptors"].as_u64().expect("a number");
    let now = daemon.descriptors() as u64;
    assert!(descriptors.abs_diff(now) <= 3, "{descriptors}, {now}"); // the member and the viewer
    assert!(first["descriptors_max"].as_u64().unwrap() > descriptors);
    assert_eq!((&first["log_lines_dropped"], &first["last_reload"]), (&0.into(), &Value::Null));
    for (config, ok) in [("[multiply]\nlisten = 5\n", false), (USUAL, true)] {
        daemon.write_config(config);
        daemon.signal(Signal::HUP);
        wait_until("the reload is told", || (report(&daemon)["last_reload"]["ok"] == ok).then_some(()));
    }
    let last = report(&daemon);
    assert!(last["last_reload"]["age"].as_f64().unwrap() < 60.0);
    daemon.stop();
}

#[test]
fn bytes_behind_a_choice_count_for_the_chosen_service() {
    let daemon = Daemon::usual();
    for words in ["multiply\n5 10\n", "5 10\n"] {
        let mut client = daemon.unix();
        client.say(words);
        client.hear("Data received\n50.0\n");
    }
    let report = report(&daemon);
    let of = |service: &str| {
        let services = report["services"].as_array().unwrap();
        services.iter().find(|one| one["service"] == service).unwrap().clone()
    };
    // The line ends of a request count as well, except the one that ended the selection of the service.
    let (multiply, mux) =
        (of("multiply")["bytes_in"].as_u64().unwrap(), of("mux")["bytes_in"].as_u64().unwrap());
    assert!((9..=10).contains(&multiply), "{multiply}");
    assert_eq!(multiply + mux, ("multiply\n5 10\n5 10\nstatus\n").len() as u64);
    assert!(of("multiply")["messages_per_second"].as_f64().unwrap() > 0.0, "{}", of("multiply"));
    let text = shown(&daemon);
    assert!(text.contains("uses ") && text.contains("; bound ") && text.contains(" MiB"), "{text}");
    assert!(text.contains("no reload yet; no log line dropped"), "{text}");
    let (connections, turns) =
        (text.find("\nSERVICE   NAME").or(text.find("\nSERVICE  NAME")), text.find("TURN UP TO"));
    assert!(connections.is_some() && connections < turns, "{text}");
    assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    daemon.stop();
}

#[test]
fn status_command_shows_errors_by_kind() {
    let daemon = Daemon::usual();
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 x\n1 / 0\n5 y\n");
    client.hear("Data received\nError: not a number: 'x'\nData received\nError: division by zero\nData received\nError: ");
    let text = shown(&daemon);
    assert!(text.contains("Errors and refusals by kind:\nmultiply: 2 request, 1 result\n"), "{text}");
    daemon.stop();
}

#[test]
fn status_right_after_a_reload_shows_its_outcome() {
    let daemon = Daemon::usual();
    assert!(shown(&daemon).contains("no reload yet"), "the figures are fresh now");
    let begun = Instant::now();
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded: ");
    let text = shown(&daemon);
    let is_its_age = |age: u64| text.contains(&format!("; reloaded {age}s ago; "));
    assert!((0..=begun.elapsed().as_secs()).any(is_its_age), "{text}");
    daemon.write_config("[chat");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reload failed");
    let text = shown(&daemon);
    assert!(text.contains("ago failed, see the log"), "{text}");
    daemon.stop();
}

fn shown(daemon: &Daemon) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.arg("--to").arg(format!("unix://{}", daemon.socket().display())).arg("status");
    let output = command.output().expect("ipcctl");
    String::from_utf8(output.stdout).expect("text")
}
