//! The page in a real browser: Debian's chromium, driven by chromium-driver.

use crate::harness::program::{Program, command};
use crate::harness::{CHAT, Daemon, USUAL};

const PAGE: &str = "[page]\nlisten = [\"http://{ip}:33080\"]\n";

/// Runs the script, which drives the browser.
fn drive(daemon: &Daemon, mode: &str, arguments: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/page.py");
    let url = format!("http://{}:33080/", daemon.ip);
    let all = [&["170", "python3", script, mode, &url][..], arguments].concat();
    let mut tool = command("timeout", all);
    tool.env("PYTHONDONTWRITEBYTECODE", "1");
    let finished = Program::run(tool, "");
    assert_eq!(finished.output, "ok\n", "{}", finished.errors);
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn two_browsers_and_a_line_client_are_in_one_room() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    drive(&daemon, "meet", &[&daemon.ip.to_string(), &CHAT.to_string()]);
    daemon.stop();
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn browser_asks_for_the_passphrase_until_it_is_right_and_after_a_loss() {
    let room = USUAL.replace("[chat]\n", "[chat]\npassphrase = \"open sesame\"\n");
    let daemon = Daemon::with(&format!("{room}{PAGE}"));
    let socket = format!("unix://{}", daemon.socket().display());
    drive(&daemon, "enter", &[env!("CARGO_BIN_EXE_ipcctl"), "--to", &socket, "close", "127.0.0.1"]);
    daemon.stop();
}
