//! The case list of RFC 6455, as the Autobahn test suite has it, with the two libraries that most programs use: Python's
//! `websockets` and Node's `ws`.

use crate::harness::program::{Program, command};
use crate::harness::{Daemon, USUAL};

const PORT: u16 = 33080;

/// A daemon whose room takes long messages, and its page.
fn daemon() -> (Daemon, String) {
    let room = USUAL.replace("[chat]\n", "[chat]\nmax_message = \"1MiB\"\nbacklog = \"16MiB\"\n");
    assert_ne!(room, USUAL);
    let daemon = Daemon::with(&format!("{room}[page]\nlisten = [\"http://{{ip}}:{PORT}\"]\n"));
    let url = format!("ws://{}:{PORT}", daemon.ip);
    (daemon, url)
}

#[track_caller]
fn all_pass(program: &str, arguments: &[&str], cases_min: usize) {
    let finished = Program::run(command(program, arguments), "");
    let cases = finished.output.strip_prefix("ok ").and_then(|rest| rest.split(' ').next());
    let cases: usize = cases.and_then(|cases| cases.parse().ok()).unwrap_or_else(|| panic!("{finished:?}"));
    assert!(finished.status.success() && cases >= cases_min, "{finished:?}");
}

/// `websockets` is no package of Debian 12's that is new enough: `IPCD_WEBSOCKETS` says which Python has it.
#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn cases_of_the_rfc_pass_with_pythons_websockets() {
    let (daemon, url) = daemon();
    let python = std::env::var("IPCD_WEBSOCKETS").unwrap_or("python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/websockets.py");
    all_pass(&python, &[script, &url], 200);
    daemon.stop();
}

/// `IPCD_WS` says where Node's module is, unless it is found by its name.
#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn cases_of_the_rfc_pass_with_nodes_ws() {
    let (daemon, url) = daemon();
    let module = std::env::var("IPCD_WS").unwrap_or("ws".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/websockets.js");
    all_pass("node", &[script, &module, &url], 35);
    daemon.stop();
}
