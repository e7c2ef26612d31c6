//! The first minute with ipcd, started by hand in a terminal.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::around::{Helper, has_ended, in_namespaces, may_unshare, outcome};
use crate::harness::logged::untimed_lines;
use crate::harness::{Client, MULTIPLY, TIMEOUT, TestDir, wait_until};
use rustix::process::{Pid, Signal, kill_process};

fn answers(mut client: Client) {
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
}

const CONFIG: &str =
    "[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n[mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\n";

/// A terminal with a shell command. The test learns the process id of ipcd, and the terminal is closed when this is dropped.
struct Window(Child);

impl Window {
    fn open(test_dir: &TestDir, shell: &str) -> (Window, Pid) {
        // The environment of the tests, for example under nohup, is not that of a shell in a window. A window also needs a process
        // that keeps its terminal open, which nohup's program does not do.
        const PYTHON: &str = "import os, pty, signal, sys\n\
            pid, terminal = pty.fork()\n\
            if pid == 0: signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execvp('sh', ['sh', '-c', sys.argv[1]])\n\
            while True:\n\
            \x20 try: data = os.read(terminal, 4096)\n\
            \x20 except OSError: signal.pause()\n\
            \x20 sys.stdout.buffer.write(data); sys.stdout.flush()";
        let ipcd = format!("{} --config {}", env!("CARGO_BIN_EXE_ipcd"), test_dir.config_file().display());
        let shell = shell.replace("ipcd", &ipcd).replace("LOG", log(test_dir).to_str().unwrap());
        let mut command = Command::new("python3");
        command.args(["-c", PYTHON, &shell]).env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
        let window = Window(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
        told(test_dir, "is ready");
        let owner = ipcd::transport::owner::of_tcp((test_dir.ip, MULTIPLY).into()).expect("it listens");
        (window, Pid::from_raw(owner.pid).unwrap())
    }

    /// Closes the window: nobody has the terminal's other side open any more.
    fn close(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn log(test_dir: &TestDir) -> std::path::PathBuf {
    test_dir.directory.path().join("log")
}

#[track_caller]
fn told(test_dir: &TestDir, text: &str) -> String {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let said = fs::read_to_string(log(test_dir)).unwrap_or_default();
        if said.contains(text) {
            return said;
        }
        assert!(Instant::now() < deadline, "waited in vain for {text:?}: {said}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn closed_terminal_ends_a_foreground_daemon() {
    // As the shell's child, and in place of the shell.
    for shell in ["ipcd 2> LOG; true", "exec ipcd 2> LOG"] {
        let test_dir = TestDir::new();
        test_dir.write_config(CONFIG);
        let (window, pid) = Window::open(&test_dir, shell);
        // While the terminal exists, SIGHUP has its usual meaning.
        kill_process(pid, Signal::HUP).unwrap();
        told(&test_dir, "reloaded: ");
        answers(Client::tcp((test_dir.ip, MULTIPLY).into()));
        window.close();
        wait_until("it ends", || has_ended(pid).then_some(()));
        let text = untimed_lines(&told(&test_dir, "info: stopped\n"));
        assert!(
            text.contains("info: the terminal is gone\n") && !text.contains("stopping at once"),
            "{text}"
        );
        assert!(!test_dir.names().contains(&"ipcd.sock".to_owned()));
    }
}

#[test]
fn nohup_daemon_outlives_its_terminal_and_reloads() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let (window, pid) = Window::open(&test_dir, "exec nohup ipcd 2> LOG > /dev/null");
    window.close();
    told(&test_dir, "reloaded: "); // the kernel has sent SIGHUP
    answers(Client::tcp((test_dir.ip, MULTIPLY).into()));
    kill_process(pid, Signal::TERM).unwrap();
    wait_until("it ends", || has_ended(pid).then_some(()));
    assert!(!told(&test_dir, "stopped").contains("the terminal is gone"));
}

/// A daemon that is ready or has failed to start, and its output so far.
fn started(command: &mut Command) -> (Helper, String) {
    let mut daemon = Helper(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut said = String::new();
    for line in BufReader::new(daemon.0.stderr.take().unwrap()).lines() {
        said += &format!("{}\n", line.unwrap());
        if said.contains(" is ready") {
            break;
        }
    }
    (daemon, untimed_lines(&said))
}

/// The output of a start, which is ended once it is ready.
fn ready(command: &mut Command) -> String {
    started(command).1
}

/// A start without a configuration, in namespaces of its own, after `prepare`.
fn default_start() -> (Command, &'static str) {
    let prepare =
        "ip link set lo up; mount -t tmpfs tmpfs /run; [ ! -d /etc/ipcd ] || mount -t tmpfs tmpfs /etc/ipcd";
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
    command.env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
    (command, prepare)
}

#[test]
fn every_built_in_tcp_endpoint_is_on_loopback() {
    if !may_unshare() {
        return;
    }
    let (command, prepare) = default_start();
    let (daemon, said) = started(&mut in_namespaces(&["--net", "--mount"], prepare, &command));
    // The addresses from proc_net_tcp(5), in a namespace where nothing else listens.
    let mut ports = Vec::new();
    for (table, loopback) in [("tcp", "0100007F"), ("tcp6", "00000000000000000000000001000000")] {
        let sockets = fs::read_to_string(format!("/proc/{}/net/{table}", daemon.0.id())).unwrap_or_default();
        for line in sockets.lines().skip(1) {
            let (address, port) = line.split_whitespace().nth(1).unwrap().split_once(':').unwrap();
            assert_eq!(address, loopback, "{line}");
            ports.push(u16::from_str_radix(port, 16).unwrap());
        }
    }
    for port in [65432, 9999, 33000, 33080] {
        assert!(ports.contains(&port), "{ports:?} after: {said}");
    }
}

#[test]
fn default_start_logs_a_line_per_service_and_no_warning() {
    if !may_unshare() {
        return;
    }
    let (command, prepare) = default_start();
    let said = ready(&mut in_namespaces(&["--net", "--mount"], prepare, &command));
    let version = env!("CARGO_PKG_VERSION");
    let open = if cfg!(feature = "page") { "info: open http://localhost:33080\n" } else { "" };
    assert_eq!(
        said,
        format!(
            "info: multiply on tcp://localhost:65432\n\
             info: greeting on tcp://localhost:9999\n\
             info: chat on tcp://localhost:33000\n\
             info: mux on unix:///run/ipcd/ipcd.sock\n\
             info: page on http://localhost:33080\n\
             info: only this machine can connect; for others, give --config a copy\n\
             info: of etc/classroom.toml with 0.0.0.0 instead of localhost\n\
             {open}info: ipcd {version} is ready\n"
        )
    );
    // Follows that advice literally.
    let test_dir = TestDir::new();
    let copy = fs::read_to_string("etc/classroom.toml").unwrap().replace("localhost", "0.0.0.0");
    fs::write(test_dir.config_file(), copy).unwrap();
    let advised = ready(&mut in_namespaces(
        &["--net", "--mount"],
        &format!("{prepare}; ip addr add 192.0.2.7/24 dev lo"),
        &test_dir.command(),
    ));
    assert!(advised.contains("info: others connect to 192.0.2.7: multiply at port 65432, "), "{advised}");
    assert!(!advised.contains("warning: "), "{advised}");
    // A second daemon says once that one is running, and names no missing file.
    let both =
        format!("{prepare}; \"$@\" 2> /run/log & until grep -qs ' is ready$' /run/log; do sleep 0.05; done");
    let second = outcome(&mut in_namespaces(
        &["--net", "--mount", "--pid", "--fork", "--mount-proc"],
        &both,
        &command,
    ));
    let said = untimed_lines(&String::from_utf8(second.stderr).unwrap());
    assert_eq!(second.status.code(), Some(69), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("ipcd: ipcd is already running (pid "), "{said}");
    assert!(!said.contains("/etc/"), "{said}");
}

#[test]
fn advice_of_a_start_with_a_file_lets_others_in_when_followed() {
    if !may_unshare() {
        return;
    }
    for host in ["localhost", "127.0.0.1"] {
        let test_dir = TestDir::new();
        let written = format!(
            "[multiply]\nlisten = [\"tcp://{host}:65432\"]\n[chat]\nlisten = [\"tcp://{host}:33000\"]\n"
        );
        fs::write(test_dir.config_file(), &written).unwrap();
        let start = |prepare: &str| ready(&mut in_namespaces(&["--net"], prepare, &test_dir.command()));
        let said = start("ip link set lo up");
        let advice = said.split_once("info: only this machine can connect; to let others in, replace ");
        let (old, rest) = advice.unwrap_or_else(|| panic!("{said}")).1.split_once("\ninfo: by ").unwrap();
        let (new, rest) = rest.split_once(" in ").unwrap();
        assert!(rest.starts_with(&format!("{}, then reload\n", test_dir.config_file().display())), "{said}");
        fs::write(test_dir.config_file(), written.replace(old, new)).unwrap();
        let said = start("ip link set lo up; ip addr add 192.0.2.7/24 dev lo");
        let others = "info: others connect to 192.0.2.7: multiply at port 65432, chat at port 33000\n";
        assert!(said.contains(others) && !said.contains("only this machine"), "{said}");
    }
}

#[test]
fn classroom_start_logs_a_line_per_service_and_no_warning() {
    if !may_unshare() {
        return;
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/etc/classroom.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
    command.args(["--config", file]).env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
    let said = ready(&mut in_namespaces(
        &["--net", "--mount"],
        "ip link set lo up; mount -t tmpfs tmpfs /run",
        &command,
    ));
    assert!(!said.contains("warning: "), "{said}");
    let listed = |service: &str| said.matches(&format!("info: {service} on ")).count();
    for service in ["multiply", "greeting", "chat", "hello", "talk", "stats", "mux"] {
        assert_eq!(listed(service), 1, "{service}: {said}");
    }
    assert!(said.contains("info: chat on tcp://localhost:33000, unix:///run/ipcd/chat.sock, "), "{said}");
}

#[test]
fn wildcard_listener_logs_where_to_connect() {
    if !may_unshare() {
        return;
    }
    let test_dir = TestDir::new();
    test_dir.write_config("[multiply]\nlisten = [\"tcp://0.0.0.0:65432\"]\n[chat]\nlisten = [\"tcp://localhost:33000\", \"tcp://0.0.0.0:33001\"]\n");
    let prepare = "ip link set lo up; ip addr add 192.0.2.7/24 dev lo";
    let said = ready(&mut in_namespaces(&["--net"], prepare, &test_dir.command()));
    assert!(said.contains("info: chat on tcp://localhost:33000, tcp://0.0.0.0:33001\n"), "{said}");
    assert!(
        said.contains("info: others connect to 192.0.2.7: multiply at port 65432, chat at port 33001\n"),
        "{said}"
    );
}

#[test]
fn localhost_is_found_under_the_machines_own_name() {
    if !may_unshare() {
        return;
    }
    let test_dir = TestDir::new();
    test_dir.write_config("[multiply]\nlisten = [\"tcp://localhost:65432\"]\n[greeting]\nlisten = [\"tcp://127.0.1.1:9999\", \"tcp://localhost:9998\"]\n");
    // As Debian's installer writes it, with a resolver that never answers.
    let hosts = test_dir.directory.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n127.0.1.1 classroom.example classroom\n::1 localhost\n").unwrap();
    let resolver = test_dir.directory.path().join("resolv.conf");
    fs::write(&resolver, "nameserver 192.0.2.1\noptions timeout:30 attempts:5\n").unwrap();
    let prepare = format!(
        "ip link set lo up; hostname classroom; mount --bind {} /etc/hosts; [ ! -e /etc/resolv.conf ] || mount --bind {} /etc/resolv.conf",
        hosts.display(),
        resolver.display()
    );
    let command = in_namespaces(&["--net", "--mount", "--uts"], &prepare, &test_dir.command());
    let daemon = test_dir.start(command);
    let code = "import socket\n\
        for host in socket.gethostname(), '127.0.0.1', '::1':\n\
        \x20 s = socket.create_connection((host, 65432)); peer = s.getpeername()[0]; s.sendall(b'5 10\\n'); s.shutdown(1)\n\
        \x20 print(peer, s.makefile().read().split()[-1])\n\
        print(socket.create_connection((socket.gethostname(), 9999)).makefile().read().strip())";
    let mut eyes = Command::new("nsenter");
    eyes.args(["--net", "--mount", "--uts", "-t", &daemon.pid().to_string(), "python3", "-c", code]);
    let output = outcome(&mut eyes);
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said,
        "127.0.1.1 50.0\n127.0.0.1 50.0\n::1 50.0\nMessage received. Thank you for connecting\n"
    );
    daemon.stop();
}

/// The output and the errors of `--check`.
fn checked(command: &mut Command) -> (String, Vec<String>) {
    let output = outcome(command.arg("--check"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    (String::from_utf8(output.stdout).unwrap(), said.lines().map(str::to_owned).collect())
}

#[test]
fn check_names_its_file_and_future_problems() {
    let test_dir = TestDir::new();
    let file = test_dir.config_file().display().to_string();
    test_dir.write_config(CONFIG);
    assert_eq!(checked(&mut test_dir.command()), (format!("OK: {file}\n"), vec![]));

    test_dir.write_config(
        "[status]\nlisten = [\"tcp://{ip}:9\", \"unix://{dir}/missing/s\"]\ngroup = \"no-such-group\"\n\
         [chat]\nlisten = [\"fifo://{dir}/chat\"]\ntranscript = \"{dir}/gone/chat.log\"\n",
    );
    let (verdict, warnings) = checked(&mut test_dir.command());
    assert_eq!(verdict, format!("OK: {file}\n"));
    let directory = test_dir.directory.path().display();
    let ip = test_dir.ip;
    let expected = [
        format!(
            "warning: {file}: no endpoint under [mux], so ipcctl class, watch, status, kick and reload cannot reach the daemon, nor can systemctl reload; "
        ),
        format!(
            "warning: {file}:2:11: every client of tcp://{ip}:9 can see who else is connected, and from where; "
        ),
        format!("warning: {file}:2:11: tcp://{ip}:9: a port below 1024 needs privileges; "),
        format!(
            "warning: {file}:2:{}: unix://{directory}/missing/s: directory {directory}/missing does not exist; ",
            11 + format!("\"tcp://{ip}:9\", ").len()
        ),
        format!(
            "warning: {file}:2:{}: unix://{directory}/missing/s: group no-such-group does not exist; ",
            11 + format!("\"tcp://{ip}:9\", ").len()
        ),
        format!(
            "warning: {file}: directory {directory}/gone for the transcript under [chat] does not exist; "
        ),
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(&expected), "{warning}\n{expected}");
    }
    if may_unshare() {
        let prepare = "[ ! -d /etc/ipcd ] || mount -t tmpfs tmpfs /etc/ipcd";
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
        command.arg("--check");
        let output = outcome(&mut in_namespaces(&["--mount"], prepare, &command));
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, "OK: /etc/ipcd/ipcd.toml does not exist; the built-in endpoints are used\n");
    }
}

#[test]
fn reload_that_removes_the_mux_explains_the_consequence() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    daemon.write_config(CONFIG.split("[mux]").next().unwrap());
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded: ");
    assert!(daemon.wait_for_log("no endpoint under [mux]").starts_with("warning: "));
    // SIGHUP still works, as the message says.
    let since = daemon.log().len();
    daemon.write_config(CONFIG);
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "reloaded: ");
    assert!(!daemon.stop()[since..].iter().any(|line| line.starts_with("warning: ")));
}
