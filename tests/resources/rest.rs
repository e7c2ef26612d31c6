//! The memory of a daemon at rest: what only its start needed is returned.

use std::fs;

use crate::harness::{Client, Daemon, GREETING, MULTIPLY, USUAL, is_sanitized, wait_until};

/// The sum that docs/performance.md promises, in KiB. This program is not optimized, and so needs more of what it shares.
const AT_REST_MAX: usize = 3686;

/// The resident part of all mappings, in KiB (proc_pid_smaps(5)).
fn resident(daemon: &Daemon) -> usize {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", daemon.pid())).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn daemon_at_rest_has_returned_what_its_start_needed_and_answers() {
    let page = if cfg!(feature = "page") { "[page]\nlisten = [\"http://{ip}:33080\"]\n" } else { "" };
    let daemon = Daemon::with(&format!("{USUAL}{page}"));
    if !is_sanitized() {
        wait_until("little is left", || (resident(&daemon) <= AT_REST_MAX).then_some(()));
    }
    // What the services need is mapped again.
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    assert!(!daemon.tcp(GREETING).hear_rest().is_empty());
    let mut members = [Client::member(&daemon, "ann"), Client::member(&daemon, "bob")];
    members[0].say("hello\n");
    members[1].hear("ann: hello\n");
    daemon.stop();
}
