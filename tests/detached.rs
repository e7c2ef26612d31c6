//! `--daemon`, for systems without a service manager.

mod harness;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use harness::{Client, Ground, MULTIPLY, wait_until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

const CONFIG: &str = "[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n";

/// A daemon that is nobody's child.
struct Detached(Pid);

impl Detached {
    fn of(pid_file: &Path) -> Detached {
        let text = fs::read_to_string(pid_file).unwrap();
        Detached(Pid::from_raw(text.trim().parse().unwrap()).unwrap())
    }

    fn stop(&self) {
        kill_process(self.0, Signal::TERM).unwrap();
        wait_until("the daemon ends", || test_kill_process(self.0).is_err().then_some(()));
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = kill_process(self.0, Signal::KILL);
        }
    }
}

/// Starts it in the test's directory, with relative paths.
fn start(ground: &Ground, pid_file: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
    command.args(["--config", "ipcd.toml", "--daemon", "--log-file", "log", "--pid-file", pid_file]);
    command.current_dir(ground.directory.path()).env_remove("RUST_LOG").output().unwrap()
}

#[test]
fn a_detached_daemon_is_ready_when_its_starter_returns_and_leaves_no_pid_file() {
    let ground = Ground::new();
    ground.write_config(CONFIG);
    let output = start(&ground, "pid");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let pid_file = ground.directory.path().join("pid");
    let daemon = Detached::of(&pid_file);

    let mut client = Client::tcp((ground.ip, MULTIPLY).into());
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    drop(client);

    ground.write_config("[multiply]\nlisten = [\"tcp://{ip}:65432\", \"tcp://{ip}:5000\"]\n");
    kill_process(daemon.0, Signal::HUP).unwrap();
    let log = ground.directory.path().join("log");
    wait_until("the relative configuration is found again", || {
        fs::read_to_string(&log).unwrap().contains("reloaded").then_some(())
    });
    daemon.stop();
    assert!(!pid_file.exists());
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("info: ipcd ") && log.ends_with("info: stopped\n"), "{log}");
}

#[test]
fn a_start_that_fails_is_told_to_the_terminal_with_its_status() {
    let ground = Ground::new();
    ground.write_config(CONFIG);
    assert!(start(&ground, "pid").status.success());
    let first = Detached::of(&ground.directory.path().join("pid"));

    let second = start(&ground, "pid");
    let text = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("/pid: ") && text.contains("is another daemon running"), "{text}");

    let third = start(&ground, "another");
    let text = String::from_utf8(third.stderr).unwrap();
    assert_eq!(third.status.code(), Some(69), "{text}");
    assert!(
        text.contains(&format!("tcp://{}:65432: address already in use (by pid {}", ground.ip, first.0)),
        "{text}"
    );
    assert!(!ground.directory.path().join("another").exists());

    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
    command.args(["--config", "ipcd.toml", "--daemon", "--log-file", "new", "--pid-file", "another"]);
    assert_eq!(command.current_dir(ground.directory.path()).output().unwrap().status.code(), Some(69));
    assert!(!ground.directory.path().join("new").exists(), "what a failed start had made is gone");

    ground.write_config("[multiply]\nlisten = 5\n");
    let fourth = start(&ground, "another");
    let text = String::from_utf8(fourth.stderr).unwrap();
    assert_eq!(fourth.status.code(), Some(78), "{text}");
    assert!(text.contains("ipcd.toml:2:10: "), "{text}");

    let mut client = Client::tcp((ground.ip, MULTIPLY).into());
    client.say("1 1\n");
    client.hear("Data received\n1.0\n");
    drop(client);
    first.stop();
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    let ground = Ground::new();
    ground.write_config(CONFIG);
    let output = start(&ground, "missing/pid");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("missing/pid: No such file") && text.contains("choose a path"), "{text}");
    assert!(!ground.directory.path().join("log").exists());
}

#[test]
fn a_start_without_descriptors_leaves_no_files() {
    let ground = Ground::new();
    ground.write_config(CONFIG);
    for limit in 4..=7 {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={limit}")).arg(env!("CARGO_BIN_EXE_ipcd"));
        command.args(["--config", "ipcd.toml", "--daemon", "--log-file", "log", "--pid-file", "pid"]);
        let output = command.current_dir(ground.directory.path()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{limit}: {text}");
        assert!(text.contains("Too many open files"), "{limit}: {text}");
        assert_eq!(ground.names(), ["ipcd.toml"], "{limit}");
    }
}

/// What fails in the starter, in the process between, or in the daemon, and how many of its first uses there are tried.
const FAILING: &[(&str, &str, usize)] = &[
    ("wait4", "ECHILD", 1),
    ("wait4", "EINTR", 1),
    ("read", "EIO", 10),
    ("write", "EIO", 5),
    ("write", "EPIPE", 5),
    ("clone,clone3,fork", "EAGAIN", 1),
    ("chdir", "EACCES", 1),
    ("setsid", "EPERM", 1),
    ("flock", "ENOLCK", 2),
    ("ftruncate", "EIO", 1),
    ("dup2,dup3", "EBUSY", 2),
];

/// One start of which one call fails; what was told.
fn start_with_a_failure(call: &str, errno: &str, when: usize) -> String {
    let ground = Ground::new();
    ground.write_config(&format!("{CONFIG}[mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n"));
    let at = |name: &str| ground.directory.path().join(name);
    let beside = tempfile::tempdir().unwrap();
    let said = beside.path().join("said");
    let mut command = Command::new("strace");
    // With -D it is the starter that is our child, and with -f the daemon is traced as well.
    command.args(["-D", "-f", "-qq", "-esignal=none", "-o"]).arg(beside.path().join("trace"));
    command.arg(format!("-etrace={call}")).arg(format!("-einject={call}:error={errno}:when={when}"));
    command.arg(env!("CARGO_BIN_EXE_ipcd")).args(["--config", "ipcd.toml", "--daemon"]);
    command.args(["--log-file", "log", "--pid-file", "pid"]).current_dir(ground.directory.path());
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.stderr(fs::File::create(&said).unwrap()).status().unwrap();
    let said = fs::read_to_string(said).unwrap();
    let case = format!("{call}:{errno}:{when}: {status}: {said}");
    let serves = || std::net::TcpStream::connect((ground.ip, MULTIPLY)).is_ok();
    if status.success() {
        assert!(serves(), "{case}");
        Detached::of(&at("pid")).stop();
    } else if said.contains("cannot hear whether the daemon is ready") {
        assert!(said.contains(&format!("see {}", at("log").display())), "{case}");
        // It lives if it had said so before the starter was gone, and ends otherwise; the log says which.
        let mut asked = false;
        wait_until("the log says it", || {
            let log = fs::read_to_string(at("log")).unwrap_or_default();
            let pid = fs::read_to_string(at("pid")).ok().and_then(|text| text.trim().parse().ok());
            if let Some(pid) = pid.and_then(Pid::from_raw).filter(|_| !asked && log.contains("is ready: ")) {
                asked = kill_process(pid, Signal::TERM).is_ok();
            }
            let is_told = log.contains("cannot tell the one who started this daemon that it is ready");
            (is_told || log.ends_with("stopped\n")).then_some(())
        });
    } else {
        assert!(!said.contains("is another daemon running"), "{case}");
        wait_until(&format!("nothing is left: {case}"), || {
            (!serves() && !at("pid").exists() && !at("ipcd.sock").exists()).then_some(())
        });
    }
    // The first write of the starter is what it tells the terminal.
    let (is_mute, lines) = ((call, when) == ("write", 1), said.matches('\n').count());
    assert!(lines == usize::from(!status.success()) || is_mute && lines == 0, "{case}");
    case
}

/// Whatever fails: who is told that the daemon runs has one, and who is told that it does not has none, nor anything of it.
#[test]
fn the_starter_tells_the_truth_whatever_fails() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("not tested: there is no strace");
        return;
    }
    let told: Vec<String> = std::thread::scope(|scope| {
        let starting = FAILING.iter().map(|(call, errno, uses)| {
            scope.spawn(move || {
                (1..=*uses).map(|when| start_with_a_failure(call, errno, when)).collect::<Vec<_>>()
            })
        });
        let starting: Vec<_> = starting.collect();
        starting.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    told.iter().for_each(|case| eprintln!("{}", case.trim_end()));
    for text in ["cannot hear whether", "ended before it was ready; see", "cannot detach: unable to fork"] {
        assert!(told.iter().any(|case| case.contains(text)), "{text}");
    }
}
