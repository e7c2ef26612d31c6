//! Clients of every form at once, in multiply and in the room, with random cuts and pauses: lines, typed lines, bursts, first
//! bursts in pieces, C strings and whole arrays, lengths, Telnet with commands, and WebSockets with fragments and pings. Each
//! receives exactly the expected output, in its own form. Clients that get one message for each recv() get it like that, with the
//! pause.

mod form;

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::limits::Settings;
use ipcd::engine::message::{
    Binding, ConnectionId, Event, EventKind, Input, RemoteAddress, Timestamp, Transport,
};
use ipcd::engine::service::Service;

use super::random::Random;
use super::settle;
use super::totals::Totals;
use form::{CLOSED, COMMANDS, FORMS, Form, PING, cut, decode, opening};

const CLIENTS: usize = 24;
const GREETING: &str = "Greetings from the cave! Now type your name and press enter!";
/// The pause in the room, unless `raw_gap` is shorter.
const ROOM_GAP: Duration = Duration::from_millis(5);

/// A request and its reply. For a raw client's mistake, the reply comes after a second of silence.
fn request(random: &mut Random) -> (String, String) {
    let (a, b) = (random.within(1, 999), random.within(1, 999));
    match random.below(8) {
        0 => ("abc".into(), "Error: expected two numbers, for example: 5 10".into()),
        1 => (format!("{a} x"), "Error: not a number: 'x'".into()),
        2 => (format!("{a}+{b}"), format!("{}.0", a + b)),
        _ => (format!("{a} {b}"), format!("{}.0", a * b)),
    }
}

struct Client {
    peer: ConnectionId,
    form: Form,
    service: Service,
    name: String,
    /// Its next piece, and when to send it.
    pieces: VecDeque<(Duration, Vec<u8>)>,
    at: Timestamp,
    left: usize,
    is_decided: bool,
    refused: Vec<&'static [u8]>,
    heard: Vec<u8>,
    sends: Vec<(Timestamp, Vec<u8>)>,
    /// Its expected output at the end.
    expected: Vec<u8>,
    messages: Vec<Vec<u8>>,
    has_ended: bool,
    is_open: bool,
}

impl Client {
    /// What it receives in the room, or as a browser on opening its WebSocket, before it sends anything.
    fn greeting(&self) -> Vec<u8> {
        match self.form {
            Form::WebSocket => {
                let (_, opened) = opening(self.service.name());
                [opened.as_bytes(), &self.form.hears(GREETING)].concat()
            }
            _ => format!("{GREETING}\n").into(),
        }
    }
}

struct World {
    random: Random,
    engine: Engine,
    gap: Duration,
    now: Timestamp,
    clients: Vec<Client>,
    /// The room's messages in order, and the position at which each member joined.
    room: Vec<String>,
    totals: Totals,
}

pub fn run(seed: u64, steps: u64, step: &Cell<u64>) -> Totals {
    let mut random = Random::new(seed);
    let mut settings = Settings::default();
    let gap = Duration::from_millis(random.pick(&[1, 5, 20, 20, 200]));
    settings.services.iter_mut().for_each(|service| service.raw_gap = gap);
    let engine = Engine::new(settings);
    let mut world = World {
        random,
        engine,
        gap,
        now: Timestamp::at(0),
        clients: Vec::new(),
        room: Vec::new(),
        totals: Totals::default(),
    };
    for number in 0..CLIENTS {
        world.open(number);
    }
    for at in 0..steps {
        step.set(at);
        if !world.go_on() {
            break;
        }
    }
    world.end();
    world.totals.add("forms: steps", steps);
    world.totals
}

impl settle::Stage for World {
    fn engine(&mut self) -> (&mut Engine, Timestamp) {
        (&mut self.engine, self.now)
    }

    fn flush(&mut self, peer: ConnectionId) {
        loop {
            let bytes = self.engine.outgoing(peer).slices().concat();
            if bytes.is_empty() {
                return;
            }
            let client = &mut self.clients[peer.index as usize];
            // A kernel may accept a part; of a short message it accepts everything.
            let count = if client.form.is_paced() { bytes.len() } else { self.random.within(1, bytes.len()) };
            client.heard.extend_from_slice(&bytes[..count]);
            client.sends.push((self.now, bytes[..count].to_vec()));
            self.engine.handle(self.now, Input::Sent { peer, bytes: count });
        }
    }

    fn close(&mut self, peer: ConnectionId) {
        self.clients[peer.index as usize].is_open = false;
    }

    fn handle_event(&mut self, event: Event) {
        self.note(event.peer.expect("a connection").index as usize, &event.what);
    }
}

impl World {
    fn open(&mut self, number: usize) {
        let form = FORMS[(number + self.random.below(2)) % FORMS.len()];
        let service = if self.random.percent(50) { Service::Chat } else { Service::Multiply };
        let peer = ConnectionId { index: number as u32, generation: 1 };
        self.clients.push(Client {
            peer,
            form,
            service,
            // A length that is white space could be text, and no name here has 9 to 13 characters.
            name: format!("m{number} of the form {form:?}"),
            pieces: VecDeque::new(),
            at: self.now + Duration::from_micros(self.random.below(3_000_000) as u64),
            left: self.random.within(1, 12),
            is_decided: false,
            refused: Vec::new(),
            heard: Vec::new(),
            sends: Vec::new(),
            expected: Vec::new(),
            messages: Vec::new(),
            has_ended: false,
            is_open: true,
        });
        let (service, transport) = match form {
            Form::WebSocket => (Service::Page, Transport::HTTP),
            _ => (service, Transport::TCP),
        };
        let binding = Rc::new(Binding { endpoint: "tcp:x".into(), service, transport, allowed: None });
        let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        self.engine.handle(self.now, Input::Opened { peer, binding: &binding, remote });
        if service == Service::Chat {
            self.clients[number].expected.extend(format!("{GREETING}\n").as_bytes());
        }
        self.settle();
    }

    /// Advances to the next time at which something happens; returns whether there is one.
    fn go_on(&mut self) -> bool {
        let says = |client: &&Client| client.left > 0 || !client.pieces.is_empty();
        let next = self.clients.iter().filter(says).map(|client| client.at).min();
        let deadline = self.engine.poll_deadline();
        let Some(then) = [next, deadline].into_iter().flatten().min().filter(|_| next.is_some()) else {
            return false;
        };
        self.now = self.now.max(then);
        for index in 0..self.clients.len() {
            let client = &self.clients[index];
            if says(&client) && client.at <= self.now {
                self.say(index);
            }
        }
        self.settle();
        true
    }

    /// The next piece of a client's output.
    fn say(&mut self, index: usize) {
        if self.clients[index].pieces.is_empty() {
            self.make_up(index);
        }
        let client = &mut self.clients[index];
        let Some((_, bytes)) = client.pieces.pop_front() else { return };
        let peer = client.peer;
        self.engine.handle(self.now, Input::Bytes { peer, bytes: &bytes, more: false });
        self.settle();
        // The next piece follows after a pause; or the next message, which a raw client sends once it has received all replies.
        let client = &mut self.clients[index];
        let pause = match client.pieces.front() {
            Some((pause, _)) => *pause,
            None if client.form == Form::Raw => {
                Duration::from_millis(1200)
                    + 4 * self.gap
                    + Duration::from_micros(self.random.below(90_000) as u64)
            }
            None => Duration::from_micros(self.random.below(300_000) as u64),
        };
        client.at = self.now + pause;
    }

    fn make_up(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.left -= 1;
        let (form, random) = (client.form, &mut self.random);
        let is_first = !std::mem::replace(&mut client.is_decided, true);
        let mut bytes = Vec::new();
        if form == Form::Telnet && (is_first || random.percent(20)) {
            let (command, answer) = random.pick(&COMMANDS);
            bytes.extend(command);
            if !client.refused.contains(&command) {
                client.refused.push(command);
                client.expected.extend(answer);
            }
        }
        if form == Form::WebSocket && is_first {
            let (request, opened) = opening(client.service.name());
            bytes.extend(request.as_bytes());
            client.expected.extend(opened.as_bytes());
        }
        if form == Form::WebSocket && random.percent(20) {
            bytes.extend(PING.0);
            client.expected.extend(PING.1);
            self.totals.count("forms: pings");
        }
        match client.service {
            // An overlong one between two others.
            Service::Multiply if !is_first && form != Form::WebSocket && random.percent(8) => {
                bytes.extend(form.says(&"x".repeat(random.within(4097, 12_000))));
                let error = form.hears("Error: message longer than 4096 bytes");
                client.expected.extend_from_slice(&error);
                client.messages.push(error);
                self.totals.count("forms: too long");
            }
            Service::Multiply => {
                let (request, reply) = request(random);
                bytes.extend(form.says(&request));
                for message in ["Data received", &reply] {
                    client.expected.extend(form.hears(message));
                    client.messages.push(form.hears(message));
                }
            }
            _ if is_first => bytes.extend(form.says(&client.name)),
            _ => bytes.extend(form.says(&format!("{} é {}", client.left, "w".repeat(random.below(40))))),
        }
        client.pieces = cut(random, form, is_first, &bytes, self.gap);
        self.totals.count("forms: messages");
    }

    fn settle(&mut self) {
        settle::settle(self);
    }

    /// Notes messages of the room, in the order in which the engine reports members and messages.
    fn note(&mut self, index: usize, what: &EventKind) {
        match what {
            EventKind::Decided(kind) => self.totals.count_case("forms: decided", &kind.name()),
            EventKind::Joined(name) => {
                assert_eq!(*name, self.clients[index].name, "nobody has another's name");
                self.totals.count("forms: joined");
            }
            EventKind::Erred(error) => {
                assert_eq!(
                    self.clients[index].service,
                    Service::Multiply,
                    "{:?}: {error}",
                    self.clients[index].name
                );
            }
            _ => {}
        }
    }

    /// Everything is answered, every client ends its input, and what each has received is checked.
    fn end(&mut self) {
        while self.clients.iter().any(|client| !client.pieces.is_empty()) {
            self.clients.iter_mut().for_each(|client| client.left = 0);
            self.go_on();
        }
        self.pass(Duration::from_secs(8));
        self.check_room();
        let browsers = self.clients.iter_mut().filter(|client| client.form == Form::WebSocket);
        browsers.for_each(|client| client.expected.extend(CLOSED));
        for index in 0..self.clients.len() {
            let peer = self.clients[index].peer;
            self.clients[index].has_ended = true;
            self.engine.handle(self.now, Input::EndOfFile { peer });
            self.settle();
        }
        self.pass(Duration::from_secs(8));
        for client in &self.clients {
            assert!(!client.is_open && client.has_ended, "{} is still there", client.name);
            if client.service == Service::Multiply && client.is_decided {
                self.totals.count("forms: verified");
                if client.form == Form::WebSocket {
                    self.totals.count("forms: WebSockets verified");
                }
                let (heard, expected) = (client.heard.escape_ascii(), client.expected.escape_ascii());
                assert_eq!(heard.to_string(), expected.to_string(), "{}", client.name);
                // The acknowledgement to a C string's text may have been sent before its NUL arrived.
                if client.form == Form::Raw {
                    let sends: Vec<&Vec<u8>> = client.sends.iter().map(|(_, bytes)| bytes).collect();
                    assert_eq!(sends, client.messages.iter().collect::<Vec<_>>(), "{}", client.name);
                }
                check_gaps(client, self.gap);
            }
        }
    }

    fn pass(&mut self, span: Duration) {
        let then = self.now + span;
        while let Some(deadline) = self.engine.poll_deadline().filter(|deadline| *deadline <= then) {
            self.now = self.now.max(deadline);
            self.settle();
        }
        self.now = then;
        self.settle();
    }

    /// Every member has received the same since it joined, in its own form.
    fn check_room(&mut self) {
        let texts = |client: &Client| -> Option<Vec<String>> {
            let heard = client.heard.strip_prefix(&client.greeting()[..])?;
            let lines = match client.form {
                Form::Raw => client.sends[1..].iter().map(|(_, send)| send.clone()).collect(),
                form => decode(form, heard, &client.refused),
            };
            Some(lines.into_iter().map(|line| String::from_utf8(line).expect("whole characters")).collect())
        };
        let members =
            || self.clients.iter().filter(|client| client.service == Service::Chat && client.is_decided);
        let heard: Vec<(&Client, Vec<String>)> =
            members().filter_map(|client| Some((client, texts(client)?))).collect();
        self.room = heard
            .iter()
            .map(|(_, lines)| &lines[1..])
            .max_by_key(|lines| lines.len())
            .unwrap_or(&[])
            .to_vec();
        for (client, lines) in &heard {
            let welcome =
                format!("Welcome {}! If you ever want to quit, type {{quit}} to exit.", client.name);
            assert_eq!(lines[0], welcome, "{}", client.name);
            assert!(self.room.ends_with(&lines[1..]), "{}: {lines:?}\n{:?}", client.name, self.room);
            self.totals.add("forms: heard in the room", lines.len() as u64);
            check_gaps(client, self.gap.min(ROOM_GAP));
        }
    }
}

/// The time between messages to a client that gets one for each recv() is long enough.
fn check_gaps(client: &Client, gap: Duration) {
    let greeting = client.greeting();
    let own = client.sends.iter().filter(|(_, send)| *send != greeting && send != b"\0");
    let moments: Vec<Timestamp> = own.map(|(at, _)| *at).collect();
    let is_paced = client.form.is_paced();
    for pair in moments.windows(2).filter(|_| is_paced) {
        let apart = pair[1].since(pair[0]);
        // There is no pause after an acknowledgement that was sent before the kind was known.
        assert!(apart >= gap || pair[0] == moments[0], "{}: {apart:?} of {gap:?}", client.name);
    }
}
