//! Programs that speak TLS, each as a person would call it.

use std::process::Command;

use crate::harness::program::{Program, command};
use crate::harness::{Daemon, GREETING, MULTIPLY, TestDir, USUAL};
use crate::tls_client::{Authority, write};
use crate::{WORDS, exchange};

/// The usual services with TLS, and the file of their authority.
fn daemon() -> (Daemon, String) {
    daemon_with_gap("300ms")
}

/// The same with another gap.
fn daemon_with_gap(gap: &str) -> (Daemon, String) {
    let (test_dir, authority) = (TestDir::new(), Authority::new());
    let file = |name: &str| test_dir.directory.path().join(name);
    let ip = test_dir.ip.to_string();
    let (certificate, key) = authority.issue(&["localhost", &ip], |_| {});
    write(&file("certificate.pem"), &certificate);
    write(&file("key.pem"), &key);
    write(&file("ca.pem"), &authority.pem());
    let ca = file("ca.pem").to_str().unwrap().to_owned();
    let tls = "[tls]\ncertificate = \"{dir}/certificate.pem\"\nkey = \"{dir}/key.pem\"\n";
    test_dir
        .write_config(&format!("{tls}[limits]\nraw_gap = \"{gap}\"\n{}", USUAL.replace("tcp://", "tls://")));
    let command = test_dir.command();
    (test_dir.start(command), ca)
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn ncat_and_socat_are_answered_over_tls() {
    // The end of the input ends the last message, however late it comes.
    let (daemon, ca) = daemon_with_gap("10s");
    let at = |port: u16| {
        let (ip, number) = (daemon.ip.to_string(), port.to_string());
        [
            command("ncat", ["--ssl", &ip, &number]),
            command("socat", ["-t", "30", "-", &format!("OPENSSL:{ip}:{port},cafile={ca}")]),
        ]
    };
    for tool in at(MULTIPLY) {
        exchange(tool, "5 10\n10 / 4", "Data received\n50.0\nData received\n2.5\n");
    }
    for tool in at(GREETING) {
        exchange(tool, "", WORDS);
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn openssl_of_every_version_is_answered_and_trusts_the_certificate() {
    let (daemon, ca) = daemon();
    for version in ["-tls1_3", "-tls1_2"] {
        let at = daemon.address(MULTIPLY).to_string();
        let arguments =
            ["s_client", "-quiet", "-verify_return_error", "-CAfile", &ca, version, "-connect", &at];
        let mut tool = Program::start(command("openssl", arguments));
        tool.say("5 10\n");
        tool.hear("Data received\n50.0\n");
        tool.say("6 7\n");
        tool.hear("Data received\n42.0\n");
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn python_hears_two_messages_and_the_end() {
    const CODE: &str = "import socket, ssl, sys\n\
        context = ssl.create_default_context(cafile=sys.argv[3])\n\
        def connect(port):\n\
        \x20   s = socket.create_connection((sys.argv[1], port))\n\
        \x20   return context.wrap_socket(s, server_hostname='localhost')\n\
        s = connect(int(sys.argv[2]))\n\
        s.sendall(b'5 10')\n\
        print(s.recv(1024), s.recv(1024))\n\
        s = connect(9999)\n\
        print(s.recv(1024), s.recv(1024))\n";
    let (daemon, ca) = daemon_with_gap("1s");
    let (ip, port) = (daemon.ip.to_string(), MULTIPLY.to_string());
    let tool: Command = command("python3", ["-c", CODE, &ip, &port, &ca]);
    let expected = "b'Data received' b'50.0'\nb'Message received. Thank you for connecting\\r\\n' b''\n";
    exchange(tool, "", expected);
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn gnutls_of_every_version_trusts_the_certificate_and_hears_the_end() {
    // The end of the input ends the last message, however late it comes.
    let (daemon, ca) = daemon_with_gap("10s");
    let at = |port: u16, version: &str| {
        let (ip, port) = (daemon.ip.to_string(), port.to_string());
        let priority = format!("--priority=NORMAL:-VERS-ALL:+VERS-{version}");
        let trust = format!("--x509cafile={ca}");
        command(
            "gnutls-cli",
            ["--logfile=/dev/null", &trust, &priority, "--verify-hostname=localhost", "-p", &port, &ip],
        )
    };
    for version in ["TLS1.3", "TLS1.2"] {
        exchange(at(MULTIPLY, version), "5 10\n10 / 4", "Data received\n50.0\nData received\n2.5\n");
        exchange(at(GREETING, version), "", WORDS);
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn curl_hears_the_greeting_as_gopher_over_tls() {
    let (daemon, ca) = daemon();
    let place = format!("gophers://{}/1", daemon.address(GREETING));
    exchange(command("curl", ["--silent", "--show-error", "--cacert", &ca, &place]), "", WORDS);
    daemon.stop();
}

/// Debian has no package of sslyze: `IPCD_SSLYZE` is its path, unless it is found by its name.
#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn sslyze_reports_only_the_untrusted_test_certificate() {
    let (daemon, ca) = daemon();
    let name = std::env::var("IPCD_SSLYZE").unwrap_or("sslyze".to_owned());
    let place = format!("localhost:{MULTIPLY}{{{}}}", daemon.ip);
    let options = ["--mozilla_config", "intermediate", "--certinfo_ca_file", &ca, &place];
    let finished = Program::run(command(&name, options), "");
    let report = &finished.output;
    let (scans, compliance) =
        report.split_once("COMPLIANCE AGAINST").unwrap_or_else(|| panic!("{finished:?}"));
    assert!(scans.contains("Not vulnerable to Heartbleed"), "{scans}");
    let is_bad = |line: &&str| line.contains("VULNERABLE - ");
    assert_eq!(scans.lines().find(is_bad), None, "{scans}");
    let is_of_the_certificate =
        |line: &str| line.starts_with("* certificate") || line.starts_with("* maximum_certificate");
    let findings: Vec<&str> =
        compliance.lines().map(str::trim).filter(|line| line.starts_with("* ")).collect();
    assert!(findings.iter().all(|line| is_of_the_certificate(line)), "{findings:?}");
    daemon.stop();
}
