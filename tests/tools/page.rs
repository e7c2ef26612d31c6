//! The page in a real browser: Debian's chromium, driven by chromium-driver.

use crate::harness::program::{Program, command};
use crate::harness::{CHAT, Daemon, USUAL};

const PAGE: &str = "[page]\nlisten = [\"http://{ip}:33080\"]\n";

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn two_browsers_and_a_line_client_are_in_one_room() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/page.py");
    let (url, host) = (format!("http://{}:33080/", daemon.ip), daemon.ip.to_string());
    let mut tool = command("timeout", ["170", "python3", script, &url, &host, &CHAT.to_string()]);
    tool.env("PYTHONDONTWRITEBYTECODE", "1");
    let finished = Program::run(tool, "");
    assert_eq!(finished.output, "ok\n", "{}", finished.errors);
    daemon.stop();
}
