//! What a handshake selects: the certificate for a name, the application protocol, and a resumed session.

use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};

use super::client::{TlsClient, write};
use super::{MULTIPLY, daemon, test_dir};
use crate::harness::late::{SECOND, in_time};
use crate::harness::program::{Program, command};
use crate::harness::{Daemon, wait_until};
use crate::page::{OPENED, client_frame, server_frame, upgrade};

/// The first certificate of the chain for a client that asks for this name.
fn shown(daemon: &Daemon, config: &Arc<ClientConfig>, name: &str) -> Vec<u8> {
    let client = TlsClient::connect_to(daemon, MULTIPLY, config, name).unwrap();
    client.stream.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn name_that_a_client_asks_for_chooses_the_certificate() {
    let (test_dir, authority) = test_dir("");
    let path = |name: &str| test_dir.directory.path().join(name);
    for (file, names) in [("a", &["a.example", "*.wild.example"][..]), ("b", &["b.example", "localhost"])] {
        let (certificate, key) = authority.issue(names, |_| {});
        write(&path(&format!("{file}.pem")), &certificate);
        write(&path(&format!("{file}-key.pem")), &key);
    }
    let text = std::fs::read_to_string(test_dir.config_file()).unwrap();
    let more = "[tls]\ncertificates = [{ certificate = \"{dir}/a.pem\", key = \"{dir}/a-key.pem\" }, { certificate = \"{dir}/b.pem\", key = \"{dir}/b-key.pem\" }]\n";
    test_dir.write_config(&text.replacen("[tls]\n", more, 1));
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let config = Arc::new(authority.client());
    // Each must be for the name.
    let [first, a, b] = ["localhost", "a.example", "b.example"].map(|name| shown(&daemon, &config, name));
    assert!(first != a && a != b && first != b, "the first one has localhost too");
    assert_eq!(shown(&daemon, &config, "pc.wild.example"), a);
    // A client that asks for another name gets the first certificate, and refuses it.
    let since = daemon.log().len();
    let error = TlsClient::connect_to(&daemon, MULTIPLY, &config, "c.example").err().unwrap().to_string();
    assert!(error.contains("certificate not valid for name \"c.example\""), "{error}");
    daemon.wait_for_log_since(since, "TLS failed: the client sent the alert bad_certificate");
    // An address is not a name, so the client asks for none.
    let error = TlsClient::connect_to(&daemon, MULTIPLY, &config, "192.0.2.1").err().unwrap().to_string();
    assert!(error.contains("certificate not valid for name"), "{error}");
    // All or nothing, and each file by its name.
    let since = daemon.log().len();
    write(&daemon.directory.path().join("b-key.pem"), "nothing");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "b-key.pem: it contains no private key");
    assert_eq!(shown(&daemon, &config, "b.example"), b);
    daemon.stop();
}

#[test]
fn browser_agrees_on_http_with_a_page_and_has_websockets_there() {
    let (daemon, config) = daemon("[page]\nlisten = [\"https://{ip}:33443\"]\n");
    let mut config = ClientConfig::clone(&config);
    config.alpn_protocols = ["h2", "http/1.1"].map(|name| name.as_bytes().to_vec()).into();
    let config = Arc::new(config);
    let mut client = TlsClient::connect(&daemon, 33443, &config);
    client.say("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let heard = String::from_utf8(client.hear_rest()).unwrap();
    assert!(heard.starts_with("HTTP/1.1 200 ") && heard.ends_with("\r\n\r\nok\n"), "{heard}");
    assert_eq!(client.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut client = TlsClient::connect(&daemon, 33443, &config);
    client.say(upgrade("multiply", "Origin: https://localhost:33080\r\n"));
    client.hear(OPENED);
    client.say(client_frame(0x81, b"5 10"));
    client.hear([server_frame(0x81, b"Data received"), server_frame(0x81, b"50.0")].concat());
    drop(client);
    daemon.stop();
}

/// The answers do not fit into the buffers at once, so the request to open a WebSocket waits, with all that follows it.
#[test]
fn websocket_whose_stream_has_ended_before_it_is_open_ends() {
    let (daemon, config) = daemon("[page]\nlisten = [\"https://{ip}:33443\"]\n");
    let mut client = TlsClient::connect(&daemon, 33443, &config);
    let requests = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200);
    let frame = client_frame(0x81, b"5 10");
    daemon.freeze();
    client.say([requests.as_bytes(), upgrade("multiply", "").as_bytes(), &frame].concat());
    client.say_end();
    daemon.thaw();
    let heard = client.hear_rest();
    let answers =
        [OPENED.as_bytes(), &server_frame(0x81, b"Data received"), &server_frame(0x81, b"50.0")].concat();
    let shown = String::from_utf8_lossy(&heard[heard.len().saturating_sub(300)..]);
    assert!(heard.windows(answers.len()).any(|part| part == answers), "{shown}");
    daemon.stop();
}

#[test]
fn client_with_another_application_protocol_is_refused() {
    let (daemon, config) = daemon("");
    let with = |protocols: &[&str]| {
        let mut config = ClientConfig::clone(&config);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    };
    for (protocols, agreed) in
        [(&[][..], None), (&["ipcd/1"], Some("ipcd/1")), (&["http/1.1", "ipcd/1"], Some("ipcd/1"))]
    {
        let mut client = TlsClient::connect(&daemon, MULTIPLY, &with(protocols));
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
        assert_eq!(client.stream.conn.alpn_protocol(), agreed.map(str::as_bytes), "{protocols:?}");
    }
    let error =
        TlsClient::connect_to(&daemon, MULTIPLY, &with(&["h2", "http/1.1"]), "localhost").err().unwrap();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    daemon.wait_for_log("TLS failed: no application protocol in common (alert no_application_protocol)");
    daemon.stop();
}

#[test]
fn session_resumes_with_a_ticket_until_a_reload_but_without_early_data() {
    let (test_dir, authority) = test_dir("");
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    for version in [&TLS13, &TLS12] {
        let mut config = authority.client_of(&[version]);
        config.enable_early_data = true;
        let config = Arc::new(config);
        let kind = || {
            let mut client = TlsClient::connect(&daemon, MULTIPLY, &config);
            let early = client.stream.conn.is_early_data_accepted();
            client.say("5 10\n");
            client.hear("Data received\n50.0\n");
            (client.stream.conn.handshake_kind(), early)
        };
        assert_eq!(kind(), (Some(HandshakeKind::Full), false), "{version:?}");
        assert_eq!(kind(), (Some(HandshakeKind::Resumed), false), "{version:?}");
        assert_eq!(kind(), (Some(HandshakeKind::Resumed), false), "{version:?}: with the next ticket");
        let name = ServerName::try_from("localhost").unwrap();
        let mut next = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
        assert!(next.early_data().is_none(), "{version:?}: no ticket allows it");
        // The keys of tickets are new.
        let since = daemon.log().len();
        daemon.signal(Signal::HUP);
        daemon.wait_for_log_since(since, "reloaded: ");
        assert_eq!(kind(), (Some(HandshakeKind::Full), false), "{version:?}: after a reload");
    }
    daemon.stop();
}

#[test]
fn openssl_resumes_its_session() {
    let (daemon, _) = daemon("");
    let session = daemon.directory.path().join("session");
    let to = daemon.address(MULTIPLY).to_string();
    for version in ["-tls1_3", "-tls1_2"] {
        let client = |option: &str| {
            let arguments = ["s_client", "-connect", &to, version, option, &session.display().to_string()];
            let mut openssl = Program::start(command("openssl", arguments));
            openssl.say("5 10\n");
            let mut said = String::new();
            while !said.ends_with("50.0\n") {
                said += &openssl.hear_line();
                said.push('\n');
            }
            openssl.close_input();
            said + &openssl.finish().output
        };
        let first = client("-sess_out");
        assert!(first.contains("New, TLSv1.") && first.contains("50.0"), "{first}");
        assert!(!first.contains("Max Early Data: ") || first.contains("Max Early Data: 0"), "{first}");
        let second = client("-sess_in");
        assert!(second.contains("Reused, TLSv1.") && second.contains("50.0"), "{second}");
    }
    daemon.stop();
}

#[test]
fn certificate_warning_comes_14_days_before_its_end() {
    let (daemon, started) = in_time(|| {
        let (test_dir, authority) = test_dir("");
        let begun = std::time::Instant::now();
        let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(14 * 24 * 60 * 60 + 8);
        let (certificate, key) = authority.issue(&["localhost"], |params| params.not_after = soon.into());
        write(&test_dir.directory.path().join("certificate.pem"), &certificate);
        write(&test_dir.directory.path().join("key.pem"), &key);
        let command = test_dir.command();
        let daemon = test_dir.start(command);
        let started = daemon.wait_for_log("is ready");
        (begun.elapsed() < 7 * SECOND).then_some((daemon, started))
    });
    daemon.wait_for_log("certificate.pem: the certificate expires on ");
    let log = daemon.stop();
    let at = |text: &str| log.iter().position(|line| line.contains(text));
    assert!(at(&started) < at("the certificate expires on "), "{log:?}");
}

#[test]
fn keys_of_connections_are_logged_only_by_debug_builds() {
    let (test_dir, authority) = test_dir("");
    let keys = test_dir.directory.path().join("keys.log");
    let mut command = test_dir.command();
    command.env("SSLKEYLOGFILE", &keys);
    let daemon = test_dir.start(command);
    let mut client = TlsClient::connect(&daemon, MULTIPLY, &Arc::new(authority.client()));
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    let is_written =
        || std::fs::read_to_string(&keys).is_ok_and(|text| text.contains("SERVER_TRAFFIC_SECRET"));
    match cfg!(debug_assertions) {
        true => {
            wait_until("the keys are written", || is_written().then_some(()));
            // No such secret is derived.
            assert!(!std::fs::read_to_string(&keys).unwrap().contains("EXPORTER_SECRET"));
        }
        false => assert!(!keys.exists()),
    }
    daemon.stop();
}
