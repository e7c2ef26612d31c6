//! The client's full screen over TLS.

use std::fs;

use super::daemon::{SERVICES, start as start_with_tls};
use super::server::Server;
use super::{authority, file, reach};
use crate::harness::pty::PtySession;
use crate::harness::{CHAT, TestDir, USUAL};
use crate::terminal::say_after_return;

#[test]
fn member_on_a_screen_comes_back_over_tls() {
    let directory = authority();
    let first = TestDir::new();
    let second = TestDir { directory: tempfile::tempdir().unwrap(), ip: first.ip };
    let start = |test_dir: TestDir| test_dir.serve(USUAL);
    let daemon = start(first);
    let front = Server::before(directory.path(), "server-localhost", daemon.address(CHAT));
    let [to, place, ca, file] = reach(directory.path(), front.port);
    let ann = PtySession::take(&[&to, &place, &ca, &file, "chat", "--name", "ann"]);
    ann.see("you are in the room as ann");
    daemon.stop();
    ann.see("Server is shutting down.");
    ann.see("next try in ");
    let daemon = start(second);
    say_after_return(ann, "kept\r");
    daemon.stop();
}

#[test]
fn member_on_a_screen_regains_its_name_after_a_restart_with_tls() {
    let first = TestDir::new();
    let second = TestDir { directory: tempfile::tempdir().unwrap(), ip: first.ip };
    let daemon = start_with_tls(first, "");
    let ca = tempfile::tempdir().unwrap();
    // The certificates move to the daemon's directory.
    for name in fs::read_dir(daemon.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()) {
        if name.to_string_lossy().ends_with(".pem") {
            fs::copy(daemon.directory.path().join(&name), second.directory.path().join(&name)).unwrap();
            fs::copy(daemon.directory.path().join(&name), ca.path().join(&name)).unwrap();
        }
    }
    let to = format!("tls://{}:33000", daemon.ip);
    let ca = file(ca.path(), "ca.pem");
    let ann = PtySession::take(&["--to", &to, "--ca", &ca, "chat", "--name", "ann"]);
    ann.see("you are in the room as ann");
    daemon.stop();
    ann.see("next try in ");
    second.write_config(&SERVICES.replace("{more}", ""));
    let command = second.command();
    let daemon = second.start(command);
    say_after_return(ann, "kept\r");
    daemon.stop();
}
