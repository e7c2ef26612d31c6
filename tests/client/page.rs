//! `ipcctl page`: where the page is, for whom, and with which token.

use std::process::Command;

use crate::harness::around::{in_namespaces, may_unshare, outcome};
use crate::harness::{Daemon, TestDir, USUAL};

/// Its output: standard output and standard error.
fn page(daemon: &Daemon, options: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    let socket = format!("unix://{}", daemon.socket().display());
    let output = outcome(command.args(["--to", &socket, "page"]).args(options));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn page_for_this_machine_only_is_reported_with_a_correction() {
    let daemon = Daemon::with(&format!("{USUAL}[page]\nlisten = [\"http://{{ip}}:33080\"]\n"));
    let here = format!("http://{}:33080/", daemon.ip);
    let (told, warned) = page(&daemon, &[]);
    assert_eq!(told, format!("{here}\n"));
    assert!(
        warned.contains(
            "only this machine can open it; to let others in, write listen = [\"http://0.0.0.0:33080\"]"
        ),
        "{warned}"
    );
    let (told, _) = page(&daemon, &["--teacher"]);
    let token = told.trim_end().strip_prefix(&format!("{here}#teacher=")).unwrap_or_else(|| panic!("{told}"));
    assert_eq!(token.len(), 32, "{token}");
    let (told, _) = page(&daemon, &["--teacher", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told, serde_json::json!({"here": here, "others": [], "token": token}));
    daemon.stop();
    let without = Daemon::usual();
    let (told, warned) = page(&without, &[]);
    assert!(told.is_empty() && warned.contains("the daemon offers no page; add listen = "), "{warned}");
    without.stop();
}

#[test]
fn page_has_an_address_for_each_network() {
    if !may_unshare() {
        return;
    }
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("{USUAL}[page]\nlisten = [\"http://0.0.0.0:33080\"]\n"));
    let prepare = "ip link set lo up; ip addr add 192.0.2.7/24 dev lo; ip addr add 198.51.100.7/24 dev lo";
    let command = in_namespaces(&["--net"], prepare, &test_dir.command());
    let daemon = test_dir.start(command);
    let (told, _) = page(&daemon, &["--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let others: Vec<&str> =
        told["others"].as_array().unwrap().iter().filter_map(|other| other.as_str()).collect();
    assert_eq!(told["here"], "http://localhost:33080/");
    assert_eq!(others[..2], ["http://192.0.2.7:33080/", "http://198.51.100.7:33080/"], "{told}");
    daemon.stop();
}
