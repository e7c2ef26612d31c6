//! Clients of other protocols: curl and openssl soon report that this port is the wrong one.

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::time::Duration;

use crate::harness::healthy::owed;
use crate::harness::program::{Finished, Program, command};
use crate::harness::{CHAT, GREETING, MULTIPLY, TIMEOUT, not_http, wait_until};
use crate::{CAVE, WORDS, daemon};

/// The longest wait of such a client. On a busy machine, the client's start takes some of it.
const QUICK: Duration = Duration::from_secs(25);

#[track_caller]
fn assert_quick(finished: &Finished) {
    assert!(finished.took < QUICK, "{finished:?}");
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn browser_is_told_that_this_is_not_http() {
    let daemon = daemon();
    let socket = daemon.socket();
    let curl = |more: &[&str], url: &str| {
        let mut curl = command("curl", ["--silent", "--show-error", "--max-time", "60", "--noproxy", "*"]);
        curl.args(more).arg(url);
        Program::run(curl, "")
    };
    let text = |service: &str| format!("this port speaks {service}, not HTTP\n");
    let url = format!("http://{}:{MULTIPLY}/index.html", daemon.ip);
    for more in [&[][..], &["--data", "5 10"], &["--request", "purge"]] {
        let finished = curl(more, &url);
        assert_quick(&finished);
        assert_eq!(finished.output, text("multiply"), "{finished:?}");
        assert!(finished.status.success(), "{finished:?}");
    }
    // These understand only frames or records.
    for (more, url) in [("--http2-prior-knowledge", &url), ("--insecure", &url.replace("http:", "https:"))] {
        let refused = curl(&[more], url);
        assert!(!refused.status.success() && refused.output.is_empty(), "{refused:?}");
        assert_quick(&refused);
    }
    let finished = curl(&["--unix-socket", socket.to_str().unwrap()], "http://localhost/");
    assert_eq!(finished.output, text("mux"), "{finished:?}");
    // These two services send something before the client does.
    for (port, expected) in [(CHAT, format!("{CAVE}{}", not_http("chat"))), (GREETING, WORDS.to_owned())] {
        let finished = curl(&["--http0.9"], &format!("http://{}:{port}/", daemon.ip));
        assert_eq!(finished.output, expected, "{finished:?}");
        assert_quick(&finished);
    }
    daemon.wait_for_log("closed: spoke HTTP");
    daemon.stop();
}

/// The first bytes of `openssl s_client`.
fn client_hello() -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let _openssl = Program::start(command("openssl", ["s_client", "-connect", &address]));
    // Not a blocking accept(), which would wait for ever if openssl failed.
    listener.set_nonblocking(true).unwrap();
    let mut stream = wait_until("openssl connects", || match listener.accept() {
        Ok((stream, _)) => Some(stream),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut header = [0; 5];
    stream.read_exact(&mut header).unwrap();
    let mut hello = header.to_vec();
    hello.resize(5 + usize::from(u16::from_be_bytes([header[3], header[4]])), 0);
    stream.read_exact(&mut hello[5..]).unwrap();
    hello
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn tls_client_is_refused_within_a_second() {
    let daemon = daemon();
    let hello = client_hello();
    let clients = [
        (daemon.tcp(MULTIPLY), "Error: this port speaks multiply, not TLS\n".to_owned()),
        (daemon.tcp(CHAT), format!("{CAVE}Error: this port speaks chat, not TLS\n")),
        (daemon.tcp(GREETING), WORDS.to_owned()),
        (daemon.unix(), "Error: this port speaks mux, not TLS\n".to_owned()),
    ];
    for (mut client, expected) in clients {
        let ((), took) = owed(Some(daemon.pid()), || {
            client.say(&hello);
            client.hear(&expected);
            client.hear_end();
        });
        assert!(took < Duration::from_secs(1), "{took:?} for {expected}");
    }
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn openssl_fails_quickly_and_the_log_says_why() {
    let daemon = daemon();
    let socket = daemon.socket();
    let tcp = |port: u16| vec!["-connect".to_owned(), format!("{}:{port}", daemon.ip)];
    let unix = vec!["-unix".to_owned(), socket.to_str().unwrap().to_owned()];
    for (place, told) in [
        (tcp(MULTIPLY), Some("multiply")),
        (tcp(CHAT), Some("chat")),
        (tcp(GREETING), None),
        (unix, Some("mux")),
    ] {
        let mut openssl = command("openssl", ["s_client"]);
        openssl.args(place);
        let finished = Program::run(openssl, "");
        assert!(!finished.status.success(), "{finished:?}");
        assert!(finished.errors.contains("wrong version number"), "{finished:?}");
        assert_quick(&finished);
        if let Some(service) = told {
            daemon.wait_for_log(&format!("error reply: this port speaks {service}, not TLS"));
        }
    }
    daemon.wait_for_log("closed: spoke TLS");
    daemon.stop();
}
