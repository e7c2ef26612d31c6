//! The clients' messages to every kind of endpoint while a call fails. Nothing is asserted here: an error is a value.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipcd::engine::transport::RING_MESSAGE_BYTES_MAX;
use ipcd::host::raw::queue as raw;
use ipcd::transport::rings::Rings;
use nix::mqueue::{MQ_OFlag, mq_open};
use nix::sys::stat::Mode;
use rustix::fs::OFlags;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::harness::interrupted::uninterrupted;
use crate::harness::{CHAT, GREETING, MULTIPLY, TestDir, show};

/// Every kind of endpoint. `{more}`: the endpoints that a reload adds.
pub const CONFIG: &str = r#"
[limits]
shutdown_grace = "2s"
[multiply]
max_message = 200
group = "root"
listen = ["tcp://{ip}:65432", "udp://{ip}:65432", "fifo://{dir}/multiply", "unixseq://{dir}/multiply.seq", "unixgram://{dir}/multiply.dgram", "mq:///inject-{ip}", "shm://{dir}/multiply.shm"]
[greeting]
listen = ["tcp://{ip}:9999"]
[chat]
group = "daemon"
max_connections = 2
listen = ["tcp://{ip}:33000", "unix://{dir}/chat.sock", "fifo://{dir}/chat"]
[mux]
group = "root"
listen = ["unix://{dir}/ipcd.sock"]
"#;

/// The configuration after the reload: one endpoint of each kind is new, and some are gone.
pub const RELOADED: &str = r#"
[limits]
shutdown_grace = "2s"
[multiply]
max_message = 200
group = "root"
listen = ["tcp://{ip}:65432", "tcp://{ip}:65433", "udp://{ip}:65432", "fifo://{dir}/multiply", "fifo://{dir}/second", "unixseq://{dir}/multiply.seq", "unixgram://{dir}/multiply.dgram", "mq:///inject-{ip}", "shm://{dir}/multiply.shm"]
[greeting]
listen = ["tcp://{ip}:9999"]
[chat]
max_connections = 2
listen = ["tcp://{ip}:33000"]
[mux]
group = "root"
listen = ["unix://{dir}/ipcd.sock"]
"#;

/// The TCP port that the reload opens.
pub const SECOND: u16 = 65433;

/// How long a client waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before a datagram, or a line on a FIFO, is sent again.
const AGAIN: Duration = Duration::from_millis(400);

/// `Err`: what was received instead.
type Outcome = Result<(), String>;

/// A client of the daemon on a socket.
struct Talk {
    socket: Socket,
    heard: Vec<u8>,
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread is just starting has the socket too, until it executes strace.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}

impl Talk {
    fn on(domain: Domain, kind: Type, address: &SockAddr, own: Option<&Path>) -> Result<Talk, String> {
        let socket = Socket::new(domain, kind, None).map_err(text)?;
        if let Some(own) = own {
            socket.bind(&SockAddr::unix(own).map_err(text)?).map_err(text)?;
        }
        socket.set_read_timeout(Some(TIMEOUT)).map_err(text)?;
        socket.set_write_timeout(Some(TIMEOUT)).map_err(text)?;
        socket.connect(address).map_err(text)?;
        Ok(Talk { socket, heard: Vec::new() })
    }

    fn tcp(test_dir: &TestDir, port: u16) -> Result<Talk, String> {
        Talk::on(Domain::IPV4, Type::STREAM, &SocketAddr::from((test_dir.ip, port)).into(), None)
    }

    fn unix(path: &Path, kind: Type) -> Result<Talk, String> {
        Talk::on(Domain::UNIX, kind, &SockAddr::unix(path).map_err(text)?, None)
    }

    fn say(&mut self, words: &str) -> Outcome {
        self.socket.write_all(words.as_bytes()).map_err(text)
    }

    /// Waits until this has arrived.
    fn hear(&mut self, expected: &str) -> Outcome {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.heard.windows(expected.len()).position(|it| it == expected.as_bytes()) {
                self.heard.drain(..at + expected.len());
                return Ok(());
            }
            match uninterrupted(|| self.socket.read(&mut buffer)) {
                Ok(0) => {
                    return Err(format!("{expected:?} did not come, but {}, and the end", show(&self.heard)));
                }
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) => {
                    return Err(format!("{expected:?} did not come, but {}, and {error}", show(&self.heard)));
                }
            }
        }
    }

    fn hear_end(&mut self) -> Outcome {
        let mut buffer = [0; 4096];
        match uninterrupted(|| self.socket.read(&mut buffer)).map_err(text)? {
            0 => Ok(()),
            count => Err(format!("{} and not the end", show(&buffer[..count]))),
        }
    }

    /// Leaves the room, and returns when it is no longer in it.
    fn quit(&mut self) -> Outcome {
        self.say("{quit}\n")?;
        self.hear("{quit}\n")?;
        self.hear_end()
    }

    /// Sends it again until the answer comes: a datagram may be lost.
    fn hear_at_last(&mut self, words: &str, expected: &str) -> Outcome {
        self.socket.set_read_timeout(Some(AGAIN)).map_err(text)?;
        let deadline = Instant::now() + TIMEOUT;
        loop {
            self.say(words)?;
            match self.hear(expected) {
                Err(_) if Instant::now() < deadline => {}
                outcome => return outcome,
            }
        }
    }
}

pub fn line(test_dir: &TestDir, port: u16) -> Outcome {
    let mut talk = Talk::tcp(test_dir, port)?;
    talk.say("5 10\n")?;
    talk.hear("Data received\n50.0\n")?;
    talk.say("6 7\n2 3\n")?;
    talk.hear("42.0\nData received\n6.0\n")?;
    talk.socket.shutdown(Shutdown::Write).map_err(text)?;
    talk.hear_end()
}

fn raw(test_dir: &TestDir) -> Outcome {
    let mut talk = Talk::tcp(test_dir, MULTIPLY)?;
    for (numbers, product) in [("5 10", "50.0"), ("6 7", "42.0")] {
        talk.say(numbers)?;
        talk.hear(product)?;
    }
    Ok(())
}

fn greeted(test_dir: &TestDir) -> Outcome {
    let mut talk = Talk::tcp(test_dir, GREETING)?;
    talk.hear("Message received. Thank you for connecting\r\n")?;
    talk.hear_end()
}

/// A browser, which is refused.
fn refused(test_dir: &TestDir) -> Outcome {
    let mut talk = Talk::tcp(test_dir, MULTIPLY)?;
    talk.say("GET / HTTP/1.1\r\n\r\n")?;
    talk.hear("this port speaks multiply, not HTTP")
}

fn chosen(test_dir: &TestDir) -> Outcome {
    let mut talk = Talk::unix(&test_dir.directory.path().join("ipcd.sock"), Type::STREAM)?;
    talk.say("multiply\n6 7\n")?;
    talk.hear("42.0\n")
}

fn packets(test_dir: &TestDir) -> Outcome {
    let mut talk = Talk::unix(&test_dir.directory.path().join("multiply.seq"), Type::SEQPACKET)?;
    talk.say("6 7")?;
    talk.hear("Data received")?;
    talk.hear("42.0")
}

fn datagram(test_dir: &TestDir) -> Outcome {
    let address = SocketAddr::from((test_dir.ip, MULTIPLY));
    let mut talk = Talk::on(Domain::IPV4, Type::DGRAM, &address.into(), None)?;
    talk.hear_at_last("6 7", "42.0")
}

fn local_datagram(test_dir: &TestDir) -> Outcome {
    let own = test_dir.directory.path().join("own");
    let _ = std::fs::remove_file(&own);
    let address = SockAddr::unix(test_dir.directory.path().join("multiply.dgram")).map_err(text)?;
    let mut talk = Talk::on(Domain::UNIX, Type::DGRAM, &address, Some(&own))?;
    let outcome = talk.hear_at_last("6 7", "42.0");
    let _ = std::fs::remove_file(&own);
    outcome
}

/// A line on a FIFO. Earlier lines that nobody has read come first.
fn on_fifo(test_dir: &TestDir, name: &str) -> Outcome {
    let end = |suffix: &str| -> PathBuf { test_dir.directory.path().join(format!("{name}.{suffix}")) };
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let open = |options: &mut OpenOptions, suffix| {
        options
            .custom_flags(nonblocking)
            .open(end(suffix))
            .map_err(|error| format!("{name}.{suffix}: {error}"))
    };
    let mut input = open(OpenOptions::new().write(true), "in")?;
    let mut output = open(OpenOptions::new().read(true), "out")?;
    let deadline = Instant::now() + TIMEOUT;
    let mut heard = Vec::new();
    while Instant::now() < deadline {
        input.write_all(b"6 7\n").map_err(text)?;
        let again = Instant::now() + AGAIN;
        while Instant::now() < again {
            let mut buffer = [0; 4096];
            match output.read(&mut buffer) {
                Ok(0) => {}
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(text(error)),
            }
            if heard.ends_with(b"42.0\n") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    Err(format!("the FIFO says {}", show(&heard)))
}

/// The name of the message queues.
pub fn queue(test_dir: &TestDir) -> String {
    format!("/inject-{}", test_dir.ip)
}

/// A message in a queue; earlier ones that nobody has received come first.
fn queued(test_dir: &TestDir) -> Outcome {
    let open = |end: &str, flags: MQ_OFlag| {
        let name = format!("{}.{end}", queue(test_dir));
        mq_open(name.as_str(), flags | MQ_OFlag::O_NONBLOCK, Mode::empty(), None)
            .map(raw::owned)
            .map_err(|errno| format!("{name}: {errno}"))
    };
    let (to, from) = (open("in", MQ_OFlag::O_WRONLY)?, open("out", MQ_OFlag::O_RDONLY)?);
    let deadline = Instant::now() + TIMEOUT;
    let mut heard = Vec::new();
    while Instant::now() < deadline {
        let _ = raw::send(to.as_fd(), b"6 7"); // or it is full of earlier ones
        let again = Instant::now() + AGAIN;
        while Instant::now() < again {
            let mut buffer = [0; 8192];
            match raw::receive(from.as_fd(), &mut buffer) {
                Ok(count) if buffer[..count] == *b"42.0" => return Ok(()),
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
    Err(format!("the queue says {}", show(&heard)))
}

/// A client with shared memory.
fn shared(test_dir: &TestDir) -> Outcome {
    let socket = UnixStream::connect(test_dir.directory.path().join("multiply.shm")).map_err(text)?;
    socket.set_read_timeout(Some(TIMEOUT)).map_err(text)?;
    let rings = Rings::join(socket.into()).map_err(text)?;
    rings.send(&[b"6 7"]).map_err(text)?;
    let deadline = Instant::now() + TIMEOUT;
    let mut heard = Vec::new();
    while Instant::now() < deadline {
        let mut buffer = [0; RING_MESSAGE_BYTES_MAX];
        match rings.receive(&mut buffer) {
            Ok(count) if buffer[..count] == *b"42.0" => return Ok(()),
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(text(error)),
        }
    }
    Err(format!("the memory says {}", show(&heard)))
}

/// Two members, one of whom leaves, and a third client that finds the room full.
fn chat(test_dir: &TestDir, lost: &mut Vec<String>) {
    let enter = |name: &str| {
        let mut member = Talk::tcp(test_dir, CHAT)?;
        member.say(&format!("{name}\nhello\n"))?;
        member.hear("type {quit} to exit.\n")?;
        member.hear(&format!("{name}: hello\n"))?;
        Ok::<_, String>(member)
    };
    let (mut alice, mut bob) = (enter("alice"), enter("bob"));
    if bob.is_ok() {
        alice = alice.and_then(|mut alice| alice.hear("bob has joined the chat!\n").map(|_| alice));
    }
    let third = Talk::tcp(test_dir, CHAT).and_then(|mut third| third.hear("Error: too many connections"));
    if let (Ok(_), Ok(_), Err(error)) = (&alice, &bob, third) {
        lost.push(format!("the third: {error}"));
    }
    let said = bob.as_mut().map_err(|error| error.clone()).and_then(|bob| {
        bob.say("one\ntwo\nthree\n")?;
        bob.hear("bob: one\nbob: two\nbob: three\n")
    });
    let heard = alice.as_mut().map_err(|error| error.clone()).and_then(|alice| {
        alice.say("hi\n")?;
        if said.is_ok() {
            alice.hear("bob: one\nbob: two\nbob: three\n")?;
        }
        alice.hear("alice: hi\n")
    });
    let left = said.and_then(|()| {
        let bob = bob.as_mut().map_err(|error| error.clone())?;
        if heard.is_ok() {
            bob.hear("alice: hi\n")?;
        }
        bob.quit()
    });
    let heard = heard.and_then(|()| alice.as_mut().map_err(|error| error.clone())?.quit());
    for (name, outcome) in [("alice", heard), ("bob", left)] {
        if let Err(error) = outcome {
            lost.push(format!("{name}: {error}"));
        }
    }
}

/// All clients once; returns those without an answer. After a reload there is a second port and a second FIFO.
pub fn round(test_dir: &TestDir, reloaded: bool) -> Vec<String> {
    let mut lost = Vec::new();
    let mut took = |who: &str, outcome: Outcome| {
        if let Err(error) = outcome {
            lost.push(format!("{who}: {error}"));
        }
    };
    took("line", line(test_dir, MULTIPLY));
    took("raw", raw(test_dir));
    took("greeted", greeted(test_dir));
    took("refused", refused(test_dir));
    took("mux", chosen(test_dir));
    took("packets", packets(test_dir));
    took("datagram", datagram(test_dir));
    took("local datagram", local_datagram(test_dir));
    took("fifo", on_fifo(test_dir, "multiply"));
    took("queue", queued(test_dir));
    took("memory", shared(test_dir));
    if reloaded {
        took("second line", line(test_dir, SECOND));
        took("second fifo", on_fifo(test_dir, "second"));
    }
    chat(test_dir, &mut lost);
    lost
}
