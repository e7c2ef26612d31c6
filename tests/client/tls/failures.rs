//! Every failure of TLS is one sentence that says what to do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

use super::server::{Behaviour, Server};
use super::{authority, file, in_a_system_that_trusts, ipcctl, reach};
use crate::certificate::made;
use crate::harness::Daemon;
use crate::harness::program::Program;

/// The error of `ipcctl multiply` there, which fails with this status.
#[track_caller]
fn failure(reach: &[String], status: i32) -> String {
    let finished = ipcctl(reach, &["multiply", "5", "10"], "");
    assert_eq!((finished.output.as_str(), finished.status.code()), ("", Some(status)), "{finished:?}");
    assert_eq!(finished.errors.lines().count(), 1, "{finished:?}");
    finished.errors
}

#[test]
fn untrusted_certificate_error_names_the_authority() {
    let (directory, other) = (authority(), authority());
    let server = Server::start(directory.path(), "server-localhost", Behaviour::Multiply);
    let mut here = reach(directory.path(), server.port);
    here[3] = file(other.path(), "ca.pem");
    let error = failure(&here, 1);
    assert!(
        error.contains(&format!(
            "is not from the authority in {}; give that of this server with --ca",
            here[3]
        )),
        "{error}"
    );
    assert!(error.starts_with(&format!("ipcctl: tls://127.0.0.1:{}: ", server.port)), "{error}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args([&here[0], &here[1], "multiply", "5", "10"]);
    in_a_system_that_trusts(&mut command, &here[3]);
    let finished = Program::run(command, "");
    let error = "is from an authority that this system does not trust; give its file with --ca\n";
    assert!(finished.errors.ends_with(error), "{finished:?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args([&here[0], &here[1], "multiply", "5", "10"]);
    in_a_system_that_trusts(&mut command, "/nonexistent/ca.pem");
    let finished = Program::run(command, "");
    assert!(finished.errors.contains("this system trusts no certificate authority"), "{finished:?}");
}

#[test]
fn wrong_host_name_error_lists_the_certificates_names() {
    let directory = authority();
    made(directory.path(), &["teacher.local", "192.0.2.7"]);
    let server = Server::start(directory.path(), "server-teacher.local", Behaviour::Multiply);
    let error = failure(&reach(directory.path(), server.port), 1);
    assert!(
        error.contains("certificate is for teacher.local, 192.0.2.7, and not for localhost; use a name"),
        "{error}"
    );
    let mut here = reach(directory.path(), server.port);
    here[1] = format!("tls://127.0.0.1:{}", server.port);
    let error = failure(&here, 1);
    assert!(error.contains("and not for 127.0.0.1;"), "{error}");
}

#[test]
fn authority_as_a_servers_certificate_is_named_as_that() {
    let directory = authority();
    let server = Server::start(directory.path(), "ca", Behaviour::Multiply);
    let error = failure(&reach(directory.path(), server.port), 1);
    assert!(
        error.contains("the server's certificate is an authority's own; the server needs one"),
        "{error}"
    );
    let server = Server::start(directory.path(), "client-ann", Behaviour::Multiply);
    let error = failure(&reach(directory.path(), server.port), 1);
    assert!(error.contains("the server's certificate is not for servers"), "{error}");
}

/// A certificate for localhost from an authority of its own, valid in these years.
fn valid(directory: &Path, from: i32, until: i32) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 3, 1);
    params.not_after = date_time_ymd(until, 3, 1);
    let certificate = params.signed_by(&own, &issuer).unwrap().pem();
    for (name, text) in [("ca.pem", ca), ("odd.pem", certificate), ("odd-key.pem", own.serialize_pem())] {
        std::fs::write(directory.join(name), text).unwrap();
    }
}

#[test]
fn certificate_out_of_its_time_says_since_when() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    valid(directory, 2019, 2020);
    let server = Server::start(directory, "odd", Behaviour::Multiply);
    let error = failure(&reach(directory, server.port), 1);
    assert!(
        error.contains("has been out of date since 2020-03-01 00:00:00 UTC; the server needs a new one"),
        "{error}"
    );
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let next = 1970 + i32::try_from(now / (365 * 86400)).unwrap() + 2;
    valid(directory, next, next + 1);
    let server = Server::start(directory, "odd", Behaviour::Multiply);
    let error = failure(&reach(directory, server.port), 1);
    assert!(error.contains(&format!("is valid from {next}-03-01 00:00:00 UTC on; set the clock")), "{error}");
}

#[test]
fn port_without_tls_is_named_as_that() {
    let directory = authority();
    let daemon = Daemon::usual();
    let carried = |text: &'static [u8]| {
        Server::with(move |mut stream: TcpStream| {
            // The client may be gone already.
            let _ = stream.write_all(text);
            let _ = stream.read(&mut [0; 4096]);
        })
    };
    for text in
        [&b"Hello there\n"[..], b"SSH-2.0-OpenSSH_9.2\r\n", b"\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"]
    {
        let server = carried(text);
        let error = failure(&reach(directory.path(), server.port), 1);
        assert!(
            error.contains("; try tcp:// instead of tls://") || error.contains(", try tcp://"),
            "{text:?}: {error}"
        );
    }
    let server = Server::with(|stream| stream.shutdown(Shutdown::Both).unwrap_or(()));
    let error = failure(&reach(directory.path(), server.port), 1);
    assert!(error.contains("try tcp:// instead") || error.contains("connection reset"), "{error}");
    // The daemon's own port.
    let mut here = reach(directory.path(), 0);
    here[1] = format!("tls://{}", daemon.address(crate::harness::CHAT));
    let error = failure(&here, 1);
    assert!(error.contains("this port does not speak TLS; try tcp:// instead of tls://"), "{error}");
    daemon.stop();
}

#[test]
fn silent_port_is_given_up_in_time() {
    let directory = authority();
    let server = Server::with(|mut stream| while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {});
    let here = reach(directory.path(), server.port);
    let error = failure(&[&here[..], &["--timeout".to_owned(), "300ms".to_owned()]].concat(), 75);
    assert!(error.contains("no answer within 300ms"), "{error}");
}

#[test]
fn reply_that_is_cut_off_is_no_reply() {
    let directory = authority();
    let server = Server::start(directory.path(), "server-localhost", Behaviour::Cut);
    let error = failure(&reach(directory.path(), server.port), 1);
    assert!(
        error.contains("the connection was cut off: the end message of TLS (close_notify) is missing"),
        "{error}"
    );
}

#[test]
fn options_of_tls_without_tls_or_without_their_files_are_wrong_usage() {
    let directory = authority();
    let directory = directory.path();
    let ca = file(directory, "ca.pem");
    let key = file(directory, "server-localhost-key.pem");
    std::fs::write(directory.join("empty"), "").unwrap();
    let empty = file(directory, "empty");
    let certificate = file(directory, "client-ann.pem");
    for (arguments, reason) in [
        (&["--to", "tcp://localhost:1", "--ca", &ca][..], "--ca is for endpoints with TLS"),
        (&["--to", "unix:///nonexistent", "--insecure"], "--insecure is for endpoints with TLS"),
        (&["--ca", &ca], "--to"),
        (&["--to", "tls://localhost:1", "--ca", &ca, "--insecure"], "cannot be used with"),
        (
            &["--to", "tls://localhost:1", "--ca", "/nonexistent"],
            "--ca /nonexistent: no such file or directory",
        ),
        (&["--to", "tls://localhost:1", "--ca", &empty], "there is no certificate in it"),
        (&["--to", "tls://localhost:1", "--ca", &key], "there is no certificate in it"),
        (&["--to", "tls://localhost:1", "--ca", "/dev/zero"], "longer than any list of certificates"),
        (&["--to", "tls://localhost:1", "--client-certificate", &certificate], "--client-key"),
        (
            &[
                "--to",
                "tls://localhost:1",
                "--ca",
                &ca,
                "--client-certificate",
                &certificate,
                "--client-key",
                &key,
            ],
            "this is not the key of",
        ),
        (
            &[
                "--to",
                "tls://localhost:1",
                "--ca",
                &ca,
                "--client-certificate",
                &certificate,
                "--client-key",
                &ca,
            ],
            "there is no key in it",
        ),
        (&["--to", "tls://localhost"], "the port is missing, for example tls://localhost:65432"),
        (&["--to", "tls:///run/x"], "a port is missing"),
    ] {
        let finished = ipcctl(&[], &[arguments, &["multiply", "5", "10"]].concat(), "");
        assert_eq!(finished.status.code(), Some(2), "{arguments:?}: {finished:?}");
        assert!(finished.errors.contains(reason), "{arguments:?}: {finished:?}");
        assert_eq!(finished.errors.lines().count(), 1, "{finished:?}");
    }
    let finished = ipcctl(&reach(directory, 1), &["bench"], "");
    assert_eq!(finished.status.code(), Some(2), "{finished:?}");
    assert!(finished.errors.contains("bench does not measure TLS"), "{finished:?}");
}
