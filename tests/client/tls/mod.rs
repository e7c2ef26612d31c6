//! The client over TLS, against a server of these tests.

mod daemon;
mod failures;
#[cfg(feature = "tui")]
mod screens;
pub mod server;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::certificate::made;
use crate::harness::program::{Finished, Program};
use crate::harness::pty::PtySession;
use crate::harness::{BESIDE, CHAT, Daemon, GREETING, HELLO, MULTIPLY, STATS, USUAL};
use server::{Behaviour, Server};
use tempfile::TempDir;

/// A directory with an authority and a certificate for localhost, and one for a client.
fn authority() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    made(directory.path(), &["localhost", "--client", "ann"]);
    directory
}

fn file(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

/// `--to` and `--ca` for this server.
fn reach(directory: &Path, port: u16) -> [String; 4] {
    ["--to".to_owned(), format!("tls://localhost:{port}"), "--ca".to_owned(), file(directory, "ca.pem")]
}

fn ipcctl(reach: &[String], arguments: &[&str], input: &str) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(reach).args(arguments);
    Program::run(command, input)
}

/// Makes this file the list of the system's authorities.
fn in_a_system_that_trusts(command: &mut Command, file: &str) {
    let nowhere = PathBuf::from(file).with_file_name("none");
    command.env("SSL_CERT_FILE", file).env("SSL_CERT_DIR", nowhere);
}

#[test]
fn every_service_is_had_over_tls() {
    let directory = authority();
    let directory = directory.path();
    let daemon = Daemon::with(&format!("{USUAL}{BESIDE}"));
    let front = |port| Server::before(directory, "server-localhost", daemon.address(port));
    for (port, arguments, input, output) in [
        (MULTIPLY, &["multiply", "5", "10"][..], "", "50.0\n"),
        (GREETING, &["greeting"], "", ""),
        (HELLO, &["hello"], "", "Hello from server"),
        (CHAT, &["chat", "--name", "cron"], "hi\nho\n", "cron: hi\ncron: ho\n"),
        (STATS, &["top", "--once", "--json"], "", "[]\n"),
    ] {
        let finished = ipcctl(&reach(directory, front(port).port), arguments, input);
        assert!(finished.status.success(), "{arguments:?}: {finished:?}");
        assert!(
            finished.output.starts_with(output) && !finished.output.is_empty(),
            "{arguments:?}: {finished:?}"
        );
        assert_eq!(finished.errors, "", "{arguments:?}");
    }
    daemon.stop();
}

#[test]
fn ten_thousand_requests_in_a_pipe_are_answered_in_order() {
    let directory = authority();
    let daemon = Daemon::usual();
    let front = Server::before(directory.path(), "server-localhost", daemon.address(MULTIPLY));
    let (mut requests, mut results) = (String::new(), String::new());
    for number in 0..10_000 {
        writeln!(requests, "{number} 1").unwrap();
        writeln!(results, "{number}.0").unwrap();
    }
    let finished = ipcctl(&reach(directory.path(), front.port), &["multiply", "-"], &requests);
    assert!(finished.output == results, "{} bytes, {}", finished.output.len(), finished.errors);
    daemon.stop();
}

#[test]
fn server_that_ends_at_the_clients_end_has_answered_before() {
    let directory = authority();
    let server = Server::start(directory.path(), "server-localhost", Behaviour::Strict);
    let finished = ipcctl(&reach(directory.path(), server.port), &["multiply", "5", "10"], "");
    assert_eq!((finished.output.as_str(), finished.errors.as_str()), ("50.0\n", ""));
}

#[test]
fn authorities_of_the_system_are_trusted_without_an_option() {
    let directory = authority();
    let server = Server::start(directory.path(), "server-localhost", Behaviour::Multiply);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(["--to", &format!("tls://127.0.0.1:{}", server.port), "multiply", "5", "10"]);
    in_a_system_that_trusts(&mut command, &file(directory.path(), "ca.pem"));
    let finished = Program::run(command, "");
    assert_eq!((finished.output.as_str(), finished.errors.as_str()), ("50.0\n", ""));
}

#[test]
fn client_certificate_is_shown_to_a_server_that_asks() {
    let directory = authority();
    let directory = directory.path();
    let server = Server::start(directory, "server-localhost", Behaviour::Certified);
    let own = [
        "--client-certificate".to_owned(),
        file(directory, "client-ann.pem"),
        "--client-key".to_owned(),
        file(directory, "client-ann-key.pem"),
    ];
    let reach = reach(directory, server.port);
    let finished = ipcctl(&[&reach[..], &own].concat(), &["multiply", "5", "10"], "");
    assert_eq!((finished.output.as_str(), finished.errors.as_str()), ("50.0\n", ""));
    let finished = ipcctl(&reach, &["multiply", "5", "10"], "");
    let error =
        "the server requires a client certificate; give yours with --client-certificate and --client-key\n";
    assert!(finished.errors.ends_with(error), "{finished:?}");
    assert_eq!(finished.status.code(), Some(1));
}

#[test]
fn insecure_is_said_each_time_and_in_red_on_a_terminal() {
    let directory = authority();
    let server = Server::start(directory.path(), "server-localhost", Behaviour::Multiply);
    let to = format!("tls://localhost:{}", server.port);
    let arguments = ["--to", &to, "--insecure", "multiply", "5", "10"];
    let warning = "the server's certificate is not checked (--insecure): anyone on the network can read and change everything";
    for _ in 0..2 {
        let finished = ipcctl(&[], &arguments, "");
        assert_eq!(finished.output, "50.0\n");
        assert_eq!(finished.errors, format!("ipcctl: {warning}\n"));
    }
    let shown = |prepare: fn(&mut Command)| {
        let session = PtySession::with(&arguments, prepare);
        session.see("50.0");
        let (status, bytes) = session.end();
        assert!(status.success());
        String::from_utf8(bytes).unwrap()
    };
    assert!(shown(|_| {}).contains(&format!("\x1b[1;31m{warning}\x1b[0m")));
    let plain = shown(|command| {
        command.env("NO_COLOR", "1");
    });
    assert!(plain.contains(warning) && !plain.contains("\x1b[1;31m"), "{plain:?}");
}
