//! Machines report figures, and others request them: as students' programs do it, many at once, and with bounds.

use std::io::{BufRead, BufReader, Write};

use crate::harness::manager::Manager;
use crate::harness::{BESIDE, Client, Daemon, Probe, STATS, TIMEOUT, TestDir, USUAL};
use ipcd::engine::limits::{MACHINES_MAX, SAMPLES_MAX};
use serde_json::Value;

fn daemon() -> Daemon {
    Daemon::with(&format!("{USUAL}{BESIDE}"))
}

/// A connection of a line client that receives one reply at a time.
struct Asker(BufReader<std::net::TcpStream>);

impl Asker {
    fn new(daemon: &Daemon) -> Asker {
        let stream = std::net::TcpStream::connect(daemon.address(STATS)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Asker(BufReader::new(stream))
    }

    fn ask(&mut self, request: &str) -> String {
        self.0.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line.pop(), Some('\n'), "{line}");
        line
    }

    fn report(&mut self, report: &str) {
        assert_eq!(self.ask(report), "Data received", "{report}");
    }

    /// Requests the whole list, and checks its form.
    fn latest(&mut self) -> Vec<Value> {
        let mut machines = Vec::new();
        let mut line = self.ask("latest");
        loop {
            let told: Value = serde_json::from_str(&line).expect(&line);
            if let Some(count) = told.get("machines") {
                assert_eq!(*count, machines.len());
                return machines;
            }
            machines.push(told);
            line = self.line();
        }
    }
}

fn hosts(machines: &[Value]) -> Vec<&str> {
    machines.iter().map(|machine| machine["host"].as_str().unwrap()).collect()
}

#[test]
fn raw_client_receives_one_answer_per_report() {
    let daemon = daemon();
    let mut client = daemon.tcp(STATS);
    for percent in 0..5 {
        client.say(format!("{{\"host\": \"pc7\", \"cpu_percent\": {percent}}}"));
        assert_eq!(client.recv(), b"Data received");
    }
    client.say("{'cpu_percent': 5}"); // str() of a dictionary is not JSON
    let error = String::from_utf8(client.recv()).unwrap();
    assert!(error.starts_with("Error: not JSON: key must be a string at byte 2; a report is"), "{error}");
    client.say("history pc7");
    let history: Value = serde_json::from_slice(&client.recv()).unwrap();
    let percents: Vec<f64> =
        history["history"].as_array().unwrap().iter().map(|at| at["cpu_percent"].as_f64().unwrap()).collect();
    assert_eq!(percents, [0.0, 1.0, 2.0, 3.0, 4.0]);
    daemon.stop();
}

#[test]
fn machine_without_a_name_is_named_by_its_address() {
    let daemon = daemon();
    let mut asker = Asker::new(&daemon);
    let here = asker.0.get_ref().local_addr().unwrap().ip().to_string();
    asker.report("{\"cpu_percent\": 1, \"mine\": [1, {\"x\": null}]}");
    let mut local = daemon.unix();
    local.say("stats\n{\"cpu_percent\":2}\n");
    local.hear("Data received\n");
    let machines = asker.latest();
    assert_eq!(hosts(&machines), [here.as_str(), "localhost"]);
    assert_eq!(machines[0]["mine"], serde_json::json!([1, {"x": null}]));
    assert!(machines[1]["age"].as_f64().unwrap() >= 0.0);
    let one: Value = serde_json::from_str(&asker.ask("latest localhost")).unwrap();
    assert_eq!(one["cpu_percent"], 2);
    daemon.stop();
}

#[test]
fn two_hundred_simultaneous_machines_appear_in_one_list() {
    let daemon = daemon();
    let mut machines: Vec<Client> = (0..200).map(|_| daemon.tcp(STATS)).collect();
    for (number, machine) in machines.iter_mut().enumerate() {
        let reports: String =
            (0..10).map(|at| format!("{{\"host\":\"pc{number:03}\",\"cpu_percent\":{at}}}\n")).collect();
        machine.say(reports);
    }
    machines.iter_mut().for_each(|machine| machine.hear("Data received\n".repeat(10)));
    let mut asker = Asker::new(&daemon);
    let list = asker.latest();
    let wanted: Vec<String> = (0..200).map(|number| format!("pc{number:03}")).collect();
    assert_eq!(hosts(&list), wanted);
    assert!(list.iter().all(|machine| machine["cpu_percent"] == 9));
    let history: Value = serde_json::from_str(&asker.ask("history pc199")).unwrap();
    assert_eq!(history["history"].as_array().unwrap().len(), 10);
    daemon.stop();
}

#[test]
fn table_and_histories_are_bounded_and_the_most_silent_goes() {
    let daemon = daemon();
    let mut asker = Asker::new(&daemon);
    for number in 0..MACHINES_MAX {
        asker.report(&format!("{{\"host\":\"pc{number}\"}}"));
    }
    for percent in 0..SAMPLES_MAX + 5 {
        asker.report(&format!("{{\"host\":\"pc0\",\"cpu_percent\":{percent}}}"));
    }
    asker.report("{\"host\":\"one more\"}");
    let list = asker.latest();
    assert_eq!(list.len(), MACHINES_MAX);
    assert_eq!(asker.ask("latest pc1"), "Error: no machine is called 'pc1' (latest lists them)");
    let history: Value = serde_json::from_str(&asker.ask("history pc0")).unwrap();
    let history = history["history"].as_array().unwrap();
    assert_eq!((history.len(), &history[0]["cpu_percent"]), (SAMPLES_MAX, &Value::from(5.0)));
    let ages: Vec<f64> = history.iter().map(|sample| sample["age"].as_f64().unwrap()).collect();
    assert!(ages.is_sorted_by(|before, after| before >= after), "{ages:?}");
    daemon.stop();
}

#[test]
fn configuration_limits_machines_and_a_reload_may_lower_it() {
    let text = |max: usize| format!("[stats]\nlisten = [\"tcp://{{ip}}:33001\"]\nmax_machines = {max}\n");
    let daemon = Daemon::with(&text(3));
    let mut asker = Asker::new(&daemon);
    for host in ["a", "b", "c", "a", "d"] {
        asker.report(&format!("{{\"host\":\"{host}\"}}"));
    }
    assert_eq!(hosts(&asker.latest()), ["a", "c", "d"]);
    daemon.write_config(&text(1));
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log("reloaded");
    assert_eq!(hosts(&asker.latest()), ["d"]);
    daemon.stop();
}

#[test]
fn list_reaches_a_half_closed_client_and_later_requests_wait() {
    let daemon = daemon();
    let mut asker = Asker::new(&daemon);
    let filling = "x".repeat(3900);
    for number in 0..MACHINES_MAX {
        asker.report(&format!("{{\"host\":\"pc{number}\",\"x\":\"{filling}\"}}"));
    }
    let mut reader = daemon.tcp(STATS);
    reader.say("latest\nlatest nobody\nlatest");
    reader.half_close();
    let heard = String::from_utf8(reader.hear_rest()).unwrap();
    let lines: Vec<&str> = heard.lines().collect();
    assert_eq!(lines.len(), 2 * (MACHINES_MAX + 1) + 1);
    let end = format!("{{\"machines\":{MACHINES_MAX}}}");
    assert_eq!(lines[MACHINES_MAX], end);
    assert_eq!(lines[MACHINES_MAX + 1], "Error: no machine is called 'nobody' (latest lists them)");
    assert_eq!(lines.last(), Some(&end.as_str()));
    daemon.stop();
}

#[test]
fn unread_lists_delay_nobody_and_cost_little() {
    let daemon = daemon();
    let mut asker = Asker::new(&daemon);
    let filling = "x".repeat(3900);
    for number in 0..MACHINES_MAX {
        asker.report(&format!("{{\"host\":\"pc{number}\",\"x\":\"{filling}\"}}"));
    }
    let mut silent: Vec<Client> = (0..30).map(|_| daemon.tcp(STATS)).collect();
    silent.iter_mut().for_each(|client| client.say("latest\n".repeat(500)));
    Probe::new(&daemon).wait();
    asker.report("{\"host\":\"pc0\"}");
    let bytes = daemon.own_bytes(); // 30 times 500 lists would be 15 GB
    assert!(bytes < 100 << 20, "{bytes}");
    assert_eq!(asker.latest().len(), MACHINES_MAX);
    daemon.stop();
}

#[test]
fn overlong_report_is_refused_and_a_larger_limit_accepts_it() {
    let long = format!("{{\"host\":\"pc7\",\"x\":\"{}\"}}\n", "x".repeat(10_000));
    let daemon = daemon();
    let mut client = daemon.tcp(STATS);
    client.say(&long);
    client.hear("Error: message longer than 4096 bytes\n");
    client.say("{}\n");
    client.hear("Data received\n");
    daemon.stop();

    let larger = Daemon::with("[stats]\nlisten = [\"tcp://{ip}:33001\"]\nmax_message = \"1MiB\"\n");
    let mut client = larger.tcp(STATS);
    client.say(&long);
    client.hear("Data received\n");
    client.say(format!("{{\"x\":\"{}\"}}\n{{}}\n", "x".repeat(16_384)));
    client.hear("Error: report longer than 16384 bytes; send fewer fields\nData received\n");
    client.say(format!("{{\"x\":{}}}\n", "[".repeat(20_000)));
    client.hear("Error: nested too deeply; a report has at most 8 levels of objects and lists\n");
    larger.stop();
}

#[test]
fn reports_survive_a_restart_and_a_list_resumes() {
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("{USUAL}{BESIDE}"));
    let manager = Manager::new(&test_dir);
    let command = manager.command(&test_dir, Vec::new());
    let mut before = test_dir.start(command);
    let mut asker = Asker::new(&before);
    for number in 0..MACHINES_MAX {
        asker.report(&format!("{{\"host\":\"pc{number:03}\",\"x\":\"{}\"}}", "x".repeat(3900)));
    }
    let mut reader = before.tcp(STATS);
    reader.say("latest\n".repeat(20)); // much more than the kernel accepts
    reader.hear("{\"host\":\"pc000\"");
    let mut control = before.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(before.wait().success());

    let after = TestDir { directory: tempfile::tempdir().unwrap(), ip: before.ip };
    std::fs::copy(before.directory.path().join("ipcd.toml"), after.config_file()).unwrap();
    let stored = manager.take_stored();
    let after = after.start_with(&manager, stored);
    assert_eq!(asker.latest().len(), MACHINES_MAX);
    reader.half_close();
    let heard = String::from_utf8(reader.hear_rest()).unwrap();
    let ends = heard.lines().filter(|line| *line == format!("{{\"machines\":{MACHINES_MAX}}}")).count();
    assert_eq!((ends, heard.lines().count()), (20, 20 * (MACHINES_MAX + 1)));
    after.stop();
}

#[test]
fn reporter_evicts_only_its_own_machines() {
    let daemon = daemon();
    // On the Unix socket, so it is another source than clients on the network.
    let mut lab = daemon.unix();
    lab.say("stats\n");
    for number in 0..30 {
        lab.say(format!("{{\"host\":\"lab{number:02}\"}}\n"));
        lab.hear("Data received\n");
    }
    let mut flood = daemon.tcp(STATS);
    for round in 0..20 {
        // With new names, and with those of the others too.
        let reports = (0..500).map(|at| format!("{{\"host\":\"flood{}\"}}\n", round * 500 + at));
        let others = (0..30).map(|number| format!("{{\"host\":\"lab{number:02}\"}}\n"));
        flood.say(reports.chain(others).collect::<String>());
        flood.hear("Data received\n".repeat(530));
    }
    let list = Asker::new(&daemon).latest();
    let left = hosts(&list).iter().filter(|host| host.starts_with("lab")).count();
    println!("of 30 machines {left} are left after 10,000 reports under other names");
    assert_eq!((list.len(), left), (MACHINES_MAX, 30));
    daemon.stop();
}
