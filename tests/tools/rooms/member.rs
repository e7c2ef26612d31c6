//! Members of a room, of every kind, each with a transcript of what it has heard.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::harness::interrupted::uninterrupted;
use crate::harness::{CHAT, Daemon};

/// How long a member waits for a line; a cluster without a leader takes a while.
pub const TIMEOUT: Duration = Duration::from_secs(90);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Unix,
    Fifo,
    WebSocket,
    Tls,
}

pub const KINDS: [Kind; 5] = [Kind::Tcp, Kind::Unix, Kind::Fifo, Kind::WebSocket, Kind::Tls];

/// What was heard, with the time of each line.
#[derive(Default)]
struct Heard {
    lines: Vec<(String, Instant)>,
    has_ended: bool,
}

type Shared = Arc<(Mutex<Heard>, Condvar)>;

pub struct Member {
    pub name: String,
    pub kind: Kind,
    input: Box<dyn Write + Send>,
    heard: Shared,
    /// Lines that it has sent.
    pub said: Vec<String>,
    /// How long each of them took until it heard it.
    pub waits: Vec<Duration>,
    end: End,
}

/// How it leaves.
enum End {
    Tcp(TcpStream),
    Unix(UnixStream),
    Client(Child),
    /// Its writers come and go.
    Fifo,
}

/// Collects lines until the end.
fn collect(mut source: impl Read + Send + 'static) -> Shared {
    let heard = Shared::default();
    let writer = Arc::clone(&heard);
    std::thread::spawn(move || {
        let (mut buffer, mut rest) = ([0; 65536], Vec::new());
        loop {
            let count = uninterrupted(|| source.read(&mut buffer)).unwrap_or(0);
            rest.extend_from_slice(&buffer[..count]);
            let mut heard = writer.0.lock().unwrap();
            let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let (now, text) = (Instant::now(), String::from_utf8(rest.drain(..whole).collect()).unwrap());
            heard.lines.extend(text.split_terminator('\n').map(|line| (line.to_owned(), now)));
            heard.has_ended |= count == 0;
            writer.1.notify_all();
            if heard.has_ended {
                break;
            }
        }
    });
    heard
}

/// The endpoints for members of all kinds, in addition to `[nats]`. `chat`: further lines of its table.
pub fn endpoints(chat: &str) -> String {
    format!(
        "[multiply]\nlisten = [\"tcp://{{ip}}:65432\"]\n\
         [chat]\n{chat}\nlisten = [\"tcp://{{ip}}:33000\", \"tls://{{ip}}:33443\", \"fifo://{{dir}}/board-{{ip}}\"]\n\
         [page]\nlisten = [\"http://{{ip}}:33080\"]\n\
         [mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n\
         [tls]\ncertificate = \"{{dir}}/certificate.pem\"\nkey = \"{{dir}}/key.pem\"\n"
    )
}

impl Member {
    /// Begins to join: sends the name.
    pub fn begin(daemon: &Daemon, kind: Kind, name: &str) -> Member {
        let (input, heard, end): Ends = match kind {
            Kind::Tcp => {
                let stream = TcpStream::connect(daemon.address(CHAT)).unwrap();
                stream.set_nodelay(true).unwrap();
                let (input, end) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
                (Box::new(input), collect(stream), End::Tcp(end))
            }
            Kind::Unix => {
                let mut stream = UnixStream::connect(daemon.socket()).unwrap();
                stream.write_all(b"chat\n").unwrap();
                let (input, end) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
                (Box::new(input), collect(stream), End::Unix(end))
            }
            Kind::Fifo => {
                let path = |end: &str| daemon.directory.path().join(format!("board-{}.{end}", daemon.ip));
                let input: File = OpenOptions::new().write(true).open(path("in")).unwrap();
                let output = File::open(path("out")).unwrap();
                (Box::new(input), collect(output), End::Fifo)
            }
            Kind::WebSocket => ipcctl(name, &format!("ws://{}:33080", daemon.ip), &[]),
            Kind::Tls => {
                let ca = daemon.directory.path().join("ca.pem");
                ipcctl(name, &format!("tls://{}:33443", daemon.ip), &["--ca", ca.to_str().unwrap()])
            }
        };
        let name = if kind == Kind::Fifo { format!("board-{}", daemon.ip) } else { name.to_owned() };
        let mut member = Member { name, kind, input, heard, said: Vec::new(), waits: Vec::new(), end };
        if matches!(kind, Kind::Tcp | Kind::Unix) {
            member.send(&member.name.clone());
        }
        member
    }

    /// Joins, and waits for the welcome. The two FIFOs are members from the start.
    pub fn join(daemon: &Daemon, kind: Kind, name: &str) -> Member {
        let member = Member::begin(daemon, kind, name);
        match &member.end {
            End::Tcp(_) | End::Unix(_) => member.wait_for(&format!("Welcome {name}!")),
            End::Client(_) | End::Fifo => {} // these print only what members send
        }
        member
    }

    fn send(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// Sends a line.
    pub fn say(&mut self, line: &str) {
        self.send(line);
        self.said.push(format!("{}: {line}", self.name));
    }

    /// Sends a line that is not for the room.
    pub fn command(&mut self, line: &str) {
        self.send(line);
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.heard.0.lock().unwrap().lines.iter().map(|(line, _)| line.clone()).collect()
    }

    /// When a line was heard that contains `text`.
    pub fn heard_at(&self, text: &str) -> Option<Instant> {
        let heard = self.heard.0.lock().unwrap();
        heard.lines.iter().find(|(line, _)| line.contains(text)).map(|(_, at)| *at)
    }

    /// Waits for a line that contains `text`.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait_for_since(0, text);
    }

    /// The same, after this many lines.
    #[track_caller]
    pub fn wait_for_since(&self, since: usize, text: &str) {
        wait_in(&self.heard, since, text, self);
    }

    /// Something that can count its lines while it talks.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.heard))
    }
}

/// What a member hears, for another thread.
pub struct Watch(Shared);

impl Watch {
    pub fn count(&self) -> usize {
        self.0.0.lock().unwrap().lines.len()
    }
}

/// Waits for a line that contains `text`, after this many lines.
#[track_caller]
fn wait_in(heard: &Shared, since: usize, text: &str, member: &Member) {
    let deadline = Instant::now() + TIMEOUT;
    let (heard, changed) = &**heard;
    let mut heard = heard.lock().unwrap();
    while !heard.lines.iter().skip(since).any(|(line, _)| line.contains(text)) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || heard.has_ended {
            let last: Vec<String> = heard.lines.iter().rev().take(30).map(|(line, _)| line.clone()).collect();
            drop(heard); // the reader continues
            panic!("{} ({:?}) waited in vain for {text:?}; it heard {last:#?}", member.name, member.kind);
        }
        heard = changed.wait_timeout(heard, left).unwrap().0;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        match &mut self.end {
            End::Tcp(stream) => drop(stream.shutdown(Shutdown::Both)),
            End::Unix(stream) => drop(stream.shutdown(Shutdown::Both)),
            End::Client(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            End::Fifo => {}
        }
    }
}

type Ends = (Box<dyn Write + Send>, Shared, End);

/// The client as a line filter.
fn ipcctl(name: &str, to: &str, more: &[&str]) -> Ends {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ipcctl"))
        .args(["--to", to])
        .args(more)
        .args(["chat", "--name", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (Box::new(input), collect(output), End::Client(child))
}
