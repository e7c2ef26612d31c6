//! The client and the daemon, with the certificates that the client makes.

use std::fs;

use super::{file, ipcctl};
use crate::certificate::made;
use crate::harness::{Daemon, TestDir};

/// Every service of a course, only with TLS, on the ports of one address.
pub const SERVICES: &str = r#"
[tls]
certificate = "{dir}/server-localhost.pem"
key = "{dir}/server-localhost-key.pem"
{more}
[multiply]
listen = ["tls://{ip}:65432"]
[greeting]
listen = ["tls://{ip}:9999"]
[chat]
listen = ["tls://{ip}:33000"]
[hello]
listen = ["tls://{ip}:8080"]
[stats]
listen = ["tls://{ip}:33001"]
[mux]
listen = ["tls://{ip}:7000"]
[page]
listen = ["https://{ip}:33443"]
"#;

pub fn start(test_dir: TestDir, more: &str) -> Daemon {
    made(test_dir.directory.path(), &["localhost", &test_dir.ip.to_string(), "--client", "ann"]);
    test_dir.write_config(&SERVICES.replace("{more}", more));
    let command = test_dir.command();
    test_dir.start(command)
}

fn reach(daemon: &Daemon, port: u16) -> [String; 4] {
    let to = format!("tls://{}:{port}", daemon.ip);
    ["--to".to_owned(), to, "--ca".to_owned(), file(daemon.directory.path(), "ca.pem")]
}

#[test]
fn daemon_serves_its_own_client_with_its_own_certificates() {
    let daemon = start(TestDir::new(), "");
    for (port, arguments, input, output) in [
        (65432, &["multiply", "5", "10"][..], "", "50.0\n"),
        (65432, &["multiply", "-"], "1 2\n\n3 4\n", "2.0\n\n12.0\n"),
        (9999, &["greeting"], "", ""),
        (8080, &["hello"], "", "Hello from server"),
        (33000, &["chat", "--name", "cron"], "hi\nho\n", "cron: hi\ncron: ho\n"),
        (33001, &["top", "--once", "--json"], "", "[]\n"),
    ] {
        let finished = ipcctl(&reach(&daemon, port), arguments, input);
        assert!(finished.status.success(), "{arguments:?}: {finished:?}");
        assert!(
            finished.output.starts_with(output) && !finished.output.is_empty(),
            "{arguments:?}: {finished:?}"
        );
        assert_eq!(finished.errors, "", "{arguments:?}");
    }
    // In a WebSocket with TLS as well.
    let mut web = reach(&daemon, 33443);
    web[1] = web[1].replace("tls://", "wss://");
    for (arguments, input, output) in [
        (&["multiply", "-"][..], "1 2\n3 4\n", "2.0\n12.0\n"),
        (&["chat", "--name", "cron"], "hi\nho\n", "cron: hi\ncron: ho\n"),
    ] {
        let finished = ipcctl(&web, arguments, input);
        assert!(finished.status.success(), "{arguments:?}: {finished:?}");
        assert_eq!((finished.output.as_str(), finished.errors.as_str()), (output, ""), "{arguments:?}");
    }
    let finished = ipcctl(&reach(&daemon, 65432), &["multiply", "5", "x"], "");
    assert_eq!((finished.status.code(), finished.errors.as_str()), (Some(1), "ipcctl: not a number: 'x'\n"));
    let mut plain = reach(&daemon, 65432);
    plain[1] = plain[1].replace("tls://", "tcp://");
    let finished = ipcctl(&plain[..2], &["multiply", "5", "10"], "");
    assert!(!finished.status.success() && finished.output.is_empty(), "{finished:?}");
    daemon.stop();
}

#[test]
fn endpoint_of_the_other_kind_is_named_as_that() {
    let daemon = start(TestDir::new(), "");
    let as_web = |mut reach: [String; 4]| {
        reach[1] = reach[1].replace("tls://", "wss://");
        reach
    };
    for reach in [reach(&daemon, 33443), as_web(reach(&daemon, 65432))] {
        let finished = ipcctl(&reach, &["multiply", "5", "10"], "");
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        let error = "the server speaks another protocol in TLS there (alert NoApplicationProtocol); a page is wss://, a service tls://";
        assert!(finished.errors.contains(error), "{finished:?}");
    }
    daemon.wait_for_log("TLS failed: no application protocol in common (alert no_application_protocol)");
    daemon.stop();
}

#[test]
fn daemon_with_a_client_authority_knows_its_clients() {
    let daemon = start(TestDir::new(), "client_ca = \"{dir}/ca.pem\"");
    let directory = daemon.directory.path();
    let own = [
        "--client-certificate".to_owned(),
        file(directory, "client-ann.pem"),
        "--client-key".to_owned(),
        file(directory, "client-ann-key.pem"),
    ];
    let here = reach(&daemon, 65432);
    let finished = ipcctl(&[&here[..], &own].concat(), &["multiply", "5", "10"], "");
    assert_eq!((finished.output.as_str(), finished.errors.as_str()), ("50.0\n", ""));
    let finished = ipcctl(&here, &["multiply", "5", "10"], "");
    assert!(finished.errors.contains("give yours with --client-certificate"), "{finished:?}");
    // A certificate from another authority of the same name.
    let other = directory.join("other");
    fs::create_dir(&other).unwrap();
    made(&other, &["localhost", "--client", "ann"]);
    let foreign = own.map(|argument| argument.replace("/client-", "/other/client-"));
    let finished = ipcctl(&[&here[..], &foreign].concat(), &["multiply", "5", "10"], "");
    assert!(finished.errors.contains("the server does not accept the client's certificate"), "{finished:?}");
    daemon.stop();
}
