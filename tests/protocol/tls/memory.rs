//! The memory of encrypted connections, and how much of it is freed after they are closed.

use super::client::TlsClient;
use super::{MULTIPLY, USUAL_TLS, daemon, test_dir};
use crate::harness::{self, Daemon, Probe, TestDir, USUAL, is_sanitized, wait_until};

const MANY: usize = 400;

/// The most bytes of an idle connection, also in a build that is not optimized.
const IDLE_BYTES_MAX: usize = 8 * 1024;

#[test]
fn idle_connections_take_little_memory_and_return_it() {
    if is_sanitized() {
        return;
    }
    let (daemon, config) = daemon("[log]\nlevel = \"warn\"\n[limits]\nmax_connections_per_address = 0\n");
    let ask = || {
        let mut client = TlsClient::connect(&daemon, MULTIPLY, &config);
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
        client
    };
    // Memory that is needed only once does not count for a connection.
    drop((0..10).map(|_| ask()).collect::<Vec<_>>());
    let mut probe = Probe::new(&daemon);
    probe.wait();
    let before = daemon.own_bytes();
    let mut clients: Vec<TlsClient> = (0..MANY).map(|_| ask()).collect();
    let growth = daemon.own_bytes().saturating_sub(before);
    assert!(growth <= MANY * IDLE_BYTES_MAX, "{} bytes each", growth / MANY);
    // The tables keep the entries of all connections before the last one, but nothing else of them.
    let last = clients.pop();
    drop(clients);
    // The tables of so few connections keep a fifth. If nothing were freed, it would be nearly all.
    wait_until("the memory is given back", || {
        (daemon.own_bytes().saturating_sub(before) <= growth / 2).then_some(())
    });
    drop((probe, last));
    daemon.stop();
}

/// The pages of a process that are its own, in bytes.
fn own_bytes(daemon: &Daemon) -> usize {
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", daemon.pid())).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

/// A daemon after its first request in the clear.
fn plain(test_dir: TestDir) -> Daemon {
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let mut client = daemon.tcp(harness::MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    daemon
}

#[test]
fn daemon_without_a_tls_endpoint_reads_and_keeps_nothing_for_tls() {
    const SAME: usize = 64 * 1024;
    let configured = |text: &str| {
        let test_dir = TestDir::new();
        test_dir.write_config(&format!("{text}{USUAL}"));
        test_dir
    };
    // There are no such files.
    let with_files = plain(configured(USUAL_TLS));
    let (without, with_endpoints) = (plain(configured("")), plain(test_dir("").0));
    // Each returns what only its start needed, a moment after it.
    wait_until("only TLS endpoints cost memory", || {
        let [plain, named, on_tls] = [&without, &with_files, &with_endpoints].map(own_bytes);
        (is_sanitized() || named <= plain + SAME && on_tls > named).then_some(())
    });
    for daemon in [without, with_files, with_endpoints] {
        daemon.stop();
    }
}
