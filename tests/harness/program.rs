//! A program that a test runs: its input, its output, and its end, each with a deadline.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::interrupted::uninterrupted;

/// The longest that anything may take before a test fails: much longer than it ever takes.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The programs that tests run, and their Debian packages.
const PACKAGES: [(&str, &str); 25] = [
    ("bash", "bash"),
    ("busybox", "busybox"),
    ("certbot", "certbot"),
    ("curl", "curl"),
    ("gnutls-cli", "gnutls-bin"),
    ("inetutils-telnet", "inetutils-telnet"),
    ("ip", "iproute2"),
    ("nats-server", "nats-server"),
    ("nc", "netcat-openbsd"),
    ("nc.traditional", "netcat-traditional"),
    ("ncat", "ncat"),
    ("node", "nodejs"),
    ("nsenter", "util-linux"),
    ("openssl", "openssl"),
    ("pebble", "pebble"),
    ("pebble-challtestsrv", "pebble"),
    ("plink", "putty-tools"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("python3", "python3"),
    ("setsid", "util-linux"),
    ("socat", "socat"),
    ("toybox", "toybox"),
    ("unshare", "util-linux"),
    ("Xvfb", "xvfb"),
];

/// A running program, which is killed at the end of the test.
pub struct Program {
    name: String,
    begun: Instant,
    child: Child,
    input: Option<File>,
    output: Heard,
    errors: Heard,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub output: String,
    pub errors: String,
    pub took: Duration,
}

/// A program's output, collected by another thread.
#[derive(Clone, Default)]
struct Heard(Arc<(Mutex<Said>, Condvar)>);

#[derive(Default)]
struct Said {
    bytes: Vec<u8>,
    ended: bool,
}

impl Heard {
    fn collect(mut source: impl Read + Send + 'static) -> Heard {
        let heard = Heard::default();
        let writer = heard.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            loop {
                // EIO: the terminal's last user has closed it.
                let count = uninterrupted(|| source.read(&mut buffer)).unwrap_or(0);
                let (said, changed) = &*writer.0;
                let mut said = said.lock().unwrap();
                said.bytes.extend_from_slice(&buffer[..count]);
                said.ended |= count == 0;
                changed.notify_all();
                if said.ended {
                    break;
                }
            }
        });
        heard
    }

    /// Waits until `look` finds something in the output; `Err`: all output, at the end of the program or the time.
    fn wait<T>(&self, mut look: impl FnMut(&mut Said) -> Option<T>) -> Result<T, String> {
        let deadline = Instant::now() + TIMEOUT;
        let (said, changed) = &*self.0;
        let mut said = said.lock().unwrap();
        loop {
            if let Some(found) = look(&mut said) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if said.ended || left.is_zero() {
                return Err(show(&said.bytes));
            }
            said = changed.wait_timeout(said, left).unwrap().0;
        }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }
}

impl Program {
    /// Starts it with pipes for its input, output and errors.
    #[track_caller]
    pub fn start(mut command: Command) -> Program {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let (name, mut child) = spawn(command);
        let input = child.stdin.take().map(|input| File::from(OwnedFd::from(input)));
        let output = Heard::collect(child.stdout.take().unwrap());
        let errors = Heard::collect(child.stderr.take().unwrap());
        Program { name, begun, child, input, output, errors }
    }

    /// Starts it in its own terminal, which echoes typed characters and writes CR LF, as terminals do.
    #[track_caller]
    pub fn in_terminal(mut command: Command) -> Program {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = open(name.as_c_str(), flags, Mode::empty()).unwrap();
        command.stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap()).stderr(terminal);
        let begun = Instant::now();
        let (name, child) = spawn(command);
        let keyboard = File::from(keyboard);
        let output = Heard::collect(keyboard.try_clone().unwrap());
        let errors = Heard::collect(std::io::empty());
        Program { name, begun, child, input: Some(keyboard), output, errors }
    }

    /// Runs it with this input to its end.
    #[track_caller]
    pub fn run(command: Command, input: &str) -> Finished {
        let mut program = Program::start(command);
        program.say(input);
        program.close_input();
        program.finish()
    }

    /// Types something, or writes it to the pipe. A program that has ended does not receive it.
    #[track_caller]
    pub fn say(&mut self, text: &str) {
        let written = self.input.as_mut().expect("its input is closed").write_all(text.as_bytes());
        if let Err(error) = written {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{}: {error}", self.name);
        }
    }

    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Expects exactly this output next.
    #[track_caller]
    pub fn hear(&mut self, expected: &str) {
        let expected = expected.as_bytes();
        let heard = self.output.wait(|said| {
            let count = expected.len().min(said.bytes.len());
            let differs = said.bytes[..count] != expected[..count];
            (differs || count == expected.len()).then(|| said.bytes.drain(..count).collect())
        });
        let heard = heard.map(|bytes: Vec<u8>| show(&bytes)).unwrap_or_else(|rest| rest);
        assert_eq!(heard, show(expected), "said by {}, which complains: {}", self.name, self.errors.so_far());
    }

    /// The next line, without its LF.
    #[track_caller]
    pub fn hear_line(&mut self) -> String {
        String::from_utf8(self.hear_until(b'\n')).unwrap()
    }

    /// Everything up to this byte, which is dropped.
    #[track_caller]
    pub fn hear_until(&mut self, end: u8) -> Vec<u8> {
        let heard = self.output.wait(|said| {
            let at = said.bytes.iter().position(|byte| *byte == end)?;
            let mut piece: Vec<u8> = said.bytes.drain(..=at).collect();
            piece.pop();
            Some(piece)
        });
        heard.unwrap_or_else(|rest| {
            panic!("{}: said only '{rest}', and complains: {}", self.name, self.errors.so_far())
        })
    }

    /// Its error output so far.
    pub fn errors(&self) -> String {
        self.errors.so_far()
    }

    /// Waits for a line of its errors that contains this.
    #[track_caller]
    pub fn wait_for_error(&self, text: &str) {
        let found =
            self.errors.wait(|said| String::from_utf8_lossy(&said.bytes).contains(text).then_some(()));
        if let Err(errors) = found {
            panic!("{}: no {text:?} in what it complains of: {errors}", self.name);
        }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits for its end; returns the output that was not expected yet.
    #[track_caller]
    pub fn finish(&mut self) -> Finished {
        let all = |heard: &Heard| heard.wait(|said| said.ended.then(|| std::mem::take(&mut said.bytes)));
        let output = all(&self.output).unwrap_or_else(|rest| panic!("{} does not end: {rest}", self.name));
        let errors = all(&self.errors).unwrap_or_else(|rest| panic!("{} does not end: {rest}", self.name));
        let status = self.child.wait().unwrap(); // it has closed both outputs, so it ends in a moment
        Finished {
            status,
            output: String::from_utf8_lossy(&output).into_owned(),
            errors: String::from_utf8_lossy(&errors).into_owned(),
            took: self.begun.elapsed(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn spawn(mut command: Command) -> (String, Child) {
    let name = command.get_program().to_string_lossy().into_owned();
    let spawned = command.spawn();
    let child = spawned.unwrap_or_else(|error| {
        let package =
            PACKAGES.iter().find(|(program, _)| *program == name).map_or("it", |(_, package)| package);
        panic!("cannot run {name}: {error}; this test needs it: apt-get install {package}")
    });
    (name, child)
}

/// A command and its arguments.
pub fn command<S: AsRef<str>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(name);
    arguments.into_iter().for_each(|argument| {
        command.arg(argument.as_ref());
    });
    command
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
