//! When memory runs out, the daemon continues, or ends with a message; and the next one starts as usual.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::harness::around::{Helper, has_ended, outcome};
use crate::harness::interrupted::uninterrupted;
use crate::harness::logged::untimed_lines;
use crate::harness::packets::Packets;
use crate::harness::queues::Queues;
use crate::harness::shared::Shared;
use crate::harness::{CHAT, Client, MULTIPLY, TIMEOUT, TestDir, show, wait_until};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

/// Every kind of endpoint that leaves something in the file system, and limits for unread bytes above the available memory.
const CONFIG: &str = r#"
[limits]
backlog = "1GiB"
[multiply]
group = "{group}"
listen = ["tcp://{ip}:65432", "udp://{ip}:65432", "fifo://{dir}/multiply", "unixseq://{dir}/multiply.seq", "unixgram://{dir}/multiply.dgram", "shm://{dir}/multiply.shm", "mq:///ipcd-{ip}-memory"]
[chat]
max_message = "1MiB"
listen = ["tcp://{ip}:33000"]
[mux]
group = "{group}"
listen = ["unix://{dir}/ipcd.sock"]
"#;

/// The files that a stopped daemon leaves.
const LEFT: [&str; 3] = ["ipcd.toml", "multiply.in", "multiply.out"];

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The message of Rust's standard library.
const WORD: &str = "memory allocation of ";

/// SIGABRT, with which the library ends the process.
const ABORT: i32 = 6;

/// The message queues. They belong to the daemon, so this does not remove them.
fn queues(ip: Ipv4Addr) -> ManuallyDrop<Queues> {
    ManuallyDrop::new(Queues(format!("/ipcd-{ip}-memory")))
}

/// Every endpoint of the configuration answers.
fn answers(ip: Ipv4Addr, directory: &Path) {
    let socket = directory.join("ipcd.sock");
    for mut client in
        [Client::tcp((ip, MULTIPLY).into()), Client::unix(&socket), Client::tcp((ip, MULTIPLY).into())]
    {
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
    }
    let own = directory.join("own");
    let packets = [
        Packets::seq(&directory.join("multiply.seq")),
        Packets::udp((ip, MULTIPLY).into()),
        Packets::gram(&directory.join("multiply.dgram"), &own),
    ];
    for packets in packets {
        packets.say("6 7");
        packets.hear("Data received");
    }
    fs::remove_file(own).unwrap();
    let shared = Shared::connect(&directory.join("multiply.shm"));
    shared.say("6 7");
    shared.hear("Data received");
    let queues = queues(ip);
    queues.say("6 7");
    queues.hear(&["Data received", "42.0"]);
    // Requests that the previous process has left are answered first.
    OpenOptions::new().write(true).open(directory.join("multiply.in")).unwrap().write_all(b"6 7\n").unwrap();
    let mut fifo = OpenOptions::new().read(true).write(true).open(directory.join("multiply.out")).unwrap();
    let mut line = [0; 14];
    fifo.read_exact(&mut line).unwrap();
    assert_eq!(show(&line), "Data received\\n");
}

/// A directory for daemons, whose group is ours, so that there are no warnings.
fn test_dir() -> TestDir {
    let test_dir = TestDir::new();
    let group = nix::unistd::Group::from_gid(nix::unistd::getegid()).unwrap().unwrap().name;
    test_dir.write_config(&CONFIG.replace("{group}", &group));
    test_dir
}

/// Starts it with standard error in a file, and waits until it is ready.
#[track_caller]
fn start(test_dir: &TestDir) -> Helper {
    let stderr = test_dir.directory.path().join("stderr");
    let mut command = test_dir.command();
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null()).stderr(fs::File::create(&stderr).unwrap());
    let mut daemon = Helper(command.spawn().unwrap());
    wait_until("it is ready", || {
        let log = fs::read_to_string(&stderr).unwrap();
        assert!(daemon.0.try_wait().unwrap().is_none(), "{log}");
        log.contains("is ready").then_some(())
    });
    daemon
}

/// Its exit status, and its output.
fn end_of(test_dir: &TestDir, daemon: &mut Helper) -> (ExitStatus, String) {
    let status = wait_until("it ends", || daemon.0.try_wait().unwrap());
    let stderr = test_dir.directory.path().join("stderr");
    let log = untimed_lines(&fs::read_to_string(&stderr).unwrap());
    fs::remove_file(stderr).unwrap();
    (status, log)
}

/// A daemon that starts after the end of another one serves on every endpoint, and leaves the right files.
#[track_caller]
fn starts_as_if_nothing_had_been(test_dir: &TestDir) {
    let mut daemon = start(test_dir);
    answers(test_dir.ip, test_dir.directory.path());
    kill_process(Pid::from_child(&daemon.0), Signal::TERM).unwrap();
    let (status, log) = end_of(test_dir, &mut daemon);
    assert!(
        status.success() && !log.contains("warning: ") && log.ends_with("info: stopped\n"),
        "{status}: {log}"
    );
    assert_eq!(test_dir.names(), LEFT);
    assert_eq!(queues(test_dir.ip).names(), [""; 0]);
}

/// Whether the daemon needs more stack than the 132 KiB that the kernel allocates at first, as it does without optimization. If it
/// may not have more, the kernel kills it without a message (setrlimit(2), RLIMIT_AS).
fn stack_grows(test_dir: &TestDir) -> bool {
    let mut daemon = start(test_dir);
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    kill_process(Pid::from_child(&daemon.0), Signal::TERM).unwrap();
    end_of(test_dir, &mut daemon);
    let size = status.lines().find_map(|line| line.strip_prefix("VmStk:")).unwrap();
    size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() > 132
}

#[test]
fn start_without_enough_memory_fails_cleanly() {
    let test_dir = test_dir();
    let grows = stack_grows(&test_dir);
    let (mut refused, mut served) = (0, 0);
    for limit in (4 * MIB..64 * MIB).step_by(48 * KIB as usize) {
        let mut command = Command::new("prlimit");
        command.arg(format!("--as={limit}")).arg(env!("CARGO_BIN_EXE_ipcd"));
        command
            .arg("--config")
            .arg(test_dir.config_file())
            .env_remove("RUST_LOG")
            .env_remove("JOURNAL_STREAM");
        command
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut daemon = Helper(command.spawn().unwrap());
        let deadline = Instant::now() + TIMEOUT;
        while daemon.0.try_wait().unwrap().is_none() {
            if TcpStream::connect((test_dir.ip, CHAT)).is_ok() {
                let _ = kill_process(Pid::from_child(&daemon.0), Signal::TERM);
            }
            assert!(Instant::now() < deadline, "neither refused nor stopped with {limit} bytes");
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = daemon.0.wait().unwrap();
        let mut text = String::new();
        daemon.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        if status.success() {
            served += 1;
            if served == 3 {
                break;
            }
            continue;
        }
        // The kernel kills a program that it cannot load completely (execve(2)); or the loader reports that it cannot.
        let wordless = text.is_empty() && status.signal() == Some(Signal::SEGV.as_raw());
        if wordless && refused == 0
            || !text.contains("ipcd.toml") && status.code() == Some(127)
            || text.contains("initialization")
        {
            continue; // even the program could not be loaded
        }
        refused += 1;
        assert!(
            grows && wordless || text.contains(WORD) || text.contains("\nipcd: "),
            "{limit}: {status} {text}"
        );
        assert!(!text.contains("panicked"), "{limit}: {status} {text}");
        starts_as_if_nothing_had_been(&test_dir);
    }
    assert!(refused > 0 && served == 3, "{refused} refused, {served} served");
}

/// Sets the process's limit to this many more bytes than it has.
fn limit(pid: Pid, more: u64) {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid())).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let size = size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * KIB;
    let maximum = rustix::process::getrlimit(Resource::As).maximum;
    prlimit(Some(pid), Resource::As, Rlimit { current: Some(size + more), maximum }).unwrap();
}

/// Members of the room that never read, clients that pipeline and never read, and one whose messages nobody receives: this many
/// bytes, or fewer if the daemon ends. No client waits for anything.
fn attack(ip: Ipv4Addr, bytes: u64) {
    let connect = |port: u16| TcpStream::connect((ip, port)).ok();
    let mut deaf: Vec<TcpStream> = (0..20).filter_map(|_| connect(CHAT)).collect();
    for (number, member) in deaf.iter_mut().enumerate() {
        let _ = writeln!(member, "deaf{number}");
    }
    let pipelines: Vec<TcpStream> = (0..50).filter_map(|_| connect(MULTIPLY)).collect();
    for mut pipeline in &pipelines {
        pipeline.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        let _ = pipeline.write_all("5 10\n".repeat(20_000).as_bytes());
    }
    let Some(mut talker) = connect(CHAT) else { return };
    let _ = writeln!(talker, "talker");
    talker.set_read_timeout(Some(TIMEOUT)).unwrap();
    let line = format!("{}\n", "x".repeat(500 * KIB as usize));
    let mut heard = 0;
    let mut buffer = vec![0; MIB as usize];
    for _ in 0..bytes / line.len() as u64 {
        if talker.write_all(line.as_bytes()).is_err() {
            return;
        }
        // As fast as it is accepted, and no faster, so that the sender also reads.
        while heard < line.len() {
            match uninterrupted(|| talker.read(&mut buffer)) {
                Ok(0) | Err(_) => return,
                Ok(count) => heard += count,
            }
        }
        heard -= line.len();
    }
    drop((deaf, pipelines));
}

/// One attack is enough, unless something other than the daemon's end interrupts it; the failure says what that was.
fn attack_until_it_ends(ip: Ipv4Addr, pid: Pid, log: impl Fn() -> String) {
    let deadline = Instant::now() + 3 * TIMEOUT;
    while !has_ended(pid) {
        let status = || fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid()));
        assert!(Instant::now() < deadline, "the daemon does not end: {:?}, {}", status(), log());
        attack(ip, 64 * MIB);
    }
}

#[test]
fn memory_shortage_under_attack_ends_with_a_message_and_not_before() {
    let test_dir = test_dir();
    for (more, ends) in [(MIB, true), (16 * MIB, true), (4096 * MIB, false)] {
        let mut daemon = start(&test_dir);
        let pid = Pid::from_child(&daemon.0);
        limit(pid, more);
        if ends {
            let stderr = test_dir.directory.path().join("stderr");
            attack_until_it_ends(test_dir.ip, pid, || fs::read_to_string(&stderr).unwrap());
        } else {
            attack(test_dir.ip, 64 * MIB);
            answers(test_dir.ip, test_dir.directory.path());
            kill_process(pid, Signal::TERM).unwrap();
        }
        let (status, log) = end_of(&test_dir, &mut daemon);
        assert_eq!((status.signal(), log.contains(WORD)), (ends.then_some(ABORT), ends), "{status}: {log}");
        assert!(!log.contains("panicked"), "{log}");
        starts_as_if_nothing_had_been(&test_dir);
    }
}

/// A daemon that is not waited for; a failing test does not leave it behind.
struct Detached(Pid);

impl Drop for Detached {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = kill_process(self.0, Signal::KILL);
        }
    }
}

#[test]
fn detached_daemon_logs_memory_shortage_and_frees_its_pid_file() {
    let test_dir = test_dir();
    let path = |name: &str| test_dir.directory.path().join(name);
    let start = || {
        let mut command = test_dir.command();
        command.arg("--daemon").arg("--pid-file").arg(path("pid")).arg("--log-file").arg(path("log"));
        let output = outcome(command.env_remove("RUST_BACKTRACE"));
        assert!(output.status.success(), "{output:?}");
        let text = fs::read_to_string(path("pid")).unwrap();
        Detached(Pid::from_raw(text.trim().parse().unwrap()).unwrap())
    };
    let is_gone = |daemon: &Detached| wait_until("the daemon ends", || has_ended(daemon.0).then_some(()));
    let first = start();
    limit(first.0, MIB);
    attack_until_it_ends(test_dir.ip, first.0, || fs::read_to_string(path("log")).unwrap());
    assert!(path("pid").exists() && fs::read_to_string(path("log")).unwrap().contains(WORD));
    let second = start();
    answers(test_dir.ip, test_dir.directory.path());
    kill_process(second.0, Signal::TERM).unwrap();
    is_gone(&second);
    assert_eq!(test_dir.names(), ["ipcd.toml", "log", "multiply.in", "multiply.out"]);
}
