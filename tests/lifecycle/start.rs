//! How ipcd starts, and its errors when it cannot.

mod defaults;
mod ports;
mod sockets;

use std::collections::BTreeSet;
use std::fs::{self};
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::harness::around::{Helper, failure, outcome};
use crate::harness::healthy::Healthy;
use crate::harness::{Daemon, MULTIPLY, TestDir, USUAL, wait_until};
use rustix::process::{Pid, Signal, kill_process};

const SOCKET: &str = "[mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\n";

fn ipcd(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
    command
}

/// The only line that a failed start prints, apart from warnings.
#[track_caller]
fn refused(test_dir: &TestDir, status: i32) -> String {
    let text = failure(&mut test_dir.command(), status);
    let text: String = text.split_inclusive('\n').filter(|line| !line.starts_with("warning: ")).collect();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    text.trim_end().to_owned()
}

fn terminate(helper: &mut Helper) {
    kill_process(Pid::from_raw(helper.0.id() as i32).unwrap(), Signal::TERM).unwrap();
    let status = wait_until("it ends", || helper.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

// ---- the command line

#[test]
fn help_and_version_go_to_standard_output() {
    for (argument, text) in [("--help", "--config"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = outcome(&mut ipcd(&[argument]));
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains(text));
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn usage_error_is_one_line_and_status_2() {
    for (arguments, text) in [
        (&["--konfig", "x"][..], "--config"),
        (&["--config"], "--config"),
        (&["--log-level", "loud"], "loud"),
        (
            &["ipcd.toml"],
            "unexpected argument 'ipcd.toml'; a configuration is read with --config ipcd.toml; see",
        ),
        (&["-c", "ipcd.toml"], "unexpected argument '-c'; did you mean --config FILE? see"),
        (&["start"], "unexpected argument 'start'; ipcd without arguments starts the daemon; see"),
        (&["reload"], "did you mean 'ipcctl reload'?"),
        (&["check"], "did you mean --check?"),
        (&["a\x1b[31m"], "--config a\\u{1b}[31m"),
        (&["--pid-file", "p"], "ipcd: --pid-file needs --daemon and --log-file; see"),
        (&["--daemon"], "ipcd: --daemon needs --pid-file and --log-file; see"),
        (&["--daemon", "--log-file", "l"], "ipcd: --daemon and --log-file need --pid-file; see"),
        (&["--check", "--check"], "--check"),
    ] {
        let said = failure(&mut ipcd(arguments), 2);
        assert!(said.starts_with("ipcd: ") && said.contains(text), "{said}");
        assert_eq!(said.matches('\n').count(), 1, "{said}");
    }
}

#[test]
fn check_says_ok_and_opens_nothing() {
    let daemon = Daemon::usual();
    let before: BTreeSet<_> =
        fs::read_dir(daemon.directory.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let file = daemon.directory.path().join("ipcd.toml");
    let output = outcome(&mut ipcd(&["--check", "--config", file.to_str().unwrap()]));
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(0), format!("OK: {}\n", file.display()).as_bytes())
    );
    assert!(output.stderr.is_empty());
    let after: BTreeSet<_> =
        fs::read_dir(daemon.directory.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(before, after);
    daemon.stop();
}

#[test]
fn check_and_start_report_every_error_with_its_place() {
    let test_dir = TestDir::new();
    test_dir.write_config(
        "[multiply]\nlisten = [\"tcp://{ip}:70000\"]\nbacklock = 5\n[limits]\nmax_message = \"4XB\"\n[caht]\n[log]\nlevel = \"loud\"\n",
    );
    let file = test_dir.config_file();
    let check = failure(test_dir.command().arg("--check"), 78);
    let places: Vec<&str> =
        check.lines().map(|line| line.strip_prefix(file.to_str().unwrap()).unwrap()).collect();
    let lines: Vec<u32> = places.iter().map(|it| it.split(':').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(lines, [2, 3, 5, 6, 8], "{check}");
    for place in &places {
        let column: u32 = place.split(':').nth(2).unwrap().parse().unwrap();
        assert!(column > 0 && place.splitn(4, ':').nth(3).unwrap().starts_with(' '), "{place}");
    }
    assert!(places[0].contains("a port is 1 to 65535") && places[1].contains("backlog"), "{check}");
    assert_eq!(failure(&mut test_dir.command(), 78), check);
}

#[test]
fn non_configuration_file_is_refused_at_once() {
    let test_dir = TestDir::new();
    let at = |name: &str| test_dir.directory.path().join(name);
    fs::create_dir(at("directory")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    fs::File::create(at("huge")).unwrap().set_len(1 << 30).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    fs::write(at("latin1"), b"# caf\xe9\n").unwrap();
    let latin1 = format!("{}:1:6: ", at("latin1").display());
    for (name, says) in [
        ("missing", "no such file"),
        ("directory", "is a directory"),
        ("fifo", "is a FIFO"),
        ("huge", "is too large"),
        ("loop", "too many symbolic links"),
        ("latin1", latin1.as_str()),
    ] {
        for check in [true, false] {
            let mut command = ipcd(&["--config", at(name).to_str().unwrap()]);
            if check {
                command.arg("--check");
            }
            let said = failure(&mut command, 78);
            assert!(said.contains(at(name).to_str().unwrap()) && said.contains(says), "{said}");
            // A position comes first; a line about the whole file begins with the program's name.
            assert_eq!(said.starts_with("ipcd: "), name != "latin1", "{said}");
            assert_eq!(said.matches('\n').count(), 1, "{said}");
        }
    }
}

// ---- ports

#[test]
fn port_in_use_is_reported_with_its_holder() {
    let test_dir = TestDir::new();
    test_dir.write_config(USUAL);
    let owner = Helper::on_tcp(test_dir.ip, MULTIPLY);
    assert_eq!(
        refused(&test_dir, 69),
        format!(
            "ipcd: tcp://{}:65432: address already in use (by {}); stop it or choose another port under [multiply] in {}",
            test_dir.ip,
            owner.shown(),
            test_dir.config_file().display()
        )
    );
    assert_eq!(test_dir.names(), ["ipcd.toml"], "a start that fails removes what it had made");
}

#[test]
fn all_endpoints_in_use_are_reported_together() {
    let daemon = Daemon::usual();
    let healthy = [Healthy::on(daemon.tcp(MULTIPLY)), Healthy::on(daemon.unix())];
    let mut again = ipcd(&["--config", daemon.directory.path().join("ipcd.toml").to_str().unwrap()]);
    let said = failure(&mut again, 69);
    // Another ipcd has all of them, which is reported once.
    let file = daemon.directory.path().join("ipcd.toml");
    assert_eq!(
        said,
        format!(
            "ipcd: ipcd is already running (pid {}) and holds tcp://{}:65432 and 3 more; stop it, or choose other ports and paths in {}\n",
            daemon.pid(),
            daemon.ip,
            file.display()
        )
    );
    // If another program has some, the errors of all endpoints are listed.
    let other = TestDir::new();
    let owner = Helper::on_tcp(other.ip, MULTIPLY);
    std::fs::write(
        other.config_file(),
        std::fs::read_to_string(&file).unwrap().replacen(&daemon.ip.to_string(), &other.ip.to_string(), 1),
    )
    .unwrap();
    let said = failure(&mut other.command(), 69);
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("warning: ")).collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert!(lines[0].contains(&owner.shown()), "{said}");
    for (line, service) in lines.iter().zip(["multiply", "greeting", "chat", "mux"]) {
        assert!(line.contains(&format!("under [{service}] in ")), "{line}");
        assert_eq!(
            line.contains(&format!("(by pid {}, ipcd)", daemon.pid())),
            service != "multiply",
            "{line}"
        );
    }
    healthy.into_iter().for_each(|one| drop(one.end()));
    daemon.unix().hear_answer();
    daemon.stop();
}

trait Answers {
    fn hear_answer(self);
}

impl Answers for crate::harness::Client {
    #[track_caller]
    fn hear_answer(mut self) {
        self.say("5 10\n");
        self.hear("Data received\n50.0\n");
    }
}
