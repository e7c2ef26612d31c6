//! The dialogues held with a real daemon, over endpoints of every kind.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::Instant;

use ipcd::engine::message::Transport;
use ipcd::engine::service::Service;
use ipcd::engine::service::facts::Openness;

use super::in_the_room_by_fifo;
use super::table::{Dialogue, MEMBERS, requests, table};
use crate::harness::around::Helper;
use crate::harness::late::{SECOND, in_time};
use crate::harness::packets::Packets;
use crate::harness::shared::Shared;
use crate::harness::{
    BESIDE, Client, Daemon, HELLO, MULTIPLY, Probe, TestDir, USUAL, not_http, show, wait_until,
};

/// The transport of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogueTransport {
    Tcp,
    /// On the Unix socket, where the client selects the service first.
    Chosen,
    /// On the Unix socket, for the default service and the mux itself.
    Default,
}

impl DialogueTransport {
    fn suits(self, dialogue: &Dialogue) -> bool {
        match self {
            DialogueTransport::Tcp => dialogue.service != Service::Mux,
            DialogueTransport::Chosen => dialogue.service != Service::Mux && !dialogue.foreign,
            DialogueTransport::Default => {
                dialogue.service == Service::Mux
                    || (dialogue.service == Service::Multiply && !dialogue.foreign)
            }
        }
    }

    fn connect(self, daemon: &Daemon, service: Service) -> Client {
        match (self, service) {
            (DialogueTransport::Chosen | DialogueTransport::Default, _) | (_, Service::Mux) => daemon.unix(),
            (DialogueTransport::Tcp, service) => daemon.tcp(place(service).0),
        }
    }
}

/// A service's endpoint, and the line that configures it, unless it is a usual one.
fn place(service: Service) -> (u16, String) {
    let usual = format!("{USUAL}{BESIDE}");
    let table = format!("[{service}]\nlisten = [\"tcp://{{ip}}:");
    match usual.split_once(&table) {
        Some((_, rest)) => (rest.split('"').next().unwrap().parse().unwrap(), String::new()),
        None => (7000 + service as u16, format!("{table}{}\"]\n", 7000 + service as u16)),
    }
}

/// The configuration of every service. The gap is longer than any pause between two pieces, so that clients are line clients, unless a second
/// passes within a request that is not complete.
pub fn every_service() -> String {
    // No two reports are the same, so their services are left out.
    let is_there = |service: &Service| service.facts().openness == Openness::Everybody;
    let others = Service::offered().filter(is_there).map(|service| place(service).1).collect::<String>();
    format!("[limits]\nraw_gap = \"10s\"\n{USUAL}{BESIDE}{others}")
}

/// The members join the room.
pub fn fill_room(daemon: &Daemon) {
    for name in MEMBERS {
        let mut member = Client::member(daemon, name);
        std::thread::spawn(move || member.hear_until_gone());
    }
}

fn patient() -> Daemon {
    let daemon = Daemon::with(&every_service());
    fill_room(&daemon);
    daemon
}

/// Holds a dialogue, again if it was answered wrongly and took so long that it may have become a raw client's.
fn held_in_time(dialogue: &Dialogue, mut hold: impl FnMut() -> Vec<u8>) -> Vec<u8> {
    in_time(|| {
        let begun = Instant::now();
        let heard = hold();
        (heard == dialogue.hears || begun.elapsed() < SECOND).then_some(heard)
    })
}

/// Holds the table's dialogues over this transport. Pieces are read one by one: the next one is sent when the last one was read.
fn hold_all(way: DialogueTransport, pieces_of: impl Fn(&Dialogue) -> Vec<Vec<&[u8]>>) {
    let daemon = patient();
    let mut probe = Probe::new(&daemon);
    let table = table();
    for dialogue in table.iter().filter(|dialogue| way.suits(dialogue)) {
        for pieces in pieces_of(dialogue) {
            let mut hold = || {
                let mut client = way.connect(&daemon, dialogue.service);
                let choice = format!("{}\n", dialogue.service);
                if way == DialogueTransport::Chosen {
                    client.say(&choice);
                }
                for (index, piece) in pieces.iter().enumerate() {
                    if index > 0 || way == DialogueTransport::Chosen {
                        probe.wait();
                    }
                    // The other end may be closing, after it has sent everything. Only its output matters.
                    if !client.try_say(piece) {
                        break;
                    }
                }
                client.half_close();
                client.hear_rest()
            };
            let heard = held_in_time(dialogue, &mut hold);
            let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
            dialogue.check(&heard, &format!("{way:?} in pieces of {lengths:?}"));
        }
    }
    drop(probe);
    daemon.stop();
}

/// Holds the table's dialogues with a daemon's usual services, whole and cut at every byte. `hold` sends the pieces to a port, the
/// next one when the last one was read.
#[cfg(feature = "tls")]
pub fn hold_on(
    daemon: &Daemon,
    way: DialogueTransport,
    mut hold: impl FnMut(u16, &[&[u8]], &mut Probe) -> Vec<u8>,
) {
    let mut probe = Probe::new(daemon);
    let usual = [Service::Multiply, Service::Greeting];
    let table = table();
    let suits = |dialogue: &&Dialogue| way.suits(dialogue) && usual.contains(&dialogue.service);
    for dialogue in table.iter().filter(suits) {
        for pieces in whole(dialogue).into_iter().chain(cut_at_every_byte(dialogue)) {
            let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
            let heard = held_in_time(dialogue, || hold(place(dialogue.service).0, &pieces, &mut probe));
            dialogue.check(&heard, &format!("{way:?} in pieces of {lengths:?}"));
        }
    }
}

fn whole(dialogue: &Dialogue) -> Vec<Vec<&[u8]>> {
    vec![vec![&dialogue.sends[..]]]
}

fn cut_at_every_byte(dialogue: &Dialogue) -> Vec<Vec<&[u8]>> {
    let halves = |cut| vec![&dialogue.sends[..cut], &dialogue.sends[cut..]];
    dialogue.cuts().into_iter().map(halves).collect()
}

fn byte_by_byte(dialogue: &Dialogue) -> Vec<Vec<&[u8]>> {
    if dialogue.sends.len() > 40 { Vec::new() } else { vec![dialogue.sends.chunks(1).collect()] }
}

#[test]
fn tcp_dialogues_whole() {
    hold_all(DialogueTransport::Tcp, whole);
}

#[test]
fn tcp_dialogues_cut_at_every_byte() {
    hold_all(DialogueTransport::Tcp, cut_at_every_byte);
}

#[test]
fn tcp_short_dialogues_byte_by_byte() {
    hold_all(DialogueTransport::Tcp, byte_by_byte);
}

#[test]
fn unix_dialogues_with_a_chosen_service() {
    hold_all(DialogueTransport::Chosen, whole);
    hold_all(DialogueTransport::Chosen, byte_by_byte);
}

#[test]
fn unix_dialogues_with_a_chosen_service_cut_at_every_byte() {
    hold_all(DialogueTransport::Chosen, cut_at_every_byte);
}

#[test]
fn unix_dialogues_with_the_default_service() {
    hold_all(DialogueTransport::Default, whole);
    hold_all(DialogueTransport::Default, byte_by_byte);
}

#[test]
fn unix_dialogues_with_the_default_service_cut_at_every_byte() {
    hold_all(DialogueTransport::Default, cut_at_every_byte);
}

/// Holds one dialogue with a process on its standard input and output.
fn hold_on_pipes(test_dir: &TestDir, dialogue: &Dialogue) -> Vec<u8> {
    let mut command = test_dir.command();
    command.args(["--stdio", dialogue.service.name()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut helper = Helper(command.spawn().unwrap());
    let (mut stdin, sends) = (helper.0.stdin.take().unwrap(), dialogue.sends.clone());
    // It may end before it has read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&sends)));
    let mut heard = Vec::new();
    helper.0.stdout.take().unwrap().read_to_end(&mut heard).unwrap();
    writer.join().unwrap();
    let status = wait_until("the session ends", || helper.0.try_wait().unwrap());
    assert!(status.success(), "{} {}: {status}", dialogue.service, show(&dialogue.sends));
    heard
}

#[test]
fn stdio_dialogues_whole() {
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("[limits]\nraw_gap = \"10s\"\n{USUAL}"));
    let fits = |dialogue: &&Dialogue| {
        // The mux has another list there.
        dialogue.service.fits(Transport::STDIO) && !dialogue.sends.starts_with(b"help")
    };
    let table = table();
    for dialogue in table.iter().filter(fits) {
        dialogue.check(&held_in_time(dialogue, || hold_on_pipes(&test_dir, dialogue)), "on pipes");
    }
}

/// Each service's endpoints with packets and datagrams.
const PACKETS: &str = r#"
[limits]
answers_per_second = 0
[multiply]
listen = ["unixseq://{dir}/multiply.seq", "udp://{ip}:65432", "unixgram://{dir}/multiply.gram", "fifo://{dir}/multiply"]
[greeting]
listen = ["unixseq://{dir}/greeting.seq"]
[chat]
listen = ["tcp://{ip}:33000", "unixseq://{dir}/chat.seq"]
[hello]
listen = ["unixseq://{dir}/hello.seq", "udp://{ip}:8080", "unixgram://{dir}/hello.gram"]
[talk]
listen = ["unixseq://{dir}/talk.seq"]
[stats]
listen = ["unixseq://{dir}/stats.seq"]
[mux]
listen = ["unixseq://{dir}/mux.seq"]
"#;

#[test]
fn packet_dialogues_one_line_per_packet() {
    let is_missing = |service: &Service| {
        let facts = service.facts();
        facts.openness == Openness::Everybody
            && service.fits(Transport::UNIXSEQ)
            && !PACKETS.contains(&format!("[{service}]"))
    };
    let others = Service::ALL.into_iter().filter(is_missing);
    let others =
        others.map(|service| format!("[{service}]\nlisten = [\"unixseq://{{dir}}/{service}.seq\"]\n"));
    let daemon = Daemon::with(&format!("{PACKETS}{}", others.collect::<String>()));
    let members = MEMBERS.map(|name| Client::member(&daemon, name));
    let table = table();
    // The list of `help` depends on what the transport can carry.
    let dialogues = table
        .iter()
        .filter(|dialogue| dialogue.service.fits(Transport::UNIXSEQ) && !dialogue.sends.starts_with(b"help"));
    let mut count = 0;
    for dialogue in dialogues {
        let path = daemon.directory.path().join(format!("{}.seq", dialogue.service));
        let client = Packets::seq(&path);
        for line in dialogue.sends.split_inclusive(|byte| *byte == b'\n') {
            if !client.try_say(line) {
                break; // this was the end
            }
        }
        client.half_close();
        let heard = String::from_utf8(client.hear_rest()).unwrap();
        let heard = if dialogue.service == Service::Greeting { heard.replace('\n', "\r\n") } else { heard };
        // No browser uses packets, so it gets a sentence.
        let service = dialogue.service.name();
        let in_words = format!("Error: this port speaks {service}, not HTTP\n");
        let mut hears = String::from_utf8_lossy(&dialogue.hears).replace(&not_http(service), &in_words);
        if dialogue.service == Service::Mux {
            hears = hears.replace('\r', ""); // greeting's line ends differ here
        }
        let hears = Dialogue { hears: hears.into(), ..dialogue.clone() };
        hears.check(heard.as_bytes(), "in packets");
        count += 1;
    }
    assert!(count > 200, "{count}");
    drop(members);
    daemon.stop();
}

#[test]
fn shared_memory_dialogues_one_line_per_message() {
    let services = Service::ALL.into_iter().filter(|service| service.fits(Transport::SHM));
    let config: String = services
        .map(|service| {
            format!(
                "[{service}]\nlisten = [\"shm://{{dir}}/{service}.shm\", \"unix://{{dir}}/{service}.sock\"]\n"
            )
        })
        .collect();
    let config = config.replace("unix://{dir}/chat.sock", "tcp://{ip}:33000");
    let daemon = Daemon::with(&format!("{config}[mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n"));
    let members = MEMBERS.map(|name| Client::member(&daemon, name));
    let mut count = 0;
    for dialogue in table().iter().filter(|dialogue| dialogue.service.fits(Transport::SHM)) {
        let service = dialogue.service.name();
        let client = Shared::connect(&daemon.directory.path().join(format!("{service}.shm")));
        for line in dialogue.sends.split_inclusive(|byte| *byte == b'\n') {
            client.say(line);
        }
        client.half_close();
        let in_words = format!("Error: this port speaks {service}, not HTTP\n");
        let hears = String::from_utf8_lossy(&dialogue.hears).replace(&not_http(service), &in_words);
        let hears = Dialogue { hears: hears.into(), ..dialogue.clone() };
        hears.check(&client.hear_rest(), "in shared memory");
        count += 1;
    }
    assert!(count > 150, "{count}");
    drop(members);
    daemon.stop();
}

#[test]
fn datagram_requests_alone() {
    let daemon = Daemon::with(PACKETS);
    let directory = daemon.directory.path();
    let clients = |service: &str, port| {
        [
            Packets::udp(daemon.address(port)),
            Packets::gram(
                &directory.join(format!("{service}.gram")),
                &directory.join(format!("{service} client")),
            ),
        ]
    };
    for client in clients("multiply", MULTIPLY) {
        // NULs at the end are dropped. A message of NULs alone gets no reply, and any other one a reply with a NUL.
        for (request, reply) in requests().into_iter().filter(|(request, _)| !request.ends_with(b"\0")) {
            for end in [&b""[..], b"\n", b"\r\n"] {
                client.say([&request, end].concat());
                if !reply.starts_with("Error: ") {
                    client.hear("Data received");
                }
                client.hear(&reply); // an error has no acknowledgement
            }
        }
    }
    for client in clients("hello", HELLO) {
        for request in ["Hello from client", "x\n"] {
            client.say(request);
            client.hear("Hello from server");
        }
    }
    daemon.stop();
}

#[test]
fn fifo_requests_in_a_row() {
    let daemon = Daemon::with(PACKETS);
    let path = |end: &str| daemon.directory.path().join(format!("multiply{end}"));
    let mut lines = BufReader::new(File::open(path(".out")).unwrap()).split(b'\n');
    let mut input = File::options().write(true).open(path(".in")).unwrap();
    for (request, reply) in requests() {
        input.write_all(&[&request, &b"\n"[..]].concat()).unwrap();
        assert_eq!(show(&lines.next().unwrap().unwrap()), "Data received");
        assert_eq!(show(&lines.next().unwrap().unwrap()), show(reply.as_bytes()));
    }
    daemon.stop();
}

#[test]
fn fifo_lines_reach_the_room() {
    let config = USUAL.replace("tcp://{ip}:33000\"", "tcp://{ip}:33000\", \"fifo://{dir}/alice\"");
    let daemon = Daemon::with(&config);
    let path = |end: &str| daemon.directory.path().join(format!("alice{end}"));
    let mut out = BufReader::new(File::open(path(".out")).unwrap());
    let mut input = File::options().write(true).open(path(".in")).unwrap();
    let members = MEMBERS.map(|name| Client::member(&daemon, name));
    for name in MEMBERS {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{name} has joined the chat!\n"));
    }
    // The FIFO joined before the others, so `/who` has another order.
    let dialogues = in_the_room_by_fifo(&table());
    for dialogue in dialogues.iter().filter(|dialogue| !dialogue.sends.starts_with(b"/who")) {
        // Written at once by a writer that closes again, as `echo` does.
        input.write_all(&dialogue.sends).unwrap();
        input = File::options().write(true).open(path(".in")).unwrap();
        let mut heard = vec![0; dialogue.hears.len()];
        out.read_exact(&mut heard).unwrap();
        dialogue.check(&heard, "in the room through a real FIFO");
    }
    drop(members);
    daemon.stop();
}
