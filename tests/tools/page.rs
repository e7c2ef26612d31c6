//! The page in a real browser: Debian's chromium, controlled through chromium-driver.

use std::process::Stdio;

use crate::harness::program::command;
use crate::harness::{BESIDE, CHAT, Daemon, MULTIPLY, TestDir, USUAL};

const PAGE: &str = "[page]\nlisten = [\"http://{ip}:33080\"]\n";

/// Seconds for one script: a browser draws each view a dozen times.
const TIMEOUT: &str = "600";

/// Runs a script that controls the browser and prints its measurements.
fn drive(script: &str, mode: &str, arguments: &[&str]) {
    let script = format!("{}/tests/page/{script}", env!("CARGO_MANIFEST_DIR"));
    let all = [&[TIMEOUT, "python3", &script, mode][..], arguments].concat();
    let mut tool = command("timeout", all);
    let output = tool.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n", "{}: {errors}", output.status);
    eprint!("{errors}");
}

fn url(daemon: &Daemon) -> String {
    format!("http://{}:33080/", daemon.ip)
}

fn unix(daemon: &Daemon) -> String {
    format!("unix://{}", daemon.socket().display())
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn two_browsers_and_a_line_client_are_in_one_room() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    drive("room.py", "meet", &[&url(&daemon), &daemon.ip.to_string(), &CHAT.to_string()]);
    daemon.stop();
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn room_has_history_times_and_titles_for_keyboard_and_screen_reader() {
    let room = USUAL.replace("[chat]\n", "[chat]\nhistory = 20\n");
    let daemon = Daemon::with(&format!("{room}{PAGE}"));
    drive("room.py", "details", &[&url(&daemon), &daemon.ip.to_string(), &CHAT.to_string()]);
    daemon.stop();
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn page_that_only_this_machine_reaches_says_what_to_change() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    drive("join.py", "all", &[&url(&daemon), env!("CARGO_BIN_EXE_ipcd")]);
    daemon.stop();
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn every_text_can_be_translated_and_nothing_foreign_is_taken() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    drive("rules.py", "all", &[&url(&daemon)]);
    daemon.stop();
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn browser_asks_for_the_passphrase_until_it_is_right_and_after_a_loss() {
    let room = USUAL.replace("[chat]\n", "[chat]\npassphrase = \"open sesame\"\n");
    let daemon = Daemon::with(&format!("{room}{PAGE}"));
    let close = [env!("CARGO_BIN_EXE_ipcctl"), "--to", &unix(&daemon), "close", "127.0.0.1"];
    drive("room.py", "enter", &[&[url(&daemon).as_str()][..], &close].concat());
    daemon.stop();
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn page_comes_back_after_a_restart_with_the_line_that_was_typed() {
    let test_dir = TestDir::new();
    test_dir.write_config(&test_dir.fill(&format!("{USUAL}{PAGE}")));
    let url = format!("http://{}:33080/", test_dir.ip);
    let config = test_dir.config_file();
    drive("room.py", "restart", &[&url, env!("CARGO_BIN_EXE_ipcd"), config.to_str().unwrap()]);
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn thousands_of_lines_leave_the_page_quick_and_links_are_honest() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    drive("room.py", "many", &[&url(&daemon), &daemon.ip.to_string(), &CHAT.to_string()]);
    daemon.stop();
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn multiply_shows_its_frames_and_each_mistake_is_what_tcp_and_watch_say() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    let socket = daemon.socket();
    let at = [url(&daemon), daemon.ip.to_string(), MULTIPLY.to_string(), socket.display().to_string()];
    drive("wire.py", "all", &at.each_ref().map(String::as_str));
    daemon.stop();
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn machines_that_report_have_live_charts() {
    let daemon = Daemon::with(&format!("{USUAL}{BESIDE}{PAGE}"));
    drive("machines.py", "all", &[&url(&daemon)]);
    daemon.stop();
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn teacher_with_the_token_sees_who_fails_and_speaks_to_the_room() {
    let beside = BESIDE.replace("[hello]\n", "[hello]\nmax_connections = 1\n");
    let daemon = Daemon::with(&format!("{USUAL}{beside}{PAGE}"));
    let at = [daemon.ip.to_string(), env!("CARGO_BIN_EXE_ipcctl").to_owned(), unix(&daemon)];
    drive("teacher.py", "all", &[&[url(&daemon).as_str()][..], &at.each_ref().map(String::as_str)].concat());
    let token_is_in = |line: &String| line.contains("teacher=");
    let log = daemon.stop();
    assert!(!log.iter().any(token_is_in), "{log:?}");
}

#[test]
#[ignore = "needs chromium, chromium-driver and python3"]
fn every_view_is_accessible_fits_and_is_quick() {
    let daemon = Daemon::with(&format!("{USUAL}{BESIDE}{PAGE}hosts = [\"class.example\"]\n"));
    let at = [daemon.ip.to_string(), env!("CARGO_BIN_EXE_ipcctl").to_owned(), unix(&daemon)];
    drive("looks.py", "all", &[&[url(&daemon).as_str()][..], &at.each_ref().map(String::as_str)].concat());
    daemon.stop();
}
