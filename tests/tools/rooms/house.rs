//! Daemons that share a room, their members, and the comparison of what each member has heard with the log itself.

use std::path::Path;
use std::time::Instant;

use super::log::{JOINED, LEFT, Line, Nats};
use super::member::{KINDS, Kind, Member, endpoints};
use super::server::Server;
use crate::harness::{Daemon, TestDir, process};
use crate::tls_client::{Authority, write};

pub const HOUSE: &str = "school";

/// The keys of `[nats]`.
pub fn table(servers: &[&Server], more: &str) -> String {
    let urls: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.url())).collect();
    format!("[nats]\nservers = [{}]\nhouse = \"{HOUSE}\"\n{more}\n", urls.join(", "))
}

/// A directory with the certificates for the endpoints of [`endpoints`].
pub fn directory() -> TestDir {
    let (test_dir, authority) = (TestDir::new(), Authority::new());
    let ip = test_dir.ip.to_string();
    let (certificate, key) = authority.issue(&["localhost", &ip], |_| {});
    let file = |name: &str| test_dir.directory.path().join(name);
    write(&file("certificate.pem"), &certificate);
    write(&file("key.pem"), &key);
    write(&file("ca.pem"), &authority.pem());
    test_dir
}

/// A daemon in the room `class`.
pub fn daemon(nats: &str) -> Daemon {
    directory().serve(&config(nats, ""))
}

/// Its configuration.
pub fn config(nats: &str, chat: &str) -> String {
    format!("{nats}{}", endpoints(&format!("room = \"class\"\n{chat}")))
}

/// Daemons whose room is whole.
pub fn daemons(count: usize, nats: &str) -> Vec<Daemon> {
    let daemons: Vec<Daemon> = (0..count).map(|_| daemon(nats)).collect();
    for daemon in &daemons {
        daemon.wait_for_log("the room is whole");
    }
    daemons
}

/// Members of every kind on a daemon; one of them is its two FIFOs.
pub fn members(daemon: &Daemon, letter: char, count: usize) -> Vec<Member> {
    let mut members = vec![Member::join(daemon, Kind::Fifo, "")];
    for number in 1..count {
        let kind = KINDS[number % KINDS.len()];
        let kind = if kind == Kind::Fifo { Kind::Tcp } else { kind };
        let name = format!("{letter}{number}");
        members.push(Member::join(daemon, kind, &name));
        if number > 1 {
            members[1].wait_for(&format!("{name} has joined the chat!"));
        }
    }
    members
}

/// Every member sends this many lines, each as soon as it has heard the one before.
pub fn talk(members: &mut [Member], round: &str, lines: usize) {
    std::thread::scope(|scope| {
        for member in members {
            scope.spawn(move || {
                for number in 0..lines {
                    let since = member.lines().len().saturating_sub(1);
                    let line = format!("{round} {number} of {}", member.name);
                    let said = Instant::now();
                    member.say(&line);
                    let own = format!("{}: {line}", member.name);
                    member.wait_for_since(since.saturating_sub(200), &own);
                    member.waits.push(said.elapsed());
                }
            });
        }
    });
}

/// Whether a line is about the room here, or for its receiver only, so that it is not in the log.
fn is_local(line: &str) -> bool {
    let starts = [
        "Greetings from the cave!",
        "Welcome ",
        "This room is ",
        "The history of this room was lost",
        "Error: ",
        "In the room: ",
        "you (to ",
        "Server is ",
        "One message was missed",
    ];
    starts.iter().any(|start| line.starts_with(start))
        || line.contains(" (to you): ")
        || line.ends_with(" messages were missed here.")
}

/// Every member sends one more line, and hears the last one of all. Then each has heard exactly what the log has since its joining,
/// and everything that it has sent is in the log once. Returns the lines of the log.
pub fn check(server: &Server, members: &mut [Member]) -> Vec<Line> {
    talk(members, "the end", 1);
    let ends: Vec<String> =
        members.iter().map(|member| format!("{}: the end 0 of {}", member.name, member.name)).collect();
    for member in members.iter() {
        ends.iter().for_each(|end| member.wait_for(end));
    }
    let log = Nats::connect(server.ip, &server.connect).lines(HOUSE);
    for member in members.iter() {
        compare(member, &log);
        let said: Vec<&String> = member.said.iter().collect();
        let own =
            log.iter().filter(|line| line.name == member.name && line.kind != JOINED && line.kind != LEFT);
        let stored: Vec<&String> = own.map(|line| &line.text).collect();
        assert_eq!(
            stored, said,
            "{} ({:?}): lines in the log, and lines that it said",
            member.name, member.kind
        );
    }
    log
}

/// What a member has heard is what the log has since its joining.
pub fn compare(member: &Member, log: &[Line]) {
    let heard: Vec<String> = member.lines().into_iter().filter(|line| !is_local(line)).collect();
    let joined = log.iter().position(|line| line.kind == JOINED && line.name == member.name);
    let from = joined.unwrap_or_else(|| panic!("{} is not in the log", member.name)) + 1;
    let expected: Vec<&String> = log[from..].iter().map(|line| &line.text).collect();
    for (at, line) in heard.iter().enumerate() {
        assert_eq!(
            Some(&line),
            expected.get(at),
            "{} ({:?}) heard, as line {at}; it heard {:#?}, and the log has {:#?}",
            member.name,
            member.kind,
            &heard[at.saturating_sub(5)..heard.len().min(at + 12)],
            log[from..]
                .iter()
                .skip(at.saturating_sub(5))
                .take(20)
                .map(|line| (&line.place, &line.text))
                .collect::<Vec<_>>()
        );
    }
    assert_eq!(heard.len(), expected.len(), "{} ({:?}) missed the last lines", member.name, member.kind);
}

/// What the next process of a daemon needs: its address, configuration and files.
pub fn after(before: &Daemon) -> TestDir {
    let test_dir = TestDir { directory: tempfile::tempdir().unwrap(), ip: before.ip };
    let from = before.directory.path();
    for name in ["ipcd.toml", "certificate.pem", "key.pem", "ca.pem"] {
        std::fs::copy(from.join(name), test_dir.directory.path().join(name)).unwrap();
    }
    test_dir
}

/// An address that nobody has.
pub fn nowhere() -> std::net::Ipv4Addr {
    process::address()
}

/// A file for secrets.
pub fn secret(path: &Path, text: &str) {
    write(path, text);
}
