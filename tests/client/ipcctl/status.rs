//! The output of status and watch about a daemon.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{ipcctl, socket, text};
use crate::harness::around::{as_user, in_namespaces, is_root, may_unshare, stale_socket};
use crate::harness::{Client, Daemon, TestDir, USUAL, wait_until};

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

/// As root, whose runtime directory is always /run: the test's own in its place.
fn all(run: &Path, arguments: &[&str]) -> Output {
    within(run, &[&["status", "--all"], arguments].concat())
}

fn within(run: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(arguments);
    in_namespaces(&["--mount"], &format!("mount --bind {} /run", run.display()), &command).output().unwrap()
}

#[test]
fn status_of_all_lists_every_daemon_and_adds_up() {
    if !may_unshare() {
        return;
    }
    let shared = TestDir::new();
    let run = shared.directory.path();
    let none = all(run, &[]);
    assert_eq!((none.status.code(), text(&none.stdout)), (Some(69), ""), "{none:?}");
    assert!(text(&none.stderr).starts_with("ipcctl: no ipcd with a socket in /run/ipcd"), "{none:?}");

    let start = |name: &str| {
        let socket = run.join(name).join("ipcd.sock");
        fs::create_dir(run.join(name)).unwrap();
        Daemon::with(&USUAL.replace("{dir}/ipcd.sock", socket.to_str().unwrap()))
    };
    let (first, second, third) = (start("ipcd"), start("ipcd-9"), start("ipcd-10"));
    let _members = [Client::member(&first, "ann"), Client::member(&third, "bob")];
    // A socket that nobody listens on any more is no daemon.
    fs::create_dir(run.join("ipcd-gone")).unwrap();
    stale_socket(&run.join("ipcd-gone/ipcd.sock"));

    let output = all(run, &["--json"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let found = crate::status::check_all(text(&output.stdout));
    let instances = found["instances"].as_array().unwrap();
    let seen: Vec<(&str, i64)> = instances
        .iter()
        .map(|one| (one["endpoint"].as_str().unwrap(), one["report"]["pid"].as_i64().unwrap()))
        .collect();
    let expected = [("ipcd", &first), ("ipcd-9", &second), ("ipcd-10", &third)];
    let expected =
        expected.map(|(name, daemon)| (format!("unix:///run/{name}/ipcd.sock"), i64::from(daemon.pid())));
    assert_eq!(seen, expected.each_ref().map(|(socket, pid)| (socket.as_str(), *pid)));
    // The two members, and on each daemon the connection that asks.
    assert_eq!((&found["sums"]["instances"], &found["sums"]["members"]), (&3.into(), &2.into()));
    assert_eq!(found["sums"]["connections"], 5);

    let table = all(run, &[]);
    let rows: Vec<Vec<&str>> =
        text(&table.stdout).lines().map(|line| line.split_whitespace().collect()).collect();
    let firsts: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(firsts, ["INSTANCE", "/run/ipcd", "/run/ipcd-9", "/run/ipcd-10", "all"], "{table:?}");
    // One that hangs is told, and the others are shown.
    second.freeze();
    // On a busy machine, one of the others may not answer in that time either.
    wait_until("the others answer in time", || {
        let output = all(run, &["--json", "--timeout", "300ms"]);
        assert_eq!(output.status.code(), Some(75), "{output:?}");
        assert!(
            text(&output.stderr).contains("unix:///run/ipcd-9/ipcd.sock: no answer within 300ms"),
            "{output:?}"
        );
        let found = crate::status::check_all(text(&output.stdout));
        assert_eq!(found["instances"].as_array().unwrap().len(), 3, "{output:?}");
        (found["sums"]["instances"] == 2).then_some(())
    });
    second.thaw();
    first.stop();
    // Without --all, an instance has to be named.
    let output = within(run, &["watch"]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    let hint = "name it with --to /run/ipcd-9/ipcd.sock, or ask all with 'ipcctl status --all'";
    assert!(text(&output.stderr).contains(hint), "{output:?}");
    [second, third].into_iter().for_each(|daemon| drop(daemon.stop()));
}

#[test]
fn daemon_that_one_may_not_ask_is_named_and_is_no_failure() {
    if !is_root() {
        return;
    }
    let shared = TestDir::new();
    let run = shared.directory.path();
    fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
    let program = run.join("ipcctl");
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_ipcctl")).arg(&program).status().unwrap();
    assert!(copied.success());
    let start = |name: &str, mode: &str| {
        fs::create_dir(run.join(name)).unwrap();
        let socket = run.join(name).join("ipcd.sock");
        Daemon::with(&format!("[mux]\nmode = \"{mode}\"\nlisten = [\"unix://{}\"]\n", socket.display()))
    };
    let daemons = [start("ipcd-open", "0666"), start("ipcd-closed", "0600")];
    let ask = || {
        let mut command = Command::new(&program);
        command.args(["status", "--all", "--json"]).env("XDG_RUNTIME_DIR", run);
        as_user(4711, 4711, || command.output().unwrap())
    };
    let output = ask();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        text(&output.stderr).contains("ipcd-closed/ipcd.sock: permission denied; only its owner"),
        "{output:?}"
    );
    let found = crate::status::check_all(text(&output.stdout));
    let is_here =
        |one: &&serde_json::Value| one["endpoint"].as_str().unwrap().contains(run.to_str().unwrap());
    let here: Vec<_> = found["instances"].as_array().unwrap().iter().filter(is_here).collect();
    assert_eq!((here.len(), here[0]["report"]["pid"].as_i64()), (2, Some(i64::from(daemons[0].pid()))));
    assert!(here[1]["error"].as_str().unwrap().contains("permission denied"));
    daemons.into_iter().for_each(|daemon| drop(daemon.stop()));
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
    // No turn is counted twice or not at all, and every count has a bar.
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
