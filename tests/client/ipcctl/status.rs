//! The output of status and watch about a daemon.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::{ipcctl, socket, text};
use crate::harness::{Client, Daemon};

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
    // No turn is counted twice or forgotten, and every count has a bar.
    let counts = rows.iter().map(|row| row[1].parse::<u64>().unwrap());
    assert_eq!(counts.clone().sum::<u64>(), turns, "{table}");
    for (row, count) in rows.iter().zip(counts) {
        assert_eq!(row.get(2).is_some_and(|bar| bar.starts_with('#')), count > 0, "{table}");
    }
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
    assert!(hint.ends_with("'3,14' is not a number here: write 3.14, with a decimal point"), "{hint}");
    daemon.stop();
    assert_eq!(child.wait().unwrap().code(), Some(1));

    let daemon = Daemon::usual();
    let output = ipcctl(&["watch", "--service", "chess", "--to", &socket(&daemon)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("ipcctl: unknown service: 'chess' (known: multiply"));
    assert_eq!(ipcctl(&["watch", "--peer", "a b"]).status.code(), Some(2));
    daemon.stop();
}
