//! The cases of RFC 6455, as in the Autobahn test suite, with the two most common libraries: Python's `websockets` and Node's `ws`.

use crate::harness::program::{Program, command};
use crate::harness::{Daemon, USUAL};

const PORT: u16 = 33080;

/// A daemon with a page, whose room accepts long messages.
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

/// Debian 12's package of `websockets` is too old: `IPCD_WEBSOCKETS` is a Python that has a newer one.
#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn cases_of_the_rfc_pass_with_pythons_websockets() {
    let (daemon, url) = daemon();
    let python = std::env::var("IPCD_WEBSOCKETS").unwrap_or("python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/websockets.py");
    all_pass(&python, &[script, &url], 200);
    daemon.stop();
}

/// `IPCD_WS` is the path of Node's module, unless it is found by its name.
#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn cases_of_the_rfc_pass_with_nodes_ws() {
    let (daemon, url) = daemon();
    let module = std::env::var("IPCD_WS").unwrap_or("ws".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/websockets.js");
    all_pass("node", &[script, &module, &url], 35);
    daemon.stop();
}
