//! The bounds and the sum of their memory. The daemon reports the sum; under attack it uses less, but not much less. When the
//! queues of all connections are full, the largest ones are closed.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};

use crate::harness::around::from;
use crate::harness::interrupted::uninterrupted;
use crate::harness::process::by_the_thousand;
use crate::harness::{BESIDE, CHAT, Client, Daemon, MULTIPLY, Probe, STATS, Stream, USUAL, wait_until};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// Simultaneous connections.
const CONNECTIONS: usize = 200;

const CONFIG: &str = r#"
[limits]
max_connections = 200
max_refused_lingering = 64
max_message = 4096
backlog = "64KiB"
message_timeout = "1h"
send_timeout = "1h"
linger_timeout = "1h"
raw_gap = "10s"
[multiply]
listen = ["tcp://{ip}:65432"]
[chat]
listen = ["tcp://{ip}:33000"]
history = 50
[stats]
listen = ["tcp://{ip}:33001"]
max_machines = 64
max_message = 16384
[watch]
max_watchers = 32
[mux]
listen = ["unix://{dir}/ipcd.sock"]
"#;

/// A line of /proc/PID/status, in bytes.
fn memory(daemon: &Daemon, line: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_suffix(" kB")).unwrap();
    value.trim_start_matches(':').trim().parse::<usize>().unwrap() * 1024
}

/// The process's own memory, without the pages of the program.
fn own(daemon: &Daemon) -> usize {
    memory(daemon, "RssAnon")
}

fn report(asker: &mut Client) -> Value {
    asker.say("again\n");
    serde_json::from_str(&asker.hear_line()).unwrap()
}

/// A connection with the smallest possible buffers in the kernel.
fn deaf(daemon: &Daemon, port: u16) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&daemon.address(port).into()).unwrap();
    Client::of(socket.into())
}

fn tcp(client: &Client) -> &TcpStream {
    let Stream::Tcp(stream) = &client.stream else { panic!("no TCP") };
    stream
}

/// More than the kernel's two buffers of a connection hold (net.ipv4.tcp_wmem and tcp_rmem).
const ACCEPTED_MAX: usize = 32 << 20;

/// Sends as much to all as the daemon accepts, until it accepts nothing from any of them.
fn send_without_end(clients: &mut [Client], bytes: &[u8], probe: &mut Probe) {
    for client in &mut *clients {
        tcp(client).set_nonblocking(true).unwrap();
    }
    let (mut quiet, mut accepted) = (0, vec![0; clients.len()]);
    while quiet < 3 {
        let mut progress = false;
        for (client, accepted) in clients.iter_mut().zip(&mut accepted) {
            match tcp(client).write(bytes) {
                Ok(count) => {
                    progress = true;
                    *accepted += count;
                    assert!(*accepted < ACCEPTED_MAX, "a client that reads nothing is read without end");
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => {} // closed, for example as too slow
            }
        }
        probe.wait();
        quiet = if progress { 0 } else { quiet + 1 };
    }
}

/// Every machine's report is as long as possible, and its history full.
fn fill_machines(daemon: &Daemon) {
    let mut reporter = daemon.tcp(STATS);
    let long = "x".repeat(16_384 - 100);
    for number in 0..64 {
        let host = format!("\"host\":\"{number:\u{1f600}>64}\"");
        let short = format!("{{{host},\"cpu_percent\":1}}\n").repeat(60);
        reporter.say(short);
        reporter.say(format!("{{{host},\"x\":\"{}\"}}\n", &long[..16_384 - host.len() - 10]));
    }
    reporter.half_close();
    let heard = String::from_utf8(reporter.hear_rest()).unwrap();
    assert_eq!(heard.lines().filter(|line| *line == "Data received").count(), 64 * 61, "{heard:.200}");
    // Small objects take the most memory for their length while they are parsed.
    let mut worst = daemon.tcp(STATS);
    worst.say(format!("{{\"x\":[{}]}}\n", vec!["{\"a\":0}"; 2000].join(",")));
    assert_eq!(worst.hear_line(), "Data received");
}

/// Fills memory in every way at once; each way has its share of the connections.
fn attack_with_everything(daemon: &Daemon, probe: &mut Probe) -> Vec<Client> {
    let mut all = Vec::new();
    fill_machines(daemon);
    for _ in 0..8 {
        // A quarter of all places.
        let mut watcher = daemon.unix();
        watcher.say("watch\nall\n");
        watcher.hear("Watching: all\n");
        all.push(watcher);
    }
    // The beginning of a message of the greatest length; and one byte at a time, while the kind of client is not known.
    for _ in 0..40 {
        let mut half = daemon.tcp(MULTIPLY);
        half.say([&b"1 1\n"[..], &[b'1'; 4095]].concat());
        all.push(half);
    }
    let mut dribblers: Vec<Client> = (0..10).map(|_| daemon.tcp(MULTIPLY)).collect();
    dribblers.iter_mut().for_each(|client| client.say("1 1"));
    for _ in 0..500 {
        dribblers.iter_mut().for_each(|client| client.say("1"));
        probe.wait();
    }
    all.append(&mut dribblers);
    // Members that do not read, while everyone sends messages to all of them and to each one.
    let mut members: Vec<Client> = (0..40).map(|_| deaf(daemon, CHAT)).collect();
    for (number, member) in members.iter_mut().enumerate() {
        member.say(format!("m{number}\n"));
    }
    let mut speaker = Client::member(daemon, "speaker");
    let ears = tcp(&speaker).try_clone().unwrap();
    std::thread::scope(|scope| {
        let mut ears = Client::of(ears);
        scope.spawn(move || ears.hear_until_gone());
        for round in 0..40 {
            speaker.say(format!("{}\n", "all of you ".repeat(300)));
            for number in 0..40 {
                speaker.say(format!("/msg m{number} {round} {}\n", "you ".repeat(20)).repeat(20));
            }
        }
        probe.wait();
        tcp(&speaker).shutdown(Shutdown::Both).unwrap();
    });
    all.append(&mut members);
    let mut pipeliners: Vec<Client> = (0..60).map(|_| deaf(daemon, MULTIPLY)).collect();
    send_without_end(&mut pipeliners, "1 1\n".repeat(1000).as_bytes(), probe);
    all.append(&mut pipeliners);
    // Clients that request the list of machines, and all those that find no place.
    let mut askers: Vec<Client> = (0..30).map(|_| deaf(daemon, STATS)).collect();
    send_without_end(&mut askers, "latest\n".repeat(500).as_bytes(), probe);
    all.append(&mut askers);
    all.extend((0..200).map(|_| daemon.tcp(MULTIPLY)));
    probe.wait();
    all
}

#[test]
fn attack_uses_less_than_the_memory_sum_and_at_least_a_sixth() {
    let daemon = Daemon::with(CONFIG);
    let (mut probe, mut asker) = (Probe::new(&daemon), daemon.unix());
    asker.say("status\n");
    let first: Value = serde_json::from_str(&asker.hear_line()).unwrap();
    let sum = first["memory_max"].as_u64().unwrap() as usize;
    let before = own(&daemon);
    let mut largest = 0;
    for round in 0..2 {
        let all = attack_with_everything(&daemon, &mut probe);
        largest = largest.max(own(&daemon) - before);
        let connections = report(&mut asker)["connections"].as_array().unwrap().len();
        println!("round {round}: {connections} connections, {} KiB of {}", largest >> 10, sum >> 10);
        assert!(connections > CONNECTIONS / 2, "{connections}");
        drop(all);
        wait_until("all have gone", || {
            (report(&mut asker)["connections"].as_array().unwrap().len() == 2).then_some(())
        });
    }
    // Each machine of a school has made a mistake.
    for number in 0..1024u16 {
        let [high, low] = number.to_be_bytes();
        let mut student = from(Ipv4Addr::new(127, 80, high, low), daemon.address(MULTIPLY));
        student.say(format!("{} 2\n", "3,14".repeat(20)));
        student.hear("Data received\nError: ");
    }
    // One that finds no place is read without end.
    wait_until("the last student has gone", || {
        (report(&mut asker)["connections"].as_array().unwrap().len() == 2).then_some(())
    });
    // A list continues as far as unsent bytes are allowed, so clients that do not read it have the longest queues.
    let mut askers: Vec<Client> = (0..CONNECTIONS - 2).map(|_| deaf(&daemon, STATS)).collect();
    send_without_end(&mut askers, "latest\n".repeat(500).as_bytes(), &mut probe);
    largest = largest.max(own(&daemon) - before);
    let peak = memory(&daemon, "VmHWM").saturating_sub(memory(&daemon, "RssFile") + before);
    println!("{} KiB, at the peak {}, of {}", largest >> 10, peak >> 10, sum >> 10);
    assert!(largest.max(peak) < sum, "{largest} and {peak} of {sum}");
    assert!(largest > sum / 6, "{largest} of {sum}");
    drop(askers);
    daemon.stop();
}

/// Connections that request much and read nothing: each holds the unsent part of two lists.
const DEAF: usize = 9000;
const MORE: usize = 600;

/// What the log says about a client that was closed because all queues together were full.
const HELD_MOST: &str = "all queues were full, and this client held the most";

#[test]
fn worst_attack_stays_below_the_default_sum_and_evicts_top_holders() {
    let _one = by_the_thousand();
    // Only full queues close anyone, however long this test takes.
    let daemon = Daemon::with(&format!("[limits]\nsend_timeout = \"1h\"\n{USUAL}{BESIDE}"));
    let mut asker = daemon.unix();
    asker.say("status\n");
    let first: Value = serde_json::from_str(&asker.hear_line()).unwrap();
    let sum = first["memory_max"].as_u64().unwrap() as usize;
    assert!(sum < 400 << 20, "{sum}: a machine of 2 GiB has to have room for it");
    let before = own(&daemon);
    // A list of 7 machines is 28 KiB. Queues of that size are the worst for an allocator that keeps the memory of those that have
    // grown.
    let mut reporter = daemon.tcp(STATS);
    for number in 0..7 {
        reporter.say(format!("{{\"host\":\"pc{number}\",\"x\":\"{}\"}}\n", "x".repeat(4000)));
        reporter.hear("Data received\n");
    }
    let (mut probe, mut member) = (Probe::new(&daemon), Client::member(&daemon, "ann"));
    let mut all: Vec<Client> = Vec::new();
    let mut largest = 0;
    for number in 0..DEAF {
        let mut deaf = daemon.unix();
        deaf.say("stats\nlatest\nlatest\n");
        all.push(deaf);
        if number % 100 == 0 {
            probe.wait();
            member.say(format!("{number}\n"));
            member.hear(format!("ann: {number}\n"));
            largest = largest.max(own(&daemon) - before);
        }
    }
    probe.wait();
    largest = largest.max(own(&daemon) - before);
    // These hold about as much as is allowed. A few more, each of which holds twice as much, exceed it, however much the kernel
    // accepts.
    for _ in 0..MORE {
        let mut deaf = daemon.unix();
        deaf.say(format!("stats\n{}", "latest\n".repeat(20)));
        all.push(deaf);
    }
    probe.wait();
    largest = largest.max(own(&daemon) - before);
    let gone = wait_until("the log tells of those who held most", || {
        let lines = daemon.log().iter().filter(|line| line.contains(HELD_MOST)).count();
        (lines > 0).then_some(lines)
    });
    println!("{} MiB of {}; {gone} and more of {} went", largest >> 20, sum >> 20, DEAF + MORE);
    assert!(largest < sum, "{largest} of {sum}");
    assert!(largest > sum / 2, "{largest} of {sum}: the queues are full");
    assert!(gone < DEAF + MORE, "{gone}");
    drop((all, probe, member, reporter, asker));
    daemon.stop();
}

/// Bytes from a client that the daemon has not read (/proc/net/tcp).
fn unread(daemon: &Daemon, client: &Client) -> usize {
    let ends = (daemon.address(MULTIPLY).port(), tcp(client).local_addr().unwrap().port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let of = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = |at: usize| u16::from_str_radix(fields.get(at)?.split_once(':')?.1, 16).ok();
        let is_it = port(1)? == ends.0 && port(2)? == ends.1;
        is_it.then(|| usize::from_str_radix(fields[4].split_once(':').unwrap().1, 16).unwrap())
    };
    table.lines().find_map(of).expect("it is connected")
}

#[test]
fn unread_peer_leaves_little_in_kernel_buffers() {
    let daemon = Daemon::with(USUAL);
    let mut probe = Probe::new(&daemon);
    let mut client = daemon.tcp(MULTIPLY);
    // While its replies are read, it is read from too, and the kernel would enlarge its buffer more and more.
    let ears = tcp(&client).try_clone().unwrap();
    let asked = "1 1\n".repeat(500_000);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut ears = Client::of(ears);
            let (mut left, mut buffer) = (500_000 * "Data received\n1.0\n".len(), vec![0; 1 << 16]);
            while left > 0 {
                left -= uninterrupted(|| ears.read(&mut buffer)).unwrap();
            }
        });
        client.say(&asked);
    });
    // What the client's kernel still has may arrive when the daemon's buffer has just been emptied.
    wait_until("the daemon's kernel holds some of it", || {
        send_without_end(std::slice::from_mut(&mut client), asked.as_bytes(), &mut probe);
        let unread = unread(&daemon, &client);
        // A segment on the loopback interface has up to 64 KiB, and is accepted as a whole.
        assert!(unread <= 64 * 1024, "{unread}");
        (unread > 0).then_some(())
    });
    drop((client, probe));
    daemon.stop();
}
