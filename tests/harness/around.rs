//! The surroundings of a daemon: other processes, short commands, a standard error that nobody reads.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use rustix::process::{Gid, Pid, Signal, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::logged::untimed_lines;
use super::{Client, Daemon, Log, TestDir, wait_until};

/// Another process, ended when dropped.
pub struct Helper(pub Child);

impl Helper {
    /// Runs Python code, which prints `ready` when it is ready.
    pub fn python(code: &str, arguments: &[&str]) -> Helper {
        let mut command = Command::new("python3");
        command.args(["-c", &format!("{code}\nprint('ready', flush=True)\nimport time\ntime.sleep(600)")]);
        let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut helper = Helper(child);
        let mut line = String::new();
        BufReader::new(helper.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        helper
    }

    /// A process that listens on a TCP address.
    pub fn on_tcp(ip: impl ToString, port: u16) -> Helper {
        Helper::python(
            "import socket, sys; s = socket.create_server((sys.argv[1], int(sys.argv[2])))",
            &[&ip.to_string(), &port.to_string()],
        )
    }

    /// A process that listens on a Unix socket and greets its clients.
    pub fn on_unix(path: &std::path::Path) -> Helper {
        Helper::python(
            "import socket, sys, threading\n\
             s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n\
             def greet():\n\
             \x20 while True:\n\
             \x20   try: s.accept()[0].sendall(b'still here')\n\
             \x20   except OSError: pass\n\
             threading.Thread(target=greet, daemon=True).start()",
            &[path.to_str().unwrap()],
        )
    }

    /// The process as an error names it.
    pub fn shown(&self) -> String {
        let pid = self.0.id();
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        format!("pid {pid}, {}", name.trim_end())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command that ends by itself soon.
#[track_caller]
pub fn outcome(command: &mut Command) -> Output {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut helper = Helper(command.spawn().unwrap());
    let status = wait_until("the command ends", || helper.0.try_wait().unwrap());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    helper.0.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    helper.0.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    Output { status, stdout, stderr }
}

/// Runs a command that must fail with this status; returns its standard error.
#[track_caller]
pub fn failure(command: &mut Command, status: i32) -> String {
    let output = outcome(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    assert!(output.stdout.is_empty());
    untimed_lines(&stderr)
}

/// Whether a process has ended. It counts as ended while init has not waited for it yet, because that is up to init.
pub fn has_ended(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    // The state follows the name, which is in parentheses and can contain any (proc_pid_stat(5)).
    stat.map_or(true, |stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])))
}

/// The same command, run by a shell in new namespaces (`unshare`'s options) after some preparation.
pub fn in_namespaces(options: &[&str], prepare: &str, command: &Command) -> Command {
    let mut outer = Command::new("unshare");
    outer.args(options).args(["--", "sh", "-ec", &format!("{prepare}\nexec \"$@\""), "sh"]);
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// Whether this user may create namespaces; if not, tests that need them are skipped with a message.
pub fn may_unshare() -> bool {
    let mut probe = Command::new("unshare");
    let may = probe.args(["--net", "--mount", "true"]).stderr(Stdio::null()).status();
    let may = may.is_ok_and(|status| status.success());
    if !may {
        eprintln!("not tested: no namespaces can be made here");
    }
    may
}

/// Whether this user may become another; prints a message if not.
pub fn is_root() -> bool {
    let is = rustix::process::geteuid().is_root();
    if !is {
        eprintln!("not tested: only root can become another user");
    }
    is
}

/// Does something as another user, in its own thread: for the kernel, only that thread belongs to the other user. Needs root.
pub fn as_user<T: Send>(uid: u32, gid: u32, act: impl FnOnce() -> T + Send) -> T {
    let change = || {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        set_thread_groups(&[]).unwrap();
        set_thread_res_gid(gid, gid, gid).unwrap();
        set_thread_res_uid(uid, uid, uid).unwrap();
        act()
    };
    std::thread::scope(|scope| scope.spawn(change).join()).unwrap_or_else(|cause| resume_unwind(cause))
}

impl TestDir {
    /// The names of all files in the directory.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("ipcd.sock")
    }

    /// Starts ipcd without reading its output, and waits until clients can connect.
    pub fn start_unheard(self, mut command: Command, stderr: Stdio, port: u16) -> Daemon {
        let child = command.stdin(Stdio::null()).stderr(stderr).spawn().unwrap();
        let log = Arc::new(Log::default());
        log.lines.lock().unwrap().1 = true;
        let daemon = Daemon { child, directory: self.directory, ip: self.ip, log };
        wait_until("it listens", || std::net::TcpStream::connect(daemon.address(port)).ok());
        daemon
    }

    /// The command that starts ipcd as another user, with access to the directory.
    pub fn command_as(&self, uid: u32) -> Command {
        let program = self.directory.path().join("ipcd");
        // Another process copies it: if this one did, a program started by another test at that time would inherit our file, open
        // for writing, and the kernel would refuse to run it (execve(2), ETXTBSY).
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_ipcd")).arg(&program).status().unwrap();
        assert!(copied.success(), "{copied}");
        fs::set_permissions(self.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()]);
        command.arg(program).arg("--config").arg(self.config_file());
        command.env_remove("RUST_LOG").env_remove("JOURNAL_STREAM").env_remove("XDG_RUNTIME_DIR");
        command
    }
}

impl Daemon {
    /// Stops the process as Ctrl-Z does, and waits until it has stopped.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        wait_until("it stands still", || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('T').then_some(())
        });
    }

    /// Lets it continue.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }
}

impl Client {
    /// The next byte.
    #[track_caller]
    pub fn hear_byte(&mut self) -> u8 {
        if self.heard.is_empty() {
            self.heard = self.recv();
        }
        assert!(!self.heard.is_empty(), "end of file");
        self.heard.remove(0)
    }

    /// The next line that contains this text, without its LF.
    #[track_caller]
    pub fn hear_line_with(&mut self, text: &str) -> String {
        loop {
            let line = self.hear_line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The next line, without its LF.
    #[track_caller]
    pub fn hear_line(&mut self) -> String {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line = self.heard.drain(..=end).collect::<Vec<u8>>();
                return String::from_utf8(line).unwrap().trim_end().to_owned();
            }
            let mut more = [0; 1024];
            let count = self.read(&mut more).unwrap();
            assert!(count > 0, "end of file after {}", super::show(&self.heard));
            self.heard.extend(&more[..count]);
        }
    }
}

/// A connection from one of this machine's addresses.
pub fn from(address: std::net::Ipv4Addr, to: std::net::SocketAddr) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&std::net::SocketAddr::new(address.into(), 0).into()).expect("an address of loopback");
    socket.connect(&to.into()).expect("a connection");
    Client::of(socket.into())
}

/// A port that is free on every address, and that the kernel does not assign by itself (ip_local_port_range, ip(7)).
pub fn free_port() -> u16 {
    let seed = TestDir::new().ip.octets();
    let first = u16::from_be_bytes([seed[2], seed[3]]) ^ std::process::id() as u16;
    let candidates = (0..1000u16).map(|n| 10_000 + first.wrapping_add(n.wrapping_mul(7)) % 20_000);
    // Not tried with a socket: a child that another test starts has a copy of it until execve(2), and the port is not free.
    let used = ["tcp", "tcp6"]
        .map(|table| std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default());
    let is_free = |port: &u16| !used.iter().any(|used| used.contains(&format!(":{port:04X} ")));
    candidates.into_iter().find(is_free).expect("a port below the kernel's own is free")
}

/// Waits until nobody receives datagrams at an address whose socket was closed. A child that another test starts may have a copy
/// of it until execve(2).
pub fn deserted(address: std::net::SocketAddr) {
    let probe = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    probe.connect(address).expect("an address of loopback");
    probe.set_read_timeout(Some(std::time::Duration::from_millis(20))).expect("a timeout");
    wait_until("nobody receives", || {
        let refused = probe.send(b"?").and_then(|_| probe.recv(&mut [0])).err()?;
        (refused.kind() == std::io::ErrorKind::ConnectionRefused).then_some(())
    });
}

/// The socket of a server that is gone. A child that another test starts may have a copy of it until execve(2), so this waits until
/// nobody listens.
pub fn stale_socket(path: &std::path::Path) {
    drop(std::os::unix::net::UnixListener::bind(path).expect("a socket"));
    wait_until("nobody listens", || {
        let refused = std::os::unix::net::UnixStream::connect(path).err()?;
        (refused.kind() == std::io::ErrorKind::ConnectionRefused).then_some(())
    });
}
