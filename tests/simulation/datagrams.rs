//! Datagrams between the engine and partners that lose them, do not accept them, or answer everything that they receive: other
//! servers, which a forged request brings into a conversation.

use std::cell::Cell;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::rc::Rc;

use ipcd::engine::Engine;
use ipcd::engine::limits::Settings;
use ipcd::engine::message::{Binding, Dropped, EventKind, Input, RemoteAddress, Timestamp, Transport};
use ipcd::engine::service::Service;

use super::random::Random;
use super::totals::Totals;

/// A partner's answers arrive within this time, in microseconds. It is shorter than the time in which a sender gets one answer
/// back.
const DELAY_MAX: usize = 90_000;
/// The same for a partner that doubles every message. After a longer time, each copy could be the first one after the next answer
/// came back.
const DELAY_MAX_OF_TWO: usize = 40_000;

/// The most datagrams in flight; more are an endless loop.
const ON_THE_WAY_MAX: usize = 100_000;

/// After this time, no partner that has got no request may still be sending.
const SILENCE: u64 = 120_000_000;

const BURST: u64 = 100;
const PER_SECOND: u64 = 10;

/// A server that answers everything.
#[derive(Clone, Copy)]
struct Partner {
    remote: RemoteAddress,
    address: &'static [u8],
    words: Words,
    /// How many answers it sends to each datagram.
    count: usize,
    delay_max: usize,
    /// How many percent of the engine's answers it has no room for.
    deafness: usize,
}

#[derive(Clone, Copy)]
enum Words {
    Same(&'static [u8]),
    Echo,
}

/// A datagram on its way to the engine. Ordered by its time, and then by its number.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    at: std::cmp::Reverse<(u64, u64)>,
    from: usize,
    binding: usize,
    bytes: Vec<u8>,
}

pub struct Net {
    random: Random,
    engine: Engine,
    bindings: Vec<Rc<Binding>>,
    partners: Vec<Partner>,
    on_the_way: BinaryHeap<Packet>,
    number: u64,
    /// How many percent of datagrams are lost.
    loss: usize,
    /// The answers to each partner, and the datagrams that did not reach it.
    answered: BTreeMap<usize, u64>,
    /// How many datagrams have reached the engine.
    came: u64,
    sent_bytes: u64,
    undelivered: u64,
    last: u64,
}

fn process(uid: u32) -> RemoteAddress {
    RemoteAddress::Process { uid, gid: uid, pid: 7 }
}

impl Net {
    fn new(random: Random, partners: Vec<Partner>, loss: usize) -> Net {
        let services = [Service::Multiply, Service::Hello, Service::Greeting];
        let binding = |service| Binding {
            endpoint: format!("udp:{service}"),
            service,
            transport: Transport::UDP,
            allowed: None,
        };
        Net {
            random,
            engine: Engine::new(Settings::default()),
            bindings: services.map(|service| Rc::new(binding(service))).into(),
            partners,
            on_the_way: BinaryHeap::new(),
            number: 0,
            loss,
            answered: BTreeMap::new(),
            came: 0,
            sent_bytes: 0,
            undelivered: 0,
            last: 0,
        }
    }

    fn send(&mut self, now: u64, from: usize, binding: usize, bytes: Vec<u8>) {
        if self.random.percent(self.loss) {
            return;
        }
        self.number += 1;
        let delay = self.random.below(self.partners[from].delay_max + 1) as u64;
        self.on_the_way.push(Packet {
            at: std::cmp::Reverse((now + delay, self.number)),
            from,
            binding,
            bytes,
        });
        assert!(self.on_the_way.len() < ON_THE_WAY_MAX, "it grows and grows");
    }

    /// Delivers the next datagram, which is answered; `false`: there is none in flight.
    fn step(&mut self) -> bool {
        let Some(Packet { at: std::cmp::Reverse((now, _)), from, binding, bytes }) = self.on_the_way.pop()
        else {
            return false;
        };
        let partner = self.partners[from];
        (self.came, self.last) = (self.came + 1, now);
        let now_ = Timestamp::at(now);
        let input = Input::Datagram {
            binding: &self.bindings[binding],
            remote: partner.remote,
            bytes: &bytes,
            truncated: false,
            address: Some(partner.address),
        };
        self.engine.handle(now_, input);
        let mut heard = Vec::new();
        while let Some(reply) = self.engine.poll_reply() {
            let is_taken = !self.random.percent(partner.deafness);
            self.engine.handle(now_, Input::Replied(if is_taken { Ok(()) } else { Err(Dropped::NoRoom) }));
            if is_taken {
                self.sent_bytes += reply.len() as u64;
                heard.push(reply);
            }
        }
        let lost = std::iter::from_fn(|| self.engine.poll_event())
            .filter(|event| matches!(event.what, EventKind::Undelivered { .. }))
            .count() as u64;
        self.undelivered += lost;
        if lost > 0 || !heard.is_empty() {
            let answered = self.answered.entry(from).or_default();
            *answered += 1;
            assert!(*answered <= BURST + now * PER_SECOND / 1_000_000, "{answered} answers in {now} µs");
        }
        for reply in heard {
            for _ in 0..partner.count {
                let words = match partner.words {
                    Words::Same(words) => words.to_vec(),
                    Words::Echo => reply.clone(),
                };
                self.send(now, from, binding, words);
            }
        }
        true
    }

    /// Runs until nobody sends anything.
    fn run(&mut self) {
        while self.step() {
            assert!(self.last < SILENCE, "they talk for ever: {} datagrams", self.came);
        }
    }
}

/// How many datagrams one forged datagram causes in the name of each of several servers that answer everything at once.
pub fn length_of_loops(servers: usize) -> u64 {
    let partners = (0..servers).map(|index| Partner {
        remote: RemoteAddress::Address(([127, 0, 0, 1], 5000 + index as u16).into()),
        address: b"",
        words: Words::Same(b"what?"),
        count: 1,
        delay_max: 0,
        deafness: 0,
    });
    let mut net = Net::new(Random::new(0), partners.collect(), 0);
    for from in 0..servers {
        net.send(0, from, 0, b"x".to_vec());
    }
    net.run();
    net.came
}

/// Runs some servers of all kinds, and a client that only sends requests and receives the replies.
pub fn run(seed: u64, steps: u64, step: &Cell<u64>) -> Totals {
    let (mut random, mut totals) = (Random::new(seed), Totals::default());
    let servers = random.within(1, 3);
    let partners = (0..servers).map(|index| {
        let count = random.pick(&[1, 1, 1, 2]);
        let words: [&'static [u8]; 5] = [b"what?", b"5 10", b"5 10\0", b"\xff\xfe", b"50.0"];
        let address = SocketAddr::from(([10, 0, 0, 1], 2000 + index as u16));
        let is_local = random.percent(40);
        Partner {
            remote: if is_local { process(index as u32) } else { RemoteAddress::Address(address) },
            address: if is_local { [&b"/a"[..], b"/b", b"b"][index] } else { b"" },
            words: if random.percent(20) { Words::Echo } else { Words::Same(random.pick(&words)) },
            count,
            delay_max: match count {
                1 => random.pick(&[0, 1, 1000, DELAY_MAX]),
                _ => random.pick(&[0, 1, 1000, DELAY_MAX_OF_TWO]),
            },
            deafness: random.pick(&[0, 0, 10, 50]),
        }
    });
    let mut partners: Vec<Partner> = partners.collect();
    let asker = partners.len();
    partners.push(Partner {
        remote: RemoteAddress::Address(([10, 0, 0, 2], 40_000).into()),
        address: b"",
        words: Words::Same(b""),
        count: 0,
        delay_max: 0,
        deafness: 0,
    });
    let loss = random.pick(&[0, 0, 5, 30]);
    let mut net = Net::new(random, partners, loss);
    for from in 0..servers {
        for binding in 0..net.bindings.len() {
            for _ in 0..net.random.within(0, 3) {
                net.send(0, from, binding, b"5 10".to_vec());
            }
        }
    }
    // Ten a second are never too many, whatever else happens.
    for at in 0..steps.min(200) {
        let before = net.number;
        net.send(at * 100_000, asker, 0, b"6 7".to_vec());
        totals.add("datagrams: asked", net.number - before);
    }
    let asked = net.on_the_way.iter().filter(|packet| packet.from == asker).count() as u64;
    while net.step() {
        step.set(net.came);
        assert!(net.last < SILENCE, "they talk for ever: {} datagrams", net.came);
    }
    assert_eq!(net.answered.get(&asker).copied().unwrap_or(0), asked, "every question that came is answered");
    let counters = Service::ALL.map(|service| *net.engine.counters().of(service));
    let sum = |of: fn(&ipcd::engine::ServiceCounters) -> u64| counters.iter().map(of).sum::<u64>();
    assert_eq!(sum(|of| of.bytes_out), net.sent_bytes, "what was not taken is not counted as sent");
    let no_room = sum(|of| of.dropped_of(Dropped::NoRoom));
    assert!((net.undelivered..=2 * net.undelivered).contains(&no_room), "{no_room} of {}", net.undelivered);
    totals.add("datagrams: came", net.came);
    totals.add("datagrams: not delivered", no_room);
    totals.add("datagrams: too many", sum(|of| of.dropped_of(Dropped::TooMany)));
    totals.add("datagrams: own words", sum(|of| of.dropped_of(Dropped::OwnWords)));
    totals.count_case("datagrams: servers that fell silent", &servers);
    totals
}
