//! A room in which one member floods, some read slowly or not at all, and the others send a message now and then; and clients of
//! other services that do not read. Time passes evenly, so that waits can be measured.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::limits::{MESSAGES_BURST, READ_BYTES_MAX, Settings};
use ipcd::engine::message::{
    Binding, CloseReason, ConnectionId, EventKind, Input, Output, RemoteAddress, Timestamp, Transport,
};
use ipcd::engine::service::Service;

use super::link::{Link, Read, Written};
use super::random::Random;
use super::totals::Totals;

const STEP: Duration = Duration::from_millis(50);

/// The longest time for an ordinary message to reach the members that read.
const PROMPT: Duration = Duration::from_millis(150);

/// After its time is over, there are its last message and a lingering close, with a step for each.
const CLOSING: Duration = Duration::from_millis(4500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Sends as much as is accepted, in lines of this many bytes.
    Floods(usize),
    /// Sends a message now and then, and reads this many bytes in a step.
    Talks(usize),
    /// Sends requests without end and reads nothing.
    IsDeaf(&'static str),
}

struct Member {
    peer: ConnectionId,
    role: Role,
    link: Link,
    heard: String,
    said: usize,
    /// The number of its own last message, and when it was sent.
    asked: Option<(String, Timestamp)>,
    stuck: Option<Timestamp>,
    closed: Option<(CloseReason, Timestamp)>,
}

struct Hall {
    engine: Engine,
    now: Timestamp,
    members: Vec<Member>,
    worst: Duration,
}

impl Hall {
    fn come(&mut self, service: Service, role: Role, random: &mut Random, first: &str) {
        let peer = ConnectionId { index: self.members.len() as u32, generation: 1 };
        let binding = Rc::new(Binding {
            endpoint: "unix:/hall".into(),
            service,
            transport: Transport::UNIX,
            allowed: None,
        });
        let link = Link {
            outbound_room: random.pick(&[4096, 20_000, 100_000]),
            tells_late: random.percent(50),
            ..Link::default()
        };
        let (heard, asked) = (String::new(), None);
        self.members.push(Member { peer, role, link, heard, said: 0, asked, stuck: None, closed: None });
        let remote = RemoteAddress::Process { uid: 1000 + peer.index, gid: 1, pid: 1 };
        self.tell(Input::Opened { peer, binding: &binding, remote });
        self.members[peer.index as usize].link.send(first.as_bytes());
    }

    fn tell(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        while let Some(event) = self.engine.poll_event() {
            if let (EventKind::Closed(reason), Some(peer)) = (event.what, event.peer) {
                self.members[peer.index as usize].closed = Some((reason, self.now));
            }
        }
    }

    /// Every member sends and reads in one step.
    fn act(&mut self, random: &mut Random) {
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            let room = 20_000_usize.saturating_sub(member.link.inbound.len());
            match member.role {
                Role::Floods(bytes) => {
                    for _ in 0..room / bytes {
                        member.link.send(format!("{}{}\n", member.said, "~".repeat(bytes)).as_bytes());
                        member.said += 1;
                    }
                }
                Role::Talks(_) if member.asked.is_none() && random.below(200) == 0 => {
                    let word = format!("m{}: word {}", index, member.said);
                    member.link.send(format!("word {}\n", member.said).as_bytes());
                    member.said += 1;
                    member.asked = Some((word, self.now));
                }
                Role::Talks(_) => {}
                Role::IsDeaf(ask) => {
                    let _ = member.link.send(ask.repeat(room / ask.len()).as_bytes());
                }
            }
            let most = match member.role {
                Role::Floods(_) => usize::MAX,
                Role::Talks(bytes) => bytes,
                Role::IsDeaf(_) => 0,
            };
            let bytes = member.link.receive(most);
            if !bytes.is_empty() {
                member.stuck = None;
            }
            member.heard += std::str::from_utf8(bytes).expect("words of ASCII");
        }
    }

    fn turn(&mut self) {
        let mut buffer = Vec::new();
        for index in 0..self.members.len() {
            let peer = self.members[index].peer;
            let link = &mut self.members[index].link;
            if std::mem::take(&mut link.writable_edge) && std::mem::take(&mut link.blocked) {
                self.tell(Input::Writable { peer });
            }
            let member = &mut self.members[index];
            if member.closed.is_none()
                && self.engine.is_reading(peer)
                && let Read::Bytes = member.link.read(READ_BYTES_MAX, &mut buffer)
            {
                let more = buffer.len() == READ_BYTES_MAX;
                self.tell(Input::Bytes { peer, bytes: &buffer, more });
            }
        }
        // Runs turns until the work of this step is done.
        loop {
            self.tell(Input::Tick);
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Flush(peer) => self.flush(peer, false),
                    Output::Retry(peer) => self.flush(peer, true),
                    Output::ShutdownWrite(peer) => self.members[peer.index as usize].link.shut = true,
                    Output::Reading(..) | Output::Acknowledge(_) | Output::Close(_) | Output::Reset(_) => {}
                    Output::Ask(..) => panic!("nobody has asked for anything"),
                }
            }
            if !self.engine.has_work() {
                return;
            }
        }
    }

    fn flush(&mut self, peer: ConnectionId, once_more: bool) {
        loop {
            let member = &mut self.members[peer.index as usize];
            let outgoing = self.engine.outgoing(peer);
            let wanted = outgoing.len();
            if wanted == 0 || (member.link.blocked && !once_more) {
                return;
            }
            let written = member.link.write(outgoing.slices());
            member.link.blocked = !matches!(written, Written::Bytes(count) if count == wanted);
            let blocked = member.link.blocked;
            if blocked {
                member.stuck.get_or_insert(self.now);
            }
            if let Written::Bytes(bytes) = written {
                self.tell(Input::Sent { peer, bytes });
                if once_more {
                    self.tell(Input::Writable { peer });
                }
            }
            if blocked {
                return self.tell(Input::Blocked { peer });
            }
        }
    }

    /// A member that reads at once receives its own message, and so all messages of others, in time.
    fn check_words(&mut self) {
        let now = self.now;
        for member in &mut self.members {
            if let (Some((word, at)), Role::Talks(usize::MAX)) = (&member.asked, member.role)
                && member.heard.contains(word.as_str())
            {
                self.worst = self.worst.max(now.since(*at));
                member.asked = None;
                member.heard.drain(..member.heard.rfind('\n').map_or(0, |lf| lf + 1));
            }
        }
    }

    /// A client that reads nothing keeps its place no longer than the timeout and the lingering close.
    fn check_waits(&self, timeout: Duration) {
        for member in &self.members {
            let waited = self.now.since(member.stuck.unwrap_or(self.now));
            if let Role::IsDeaf(_) = member.role
                && member.closed.is_none()
            {
                assert!(waited <= timeout + CLOSING, "{:?} has kept its place for {waited:?}", member.role);
            }
        }
    }

    /// Clients that read nothing were closed for that, and not before the timeout.
    fn check_deaf(&self, timeout: Duration, totals: &mut Totals) {
        for member in &self.members {
            if let (Role::IsDeaf(_), Some((reason, at))) = (member.role, member.closed) {
                let late = [CloseReason::PeerNotReading, CloseReason::PeerTooSlow, CloseReason::PeerNameless];
                let is_it = late.contains(&reason);
                let in_time = reason != CloseReason::PeerNotReading || at > Timestamp::at(0) + timeout;
                assert!(is_it && in_time, "{:?}: {reason:?} at {at:?}", member.role);
                totals.count("deaf ones closed");
            }
        }
    }

    /// The flood arrives in order, and at its rate limit if there is one.
    fn check_flood(&self, flood: usize, seconds: usize, per_second: u32) {
        let flood = &self.members[flood];
        let lines = flood.heard[..flood.heard.rfind('\n').unwrap_or(0)].lines();
        let own = lines.filter_map(|line| line.strip_prefix("flood: "));
        let numbers: Vec<usize> = own.map(|text| text.split('~').next().unwrap().parse().unwrap()).collect();
        assert!(
            numbers.iter().copied().eq(0..numbers.len()),
            "something of the flood is lost or out of order"
        );
        if per_second > 0 {
            let most = MESSAGES_BURST as usize + per_second as usize * seconds;
            let count = numbers.len();
            assert!(count <= most && count >= most - 10, "{count} messages of the flood, {most} at most");
            assert!(flood.closed.is_none(), "{:?}", flood.closed);
            assert!(self.worst <= PROMPT, "a word took {:?}", self.worst);
        }
    }
}

/// Adds members that talk and read, one that floods, and one in each service that reads nothing. Returns the index of the flood.
fn fill(hall: &mut Hall, random: &mut Random) -> usize {
    let bytes = random.within(20, 500);
    for index in 0..random.within(4, 8) {
        // The slowest reads 2 KB a second: more than a flood at the rate limit sends.
        let reads = random.pick(&[usize::MAX, 100, 400, 1000]);
        hall.come(Service::Chat, Role::Talks(reads), random, &format!("m{index}\n"));
    }
    let last = hall.members.len();
    hall.come(Service::Chat, Role::Talks(usize::MAX), random, &format!("m{last}\n"));
    hall.come(Service::Chat, Role::Floods(bytes), random, "flood\n");
    let flood = hall.members.len() - 1;
    for (service, ask) in [
        (Service::Multiply, "5 10\n"),
        (Service::Stats, "latest nobody\n"),
        (Service::Status, "status\n"),
        (Service::Mux, "help\n"),
        (Service::Chat, "!\n"),
        (Service::Chat, "deaf\n"),
    ] {
        hall.come(service, Role::IsDeaf(ask), random, ask);
    }
    flood
}

/// Runs for `seconds` at `per_second` messages. Returns how many slow readers were dropped, and how many there were.
fn hold(random: &mut Random, seconds: usize, per_second: u32, totals: &mut Totals) -> (usize, usize) {
    let mut settings = Settings::default();
    for service in &mut settings.services {
        service.backlog_bytes_max = 64 * 1024;
    }
    settings.services[Service::Chat as usize].messages_per_second = per_second;
    let timeout = Duration::from_secs(random.pick(&[5, 60]));
    settings.send_timeout = timeout;
    let (engine, now) = (Engine::new(settings), Timestamp::at(0));
    let mut hall = Hall { engine, now, members: Vec::new(), worst: Duration::ZERO };
    let flood = fill(&mut hall, random);
    for _ in 0..seconds * 1000 / STEP.as_millis() as usize {
        hall.now = hall.now + STEP;
        hall.act(random);
        hall.turn();
        hall.check_words();
        hall.check_waits(timeout);
    }
    hall.check_deaf(timeout, totals);
    hall.check_flood(flood, seconds, per_second);
    for member in &hall.members {
        if member.role == Role::Talks(usize::MAX) {
            assert!(member.closed.is_none(), "one who reads was closed: {:?}", member.closed);
        }
    }
    let slow = || {
        hall.members.iter().filter(|member| matches!(member.role, Role::Talks(bytes) if bytes < usize::MAX))
    };
    (slow().filter(|member| member.closed.is_some()).count(), slow().count())
}

/// Runs with and without a rate limit.
pub fn run(seed: u64, _: u64, _: &Cell<u64>) -> Totals {
    let mut totals = Totals::default();
    let (dropped, slow) = hold(&mut Random::new(seed), 100, 3, &mut totals);
    assert_eq!(dropped, 0, "of {slow} who read slowly so many were dropped");
    totals.add("slow ones, one floods at 3 messages a second", slow as u64);
    let (dropped, _) = hold(&mut Random::new(seed), 10, 0, &mut totals);
    totals.add("slow ones dropped where it has no pace", dropped as u64);
    totals
}
