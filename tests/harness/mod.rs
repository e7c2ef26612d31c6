//! A real ipcd in a directory of its own, on loopback addresses of its own, ended with the test.
#![allow(dead_code)] // each test file uses a part

pub mod around;
pub mod buffer;
pub mod healthy;
pub mod interrupted;
pub mod late;
pub mod logged;
pub mod manager;
pub mod packets;
pub mod process;
pub mod program;
#[cfg(any(feature = "tls", feature = "tui"))]
pub mod pty;
pub mod queues;
pub mod shared;

use std::fmt::Debug;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use interrupted::uninterrupted;

/// The longest that anything may take before a test fails: much longer than it ever takes.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The services on their usual ports, at the test's own address, and the Unix socket; `{ip}` and `{dir}` are filled in.
pub const USUAL: &str = r#"
[multiply]
listen = ["tcp://{ip}:65432"]
[greeting]
listen = ["tcp://{ip}:9999"]
[chat]
listen = ["tcp://{ip}:33000"]
[mux]
listen = ["unix://{dir}/ipcd.sock"]
"#;

/// The other services of a course, in addition to [`USUAL`].
pub const BESIDE: &str = r#"
[hello]
listen = ["tcp://{ip}:8080"]
[talk]
listen = ["tcp://{ip}:5000"]
[stats]
listen = ["tcp://{ip}:33001"]
"#;

pub const MULTIPLY: u16 = 65432;
pub const GREETING: u16 = 9999;
pub const CHAT: u16 = 33000;
pub const HELLO: u16 = 8080;
pub const TALK: u16 = 5000;
pub const STATS: u16 = 33001;

/// A service's error for an HTTP client, as such a client shows it.
pub fn not_http(service: &str) -> String {
    let sentence = format!("this port speaks {service}, not HTTP\n");
    let length = sentence.len();
    format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{sentence}"
    )
}

/// A running daemon.
pub struct Daemon {
    child: Child,
    pub directory: tempfile::TempDir,
    pub ip: Ipv4Addr,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

/// The surroundings of a daemon: everything except the process.
pub struct TestDir {
    pub directory: tempfile::TempDir,
    pub ip: Ipv4Addr,
}

impl TestDir {
    /// A directory and an address that no other test uses.
    pub fn new() -> TestDir {
        TestDir { directory: tempfile::tempdir().unwrap(), ip: process::address() }
    }

    /// Replaces `{ip}` and `{dir}`.
    pub fn fill(&self, text: &str) -> String {
        let directory = self.directory.path().to_str().unwrap();
        text.replace("{ip}", &self.ip.to_string()).replace("{dir}", directory)
    }

    pub fn config_file(&self) -> PathBuf {
        self.directory.path().join("ipcd.toml")
    }

    pub fn write_config(&self, text: &str) {
        std::fs::write(self.config_file(), self.fill(text)).unwrap();
    }

    /// The command that starts ipcd with the last written configuration.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
        command.arg("--config").arg(self.config_file()).env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
        command
    }

    /// Starts ipcd with this configuration.
    pub fn serve(self, config: &str) -> Daemon {
        self.write_config(config);
        let command = self.command();
        self.start(command)
    }

    /// Starts ipcd under a service manager that passes these descriptors.
    pub fn start_with(
        self,
        manager: &manager::Manager,
        descriptors: Vec<(String, std::os::fd::OwnedFd)>,
    ) -> Daemon {
        let command = manager.command(&self, descriptors);
        self.start(command)
    }

    /// Starts a command that becomes ipcd, and waits until it is ready.
    pub fn start(self, command: Command) -> Daemon {
        let daemon = self.begin(command);
        daemon.wait_for_log("is ready");
        daemon
    }

    /// Starts a command that becomes ipcd.
    pub fn begin(self, mut command: Command) -> Daemon {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        drop(command); // this closes its descriptors
        let log = Arc::new(Log::default());
        let (stderr, writer) = (child.stderr.take().unwrap(), Arc::clone(&log));
        // For the lines that come while a busy machine lets nobody read them: the daemon drops what finds no room.
        let _ = rustix::pipe::fcntl_setpipe_size(&stderr, 256 * 1024);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n') {
                let Ok(line) = line else { break };
                let line = logged::untimed(&String::from_utf8_lossy(&line)).to_owned();
                writer.lines.lock().unwrap().0.push(line);
                writer.changed.notify_all();
            }
            writer.lines.lock().unwrap().1 = true;
            writer.changed.notify_all();
        });
        Daemon { child, directory: self.directory, ip: self.ip, log }
    }
}

impl Daemon {
    /// A daemon with the usual services.
    pub fn usual() -> Daemon {
        Daemon::with(USUAL)
    }

    /// A daemon with this configuration.
    pub fn with(config: &str) -> Daemon {
        TestDir::new().serve(config)
    }

    /// The same, which also logs every message.
    pub fn talkative(config: &str) -> Daemon {
        let test_dir = TestDir::new();
        test_dir.write_config(config);
        let mut command = test_dir.command();
        command.args(["--log-level", "debug"]);
        test_dir.start(command)
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.ip, port))
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("ipcd.sock")
    }

    /// Writes another configuration, which applies after SIGHUP.
    pub fn write_config(&self, text: &str) {
        let directory = self.directory.path().to_str().unwrap();
        let text = text.replace("{ip}", &self.ip.to_string()).replace("{dir}", directory);
        // In one step: a running reload reads the old file or the new one.
        let (new, file) =
            (self.directory.path().join("ipcd.toml.new"), self.directory.path().join("ipcd.toml"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    pub fn tcp(&self, port: u16) -> Client {
        Client { daemon: Some(self.pid()), ..Client::tcp(self.address(port)) }
    }

    pub fn unix(&self) -> Client {
        Client { daemon: Some(self.pid()), ..Client::unix(&self.socket()) }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }

    /// Everything logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().0.clone()
    }

    /// Waits for a line that contains `text`, and returns it.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.wait_for_log_since(0, text)
    }

    /// The same, from line number `since` on.
    pub fn wait_for_log_since(&self, since: usize, text: &str) -> String {
        let deadline = Instant::now() + TIMEOUT;
        let mut state = self.log.lines.lock().unwrap();
        loop {
            if let Some(line) = state.0.iter().skip(since).find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!state.1 && !left.is_zero(), "no line with {text:?} in the log:\n{}", state.0.join("\n"));
            state = self.log.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until the process has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + TIMEOUT;
        wait_until("the daemon ends", || {
            assert!(Instant::now() < deadline);
            self.child.try_wait().unwrap()
        })
    }

    /// Sends SIGTERM, and checks that it ends properly; returns the log.
    pub fn stop(mut self) -> Vec<String> {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "{status}; log:\n{}", self.log().join("\n"));
        self.wait_for_log("stopped");
        self.log()
    }

    /// Open descriptors, without those of /proc, which it opens for a moment when it has come to rest.
    pub fn descriptors(&self) -> usize {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().flatten();
        let is_counted = |path| std::fs::read_link(path).is_ok_and(|to| !to.starts_with("/proc"));
        descriptors.filter(|one| is_counted(one.path())).count()
    }

    /// Its own memory, in bytes: without the pages of its files, which the kernel maps and drops.
    pub fn own_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let lines =
            status.lines().filter(|line| line.starts_with("RssAnon:") || line.starts_with("RssShmem:"));
        lines.map(|line| line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024).sum()
    }

    /// Processor time used so far, in clock ticks of 10 ms.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let log = self.log();
            assert!(!log.iter().any(|line| line.contains("panicked")), "{}", log.join("\n"));
            log.iter().for_each(|line| logged::assert_without_numbers(line));
        }
    }
}

/// Whether this was built with AddressSanitizer, which keeps freed memory for a while (`.ci/sanitize` says so).
pub fn is_sanitized() -> bool {
    std::env::var_os("IPCD_SANITIZED").is_some()
}

/// Calls a function until it finds something, with a deadline.
pub fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A stream of either kind.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A client that compares what it receives.
#[derive(Debug)]
pub struct Client {
    pub stream: Stream,
    /// Received bytes that were not expected yet.
    heard: Vec<u8>,
    /// The time when it last sent something, or began to wait for what it received last.
    since: Instant,
    /// The process id of the other end, if it is known.
    daemon: Option<i32>,
}

impl Client {
    pub fn tcp(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Client::on(Stream::Tcp(stream))
    }

    pub fn unix(path: &Path) -> Client {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Client::on(Stream::Unix(stream))
    }

    /// On an open TCP connection.
    pub fn of(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Client::on(Stream::Tcp(stream))
    }

    /// On any open connection, whose timeout this sets.
    pub fn on(stream: Stream) -> Client {
        Client { stream, heard: Vec::new(), since: Instant::now(), daemon: None }
    }

    /// The same connection for another thread, without the bytes received so far.
    pub fn share(&self) -> Client {
        Client::on(match &self.stream {
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone().unwrap()),
            Stream::Unix(stream) => Stream::Unix(stream.try_clone().unwrap()),
        })
    }

    /// Sends all of it, in one call if the kernel accepts that.
    #[track_caller]
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.since = Instant::now();
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes.as_ref()),
            Stream::Unix(stream) => stream.write_all(bytes.as_ref()),
        }
        .unwrap();
    }

    /// Sends it, unless the other end has closed; returns whether it was accepted.
    pub fn try_say(&mut self, bytes: &[u8]) -> bool {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
        .is_ok()
    }

    /// Ends its input; it can still receive.
    pub fn half_close(&mut self) {
        let outcome = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        // The other end may be gone; its bytes can still be read.
        assert!(outcome.is_ok() || outcome.is_err_and(|error| error.kind() == ErrorKind::NotConnected));
    }

    pub fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        uninterrupted(|| match &mut self.stream {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        })
    }

    /// Expects exactly these bytes next, in any pieces.
    #[track_caller]
    pub fn hear(&mut self, expected: impl AsRef<[u8]> + Debug) {
        let expected = expected.as_ref();
        while self.heard.len() < expected.len() && expected.starts_with(&self.heard) {
            let mut buffer = [0; 65536];
            match self.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) => {
                    panic!("expected {}, got {} and then {error}", show(expected), show(&self.heard))
                }
            }
        }
        let common = expected.len().min(self.heard.len());
        if self.heard[..common] != *expected {
            assert_eq!(show(&self.heard[..common]), show(expected));
        }
        self.heard.drain(..expected.len());
    }

    /// Expects end of file next.
    #[track_caller]
    pub fn hear_end(&mut self) {
        let rest = self.hear_rest();
        assert_eq!(show(&rest), "", "expected end of file");
    }

    /// Everything up to end of file.
    #[track_caller]
    pub fn hear_rest(&mut self) -> Vec<u8> {
        let mut buffer = [0; 65536];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return std::mem::take(&mut self.heard),
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) => panic!("expected end of file, got {} and then {error}", show(&self.heard)),
            }
        }
    }

    /// Reads until nothing more can come.
    pub fn hear_until_gone(&mut self) {
        // No timeout here: the daemon ends the connection.
        match &self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(None),
            Stream::Unix(stream) => stream.set_read_timeout(None),
        }
        .unwrap();
        let mut buffer = [0; 65536];
        while matches!(self.read(&mut buffer), Ok(1..)) {}
    }

    /// Expects a reset next (a TCP connection).
    #[track_caller]
    pub fn hear_reset(&mut self) {
        let error = self.read(&mut [0; 1024]).expect_err("expected a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    /// A member of the room: connects, sends a name as a line client, and receives the welcome.
    pub fn member(daemon: &Daemon, name: &str) -> Client {
        let mut client = daemon.tcp(CHAT);
        client.say(format!("{name}\n"));
        client.hear("Greetings from the cave! Now type your name and press enter!\n");
        client.hear(format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.\n"));
        client
    }
}

/// A connection on which a request shows that the daemon has handled all others so far.
pub struct Probe(Client);

impl Probe {
    pub fn new(daemon: &Daemon) -> Probe {
        Probe(daemon.tcp(MULTIPLY))
    }

    /// Returns once the daemon has read everything that was sent to it before this call. Connections are served in order of
    /// readiness, and accepting and reading take a turn each.
    #[track_caller]
    pub fn wait(&mut self) {
        for _ in 0..3 {
            self.0.say("1 1\n");
            self.0.hear("Data received\n1.0\n");
        }
    }
}

/// Bytes as a test failure shows them.
pub fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
