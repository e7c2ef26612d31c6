//! A certificate from a real certificate authority with ACME: pebble gives it to certbot, which calls the hook in the examples.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::acme_hook::{HOOK, prepare};
use crate::harness::program::{Program, command};
use crate::harness::{Daemon, MULTIPLY, TestDir, USUAL, wait_until};
use crate::tls_client::{Authority, TlsClient, write};

const NAME: &str = "teacher.school.example";

/// A running certificate authority, to which every name has this address.
struct Pebble {
    ip: Ipv4Addr,
    ca: PathBuf,
    _names: Program,
    _authority: Program,
}

impl Pebble {
    fn start(directory: &Path, ip: Ipv4Addr) -> Pebble {
        let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let own = Authority::new();
        let (certificate, key) = own.issue(&[&ip.to_string()], |_| {});
        for (name, text) in [("acme.pem", certificate), ("acme-key.pem", key), ("acme-ca.pem", own.pem())] {
            write(&directory.join(name), &text);
        }
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("{ip}:14000"),
            "managementListenAddress": format!("{ip}:15000"),
            "certificate": file("acme.pem"),
            "privateKey": file("acme-key.pem"),
            "httpPort": 5002,
            "tlsPort": 5001,
        }});
        std::fs::write(file("pebble.json"), config.to_string()).unwrap();
        let (dns, management) = (format!("{ip}:8053"), format!("{ip}:8055"));
        let address = ip.to_string();
        let names = command(
            "pebble-challtestsrv",
            [
                ["-defaultIPv4", &address],
                ["-defaultIPv6", ""],
                ["-dns01", &dns],
                ["-http01", ""],
                ["-https01", ""],
                ["-tlsalpn01", ""],
                ["-management", &management],
            ]
            .as_flattened(),
        );
        let mut authority = command("pebble", ["-config", &file("pebble.json"), "-dnsserver", &dns]);
        // Pebble rejects one right nonce in twenty; certbot gives up at the second in a row.
        authority.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        let (names, authority) = (Program::start(names), Program::start(authority));
        for port in [8053, 14000, 15000] {
            wait_until(&format!("port {port} of pebble"), || TcpStream::connect((ip, port)).ok());
        }
        Pebble { ip, ca: directory.join("acme-ca.pem"), _names: names, _authority: authority }
    }

    /// Runs certbot, which keeps everything in `directory`.
    fn certbot(&self, directory: &Path, daemon: &Daemon, arguments: &[&str]) {
        let mut certbot: Command = command("certbot", arguments);
        for name in ["config", "work", "logs"] {
            certbot.arg(format!("--{name}-dir")).arg(directory.join(name));
        }
        certbot.env("REQUESTS_CA_BUNDLE", &self.ca);
        prepare(&mut certbot, daemon);
        let finished = Program::run(certbot, "");
        assert!(finished.status.success(), "{finished:?}");
    }

    /// A client that trusts this authority.
    fn client(&self) -> Arc<ClientConfig> {
        let (ca, place) = (self.ca.to_str().unwrap(), format!("https://{}:15000/roots/0", self.ip));
        let root = Program::run(command("curl", ["--silent", "--show-error", "--cacert", ca, &place]), "");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.output.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn certbot_and_the_hook_give_the_daemon_a_certificate_and_renew_it() {
    let (test_dir, first) = (TestDir::new(), Authority::new());
    let (certificate, key) = first.issue(&["localhost"], |_| {});
    write(&test_dir.directory.path().join("certificate.pem"), &certificate);
    write(&test_dir.directory.path().join("key.pem"), &key);
    let tls = "[tls]\ncertificate = \"{dir}/certificate.pem\"\nkey = \"{dir}/key.pem\"\n";
    test_dir.write_config(&format!("{tls}{}", USUAL.replace("tcp://", "tls://")));
    let command = test_dir.command();
    let daemon = test_dir.start(command);

    let directory = tempfile::tempdir().unwrap();
    let pebble = Pebble::start(directory.path(), daemon.ip);
    let ip = daemon.ip.to_string();
    let server = format!("https://{ip}:14000/dir");
    let since = daemon.log().len();
    let mut arguments =
        vec!["certonly", "--non-interactive", "--agree-tos", "--register-unsafely-without-email"];
    arguments.extend(["--standalone", "--http-01-address", &ip, "--http-01-port", "5002"]);
    arguments.extend(["--domain", NAME, "--server", &server, "--deploy-hook", HOOK]);
    pebble.certbot(directory.path(), &daemon, &arguments);
    daemon.wait_for_log_since(since, "reloaded: ");
    let config = pebble.client();
    let mut client = TlsClient::connect_to(&daemon, MULTIPLY, &config, NAME).unwrap();
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");

    let shown = std::fs::read(daemon.directory.path().join("certificate.pem")).unwrap();
    let since = daemon.log().len();
    let renew = ["renew", "--force-renewal", "--no-random-sleep-on-renew", "--non-interactive"];
    pebble.certbot(directory.path(), &daemon, &renew);
    daemon.wait_for_log_since(since, "reloaded: ");
    assert_ne!(std::fs::read(daemon.directory.path().join("certificate.pem")).unwrap(), shown);
    client.say("6 7\n");
    client.hear("Data received\n42.0\n");
    let mut later = TlsClient::connect_to(&daemon, MULTIPLY, &config, NAME).unwrap();
    later.say("5 10\n");
    later.hear("Data received\n50.0\n");
    daemon.stop();
}
