//! `ipcctl certificate`: its files, whether other programs accept them, and its refusals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::program::{Program, command};
use crate::tls::server::{Behaviour, Server};

fn certificate(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.arg("certificate").args(arguments).current_dir(directory).output().unwrap()
}

/// Makes the requested certificates, and returns the output.
#[track_caller]
pub fn made(directory: &Path, arguments: &[&str]) -> String {
    let output = certificate(directory, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The error of a command that fails with this status.
#[track_caller]
fn refused(directory: &Path, arguments: &[&str], status: i32) -> String {
    let output = certificate(directory, arguments);
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
fn openssl(directory: &Path, arguments: &str) -> String {
    let mut openssl = command("openssl", arguments.split_whitespace());
    openssl.current_dir(directory);
    let finished = Program::run(openssl, "");
    assert!(finished.status.success(), "{arguments}: {finished:?}");
    finished.output
}

#[test]
fn certificates_are_complete_and_keys_are_private() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let said = made(directory, &["teacher.local", "localhost", "192.0.2.7", "fd00::7", "--client", "Ann B"]);
    let files = [
        ("ca-key.pem", 0o600),
        ("ca.pem", 0o644),
        ("client-Ann_B-key.pem", 0o600),
        ("client-Ann_B.pem", 0o644),
        ("server-teacher.local-key.pem", 0o600),
        ("server-teacher.local.pem", 0o644),
    ];
    assert_eq!(names(directory), files.map(|(name, _)| name));
    for (name, mode) in files {
        let found = fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o777;
        // The umask of this test's user may restrict the public ones further.
        assert!(
            found == mode || mode == 0o644 && found & !mode == 0 && found & 0o600 == 0o600,
            "{name} {found:o}"
        );
        assert!(said.contains(&directory.join(name).display().to_string()), "{name} in {said}");
    }
}

#[test]
fn openssl_accepts_each_certificate_only_for_its_purpose() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    made(directory, &["teacher.local", "localhost", "192.0.2.7", "*.school.example", "--client", "ann"]);
    let verify = |what: &str| openssl(directory, &format!("verify -x509_strict -CAfile ca.pem {what}"));
    for name in ["teacher.local", "localhost", "www.school.example"] {
        verify(&format!("-purpose sslserver -verify_hostname {name} server-teacher.local.pem"));
    }
    for address in ["192.0.2.7", "127.0.0.1", "::1"] {
        verify(&format!("-purpose sslserver -verify_ip {address} server-teacher.local.pem"));
    }
    verify("-purpose sslclient client-ann.pem");
    for wrong in [
        "-verify_hostname pupil.local server-teacher.local.pem",
        "-purpose sslclient server-teacher.local.pem",
        "-purpose sslserver client-ann.pem",
    ] {
        let arguments = format!("verify -x509_strict -CAfile ca.pem {wrong}");
        let mut openssl = command("openssl", arguments.split_whitespace());
        openssl.current_dir(directory);
        assert!(!Program::run(openssl, "").status.success(), "{wrong}");
    }
    // Apple's systems refuse a server's certificate that is valid for more than 398 days. There is no error on this day …
    let day = |days: u64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        now + days * 86400
    };
    verify(&format!("-attime {} server-teacher.local.pem", day(395)));
    // … and one on this day, counted from the day before today, on which it begins.
    let late = format!("verify -CAfile ca.pem -attime {} server-teacher.local.pem", day(397));
    let mut late = command("openssl", late.split_whitespace());
    late.current_dir(directory);
    assert!(Program::run(late, "").errors.contains("certificate has expired"));
    let shown = openssl(directory, "x509 -in server-teacher.local.pem -noout -text");
    for part in
        ["prime256v1", "CA:FALSE", "Digital Signature", "TLS Web Server Authentication", "Authority Key"]
    {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let shown = openssl(directory, "x509 -in ca.pem -noout -text");
    for part in ["CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "Subject Key Identifier"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_written_beside_an_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fs::write(directory.join("server-a.example-key.pem"), "mine").unwrap();
    let error = refused(directory, &["a.example"], 1);
    assert!(
        error.contains("server-a.example-key.pem: this file exists, and nothing is overwritten"),
        "{error}"
    );
    assert_eq!(names(directory), ["server-a.example-key.pem"]);
    assert_eq!(fs::read_to_string(directory.join("server-a.example-key.pem")).unwrap(), "mine");
    // Both would be written to the same file.
    let error = refused(directory, &["b.example", "--client", "ann", "--client", "ann"], 1);
    assert!(error.contains("client-ann.pem: this file exists"), "{error}");
    assert_eq!(names(directory), ["server-a.example-key.pem"]);
    made(directory, &["b.example"]);
    let before: Vec<_> =
        names(directory).iter().map(|name| fs::read(directory.join(name)).unwrap()).collect();
    refused(directory, &["b.example"], 1);
    let after: Vec<_> = names(directory).iter().map(|name| fs::read(directory.join(name)).unwrap()).collect();
    assert_eq!(before, after);
}

#[test]
fn authority_of_the_directory_signs_again_with_another_number() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    made(directory, &["a.example"]);
    let authority = fs::read(directory.join("ca.pem")).unwrap();
    let said = made(directory, &["b.example"]);
    assert!(said.contains("the existing authority"), "{said}");
    made(directory, &["--client", "ann"]);
    assert_eq!(fs::read(directory.join("ca.pem")).unwrap(), authority);
    let mut numbers = Vec::new();
    for file in ["server-a.example", "server-b.example", "client-ann"] {
        openssl(directory, &format!("verify -x509_strict -CAfile ca.pem {file}.pem"));
        numbers.push(openssl(directory, &format!("x509 -in {file}.pem -noout -serial")));
        assert_eq!(numbers.last().unwrap().trim().len(), "serial=".len() + 32, "{numbers:?}");
    }
    numbers.dedup();
    assert_eq!(numbers.len(), 3, "{numbers:?}");
}

#[test]
fn authority_that_is_not_whole_or_not_ours_is_refused() {
    let test_dir = tempfile::tempdir().unwrap();
    let new = |name: &str| {
        let directory = test_dir.path().join(name);
        fs::create_dir(&directory).unwrap();
        made(&directory, &["a.example"]);
        directory
    };
    let (first, second) = (new("first"), new("second"));
    // The key of another authority.
    fs::copy(second.join("ca-key.pem"), first.join("ca-key.pem")).unwrap();
    let error = refused(&first, &["b.example"], 1);
    assert!(error.contains("its key belongs to another authority, or another program made it"), "{error}");
    fs::remove_file(first.join("ca-key.pem")).unwrap();
    let error = refused(&first, &["b.example"], 1);
    assert!(error.contains("ca.pem: its other half") && error.contains("ca-key.pem is missing"), "{error}");
    fs::set_permissions(second.join("ca-key.pem"), fs::Permissions::from_mode(0o640)).unwrap();
    let error = refused(&second, &["b.example"], 1);
    assert!(error.contains("ca-key.pem: other users may read this key (mode 0640)"), "{error}");
    // A key that another program has made.
    let foreign = test_dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca-key.pem -out ca.pem -subj /CN=theirs -days 400";
    openssl(&foreign, make);
    fs::set_permissions(foreign.join("ca-key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let error = refused(&foreign, &["b.example"], 1);
    assert!(error.contains("ca.pem: its signatures are not accepted"), "{error}");
    fs::write(foreign.join("ca.pem"), "no certificate").unwrap();
    let error = refused(&foreign, &["b.example"], 1);
    assert!(error.contains("ca.pem: its certificate cannot be read"), "{error}");
    assert_eq!(names(&foreign), ["ca-key.pem", "ca.pem"]);
}

#[test]
fn authority_that_soon_ends_signs_nothing_more() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    made(directory, &["a.example"]);
    let subject = openssl(directory, "x509 -in ca.pem -noout -subject -nameopt multiline");
    let name = subject.split("= ").last().unwrap().trim().to_owned();
    fs::remove_file(directory.join("ca.pem")).unwrap();
    let mut renew =
        command("openssl", "req -x509 -new -key ca-key.pem -out ca.pem -days 7 -subj".split_whitespace());
    renew.arg(format!("/CN={name}")).current_dir(directory);
    assert!(Program::run(renew, "").status.success());
    let error = refused(directory, &["b.example"], 1);
    assert!(error.contains("ca.pem: it ends on 2") && error.contains("make a new one"), "{error}");
}

#[test]
fn wrong_arguments_say_what_would_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for (arguments, reason) in [
        (&["a b"][..], "'a b': give several names as separate arguments"),
        (&["*.local"], "at least two labels"),
        (&["tls://teacher.local"], "without tls://"),
        (&["\u{1b}[31m"], "'\\u{1b}[31m': a name is a host name or an address"),
        (&["a.example", "--client", "../ann"], "--client '../ann': not a name"),
        (&["--client", "ann"], "no authority is here"),
        (&[], "required arguments were not provided"),
        (&["a.example", "--directory", "none"], "--directory none: no such file or directory; make it first"),
        (&["a.example", "--directory", "/dev/null"], "--directory /dev/null: this is not a directory"),
    ] {
        let error = refused(directory, arguments, 2);
        assert!(error.contains(reason), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert_eq!(names(directory), [""; 0]);
    // Root may write nearly everywhere, but not here.
    let error = refused(directory, &["a.example", "--directory", "/proc"], 1);
    assert!(error.contains("/proc/ca.pem: ") && error.contains("--directory"), "{error}");
}

#[test]
fn json_names_the_files_and_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let said = made(directory.path(), &["localhost", "--client", "ann", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["names"], serde_json::json!(["localhost", "127.0.0.1", "::1"]));
    assert_eq!(said["new_authority"], true);
    for pair in [&said["server"], &said["clients"][0]] {
        assert!(Path::new(pair["key"].as_str().unwrap()).is_file(), "{said}");
        assert!(humantime::parse_rfc3339(pair["ends"].as_str().unwrap()).is_ok(), "{said}");
    }
}

#[test]
fn printed_configuration_is_toml_whatever_the_directory_is_called() {
    let test_dir = tempfile::tempdir().unwrap();
    let directory = test_dir.path().join("it's \"mine\" \\ here");
    fs::create_dir(&directory).unwrap();
    let said = made(&directory, &["localhost"]);
    let lines = said.lines().skip_while(|line| *line != "In ipcd.toml:").skip(2);
    let lines: Vec<&str> = lines.take_while(|line| line.is_empty() || line.starts_with("    ")).collect();
    let toml: toml::Table = lines.join("\n").parse().unwrap();
    let named = toml["tls"]["key"].as_str().unwrap();
    assert_eq!(Path::new(named), directory.join("server-localhost-key.pem"));
    assert!(said.contains("'\\''s \"mine\""), "{said}");
}

/// The indented lines after a title.
fn printed(said: &str, title: &str) -> String {
    let lines = said.lines().skip_while(|line| *line != title).skip(2);
    lines.take_while(|line| line.starts_with("    ")).map(|line| format!("{}\n", &line[4..])).collect()
}

#[test]
fn printed_shell_line_multiplies() {
    let test_dir = tempfile::tempdir().unwrap();
    let directory = test_dir.path().join("it's here");
    fs::create_dir(&directory).unwrap();
    let said = made(&directory, &["localhost"]);
    let server = Server::start(&directory, "server-localhost", Behaviour::Multiply);
    let line = printed(&said, "In a shell:").replace("65443", &server.port.to_string());
    let line = line.replacen("ipcctl ", concat!(env!("CARGO_BIN_EXE_ipcctl"), " "), 1);
    let finished = Program::run(command("sh", ["-c", &line]), "");
    assert_eq!((finished.output.as_str(), finished.errors.as_str()), ("50.0\n", ""), "{line}");
}

#[test]
fn printed_python_lines_multiply() {
    let directory = tempfile::tempdir().unwrap();
    let said = made(directory.path(), &["localhost"]);
    let server = Server::start(directory.path(), "server-localhost", Behaviour::Multiply);
    let code = printed(&said, "In Python:").replace("65443", &server.port.to_string());
    let finished = Program::run(command("python3", ["-c", &code]), "");
    assert_eq!(finished.output, "Data received\n50.0\n", "{code}\n{finished:?}");
}

#[test]
#[ignore = "needs other programs: python3, a C compiler and OpenSSL's headers; node and java if they are there"]
fn printed_clients_of_each_language_multiply_and_verify_the_server() {
    let test_dir = tempfile::tempdir().unwrap();
    let (directory, other) = (test_dir.path().join("own"), test_dir.path().join("other"));
    for directory in [&directory, &other] {
        fs::create_dir(directory).unwrap();
        made(directory, &["localhost"]);
    }
    made(&directory, &["elsewhere.example"]);
    let here = Server::start(&directory, "server-localhost", Behaviour::Multiply);
    let elsewhere = Server::start(&directory, "server-elsewhere.example", Behaviour::Multiply);
    let ca = |directory: &Path| directory.join("ca.pem").display().to_string();
    for (language, file) in
        [("python", "client.py"), ("node", "client.js"), ("java", "MultiplyTls.java"), ("c", "client.c")]
    {
        let path = test_dir.path().join(file).display().to_string();
        fs::write(&path, made(test_dir.path(), &["--code", language])).unwrap();
        let program = test_dir.path().join("client").display().to_string();
        let words = match language {
            "python" => vec!["python3".to_owned(), path],
            "node" => vec!["node".to_owned(), path],
            "java" => vec!["java".to_owned(), path],
            "c" => {
                let build = ["-Wall", "-Wextra", "-Werror", "-o", &program, &path, "-lssl", "-lcrypto"];
                let built = Program::run(command("cc", build), "");
                assert!(built.status.success(), "{built:?}");
                vec![program]
            }
            other => unreachable!("{other}"),
        };
        if matches!(language, "node" | "java") && Command::new(language).arg("--version").output().is_err() {
            eprintln!("{language} is not installed: left out");
            continue;
        }
        let run = |ca: &str, host: &str, port: u16, a: &str| {
            let arguments = [ca, host, &port.to_string(), a, "10"].map(str::to_owned);
            let all: Vec<String> = words.iter().cloned().chain(arguments).collect();
            Program::run(command(&all[0], &all[1..]), "")
        };
        for host in ["localhost", "127.0.0.1"] {
            let finished = run(&ca(&directory), host, here.port, "5");
            assert_eq!(finished.output, "50.0\n", "{language} at {host}: {finished:?}");
            assert!(finished.status.success(), "{language}: {finished:?}");
        }
        for finished in [
            run(&ca(&directory), "localhost", here.port, "x"),
            run(&ca(&other), "localhost", here.port, "5"),
            run(&ca(&directory), "localhost", elsewhere.port, "5"),
            run("/nonexistent", "localhost", here.port, "5"),
        ] {
            assert!(!finished.status.success() && finished.output.is_empty(), "{language}: {finished:?}");
            assert!(!finished.errors.trim().is_empty(), "{language}");
        }
    }
}

#[test]
fn client_certificate_opens_a_server_that_asks_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let said = made(directory.path(), &["localhost", "--client", "ann"]);
    let server = Server::start(directory.path(), "server-localhost", Behaviour::Certified);
    let code = printed(&said, "In Python:").replace("65443", &server.port.to_string());
    let finished = Program::run(command("python3", ["-c", &code]), "");
    assert!(!finished.status.success() && finished.output.is_empty(), "without one: {finished:?}");
    let show = "context.load_cert_chain('client-ann.pem', 'client-ann-key.pem')\nplain =";
    let mut python = command("python3", ["-c", &code.replace("plain =", show)]);
    python.current_dir(directory.path());
    let finished = Program::run(python, "");
    assert_eq!(finished.output, "Data received\n50.0\n", "{finished:?}");
}
