//! Random abuse of a daemon by clients: one function for each kind. It need not get any reply, and ends soon by itself, whatever
//! happens to its connections.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::OpenOptionsExt;
use std::thread::sleep;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::fixture::Chance;
use super::room::CORPUS;
use crate::harness::interrupted::uninterrupted;
use crate::harness::queues::Queues;
use crate::harness::{CHAT, Daemon, GREETING, HELLO, MULTIPLY, STATS, TALK, TIMEOUT, show};

/// A kind of abuse, with its printed name.
pub type Abuse = (&'static str, fn(&Daemon, &mut Chance));

pub const ABUSES: &[Abuse] = &[
    ("resets", resets),
    ("slow writers", slow_writers),
    ("an endless line", endless_line),
    ("a firehose", firehose),
    ("half-closed", half_closed),
    ("stopped readers", stopped_readers),
    ("killed members", killed_members),
    ("a deaf room", deaf_room),
    ("hostile names", hostile_names),
    ("talkers", talkers),
    ("other protocols", other_protocols),
    ("noise", noise),
    ("datagrams", datagrams),
    ("unread replies", unread_replies),
    ("FIFOs", fifos),
    ("message queues", queues),
    ("deaf watchers", deaf_watchers),
    ("status askers", status_askers),
    ("reports", reports),
];

/// How long an abuser waits for a daemon that does not read or does not write.
const WAIT: Duration = Duration::from_millis(200);

const PORTS: [u16; 6] = [MULTIPLY, GREETING, CHAT, HELLO, TALK, STATS];

/// The Unix sockets that [`super::chaos`] configures, and whether they carry packets.
const SOCKETS: [(&str, Type); 4] = [
    ("ipcd.sock", Type::STREAM),
    ("chat.sock", Type::STREAM),
    ("multiply.seq", Type::SEQPACKET),
    ("chat.seq", Type::SEQPACKET),
];

fn connected(domain: Domain, kind: Type, address: &SockAddr, wait: Duration) -> Option<Socket> {
    let socket = Socket::new(domain, kind, None).unwrap();
    socket.set_write_timeout(Some(wait)).unwrap();
    socket.set_read_timeout(Some(wait)).unwrap();
    // The backlog of a Unix socket may be full, and an endpoint may just be closing: then this client does not connect.
    socket.connect(address).ok()?;
    Some(socket)
}

fn tcp(daemon: &Daemon, port: u16) -> Option<Socket> {
    connected(Domain::IPV4, Type::STREAM, &daemon.address(port).into(), WAIT)
}

fn unix(daemon: &Daemon, name: &str, kind: Type) -> Option<Socket> {
    let address = SockAddr::unix(daemon.directory.path().join(name)).unwrap();
    connected(Domain::UNIX, kind, &address, WAIT)
}

fn mux(daemon: &Daemon) -> Option<Socket> {
    unix(daemon, "ipcd.sock", Type::STREAM)
}

/// Connects to any endpoint.
fn anywhere(daemon: &Daemon, chance: &mut Chance) -> Option<Socket> {
    match chance.below(PORTS.len() + SOCKETS.len()) {
        number if number < PORTS.len() => tcp(daemon, PORTS[number]),
        number => {
            let (name, kind) = SOCKETS[number - PORTS.len()];
            unix(daemon, name, kind)
        }
    }
}

fn say(mut socket: &Socket, words: impl AsRef<[u8]>) -> bool {
    socket.write_all(words.as_ref()).is_ok()
}

/// Reads up to this many bytes, until nothing comes.
fn hear(mut socket: &Socket, most: usize) -> Vec<u8> {
    let (mut heard, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    while heard.len() < most {
        match uninterrupted(|| socket.read(&mut buffer)) {
            Ok(count @ 1..) => heard.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    heard
}

/// Ends like a process that is killed, or in the middle of something, or properly.
fn go(socket: Socket, chance: &mut Chance) {
    match chance.below(3) {
        0 => drop(socket.set_linger(Some(Duration::ZERO))),
        1 => drop(socket.shutdown(Shutdown::Both)),
        _ => {}
    }
}

fn resets(daemon: &Daemon, chance: &mut Chance) {
    for _ in 0..20 + chance.below(200) {
        let words = chance.pick(&["", "5 10\n", "5 1", "5 10\n5 10\nx\n", "alice\n", "bye\n"]);
        let Some(socket) = anywhere(daemon, chance) else { continue };
        say(&socket, words);
        let _ = socket.set_linger(Some(Duration::ZERO));
    }
}

/// Sends byte after byte, and closes in the middle of a message.
fn slow_writers(daemon: &Daemon, chance: &mut Chance) {
    let mut writers: Vec<Socket> = (0..50).filter_map(|_| anywhere(daemon, chance)).collect();
    for byte in b"12345 67890 123".iter().take(1 + chance.below(15)) {
        writers.retain(|writer| say(writer, [*byte]));
        sleep(Duration::from_millis(chance.below(20) as u64));
    }
    writers.into_iter().for_each(|writer| go(writer, chance));
}

fn endless_line(daemon: &Daemon, chance: &mut Chance) {
    let piece = vec![chance.pick(b"1 x\t{\x00\xff"); 1 << 16];
    let Some(socket) = anywhere(daemon, chance) else { return };
    for _ in 0..1 + chance.below(100) {
        if !say(&socket, &piece) {
            break;
        }
    }
    go(socket, chance);
}

/// Sends thousands of requests at once, and reads some of the replies.
fn firehose(daemon: &Daemon, chance: &mut Chance) {
    let Some(socket) = tcp(daemon, MULTIPLY) else { return };
    say(&socket, "123456 7890\n".repeat(1 + chance.below(20_000)));
    hear(&socket, chance.below(200_000));
    go(socket, chance);
}

fn half_closed(daemon: &Daemon, chance: &mut Chance) {
    for _ in 0..20 {
        let words =
            chance.pick(&["", "5 10", "5 1\n2", "bob", "bob\nhi", "multiply\n6", "{\"cpu_percent\": 1}"]);
        let Some(socket) = anywhere(daemon, chance) else { continue };
        say(&socket, words);
        let _ = socket.shutdown(Shutdown::Write);
        if chance.below(2) == 0 {
            hear(&socket, 1000);
        }
        go(socket, chance);
    }
}

/// Sends requests and reads nothing.
fn stopped_readers(daemon: &Daemon, chance: &mut Chance) {
    let readers: Vec<Socket> = (0..20).filter_map(|_| anywhere(daemon, chance)).collect();
    for reader in &readers {
        let _ = reader.set_nonblocking(true);
        say(reader, "9 9\n".repeat(1 + chance.below(10_000)));
    }
    sleep(Duration::from_millis(chance.below(300) as u64));
    readers.into_iter().for_each(|reader| go(reader, chance));
}

/// A member with this name, as a line client, if there is room.
fn member(daemon: &Daemon, chance: &mut Chance, name: impl AsRef<[u8]>) -> Option<Socket> {
    let socket =
        if chance.below(3) == 0 { unix(daemon, "chat.sock", Type::STREAM)? } else { tcp(daemon, CHAT)? };
    say(&socket, [name.as_ref(), b"\n"].concat()).then_some(socket)
}

/// Members that are killed in the middle of a message.
fn killed_members(daemon: &Daemon, chance: &mut Chance) {
    let salt = chance.next();
    let members: Vec<Socket> = (0..30)
        .filter_map(|number| member(daemon, chance, format!("{}.{number}", salt % 1_000_000)))
        .collect();
    for (number, member) in members.into_iter().enumerate() {
        say(&member, format!("hello from {number}\n").repeat(1 + chance.below(20)));
        say(&member, "and then I wanted to sa");
        go(member, chance);
    }
}

/// Members that read nothing while another one talks without end.
fn deaf_room(daemon: &Daemon, chance: &mut Chance) {
    let salt = chance.next() % 1_000_000;
    let deaf: Vec<Socket> =
        (0..10).filter_map(|number| member(daemon, chance, format!("deaf {salt}.{number}"))).collect();
    let Some(speaker) = member(daemon, chance, format!("speaker {salt}")) else { return };
    let line = format!("{}\n", "z".repeat(1000));
    for _ in 0..chance.below(1000) {
        if !say(&speaker, &line) {
            break;
        }
        hear(&speaker, 1); // reads a little, because of its own backlog
    }
    deaf.into_iter().for_each(|member| go(member, chance));
    go(speaker, chance);
}

fn hostile_names(daemon: &Daemon, chance: &mut Chance) {
    for _ in 0..40 {
        let mut bytes = chance.pick(CORPUS).as_bytes().to_vec();
        let at = chance.below(bytes.len());
        bytes[at] ^= chance.next() as u8 & 0x81;
        let Some(socket) = member(daemon, chance, &bytes) else { continue };
        say(
            &socket,
            [&b"mallory\n"[..], &bytes, b"\n/me ", &bytes, b"\n/msg ", &bytes, b"\n/who\n"].concat(),
        );
        if chance.below(2) == 0 {
            say(&socket, "{quit}\n");
            hear(&socket, 1000);
        }
        go(socket, chance);
    }
}

fn talkers(daemon: &Daemon, chance: &mut Chance) {
    let talkers: Vec<Socket> = (0..2 + chance.below(10)).filter_map(|_| tcp(daemon, TALK)).collect();
    for talker in &talkers {
        let words = chance.pick(&["hi\n", "hi", "bye\n", "", "BYE", "\n\n\n"]);
        say(talker, words.repeat(1 + chance.below(500)));
    }
    talkers.into_iter().for_each(|talker| go(talker, chance));
}

fn other_protocols(daemon: &Daemon, chance: &mut Chance) {
    for _ in 0..20 {
        let hello: &[u8] = chance.pick(&[
            &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x00\x00\x00\x85\xffSMBr\x00\x00\x00\x00",
            b"EHLO localhost\r\n",
        ]);
        let Some(socket) = anywhere(daemon, chance) else { continue };
        say(&socket, &hello[..1 + chance.below(hello.len())]);
        hear(&socket, 1 + chance.below(1000));
        go(socket, chance);
    }
}

fn random(chance: &mut Chance, count: usize) -> Vec<u8> {
    (0..count).map(|_| chance.next() as u8).collect()
}

fn noise(daemon: &Daemon, chance: &mut Chance) {
    for _ in 0..20 {
        let Some(socket) = anywhere(daemon, chance) else { continue };
        for _ in 0..1 + chance.below(4) {
            let count = 1 + chance.below(6000);
            let bytes = random(chance, count);
            say(&socket, &bytes);
        }
        go(socket, chance);
    }
}

/// A client that sends datagrams; on a Unix socket perhaps without an address, so that it gets no answer.
fn sender(daemon: &Daemon, chance: &mut Chance) -> Option<Socket> {
    if chance.below(2) == 0 {
        let port = chance.pick(&[MULTIPLY, GREETING, HELLO]);
        return connected(Domain::IPV4, Type::DGRAM, &daemon.address(port).into(), WAIT);
    }
    let address = SockAddr::unix(daemon.directory.path().join("multiply.gram")).unwrap();
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap();
    socket.set_write_timeout(Some(WAIT)).unwrap();
    if chance.below(2) == 0 {
        let own = daemon.directory.path().join(format!("own.{}", chance.next()));
        socket.bind(&SockAddr::unix(&own).unwrap()).unwrap();
        // Its socket file is removed before it ends, sometimes before the answer.
        std::fs::remove_file(own).unwrap();
    }
    socket.connect(&address).ok()?;
    Some(socket)
}

fn datagrams(daemon: &Daemon, chance: &mut Chance) {
    for _ in 0..20 {
        let Some(socket) = sender(daemon, chance) else { continue };
        for _ in 0..10 {
            let count = chance.pick(&[0, 1, 10, 512, 4096, 4097, 65_507]);
            let bytes = match chance.below(3) {
                0 => random(chance, count),
                1 => vec![b'7'; count],
                _ => b"Error: 5 10\n"[chance.below(12)..].to_vec(),
            };
            let _ = socket.send(&bytes);
        }
    }
}

/// Hundreds of requests from a client that reads no answer, until there is no room for more.
fn unread_replies(daemon: &Daemon, chance: &mut Chance) {
    let own = daemon.directory.path().join(format!("own.{}", chance.next()));
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap();
    socket.set_write_timeout(Some(WAIT)).unwrap();
    socket.bind(&SockAddr::unix(&own).unwrap()).unwrap();
    if socket.connect(&SockAddr::unix(daemon.directory.path().join("multiply.gram")).unwrap()).is_ok() {
        for _ in 0..300 {
            let _ = socket.send(b"5 10");
        }
    }
    std::fs::remove_file(own).unwrap();
    let udp = connected(Domain::IPV4, Type::DGRAM, &daemon.address(MULTIPLY).into(), WAIT);
    udp.into_iter().for_each(|udp| (0..300).for_each(|_| drop(udp.send(b"5 10"))));
}

/// Writers and readers of FIFOs, which come and go, also in the middle of a line.
fn fifos(daemon: &Daemon, chance: &mut Chance) {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    for _ in 0..20 {
        let name = chance.pick(&["multiply", "chat"]);
        let end = |suffix: &str| daemon.directory.path().join(format!("{name}.{suffix}"));
        let input = OpenOptions::new().write(true).custom_flags(nonblocking).open(end("in"));
        let output = OpenOptions::new().read(true).custom_flags(nonblocking).open(end("out"));
        if let Ok(mut input) = input {
            let words = chance.pick(&["5 10\n", "5 1", "\n", "x\x1b[2J\n", "9 9\n9 9\n9 9\n"]);
            let _ = input.write(words.repeat(1 + chance.below(2000)).as_bytes());
        }
        if let Ok(mut output) = output {
            let mut buffer = vec![0; 1 + chance.below(5000)];
            let _ = output.read(&mut buffer);
        }
    }
}

/// The message queues that [`super::chaos`] configures, for multiply and for the chat.
pub fn queue_names(daemon: &Daemon) -> [String; 2] {
    ["", "-room"].map(|end| format!("/ipcd-{}{end}", daemon.ip))
}

/// Writers and readers of message queues, which come and go, and also read what is meant for others.
fn queues(daemon: &Daemon, chance: &mut Chance) {
    for _ in 0..20 {
        // The queues stay.
        let queues = std::mem::ManuallyDrop::new(Queues(queue_names(daemon)[chance.below(2)].clone()));
        let words = chance.pick(&["5 10", "", "\n", "x\x1b[2J", "9 9\n9 9", "{quit}", "GET / HTTP/1.1"]);
        (0..chance.below(30)).for_each(|_| _ = queues.try_say(words));
        queues.try_say(words.repeat(chance.below(2000)).as_bytes());
        (0..chance.below(30)).for_each(|_| drop(queues.try_hear()));
    }
}

fn deaf_watchers(daemon: &Daemon, chance: &mut Chance) {
    let watchers: Vec<Socket> = (0..10).filter_map(|_| mux(daemon)).collect();
    for watcher in &watchers {
        say(watcher, chance.pick(&["watch\nall\n", "watch\nall json\n", "watch\n", "watch\nservice=chat\n"]));
    }
    sleep(Duration::from_millis(chance.below(300) as u64));
    watchers.into_iter().for_each(|watcher| go(watcher, chance));
}

fn status_askers(daemon: &Daemon, chance: &mut Chance) {
    for _ in 0..50 {
        let Some(socket) = mux(daemon) else { continue };
        say(&socket, chance.pick(&["status\n", "help\n", "control\nstatus\n", "status", "sta"]));
        if chance.below(2) == 0 {
            hear(&socket, 1);
        }
        go(socket, chance);
    }
}

fn reports(daemon: &Daemon, chance: &mut Chance) {
    for _ in 0..10 {
        let Some(socket) = tcp(daemon, STATS) else { continue };
        let host = chance.below(8);
        let percent = chance.below(100);
        let report = format!("{{\"host\": \"pc{host}\", \"cpu_percent\": {percent}}}\n");
        let words = chance.pick(&[
            report.as_str(),
            "latest\n",
            "history pc1\n",
            "history\n",
            "{\"cpu_percent\": 1e999}\n",
            "[[[[[[[[[[\n",
            "{\"host\": \"\\u001b[2J\"}\n",
        ]);
        say(&socket, words.repeat(1 + chance.below(100)));
        if chance.below(2) == 0 {
            hear(&socket, 1000);
        }
        go(socket, chance);
    }
}

const REFUSED: &str = "Error: too many connections, try again later\n";

/// No abuse: a client that sends a correct request. It gets the right reply, or is refused for lack of room. Returns whether it got
/// a reply.
pub fn newcomer(daemon: &Daemon, chance: &mut Chance) -> bool {
    let (a, b) = (chance.below(100_000), chance.below(100_000));
    let (asked, reply) = match chance.below(3) {
        0 => (format!("{a} {b}\n"), format!("Data received\n{}.0\n", a * b)),
        1 => (format!("multiply\n{a} {b}\n"), format!("Data received\n{}.0\n", a * b)),
        _ => (format!("{a} {b}\n").repeat(50), format!("Data received\n{}.0\n", a * b).repeat(50)),
    };
    let socket = if asked.starts_with("multiply") || chance.below(2) == 0 {
        let address = SockAddr::unix(daemon.socket()).unwrap();
        connected(Domain::UNIX, Type::STREAM, &address, TIMEOUT)
    } else {
        connected(Domain::IPV4, Type::STREAM, &daemon.address(MULTIPLY).into(), TIMEOUT)
    };
    let Some(socket) = socket else { return false };
    if say(&socket, &asked) {
        let _ = socket.shutdown(Shutdown::Write);
    }
    let (mut heard, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match uninterrupted(|| (&socket).read(&mut buffer)) {
            Ok(0) => break,
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            // A client that is refused for lack of descriptors gets no lingering close.
            Err(error)
                if error.kind() == ErrorKind::ConnectionReset && REFUSED.as_bytes().starts_with(&heard) =>
            {
                return false;
            }
            Err(error) => panic!("{asked:?} was answered {}, and then {error}", show(&heard)),
        }
    }
    let is_answered = heard == reply.as_bytes();
    assert!(is_answered || heard == REFUSED.as_bytes(), "{asked:?} was answered {}", show(&heard));
    is_answered
}
