//! The files of `[tls]`, in the forms of other programs, and the errors about them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;

use super::client::{Authority, TlsClient, write};
use super::hook::{HOOK, prepare};
use super::{MULTIPLY, test_dir};
use crate::harness::TestDir;
use crate::harness::around::outcome;

/// The output of `--check` with these files.
fn check(test_dir: &TestDir) -> (Option<i32>, String) {
    let output = outcome(test_dir.command().arg("--check"));
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr)
            .replace(test_dir.directory.path().to_str().unwrap(), "DIR")
            .replace("ipcd: DIR", "DIR"),
    )
}

fn path(test_dir: &TestDir, name: &str) -> std::path::PathBuf {
    test_dir.directory.path().join(name)
}

#[test]
fn unusable_files_are_errors_that_say_what_would_be_right() {
    let (test_dir, authority) = test_dir("");
    let read = |name: &str| std::fs::read_to_string(path(&test_dir, name)).unwrap();
    let (certificate, key) = (read("certificate.pem"), read("key.pem"));
    let (_, other_key) = authority.issue(&["localhost"], |_| {});
    assert_eq!(check(&test_dir).0, Some(0), "{}", check(&test_dir).1);
    for (file, text, expected) in [
        ("key.pem", other_key.as_str(), "DIR/certificate.pem: it does not belong to the key"),
        ("key.pem", &certificate, "DIR/key.pem: it contains a certificate but no key"),
        ("key.pem", "nothing", "DIR/key.pem: it contains no private key"),
        (
            "key.pem",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "DIR/key.pem: the key is protected by a passphrase",
        ),
        ("certificate.pem", &key, "DIR/certificate.pem: it contains a key but no certificate"),
        ("certificate.pem", "", "DIR/certificate.pem: it contains no certificate"),
        ("certificate.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n", "DIR/certificate.pem: block 1 has no end"),
        (
            "certificate.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "DIR/certificate.pem: certificate 1 in it cannot be read",
        ),
    ] {
        write(&path(&test_dir, file), text);
        let (status, told) = check(&test_dir);
        assert_eq!(status, Some(78), "{told}");
        assert!(told.starts_with(expected), "{told}, not {expected}");
        assert!(told.ends_with(" (under [tls] in DIR/ipcd.toml)\n") && told.contains("; "), "{told}");
        write(&path(&test_dir, "certificate.pem"), &certificate);
        write(&path(&test_dir, "key.pem"), &key);
    }
    std::fs::remove_file(path(&test_dir, "certificate.pem")).unwrap();
    std::fs::set_permissions(path(&test_dir, "key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let (status, told) = check(&test_dir);
    assert_eq!((status, told.lines().count()), (Some(78), 2), "both at once: {told}");
    assert!(told.starts_with("DIR/certificate.pem: no such file"), "{told}");
    assert!(
        told.contains("\nDIR/key.pem: every user of this machine may use the key (mode 0644); chmod 600"),
        "{told}"
    );
}

#[test]
fn certificates_and_keys_of_other_programs_are_read() {
    let (test_dir, authority) = test_dir("");
    let read = |name: &str| std::fs::read_to_string(path(&test_dir, name)).unwrap();
    let (certificate, key) = (read("certificate.pem"), read("key.pem"));
    let openssl = |arguments: &[&str], file: &str| {
        let output = outcome(
            std::process::Command::new("openssl").args(arguments).arg("-in").arg(path(&test_dir, file)),
        );
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let sec1 = openssl(&["ec"], "key.pem");
    assert!(sec1.contains("BEGIN EC PRIVATE KEY"), "{sec1}");
    let key_and_certificate = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
    ];
    let made = std::process::Command::new("openssl")
        .args(key_and_certificate)
        .arg(path(&test_dir, "rsa.pem"))
        .arg("-out")
        .arg(path(&test_dir, "rsa-certificate.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let pkcs1 = openssl(&["rsa", "-traditional"], "rsa.pem");
    assert!(pkcs1.contains("BEGIN RSA PRIVATE KEY"), "{pkcs1}");
    let rsa = read("rsa-certificate.pem");
    // The authority first, with text around the blocks, and with line ends of other systems.
    let turned =
        format!("Bag Attributes\n    friendlyName: x\n{}\nsubject=CN = x\n{certificate}\n", authority.pem());
    for (certificate, key) in [
        (&rsa, &pkcs1),
        (&certificate, &sec1),
        (&turned, &key),
        (&turned.replace('\n', "\r\n"), &key.replace('\n', "\r\n")),
    ] {
        write(&path(&test_dir, "certificate.pem"), certificate);
        write(&path(&test_dir, "key.pem"), key);
        assert_eq!(check(&test_dir).0, Some(0), "{}", check(&test_dir).1);
    }
    let daemon = {
        let command = test_dir.command();
        test_dir.start(command)
    };
    let mut client = TlsClient::connect(&daemon, MULTIPLY, &Arc::new(authority.client()));
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    assert_eq!(
        client.stream.conn.peer_certificates().unwrap().len(),
        2,
        "ours first, its authority behind it"
    );
    daemon.stop();
}

#[test]
fn dates_and_names_that_clients_refuse_are_warnings() {
    let (test_dir, authority) = test_dir("");
    let year = |year: i32| rcgen::date_time_ymd(year, 1, 2);
    type Change = Box<dyn Fn(&mut rcgen::CertificateParams)>;
    let cases: [(&[&str], Change, &str); 3] = [
        (
            &["localhost"],
            Box::new(move |params| params.not_after = year(2001)),
            "the certificate expired on 2001-01-02T",
        ),
        (
            &["localhost"],
            Box::new(move |params| params.not_before = year(4000)),
            "the certificate is not valid before 4000-01-02T",
        ),
        (&[], Box::new(|_| {}), "DIR/certificate.pem is for no host name"),
    ];
    for (names, change, expected) in cases {
        let (certificate, key) = authority.issue(names, |params| change(params));
        write(&path(&test_dir, "certificate.pem"), &certificate);
        write(&path(&test_dir, "key.pem"), &key);
        let (status, told) = check(&test_dir);
        assert!(
            status == Some(0) && told.contains(expected) && told.contains("warning: "),
            "{told}, not {expected}"
        );
    }
}

#[test]
fn reload_takes_renewed_files_for_new_connections_or_changes_nothing() {
    let (test_dir, authority) = test_dir("");
    let daemon = {
        let command = test_dir.command();
        test_dir.start(command)
    };
    let old = Arc::new(authority.client());
    let mut stays = TlsClient::connect(&daemon, MULTIPLY, &old);
    stays.say("5 10\n");
    stays.hear("Data received\n50.0\n");
    let renewed = Authority::new();
    let (certificate, key) = renewed.issue(&["localhost"], |_| {});
    let file = |name: &str| daemon.directory.path().join(name);
    write(&file("certificate.pem"), &certificate);
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reload failed, nothing has changed");
    let mut other = TlsClient::connect(&daemon, MULTIPLY, &old);
    other.say("5 10\n");
    other.hear("Data received\n50.0\n");
    let since = daemon.log().len();
    write(&file("key.pem"), &key);
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "reloaded: ");
    let mut new = TlsClient::connect(&daemon, MULTIPLY, &Arc::new(renewed.client()));
    new.say("6 7\n");
    new.hear("Data received\n42.0\n");
    stays.say("6 7\n");
    stays.hear("Data received\n42.0\n");
    daemon.stop();
}

#[test]
fn deploy_hook_of_the_examples_renews_the_certificate() {
    let (test_dir, _) = test_dir("");
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let live = daemon.directory.path().join("live");
    std::fs::create_dir_all(&live).unwrap();
    let (chain, key) = (live.join("fullchain.pem"), live.join("privkey.pem"));
    let hook = |variables: &[(&str, &Path)]| {
        let mut command = Command::new(HOOK);
        prepare(&mut command, &daemon);
        command.envs(variables.iter().copied());
        outcome(&mut command)
    };
    // With certbot's variables, and with those of acme.sh.
    let certbot = [("RENEWED_LINEAGE", live.as_path())];
    let acme_sh = [("CERT_FULLCHAIN_PATH", chain.as_path()), ("CERT_KEY_PATH", key.as_path())];
    for told in [&certbot[..], &acme_sh] {
        let renewed = Authority::new();
        let (certificate, its_key) = renewed.issue(&["localhost"], |_| {});
        write(&chain, &format!("{certificate}{}", renewed.pem()));
        write(&key, &its_key);
        let since = daemon.log().len();
        let output = hook(told);
        assert!(output.status.success(), "{output:?}");
        daemon.wait_for_log_since(since, "reloaded: ");
        let mut client = TlsClient::connect(&daemon, MULTIPLY, &Arc::new(renewed.client()));
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
        let mode = std::fs::metadata(daemon.directory.path().join("key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
    for told in [&[][..], &acme_sh[..1], &acme_sh[1..]] {
        let output = hook(told);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("set RENEWED_LINEAGE"), "{output:?}");
    }
    daemon.stop();
}

#[test]
fn files_of_the_service_manager_are_found_in_its_directory() {
    let (test_dir, _) = test_dir("");
    let text = std::fs::read_to_string(test_dir.config_file()).unwrap();
    let directory = test_dir.directory.path().to_str().unwrap();
    let table = format!("certificate = \"{directory}/certificate.pem\"\nkey = \"{directory}/key.pem\"\n");
    assert!(text.contains(&table), "{text}");
    let ours = "certificate = \"%d/certificate.pem\"\nkey = \"%d/key.pem\"\n";
    std::fs::write(test_dir.config_file(), text.replace(&table, ours)).unwrap();
    let check = |credentials: Option<&str>| {
        let mut command = test_dir.command();
        command.arg("--check").env_remove("CREDENTIALS_DIRECTORY");
        command.envs(credentials.map(|directory| ("CREDENTIALS_DIRECTORY", directory)));
        let output = outcome(&mut command);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check(Some(directory)).0, Some(0), "{}", check(Some(directory)).1);
    let (status, told) = check(None);
    assert_eq!(status, Some(78), "{told}");
    assert!(told.contains("there is no credentials directory (CREDENTIALS_DIRECTORY is not set)"), "{told}");
}

#[test]
fn client_with_an_older_version_than_the_minimum_is_refused() {
    let (test_dir, authority) = test_dir("minimum = \"1.3\"\n");
    let stricter = {
        let command = test_dir.command();
        test_dir.start(command)
    };
    let begin = |version| {
        let config = Arc::new(authority.client_of(&[version]));
        let mut socket = std::net::TcpStream::connect(stricter.address(MULTIPLY)).unwrap();
        socket.set_read_timeout(Some(crate::harness::TIMEOUT)).unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let mut connection = rustls::ClientConnection::new(config, name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        std::io::Result::Ok(connection.protocol_version())
    };
    assert_eq!(begin(&rustls::version::TLS13).unwrap(), Some(rustls::ProtocolVersion::TLSv1_3));
    let error = begin(&rustls::version::TLS12).unwrap_err().to_string();
    assert!(error.contains("ProtocolVersion"), "{error}");
    stricter.wait_for_log("TLS failed: ");
    stricter.stop();
}
