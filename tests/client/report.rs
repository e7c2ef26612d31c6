//! `ipcctl report` and `ipcctl top`: this machine's figures reach the daemon, also after the daemon was away; and viewers see those
//! of all machines.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use crate::harness::{BESIDE, Client, Daemon, STATS, TestDir, USUAL, wait_until};
use serde_json::Value;

fn daemon() -> Daemon {
    Daemon::with(&format!("{USUAL}{BESIDE}"))
}

fn ipcctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    ipcctl(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn at(daemon: &Daemon) -> String {
    format!("tcp://{}:{STATS}", daemon.ip)
}

/// The daemon's data about a machine; none if it has never reported.
fn latest(daemon: &Daemon, host: &str) -> Option<Value> {
    let mut client = daemon.tcp(STATS);
    client.say(format!("latest {host}\n"));
    client.half_close();
    serde_json::from_slice(&client.hear_rest()).ok()
}

/// Ended together with the test.
struct Reporter(Child);

impl Drop for Reporter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn report_matches_proc() {
    let daemon = daemon();
    let socket = format!("unix://{}", daemon.socket().display());
    for (to, host) in [(at(&daemon), "by tcp"), (socket, "through the mux")] {
        let output = run(&["--to", &to, "report", "--once", "--every", "100ms", "--host", host, "--json"]);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut kept = latest(&daemon, host).expect("the daemon has it");
        assert!(kept.as_object_mut().unwrap().remove("age").is_some());
        assert_eq!(kept, printed);
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total: u64 = meminfo.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(printed["virtual_memory"]["total"], total * 1024);
        let memory = &printed["virtual_memory"];
        let (all, free) = (memory["total"].as_f64().unwrap(), memory["available"].as_f64().unwrap());
        assert!(
            (memory["percent"].as_f64().unwrap() - (all - free) / all * 100.0).abs() <= 0.051,
            "{memory}"
        );
        assert!((0.0..=100.0).contains(&printed["cpu_percent"].as_f64().unwrap()));
        assert!(printed["cpu_count"].as_u64().unwrap() >= 1 && printed["getloadavg"].is_array());
    }
    daemon.stop();
}

#[test]
fn dry_run_prints_the_report_without_a_daemon() {
    let output = run(&["report", "--dry-run", "--count", "2", "--every", "100ms"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let lines: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let host = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    assert!(lines.len() == 2 && lines.iter().all(|report| report["host"] == host.as_str()), "{lines:?}");
}

#[test]
fn unavailable_figures_are_an_error_with_exit_status() {
    let test_dir = TestDir::new();
    let nobody = format!("tcp://{}:{STATS}", test_dir.ip);
    for (arguments, status, says) in [
        (vec!["--to", &nobody, "report"], 69, "no ipcd at "),
        (vec!["report", "--every", "0s"], 2, "it must be at least 100ms"),
        (vec!["report", "--host", ""], 2, "a machine's name must be 1 to 64 printable characters"),
        (vec!["report", "--count", "0"], 2, "--count"),
        (vec!["report", "--dry-run", "--once", "--count", "2"], 2, "cannot be used with"),
    ] {
        let output = run(&arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
        assert!(errors.contains(says) && errors.lines().count() == 1, "{arguments:?}: {errors}");
    }
}

#[test]
fn refused_report_ends_the_command_and_names_another_service() {
    let daemon = Daemon::with(
        "[stats]\nlisten = [\"tcp://{ip}:33001\"]\nmax_message = 64\n[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n",
    );
    let output = run(&["--to", &at(&daemon), "report", "--every", "100ms"]);
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(1), "ipcctl: message longer than 64 bytes\n".into())
    );
    let elsewhere = format!("tcp://{}:65432", daemon.ip);
    let output = run(&["--to", &elsewhere, "report", "--once", "--every", "100ms"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    daemon.stop();
}

#[test]
fn report_resumes_after_the_daemon_returns() {
    let daemon = daemon();
    let mut command = ipcctl(&["--to", &at(&daemon), "report", "--every", "100ms", "--host", "pc7"]);
    let mut reporter = Reporter(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut told = BufReader::new(reporter.0.stderr.take().unwrap()).lines();
    wait_until("a report", || latest(&daemon, "pc7"));

    let test_dir = TestDir { directory: tempfile::tempdir().unwrap(), ip: daemon.ip };
    test_dir.write_config(&format!("{USUAL}{BESIDE}"));
    daemon.stop();
    let line = told.next().unwrap().unwrap();
    assert!(line.starts_with("ipcctl: ") && line.ends_with("; trying again"), "{line}");
    let command = test_dir.command();
    let after = test_dir.start(command);
    assert_eq!(told.next().unwrap().unwrap(), "ipcctl: the daemon is back");
    wait_until("a report to the one that is back", || latest(&after, "pc7"));
    drop(reporter);
    after.stop();
}

#[test]
fn hostile_daemon_cannot_control_the_terminal() {
    let test_dir = TestDir::new();
    let listener = std::net::TcpListener::bind((test_dir.ip, 0)).unwrap();
    let to = format!("tcp://{}", listener.local_addr().unwrap());
    let mut command = ipcctl(&["--to", &to, "report", "--once", "--every", "100ms"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut client = Client::of(listener.accept().unwrap().0);
    client.say("Error: \x1b[2Jgone\u{202e}\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), "ipcctl: [2Jgone\n".into()));
}

/// A daemon with reports of two machines.
fn reported() -> Daemon {
    let daemon = daemon();
    let mut client = daemon.tcp(STATS);
    client.say("{\"host\":\"calm\",\"cpu_percent\":5,\"virtual_memory\":{\"percent\":40},\"getloadavg\":[0.5,1,1]}\n");
    client.say("{\"host\":\"wild\",\"cpu_percent\":95.5,\"cpu_freq\":{\"current\":3200.4}}\n");
    client.hear("Data received\nData received\n");
    daemon
}

#[test]
fn piped_top_prints_a_sorted_line_per_machine() {
    let daemon = reported();
    let output = run(&["--to", &at(&daemon), "top", "--once", "--sort", "cpu"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let printed = text(&output.stdout);
    let words: Vec<Vec<&str>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["HOST", "CPU", "MEMORY", "LOAD", "MHZ", "AGE"]);
    assert_eq!(words[1][..5], ["wild", "95.5%", "-", "-", "3200"]);
    assert_eq!(words[2][..5], ["calm", "5.0%", "40.0%", "0.50", "-"]);
    assert_eq!(words.len(), 3);
    daemon.stop();
}

#[test]
fn top_json_prints_each_look_until_the_daemon_ends() {
    let daemon = reported();
    let socket = format!("unix://{}", daemon.socket().display());
    let mut command = ipcctl(&["--to", &socket, "top", "--json", "--every", "100ms"]);
    let mut top = Reporter(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut printed = BufReader::new(top.0.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        let look: Value = serde_json::from_str(&printed.next().unwrap().unwrap()).unwrap();
        assert_eq!((&look[0]["host"], &look[1]["cpu_percent"]), (&Value::from("calm"), &Value::from(95.5)));
    }
    daemon.stop();
    let status = wait_until("top ends", || top.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
}
