//! `--daemon`, for systems without a service manager.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::around::{failure, has_ended, is_root};
use crate::harness::logged::is_timed;
use crate::harness::{Client, MULTIPLY, TestDir, wait_until};
use rustix::process::{Pid, Signal, kill_process};

fn answers(mut client: Client) {
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
}

const CONFIG: &str = "[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n";

/// A daemon that is not a child of the test.
struct Detached(Pid);

impl Detached {
    fn of(pid_file: &Path) -> Detached {
        let text = fs::read_to_string(pid_file).unwrap();
        Detached(Pid::from_raw(text.trim().parse().unwrap()).unwrap())
    }

    fn stop(&self) {
        kill_process(self.0, Signal::TERM).unwrap();
        wait_until("the daemon ends", || has_ended(self.0).then_some(()));
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
fn start(test_dir: &TestDir, pid_file: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
    command.args(["--config", "ipcd.toml", "--daemon", "--log-file", "log", "--pid-file", pid_file]);
    command.current_dir(test_dir.directory.path()).env_remove("RUST_LOG").output().unwrap()
}

#[test]
fn detached_daemon_is_ready_on_return_and_its_pid_file_is_removed() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let output = start(&test_dir, "pid");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let pid_file = test_dir.directory.path().join("pid");
    let daemon = Detached::of(&pid_file);

    let mut client = Client::tcp((test_dir.ip, MULTIPLY).into());
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    drop(client);

    test_dir.write_config("[multiply]\nlisten = [\"tcp://{ip}:65432\", \"tcp://{ip}:5000\"]\n");
    kill_process(daemon.0, Signal::HUP).unwrap();
    let log = test_dir.directory.path().join("log");
    wait_until("the relative configuration is found again", || {
        fs::read_to_string(&log).unwrap().contains("reloaded").then_some(())
    });
    daemon.stop();
    assert!(!pid_file.exists());
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("info: ipcd ") && log.ends_with("info: stopped\n"), "{log}");
}

#[test]
fn failed_start_is_reported_on_the_terminal_with_its_status() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    assert!(start(&test_dir, "pid").status.success());
    let first = Detached::of(&test_dir.directory.path().join("pid"));

    let second = start(&test_dir, "pid");
    let text = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    let runs =
        format!("/pid: a daemon with this pid file is already running (pid {}, ipcd); stop it", first.0);
    assert!(text.contains(&runs), "{text}");

    let third = start(&test_dir, "another");
    let text = String::from_utf8(third.stderr).unwrap();
    assert_eq!(third.status.code(), Some(69), "{text}");
    assert!(
        text.contains(&format!("tcp://{}:65432: address already in use (by pid {}", test_dir.ip, first.0)),
        "{text}"
    );
    assert!(!test_dir.directory.path().join("another").exists());

    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
    command.args(["--config", "ipcd.toml", "--daemon", "--log-file", "new", "--pid-file", "another"]);
    assert_eq!(command.current_dir(test_dir.directory.path()).output().unwrap().status.code(), Some(69));
    assert!(!test_dir.directory.path().join("new").exists(), "what a failed start had made is gone");

    test_dir.write_config("[multiply]\nlisten = 5\n");
    let fourth = start(&test_dir, "another");
    let text = String::from_utf8(fourth.stderr).unwrap();
    assert_eq!(fourth.status.code(), Some(78), "{text}");
    assert!(text.contains("ipcd.toml:2:10: "), "{text}");

    let mut client = Client::tcp((test_dir.ip, MULTIPLY).into());
    client.say("1 1\n");
    client.hear("Data received\n1.0\n");
    drop(client);
    first.stop();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn pid_file_and_log_are_private_to_the_owner() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let (pid_file, log) = (test_dir.directory.path().join("pid"), test_dir.directory.path().join("log"));
    // A file that another user could have locked, as an earlier version created it.
    fs::write(&pid_file, "4711\n").unwrap();
    fs::set_permissions(&pid_file, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(start(&test_dir, "pid").status.success());
    let daemon = Detached::of(&pid_file);
    assert_eq!((mode(&pid_file), mode(&log)), (0o600, 0o640));
    daemon.stop();
    assert!(!pid_file.exists());

    // A file that is not a pid file is neither written to nor removed.
    fs::write(&pid_file, "somebody's words\n").unwrap();
    let output = start(&test_dir, "pid");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("/pid: this is not a pid file; move it away"), "{text}");
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), "somebody's words\n");
}

#[test]
fn sighup_reopens_the_log_even_if_the_reload_fails() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let at = |name: &str| test_dir.directory.path().join(name);
    assert!(start(&test_dir, "pid").status.success());
    let daemon = Detached::of(&at("pid"));
    let told = |name: &str, text: &str| {
        wait_until(text, || fs::read_to_string(at(name)).ok().filter(|log| log.contains(text)))
    };
    told("log", "is ready");

    // As logrotate(8) does it: once with a reload that succeeds, and once with one that fails.
    for (old, config, outcome) in [("log.2", CONFIG, "reloaded: "), ("log.1", "[chat\n", "reload failed")] {
        test_dir.write_config(config);
        fs::rename(at("log"), at(old)).unwrap();
        kill_process(daemon.0, Signal::HUP).unwrap();
        told("log", outcome);
        assert!(!fs::read_to_string(at(old)).unwrap().contains(outcome));
        assert_eq!(mode(&at("log")), 0o640);
    }
    // If the new file cannot be opened, the log continues, and says so.
    fs::rename(at("log"), at("log.0")).unwrap();
    fs::create_dir(at("log")).unwrap();
    kill_process(daemon.0, Signal::HUP).unwrap();
    let text = told("log.0", "cannot be reopened");
    assert!(text.contains("is a directory") && text.contains("stays in the old file"), "{text}");
    daemon.stop();
    assert!(told("log.0", "stopped").ends_with("info: stopped\n"));
    for name in ["log.0", "log.1", "log.2"] {
        let text = fs::read_to_string(at(name)).unwrap();
        assert!(text.lines().count() > 0 && text.lines().all(is_timed), "{name}: {text}");
    }
}

#[test]
fn failure_in_the_log_file_has_a_time() {
    let test_dir = TestDir::new();
    let log = test_dir.directory.path().join("log");
    fs::write(&log, "").unwrap(); // it exists already, and so it stays
    test_dir.write_config("[multiply]\nlisten = 5\n");
    assert_eq!(start(&test_dir, "pid").status.code(), Some(78));
    let text = wait_until("it is written", || {
        fs::read_to_string(&log).ok().filter(|text| text.contains("ipcd.toml:2:10: "))
    });
    assert!(text.lines().all(is_timed), "{text}");
}

/// All users and groups of a process, from proc_pid_status(5).
fn identity(pid: Pid) -> [String; 4] {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    ["Uid:", "Gid:", "Groups:", "CapPrm:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

/// Starts a daemon as root that continues as `user`.
fn start_as(test_dir: &TestDir, user: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
    command.args(["--config", "ipcd.toml", "--daemon", "--log-file", "log", "--pid-file", "pid"]);
    command.args(["--user", user]);
    let output = command.current_dir(test_dir.directory.path()).env_remove("RUST_LOG").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Checks that a reload keeps files that only root could open, and cannot open more of them.
fn assert_reload_keeps_low_port(test_dir: &TestDir, daemon: &Detached, log: &Path, config: &str) {
    test_dir.write_config(&config.replace(":432", ":432\", \"tcp://{ip}:433"));
    kill_process(daemon.0, Signal::HUP).unwrap();
    let text = wait_until("the reload fails", || {
        fs::read_to_string(log).ok().filter(|log| log.contains("reload failed"))
    });
    assert!(text.contains(":433: permission denied: a port below 1024 needs privileges"), "{text}");
    answers(Client::tcp((test_dir.ip, 432).into()));
    test_dir.write_config(config);
    kill_process(daemon.0, Signal::HUP).unwrap();
    wait_until("the next one succeeds", || {
        fs::read_to_string(log).unwrap().contains("reloaded: ").then_some(())
    });
    answers(Client::tcp((test_dir.ip, 432).into()));
}

#[test]
fn root_start_drops_to_the_user_once_root_only_things_are_open() {
    if !is_root() {
        eprintln!("not tested: only root can go on as another user");
        return;
    }
    let test_dir = TestDir::new();
    let user = "nobody";
    let nobody = nix::unistd::User::from_name(user).unwrap().unwrap();
    let (uid, gid) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    let groups = nix::unistd::getgrouplist(c"nobody", nobody.gid).unwrap();
    let groups: Vec<u32> = groups.into_iter().map(nix::unistd::Gid::as_raw).collect();
    // A port below 1024, and a directory in which that user may create a socket.
    let sockets = test_dir.directory.path().join("sockets");
    fs::create_dir(&sockets).unwrap();
    std::os::unix::fs::chown(&sockets, Some(uid), Some(gid)).unwrap();
    fs::set_permissions(test_dir.directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let config = "[multiply]\nlisten = [\"tcp://{ip}:432\", \"unix://{dir}/sockets/s\", \"fifo://{dir}/sockets/f\"]\n\
                  [mux]\nlisten = [\"unix://{dir}/sockets/mux\"]\n";
    test_dir.write_config(config);
    start_as(&test_dir, user);
    let (pid_file, log) = (test_dir.directory.path().join("pid"), test_dir.directory.path().join("log"));
    let daemon = Detached::of(&pid_file);

    let [uids, gids, shown, capabilities] = identity(daemon.0);
    let four = |id: u32| [id; 4].map(|id| id.to_string()).join(" ");
    assert_eq!((uids, gids), (four(uid), four(gid)));
    let mut shown: Vec<u32> = shown.split(' ').map(|group| group.parse().unwrap()).collect();
    let mut groups: Vec<u32> = groups.into_iter().chain([gid]).collect();
    for list in [&mut shown, &mut groups] {
        list.sort();
        list.dedup();
    }
    assert_eq!(shown, groups, "its groups, and none of root's");
    assert_eq!(capabilities.trim_start_matches('0'), "", "nothing of root's is left");
    // The pid file stays root's: a program that stops this process must be able to trust it. The log belongs to the daemon, which
    // rotates it.
    assert_eq!((fs::metadata(&pid_file).unwrap().uid(), mode(&pid_file)), (0, 0o600));
    assert_eq!((fs::metadata(&log).unwrap().uid(), mode(&log)), (uid, 0o640));
    for name in ["s", "mux", "f.in", "f.out", "s.lock"] {
        assert_eq!(fs::metadata(sockets.join(name)).unwrap().uid(), uid, "{name}");
    }
    for mut client in [Client::tcp((test_dir.ip, 432).into()), Client::unix(&sockets.join("mux"))] {
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
    }

    assert_reload_keeps_low_port(&test_dir, &daemon, &log, config);
    daemon.stop();
    assert_eq!(
        fs::read_to_string(&pid_file).unwrap_or_default(),
        "",
        "it may not be removed, and names nobody"
    );
    assert!(!sockets.join("s").exists() && !sockets.join("mux").exists());
}

/// The directory of the log belongs to that user, and so does the file in the log's place. Root neither creates a file elsewhere
/// for that user nor writes into one.
#[test]
fn root_follows_no_link_at_another_users_log_path() {
    if !is_root() {
        return;
    }
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let logs = test_dir.directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let (log, made, roots) = (logs.join("log"), logs.join("made"), test_dir.directory.path().join("roots"));
    fs::write(&roots, "as it was").unwrap();
    let start = || {
        let mut command = test_dir.command();
        command.current_dir(test_dir.directory.path());
        let files = ["--daemon", "--log-file", "logs/log", "--pid-file", "pid", "--user", "nobody"];
        failure(command.args(files), 1)
    };
    for target in [&made, &roots] {
        std::os::unix::fs::symlink(target, &log).unwrap();
        assert!(start().contains("/logs/log: a symbolic link, which root does not follow for another user"));
        fs::remove_file(&log).unwrap();
    }
    fs::hard_link(&roots, &log).unwrap();
    assert!(start().contains("/logs/log: a file with a second name"));
    assert!(!made.exists());
    assert_eq!(fs::read_to_string(&roots).unwrap(), "as it was");
    assert_eq!(fs::metadata(&roots).unwrap().uid(), 0);
}

#[test]
fn unknown_user_is_a_usage_error() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let said = |user: &str| failure(test_dir.command().args(["--user", user]), 2);
    assert_eq!(said("root"), "ipcd: --user root: that is root; name a user without privileges\n");
    assert!(said("no\u{1b}body").starts_with("ipcd: --user no\\u{1b}body: no such user"));
    if is_root() {
        let mut command = test_dir.command_as(65534);
        let said = failure(command.args(["--user", "daemon"]), 2);
        assert_eq!(said, "ipcd: --user daemon: only root can switch to another user; leave it out\n");
    }
}

#[test]
fn unopenable_files_are_named() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let output = start(&test_dir, "missing/pid");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("missing/pid: directory ") && text.contains("choose a path"), "{text}");
    assert!(!test_dir.directory.path().join("log").exists());
}

#[test]
fn start_without_descriptors_leaves_no_files() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    for limit in 4..=7 {
        // Closes descriptors that the runner of the tests may have passed on.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; exec "$@""#, "sh", "prlimit"]);
        command.arg(format!("--nofile={limit}")).arg(env!("CARGO_BIN_EXE_ipcd"));
        command.args(["--config", "ipcd.toml", "--daemon", "--log-file", "log", "--pid-file", "pid"]);
        let output = command.current_dir(test_dir.directory.path()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{limit}: {text}");
        assert!(text.contains("too many open files"), "{limit}: {text}");
        assert_eq!(test_dir.names(), ["ipcd.toml"], "{limit}");
    }
}

/// Calls that fail, in the starting process, in the one between, or in the daemon; and how many uses by each of them are tried.
const FAILING: &[(&str, &str, usize)] = &[
    ("wait4", "ECHILD", 1),
    ("wait4", "EINTR", 1),
    ("read", "EIO", 12),
    ("write", "EIO", 9),
    ("write", "EPIPE", 9),
    ("clone,clone3,fork", "EAGAIN", 1),
    ("chdir", "EACCES", 1),
    ("setsid", "EPERM", 1),
    ("flock", "ENOLCK", 2),
    ("ftruncate", "EIO", 1),
    ("dup2,dup3", "EBUSY", 2),
];

/// A start in which one call fails; returns the message.
fn start_with_a_failure(call: &str, errno: &str, when: usize) -> String {
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("{CONFIG}[mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n"));
    let at = |name: &str| test_dir.directory.path().join(name);
    let beside = tempfile::tempdir().unwrap();
    let said = beside.path().join("said");
    let mut command = Command::new("strace");
    // With -D our child is the starting process, and with -f the daemon is traced as well.
    command.args(["-D", "-f", "-qq", "-esignal=none", "-o"]).arg(beside.path().join("trace"));
    command.arg(format!("-etrace={call}")).arg(format!("-einject={call}:error={errno}:when={when}"));
    command.arg(env!("CARGO_BIN_EXE_ipcd")).args(["--config", "ipcd.toml", "--daemon"]);
    command.args(["--log-file", "log", "--pid-file", "pid"]).current_dir(test_dir.directory.path());
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.stderr(fs::File::create(&said).unwrap()).status().unwrap();
    let said = fs::read_to_string(said).unwrap();
    let case = format!("{call}:{errno}:{when}: {status}: {said}");
    let serves = || std::net::TcpStream::connect((test_dir.ip, MULTIPLY)).is_ok();
    if status.success() {
        assert!(serves(), "{case}");
        Detached::of(&at("pid")).stop();
    } else if said.contains("cannot find out whether the daemon is ready") {
        assert!(said.contains(&format!("see {}", at("log").display())), "{case}");
        // The daemon runs if it had reported success before the starting process was gone, and ends otherwise. The log says which.
        let mut asked = false;
        wait_until("the log says it", || {
            let log = fs::read_to_string(at("log")).unwrap_or_default();
            let pid = fs::read_to_string(at("pid")).ok().and_then(|text| text.trim().parse().ok());
            if let Some(pid) = pid.and_then(Pid::from_raw).filter(|_| !asked && log.contains(" is ready")) {
                asked = kill_process(pid, Signal::TERM).is_ok();
            }
            let is_told = log.contains("cannot signal readiness to the parent process");
            (is_told || log.ends_with("info: stopped\n")).then_some(())
        });
    } else {
        assert!(!said.contains("already running"), "{case}");
        wait_until(&format!("nothing is left: {case}"), || {
            // A pid file that could not be locked may belong to another daemon, and is left empty.
            let is_gone = !at("pid").exists()
                || call == "flock" && fs::read(at("pid")).is_ok_and(|text| text.is_empty());
            (!serves() && is_gone && !at("ipcd.sock").exists()).then_some(())
        });
    }
    // The starting process' first write is its message to the terminal.
    let (is_mute, lines) = ((call, when) == ("write", 1), said.matches('\n').count());
    assert!(lines == usize::from(!status.success()) || is_mute && lines == 0, "{case}");
    case
}

/// Whatever fails: after a report of success the daemon runs, and after a report of failure nothing is left.
#[test]
fn starter_reports_every_failure() {
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
    for text in ["cannot find out whether", "ended before it was ready; see", "cannot detach: unable to fork"]
    {
        assert!(told.iter().any(|case| case.contains(text)), "{text}");
    }
}
