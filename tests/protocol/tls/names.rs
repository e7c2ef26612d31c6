//! Certificates of clients: their names, when they are requested, who may connect, and revocation.

use std::sync::Arc;

use rcgen::{CertificateRevocationListParams, DnType, RevokedCertParams};
use rustix::process::Signal;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::client::{Authority, TlsClient, write};
use super::{MULTIPLY, test_dir};
use crate::harness::{CHAT, Daemon, TestDir};

/// An endpoint that requests no certificate.
const FREE: u16 = 65434;

/// An endpoint only for ada.
const ADA: u16 = 65435;

/// Multiply on three endpoints, and a mux; all but one of them request certificates.
const ENDPOINTS: &str = r#"
[tls]
certificate = "{dir}/certificate.pem"
key = "{dir}/key.pem"
client_ca = "{dir}/ca.pem"
{more}
[multiply]
listen = [
    "tls://{ip}:65433",
    { endpoint = "tls://{ip}:65434", client_certificates = false },
    { endpoint = "tls://{ip}:65435", allow_names = ["ada"] },
]
[chat]
listen = ["tls://{ip}:33000"]
allow_names = ["ada", "Zoë"]
[mux]
listen = ["unix://{dir}/ipcd.sock", "tls://{ip}:65436"]
"#;

/// A daemon that requests certificates of this authority.
fn daemon(more: &str, prepare: impl FnOnce(&TestDir, &Authority)) -> (Daemon, Authority) {
    let (test_dir, authority) = test_dir("");
    write(&test_dir.directory.path().join("ca.pem"), &authority.pem());
    prepare(&test_dir, &authority);
    test_dir.write_config(&ENDPOINTS.replace("{more}", more));
    let mut command = test_dir.command();
    command.args(["--log-level", "debug"]);
    (test_dir.start(command), authority)
}

/// A client whose certificate `authority` has signed, with this common name and serial number.
pub fn client(trusted: &Authority, authority: &Authority, name: &str, serial: u64) -> Arc<ClientConfig> {
    let (certificate, key) = authority.issue(&[], |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(serial.into());
    });
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    Arc::new(trusted.client_with(chain, key))
}

fn multiplies(daemon: &Daemon, port: u16, config: &Arc<ClientConfig>) {
    let mut client = TlsClient::connect(daemon, port, config);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    client.say_end();
    client.hear_rest();
}

/// Connects, and is closed without receiving a byte.
#[track_caller]
fn is_refused(daemon: &Daemon, port: u16, config: &Arc<ClientConfig>, why: &str) {
    let since = daemon.log().len();
    if let Some(mut client) = TlsClient::try_connect(daemon, port, config) {
        // In TLS 1.3, the client is done before the server has seen its certificate.
        let mut buffer = [0; 100];
        let _ = client.try_say(b"5 10\n");
        let heard = std::io::Read::read(&mut client.stream, &mut buffer);
        assert!(!matches!(heard, Ok(1..)), "{heard:?}");
    }
    daemon.wait_for_log_since(since, why);
}

#[test]
fn certificate_name_is_in_the_log_the_status_and_watch() {
    let (daemon, authority) = daemon("", |_, _| {});
    let mut watcher = daemon.unix();
    watcher.say("watch\njson\n");
    watcher.hear_line_with("\"watching\"");
    let ada = client(&authority, &authority, "ada", 7);
    let mut peer = TlsClient::connect(&daemon, CHAT, &ada);
    peer.hear("Greetings from the cave! Now type your name and press enter!\n");
    daemon.wait_for_log("is ada, by its certificate");
    let event = watcher.hear_line_with("\"identified\"");
    assert!(event.contains("\"text\":\"ada\""), "{event}");
    peer.say("countess\n");
    peer.hear("Welcome countess! If you ever want to quit, type {quit} to exit.\n");
    daemon.wait_for_log("[ada] joined as countess");
    peer.say("hello\n");
    daemon.wait_for_log("[countess] message 'hello'");
    let mut status = daemon.unix();
    status.say("status\n");
    status.half_close();
    let report: serde_json::Value = serde_json::from_slice(&status.hear_rest()).unwrap();
    let of = |list: &str, key: &str| -> Vec<String> {
        let names = report[list].as_array().unwrap().iter();
        names.filter_map(|entry| Some(entry[key].as_str()?.to_owned())).collect()
    };
    assert_eq!(
        (of("connections", "certificate"), of("connections", "name")),
        (vec!["ada".to_owned()], vec!["countess".to_owned()])
    );
    assert_eq!(of("clients", "certificate"), ["ada"]);
    daemon.stop();
}

#[test]
fn endpoint_requests_certificates_unless_configured_otherwise() {
    let (daemon, authority) = daemon("", |_, _| {});
    let nobody = Arc::new(authority.client());
    multiplies(&daemon, FREE, &nobody);
    is_refused(
        &daemon,
        MULTIPLY,
        &nobody,
        "TLS failed: the client has no certificate (alert certificate_required)",
    );
    let other = Authority::new();
    let stranger = client(&authority, &other, "ada", 7);
    is_refused(&daemon, MULTIPLY, &stranger, "the client's certificate is not of the authority in client_ca");
    for name in ["ada", "eve"] {
        multiplies(&daemon, MULTIPLY, &client(&authority, &authority, name, 7));
    }
    daemon.stop();
}

#[test]
fn session_without_a_certificate_does_not_resume_where_one_is_required() {
    let (daemon, authority) = daemon("", |_, _| {});
    // This client keeps its tickets.
    let config = Arc::new(authority.client());
    let mut first = TlsClient::connect(&daemon, FREE, &config);
    first.say("5 10\n");
    first.hear("Data received\n50.0\n");
    let mut second = TlsClient::connect(&daemon, FREE, &config);
    second.say("5 10\n");
    second.hear("Data received\n50.0\n");
    assert_eq!(second.stream.conn.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
    is_refused(&daemon, MULTIPLY, &config, "the client has no certificate");
    daemon.stop();
}

#[test]
fn only_listed_names_come_in() {
    let (daemon, authority) = daemon("", |_, _| {});
    let [ada, eve, zoe, nameless] =
        ["ada", "eve", "Zoë", "\n"].map(|name| client(&authority, &authority, name, 7));
    multiplies(&daemon, ADA, &ada);
    for (port, config, told) in [
        (ADA, &eve, "Error: eve may not connect\n"),
        (ADA, &nameless, "Error: the certificate has no name\n"),
        (CHAT, &eve, "Error: eve may not connect\n"),
    ] {
        let since = daemon.log().len();
        let mut peer = TlsClient::connect(&daemon, port, config);
        assert_eq!(String::from_utf8(peer.hear_rest()).unwrap(), told);
        daemon.wait_for_log_since(since, "refused: the name in its certificate is not in allow_names");
    }
    let mut peer = TlsClient::connect(&daemon, CHAT, &zoe);
    peer.hear("Greetings from the cave! Now type your name and press enter!\n");
    let mut peer = TlsClient::connect(&daemon, 65436, &eve);
    peer.say("chat\n");
    peer.hear("Error: eve may not use chat: not in allow_names under [chat]\n");
    peer.say("multiply\n5 10\n");
    peer.hear("Data received\n50.0\n");
    daemon.stop();
}

#[test]
fn request_that_comes_with_the_end_of_the_handshake_waits_for_the_list() {
    let (daemon, authority) = daemon("", |_, _| {});
    let [ada, eve] = ["ada", "eve"].map(|name| client(&authority, &authority, name, 7));
    let mut peer = TlsClient::connect_saying(&daemon, ADA, &eve, b"5 10\n");
    assert_eq!(String::from_utf8(peer.hear_rest()).unwrap(), "Error: eve may not connect\n");
    let mut peer = TlsClient::connect_saying(&daemon, ADA, &ada, b"6 7\n");
    peer.hear("Data received\n42.0\n");
    let log = daemon.stop();
    assert!(!log.iter().any(|line| line.contains("5 10")), "{log:?}");
    let at = |text: &str| log.iter().position(|line| line.contains(text)).unwrap();
    assert!(at("is ada, by its certificate") < at("[ada] message '6 7'"), "{log:?}");
}

/// A list that revokes these serial numbers, and must be replaced in this year.
fn list(authority: &Authority, serials: &[u64], until: i32) -> String {
    let date = |year| rcgen::date_time_ymd(year, 1, 1);
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: (*serial).into(),
        revocation_time: date(2020),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date(2020),
        next_update: date(until),
        crl_number: 1.into(),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    authority.sign_list(params)
}

#[test]
fn revoked_certificate_is_refused_and_a_reload_reads_the_list_again() {
    let (daemon, authority) = daemon("client_crl = \"{dir}/crl.pem\"\n", |test_dir, authority| {
        write(&test_dir.directory.path().join("crl.pem"), &list(authority, &[8], 3000));
    });
    let path = daemon.directory.path().join("crl.pem");
    let [ada, eve] =
        [("ada", 7), ("eve", 8)].map(|(name, serial)| client(&authority, &authority, name, serial));
    let revoked = "TLS failed: the client's certificate is revoked (alert certificate_revoked)";
    multiplies(&daemon, MULTIPLY, &ada);
    is_refused(&daemon, MULTIPLY, &eve, revoked);
    for wrong in ["", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", &authority.pem()] {
        let since = daemon.log().len();
        write(&path, wrong);
        daemon.signal(Signal::HUP);
        daemon.wait_for_log_since(since, "reload failed, nothing has changed");
        assert!(daemon.log()[since..].iter().any(|line| line.contains("crl.pem: ")), "{wrong}");
    }
    multiplies(&daemon, MULTIPLY, &ada);
    is_refused(&daemon, MULTIPLY, &eve, revoked);
    let since = daemon.log().len();
    write(&path, &list(&authority, &[7], 2021));
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "reloaded: ");
    daemon.wait_for_log_since(since, "the list of revoked certificates expired on 2021-01-01T00:00:00Z");
    // Its ticket is no longer accepted.
    is_refused(&daemon, MULTIPLY, &ada, revoked);
    multiplies(&daemon, MULTIPLY, &eve);
    daemon.stop();
}
