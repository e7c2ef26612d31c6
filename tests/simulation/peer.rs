//! A virtual peer: what it will say, how it sends and reads, how it ends, and what it must have heard. What it expects is
//! worked out here, from the contract alone.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::limits::{FramingRule, Settings};
use ipcd::engine::message::{Binding, CloseReason, ConnectionId, Kind, RemoteAddress, Timestamp, Transport};
use ipcd::engine::service::facts::Conduct;
use ipcd::engine::service::{Service, mux};
use serde::Deserialize;

use MoreOf::{Messages, Requests};

use super::link::{Bytes, Link};
use super::patience::Patience;
use super::random::Random;
use super::room::{GREETING, Record};
use super::settings::OVERLONG;
use super::tally::Tally;

const ACKNOWLEDGEMENT: &str = "Data received";
/// Machines that report.
pub const MACHINES: usize = 30;

/// What anybody may say without a pause.
pub const BURST: usize = 10;

const REFUSAL: &str = "Error: too many connections, try again later";
const THANKS: &str = "Message received. Thank you for connecting\r\n";

/// What a watcher is told, every field of it.
#[expect(dead_code, reason = "that it can be read is what is asked of the rest")]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event<'a> {
    schema: u32,
    event: &'a str,
    time: Option<f64>,
    endpoint: Option<&'a str>,
    service: Option<&'a str>,
    #[serde(borrow)]
    peer: Option<Cow<'a, str>>,
    mistake: Option<&'a str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    count: Option<u64>,
}

/// A line of a list of machines, with all that they report here.
#[expect(dead_code, reason = "that it can be read is what is asked of the rest")]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed<'a> {
    #[serde(borrow)]
    host: Option<Cow<'a, str>>,
    age: Option<serde_json::Number>,
    cpu_percent: Option<f64>,
    x: Option<&'a str>,
    machines: Option<u64>,
}

/// Whose it is, for those who read of a mistake.
pub struct Who {
    /// 0: the observer.
    serial: u64,
    binding: Rc<Binding>,
    origin: RemoteAddress,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.serial {
            0 => f.write_str("the observer"),
            serial => write!(f, "peer {serial} at {} from {}", self.binding.endpoint, self.origin),
        }
    }
}

/// A reply, and the place in what the peer sends where the request for it ends.
struct Reply {
    /// In what tells of a message that is too long, `#` is any number: the bound may be another one by then.
    text: Vec<u8>,
    ends: u64,
    is_overlong: bool,
}

impl Reply {
    /// It was heard whole.
    fn check_time(&self, taken: u64, end_read: bool, who: &Who) {
        // Before its end it is known that a message is too long.
        let is_due = self.ends <= taken + u64::from(end_read);
        assert!(is_due || self.is_overlong, "{who}: a reply before its request");
    }
}

/// What a chat message does.
enum Effect {
    Nothing,
    /// Everybody hears `NAME: text`.
    Said(String),
    /// Everybody hears `* NAME text`.
    Acted(String),
    /// It alone hears a line that starts with one of these.
    Answered(Vec<String>),
}

/// What is left to be said, made up when its turn comes: most peers leave before they have said it all.
struct More {
    what: MoreOf,
    left: usize,
    /// How many there were.
    at: usize,
    random: Random,
}

enum MoreOf {
    /// Requests for multiply.
    Requests { eager: bool, end: End },
    /// Messages from one of two.
    Messages { serial: u64, loud: bool, bye: Option<&'static str> },
}

/// How the last request ends, or what follows it.
#[derive(Clone, Copy)]
enum End {
    Whole,
    /// It ends with the stream.
    WithTheStream,
    /// One more that never ends.
    Never,
    /// One more that is too long.
    Overlong,
}

/// What it is there for.
enum Talk {
    /// Replies that can be told beforehand, to requests that end so far.
    Replies { expected: VecDeque<Reply>, ends: u64, at: usize, answered: usize, tail: Vec<u8> },
    /// A member of the room; what comes after the first `free` bytes waits until it is in.
    Chat { heard: Vec<u8>, joined: Option<(String, usize)>, effects: VecDeque<(u64, Effect)>, free: u64 },
    /// One of two; its own messages have this number.
    Partner { serial: u64, heard: Vec<u8> },
    /// Somebody who asks for so many reports, if it may.
    Asker { heard: Vec<u8>, asked: usize, is_known: bool },
    /// One who asks for lists of machines, whole lists or, at the end of the connection, the beginning of one.
    List { heard: Vec<u8> },
    /// Somebody who watches, if it may.
    Watcher { heard: Vec<u8> },
    /// Whatever it hears is right.
    Noise,
}

/// How it reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Promptly,
    Slowly(usize),
    Hardly,
    Never,
}

/// How it ends, if nobody else ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Stays,
    HalfCloses,
    Abandons,
    Resets,
}

pub struct Actor {
    pub peer: ConnectionId,
    pub who: Who,
    pub binding: Rc<Binding>,
    pub origin: RemoteAddress,
    pub service: Service,
    pub link: Link,
    /// It was let in.
    pub opened: bool,
    pub closed: Option<CloseReason>,
    /// What was written to it last was lost because it did not read.
    pub words_lost: bool,
    pub patience: Patience,
    /// Messages that the engine says it has taken, and when it was let in.
    pub said: u64,
    pub since: Timestamp,
    /// How many settings there had been by then.
    pub seen: usize,
    /// What it has begun to say.
    units: usize,
    /// Bytes that the engine was given.
    pub taken: u64,
    sent: u64,
    taken_at_error: u64,
    sent_at_stop: u64,
    raw: bool,
    rule: FramingRule,
    decided: Option<Kind>,
    /// Its framing could be guessed either way, so that its replies cannot be told.
    ambiguous: bool,
    whole_first_line: bool,
    overlong: bool,
    /// Its last message has no end.
    unfinished: bool,
    foreign: bool,
    is_observer: bool,
    talk: Talk,
    script: VecDeque<Vec<u8>>,
    more: Option<More>,
    sending: Bytes,
    piece: usize,
    patient: bool,
    reading: Reading,
    ending: Ending,
    /// Raw: what recv() returned so far, and when the last acknowledgement was written.
    recvs: usize,
    acknowledged: Timestamp,
}

/// A request for multiply and its reply.
fn request(random: &mut Random) -> (String, String) {
    let (a, b) = (random.below(2000) as i64 - 1000, random.below(1000) as i64 + 1);
    let value = |value: i64| format!("{value}.0");
    match random.below(14) {
        0 => (format!("{a} + {b}"), value(a + b)),
        1 => (format!("{a} - {b}"), value(a - b)),
        2 => (format!("{a} // {b}"), if a == 0 { value(0) } else { value(a.div_euclid(b)) }),
        3 => (format!("{} % {b}", a.abs()), value(a.abs() % b)),
        4 => (format!("{} ** 2", a.abs()), value(a * a)),
        5 => ("abc".into(), "Error: expected two numbers, for example: 5 10".into()),
        6 => (format!("{b} x"), "Error: not a number: 'x'".into()),
        7 => (format!("{b} / 0"), "Error: division by zero".into()),
        8 => (format!("{b} ^ 2"), "Error: unknown operator: '^' (known: + - * / // % **)".into()),
        9 => (format!("  {b}\t \t{b} "), value(b * b)),
        _ => (format!("{} {b}", a.abs()), value(a.abs() * b)),
    }
}

/// What `help` on the mux lists; nobody hears it elsewhere.
fn help(origin: RemoteAddress, transport: Transport) -> Vec<u8> {
    let is_for = |service| mux::refusal(&Settings::default(), service, origin).is_none();
    let offered = Service::offered().filter(|service| is_for(*service) && service.fits(transport));
    offered.map(|service| format!("{service}\n")).collect::<String>().into()
}

fn help_through(binding: &Binding, origin: RemoteAddress) -> String {
    match binding.service {
        Service::Mux => String::from_utf8(help(origin, binding.transport)).expect("names of services"),
        _ => String::new(),
    }
}

impl Actor {
    /// Somebody with nothing to say yet, who comes in through `binding`.
    fn new(
        random: &mut Random,
        binding: &Rc<Binding>,
        origin: RemoteAddress,
        settings: &Settings,
        serial: u64,
    ) -> Actor {
        // A packet is a line here, without its LF on the way.
        let rule = match binding.transport {
            Transport::UNIXSEQ => FramingRule::Line,
            _ => settings.of(binding.service).framing,
        };
        let raw = match rule {
            FramingRule::Auto => random.percent(40),
            FramingRule::Line => false,
            FramingRule::Raw => true,
            FramingRule::C | FramingRule::Telnet => unreachable!("no settings of the simulation say so"),
        };
        let reading = match random.below(10) {
            0 | 1 => Reading::Slowly(random.within(1, 200)),
            2 => random.pick(&[Reading::Hardly, Reading::Never]),
            _ => Reading::Promptly,
        };
        let ending = random.pick(&[
            Ending::Stays,
            Ending::Stays,
            Ending::HalfCloses,
            Ending::HalfCloses,
            Ending::Abandons,
            Ending::Resets,
        ]);
        Actor {
            peer: ConnectionId { index: 0, generation: 0 },
            who: Who { serial, binding: Rc::clone(binding), origin },
            binding: Rc::clone(binding),
            origin,
            service: binding.service,
            link: Link {
                outbound_room: random.pick(&[1, 10, 64, 500, 4096, 20_000, 200_000]),
                tells_late: random.percent(30),
                ..Link::default()
            },
            opened: false,
            closed: None,
            words_lost: false,
            patience: Patience::default(),
            said: 0,
            since: Timestamp::at(0),
            seen: 0,
            units: 0,
            taken: 0,
            sent: 0,
            taken_at_error: 0,
            sent_at_stop: 0,
            raw,
            rule,
            decided: None,
            ambiguous: false,
            whole_first_line: !random.percent(15),
            overlong: false,
            unfinished: false,
            foreign: false,
            is_observer: false,
            talk: Talk::Noise,
            script: VecDeque::new(),
            more: None,
            sending: Bytes::default(),
            piece: random.pick(&[1, 3, 10, 100, 5000, 5000]),
            patient: random.percent(50),
            reading,
            ending,
            recvs: 0,
            acknowledged: Timestamp::at(0),
        }
    }

    /// Anybody.
    pub fn any(
        random: &mut Random,
        binding: &Rc<Binding>,
        origin: RemoteAddress,
        settings: &Settings,
        serial: u64,
    ) -> Actor {
        let mut actor = Actor::new(random, binding, origin, settings, serial);
        let mut units: Vec<(String, Vec<u8>)> = Vec::new();
        if random.percent(8) {
            actor.speak_otherwise(random);
            return actor;
        }
        let mut service = binding.service;
        if service == Service::Mux {
            if random.percent(20) && !actor.raw {
                units.push(("help".into(), help(origin, binding.transport)));
            }
            service = settings.mux_default;
            if random.percent(70) {
                service = random.pick(&Service::offered().collect::<Vec<_>>());
                if !service.fits(binding.transport) {
                    service = Service::Hello;
                }
                units.push((service.name().into(), Vec::new()));
            }
        }
        match service.facts().conduct {
            Conduct::Multiply | Conduct::Mux => actor.multiply(random, units),
            Conduct::Greeting => {
                match units.last_mut().filter(|(text, _)| text == "greeting") {
                    Some((_, reply)) => *reply = THANKS.into(),
                    None => units.push(("Hi".into(), THANKS.into())),
                }
                actor.expect(units);
                if binding.service == Service::Greeting
                    && let Talk::Replies { expected, .. } = &mut actor.talk
                {
                    expected.iter_mut().for_each(|reply| reply.ends = 0); // it is said to those who say nothing, too
                }
            }
            Conduct::Chat => actor.chat(random, units, serial),
            Conduct::Plain(answer) => {
                let message = "Hello from client";
                let end = if actor.raw { "" } else { "\n" };
                let reply = format!("{}{end}", answer(message.as_bytes()).words);
                units.push((message.into(), reply.into()));
                actor.expect(units);
            }
            Conduct::Talk => actor.talk(random, units, serial),
            Conduct::Status => actor.ask(random, units),
            Conduct::Stats if !actor.raw && random.percent(40) => actor.ask_for_lists(random, units),
            Conduct::Stats => actor.report(random, units),
            Conduct::Watch => actor.watch(random, units),
        }
        actor
    }

    /// One who comes first, hears everything and says nothing.
    pub fn observer(
        random: &mut Random,
        binding: &Rc<Binding>,
        origin: RemoteAddress,
        settings: &Settings,
    ) -> Actor {
        let mut actor = Actor::new(random, binding, origin, settings, 0);
        actor.raw = false;
        actor.is_observer = true;
        actor.link.outbound_room = usize::MAX;
        (actor.reading, actor.ending, actor.piece) = (Reading::Promptly, Ending::Stays, 5000);
        actor.script.push_back(b"chat\nobserver\n".to_vec());
        actor.talk = Talk::Chat { heard: Vec::new(), joined: None, effects: VecDeque::new(), free: u64::MAX };
        actor
    }

    /// Another protocol, or nothing that makes sense.
    fn speak_otherwise(&mut self, random: &mut Random) {
        (self.piece, self.whole_first_line) = (5000, true);
        self.ending = Ending::Stays;
        // And how many bytes tell that it is that.
        let kinds = if self.binding.service == Service::Talk { 2 } else { 3 }; // its partner knows what to hear
        let (bytes, what, told): (&[u8], _, _) = match random.below(kinds) {
            0 => (b"GET /chat HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP", 20),
            1 => (&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, 10, 77], "TLS", 3),
            _ => {
                let garbage = (0..random.within(1, 3000)).map(|_| random.next() as u8).collect();
                return self.script.push_back(garbage);
            }
        };
        let before = match self.binding.service.facts().conduct {
            Conduct::Greeting => THANKS.to_owned(),
            Conduct::Chat if self.rule == FramingRule::Raw => GREETING.to_owned(),
            Conduct::Chat => format!("{GREETING}\n"),
            Conduct::Plain(_)
            | Conduct::Multiply
            | Conduct::Talk
            | Conduct::Stats
            | Conduct::Status
            | Conduct::Watch
            | Conduct::Mux => String::new(),
        };
        let wrong = format!("this port speaks {}, not {what}\n", self.binding.service);
        let wrong = match what {
            "HTTP" if self.binding.transport != Transport::UNIXSEQ => format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{wrong}",
                wrong.len()
            ),
            _ => format!("Error: {wrong}"),
        };
        let replies =
            if self.binding.service == Service::Greeting { vec![before] } else { vec![before, wrong] };
        let replies = replies.into_iter().filter(|text| !text.is_empty());
        let ends = |text: &str| if text.contains(", not ") { told } else { 0 };
        let expected =
            replies.map(|text| Reply { ends: ends(&text), text: text.into(), is_overlong: false }).collect();
        self.foreign = true;
        self.script.push_back(bytes.to_vec());
        if self.binding.service == Service::Talk {
            return; // it may hear a partner before it is told
        }
        self.talk =
            Talk::Replies { expected, ends: bytes.len() as u64, at: 0, answered: 0, tail: Vec::new() };
    }

    /// Watches the others, and may change its mind about whom.
    fn watch(&mut self, random: &mut Random, units: Vec<(String, Vec<u8>)>) {
        let end = if self.raw { "" } else { "\n" };
        let filters = ["all", "json", "service=multiply", "peer=127.0.0.1 json", "peer=uid:1", "nonsense"];
        let said = (0..random.within(0, 4)).map(|_| random.pick(&filters).to_owned()).collect::<Vec<_>>();
        for text in units.into_iter().map(|(text, _)| text).chain(said) {
            self.script.push_back(format!("{text}{end}").into());
        }
        self.talk = Talk::Watcher { heard: Vec::new() };
    }

    /// Asks for reports, and may be somebody who is told that it may not.
    fn ask(&mut self, random: &mut Random, units: Vec<(String, Vec<u8>)>) {
        let end = if self.raw { "" } else { "\n" };
        let chosen = units.last().is_some_and(|(text, _)| text == "status");
        let is_known = !chosen || matches!(self.origin, RemoteAddress::Process { .. });
        let more = random.within(usize::from(!chosen), 3);
        let asked = more + usize::from(chosen);
        let words = units.into_iter().map(|(text, _)| text).chain((0..more).map(|_| "status".to_owned()));
        for text in words {
            self.script.push_back(format!("{text}{end}").into());
        }
        self.talk = Talk::Asker { heard: Vec::new(), asked, is_known };
    }

    /// Messages that say whose they are, which one, and where they end.
    fn talk(&mut self, random: &mut Random, units: Vec<(String, Vec<u8>)>, serial: u64) {
        let end = if self.raw { "" } else { "\n" };
        for (text, _) in units {
            self.script.push_back(format!("{text}{end}").into());
        }
        let loud = random.percent(10);
        let left = random.within(0, if loud { 2000 } else { 20 });
        let bye = random.percent(30).then(|| random.pick(&["bye", "BYE"]));
        self.more = Some(More {
            what: Messages { serial, loud, bye },
            left,
            at: 0,
            random: Random::new(random.next()),
        });
        if loud {
            self.piece = 5000;
        }
        self.talk = Talk::Partner { serial, heard: Vec::new() };
    }

    /// A machine that reports itself, not always rightly.
    fn report(&mut self, random: &mut Random, mut units: Vec<(String, Vec<u8>)>) {
        let machine = random.below(MACHINES);
        for _ in 0..random.within(1, 30) {
            let percent = random.below(101);
            let (text, reply) = match random.below(10) {
                0 => (
                    r#"{"cpu_percent":101}"#.to_owned(),
                    "Error: cpu_percent is a number from 0 to 100, not 101",
                ),
                1 => ("latest nobody".to_owned(), "Error: no machine is called 'nobody' (latest lists them)"),
                2 => (
                    format!(r#"{{"host":"pc{machine}","x":"{}"}}"#, "x".repeat(random.below(40))),
                    ACKNOWLEDGEMENT,
                ),
                _ => (format!(r#"{{"host":"pc{machine}","cpu_percent":{percent}}}"#), ACKNOWLEDGEMENT),
            };
            units.push((text, format!("{reply}{}", if self.raw { "" } else { "\n" }).into()));
        }
        self.expect(units);
    }

    fn ask_for_lists(&mut self, random: &mut Random, units: Vec<(String, Vec<u8>)>) {
        let asked = random.pick(&[1, 3, 30]);
        let texts = units.into_iter().map(|(text, _)| text);
        for text in texts.chain((0..asked).map(|_| "latest".to_owned())) {
            self.script.push_back(format!("{text}\n").into());
        }
        self.talk = Talk::List { heard: Vec::new() };
    }

    fn multiply(&mut self, random: &mut Random, units: Vec<(String, Vec<u8>)>) {
        let floods = random.percent(15) && !self.raw;
        let torrent = floods && random.percent(2);
        let count = match (torrent, floods) {
            (true, _) => 20_000,
            (_, true) => random.within(200, 1500),
            _ => random.within(1, 20),
        };
        if torrent {
            self.reading = random.pick(&[Reading::Promptly, Reading::Hardly]);
        }
        if floods {
            self.piece = 5000;
        }
        let eager = self.raw && random.percent(40);
        self.patient = !eager;
        let mut end = End::Whole;
        // Bursts of a hasty raw client may be one message together.
        if !eager && random.percent(6) {
            self.overlong = true;
            end = End::Overlong;
        }
        if !self.raw && !self.overlong && random.percent(10) {
            match self.ending {
                Ending::HalfCloses => {
                    end = End::WithTheStream;
                    self.whole_first_line &= count + units.len() > 1;
                }
                Ending::Stays => {
                    self.unfinished = true;
                    end = End::Never;
                }
                _ => {}
            }
        }
        let begins = units.is_empty();
        self.expect(units);
        self.more = Some(More {
            what: Requests { eager: begins && eager, end },
            left: count,
            at: 0,
            random: Random::new(random.next()),
        });
    }

    /// What is said, and what must be the replies.
    fn expect(&mut self, units: Vec<(String, Vec<u8>)>) {
        let (mut expected, mut ends) = (VecDeque::new(), 0);
        for (text, reply) in units {
            let end = if self.raw { "" } else { "\n" };
            let unit = format!("{text}{end}").into_bytes();
            ends += unit.len() as u64;
            self.script.push_back(unit);
            if !reply.is_empty() {
                expected.push_back(Reply { text: reply, ends, is_overlong: false });
            }
        }
        self.talk = Talk::Replies { expected, ends, at: 0, answered: 0, tail: Vec::new() };
    }

    /// What it says next.
    fn next_unit(&mut self) -> Option<Vec<u8>> {
        self.units += 1;
        let unit = self.script.pop_front();
        // The last one is known for the last when it goes.
        if self.script.is_empty()
            && let Some(mut more) = self.more.take()
        {
            match more.what {
                Requests { eager, end } => self.request_more(&mut more, eager, end),
                Messages { serial, loud, bye } => self.say_more(&mut more, serial, loud, bye),
            }
            self.more = Some(more).filter(|more| more.left > 0);
        }
        unit.or_else(|| self.script.pop_front())
    }

    fn request_more(&mut self, more: &mut More, eager: bool, end: End) {
        let random = &mut more.random;
        let (mut text, mut result) = request(random);
        // A hasty raw client must begin with what can be told to be a request, or it is taken for lines.
        if eager && self.rule == FramingRule::Auto && more.at == 0 {
            (text, result) = ("5 10".into(), "50.0".into());
        }
        let lf = if self.raw { "" } else { "\n" };
        text += lf;
        let reply = [ACKNOWLEDGEMENT, lf, &result, lf].concat();
        let Talk::Replies { expected, ends, .. } = &mut self.talk else { panic!("requests without replies") };
        *ends += text.len() as u64;
        expected.push_back(Reply { text: reply.into(), ends: *ends, is_overlong: false });
        self.script.push_back(text.into());
        let is_last = more.left == 1 && matches!(end, End::Overlong);
        if is_last || !self.raw && self.overlong && random.percent(5) {
            let text = "x".repeat(OVERLONG) + lf;
            *ends += text.len() as u64;
            let reply = format!("Error: message longer than # bytes{lf}");
            expected.push_back(Reply { text: reply.into(), ends: *ends, is_overlong: true });
            self.script.push_back(text.into());
        }
        (more.left, more.at) = (more.left - 1, more.at + 1);
        if !self.raw && random.percent(5) {
            let blank = random.pick(&["\n", " \n", "\t \r\n"]);
            *ends += blank.len() as u64;
            self.script.push_back(blank.into());
        }
        match end {
            _ if more.left > 0 => {}
            End::Whole | End::Overlong => {}
            End::WithTheStream => {
                self.script.back_mut().expect("there is a request").pop();
            }
            End::Never => self.script.push_back(b"5 1".to_vec()),
        }
    }

    fn say_more(&mut self, more: &mut More, serial: u64, loud: bool, bye: Option<&str>) {
        let end = if self.raw { "" } else { "\n" };
        if more.left > 0 {
            let filling = &"x".repeat(40)[..more.random.below(if loud { 40 } else { 20 })];
            self.script.push_back(format!("t{serial}.{}~\u{7}{filling}|{end}", more.at).into());
            (more.left, more.at) = (more.left - 1, more.at + 1);
        }
        if let Some(bye) = bye.filter(|_| more.left == 0) {
            self.script.push_back(format!("{bye}{end}").into());
        }
    }

    fn chat(&mut self, random: &mut Random, units: Vec<(String, Vec<u8>)>, serial: u64) {
        let end = if self.raw { "" } else { "\n" };
        let unique = self.raw || random.percent(60);
        let name = if unique {
            format!("{}{serial}", if self.raw { 'r' } else { 'u' })
        } else {
            random.pick(&["ann", "Ann", "ANN", "bob", "Bob", "carol"]).to_owned()
        };
        let mut effects = VecDeque::new();
        let mut ends = 0;
        let mut push = |script: &mut VecDeque<Vec<u8>>, text: &str, effect| {
            let unit = format!("{text}{end}").into_bytes();
            ends += unit.len() as u64;
            script.push_back(unit);
            effects.push_back((ends, effect));
        };
        for (text, _) in units.iter().filter(|(text, _)| text != "help") {
            push(&mut self.script, text, Effect::Nothing);
        }
        let nameless = random.percent(8);
        if !nameless {
            push(&mut self.script, &name, Effect::Nothing);
        }
        let named = self.script.iter().map(|unit| unit.len() as u64).sum();
        let free = if unique && !self.raw { u64::MAX } else { named };
        let loud = random.percent(10);
        let count = if nameless { 0 } else { random.within(0, if loud { 200 } else { 25 }) };
        for at in 0..count {
            let tag = format!("s{serial}.{at}");
            let answer = |start: &str| Effect::Answered(vec![start.to_owned()]);
            let choices = if self.raw { 3 } else { 10 };
            let (text, effect) = match random.below(choices) {
                1 => (format!("/me waves: {tag}"), Effect::Acted(format!("waves: {tag}"))),
                2 => (format!("//{tag}: slash"), Effect::Said(format!("/{tag}: slash"))),
                3 => ("/help".into(), answer("Commands: ")),
                4 => ("/who".into(), answer("In the room: ")),
                5 => ("/bad".into(), answer("Error: unknown command: /bad (try /help)")),
                6 => {
                    let to = random.pick(&["ann", "BOB", "carol", "nobody"]);
                    let starts = ["you (to ", "Error: nobody here is called '"];
                    (format!("/msg {to} psst {tag}"), Effect::Answered(starts.map(str::to_owned).to_vec()))
                }
                7 => {
                    (format!("{tag}: a\u{1b}[2Jb\u{7}\u{202e}\tc"), Effect::Said(format!("{tag}: a[2Jb\tc")))
                }
                8 => (" \t".into(), Effect::Nothing),
                _ => {
                    let text = format!("{tag}:{}", " hi".repeat(random.below(15)));
                    (text.clone(), Effect::Said(text))
                }
            };
            push(&mut self.script, &text, effect);
        }
        if !nameless && random.percent(35) {
            push(&mut self.script, random.pick(&["{quit}", "/quit"]), Effect::Nothing);
        } else if !self.raw && random.percent(5) && !nameless {
            self.overlong = true;
            let error = Effect::Answered(vec!["Error: message longer than ".to_owned()]);
            push(&mut self.script, &"x".repeat(OVERLONG), error);
            push(&mut self.script, &format!("s{serial} goes on"), Effect::Said(format!("s{serial} goes on")));
        }
        if loud {
            (self.piece, self.whole_first_line) = (5000, true);
        }
        // Who pauses in its first line may be taken for raw, and half of a whisper is none.
        self.whole_first_line |= self.script.iter().any(|unit| unit.starts_with(b"/msg"));
        self.talk = Talk::Chat { heard: Vec::new(), joined: None, effects, free };
    }

    // ---- what it does

    /// Reads and sends as it does; whether the reactor has to look.
    pub fn act(&mut self, random: &mut Random, hurry: bool, chunk: usize) -> bool {
        let max = match self.reading {
            Reading::Promptly => usize::MAX,
            Reading::Slowly(max) => max,
            Reading::Hardly if random.percent(1) => 1000,
            Reading::Hardly | Reading::Never => 0,
        };
        self.receive(max);
        if !self.opened && self.closed.is_none() && !hurry {
            return false;
        }
        let mut look = false;
        if random.percent(60) || hurry {
            look |= self.send(random, chunk);
        }
        let done = self.script.is_empty() && self.more.is_none() && self.sending.is_empty();
        look | match self.ending {
            Ending::HalfCloses
                if done && !self.link.fin && (!self.raw || self.is_content()) && random.percent(20) =>
            {
                self.link.half_close()
            }
            Ending::Abandons if !self.link.fin && random.percent(if done { 10 } else { 1 }) => {
                self.link.abandon()
            }
            Ending::Resets if !self.link.failed && random.percent(if done { 10 } else { 1 }) => {
                self.link.reset()
            }
            // Who is told that it is over closes, most of the time.
            _ if self.link.shut && !self.link.fin && self.link.outbound.is_empty() && random.percent(20) => {
                self.link.half_close()
            }
            _ => false,
        }
    }

    /// Leaves, whatever it had in mind; whether the reactor has to look.
    pub fn leave(&mut self, random: &mut Random) -> bool {
        self.reading = Reading::Promptly;
        self.link.outbound_room = self.link.outbound_room.max(20_000);
        if self.link.fin || self.link.failed {
            return false;
        }
        match random.below(3) {
            0 => self.link.abandon(),
            1 => self.link.reset(),
            _ => {
                self.ambiguous |= !self.sending.is_empty();
                self.ambiguous |= matches!(self.talk, Talk::Asker { .. }) && !self.script.is_empty();
                self.script.clear();
                self.more = None;
                self.sending.clear();
                self.ambiguous |= self.raw || self.unfinished;
                self.link.half_close()
            }
        }
    }

    fn send(&mut self, random: &mut Random, chunk: usize) -> bool {
        if self.link.fin || self.link.inbound.len() > 60_000 {
            return false;
        }
        if self.raw {
            // Each send() is one message, and the one before has been read, so that they stay apart.
            // Until it is known for what it is, what follows within the gap would belong to its first message.
            let is_settled = self.sent == 0 || self.is_known_raw();
            let ready = self.link.inbound.is_empty()
                && is_settled
                && self.may_go_on()
                && (!self.patient || self.is_content());
            if !ready {
                return false;
            }
            let Some(mut unit) = self.next_unit() else { return false };
            self.sent += unit.len() as u64;
            if unit.len().is_multiple_of(chunk) {
                // A burst that fills the reactor's buffer exactly seems to go on. A byte that nobody is shown:
                unit.push(if matches!(self.talk, Talk::Chat { .. }) { 7 } else { b' ' });
            }
            return self.link.send(&unit);
        }
        let first = self.sent == 0;
        let enough = if first && self.whole_first_line { 1 } else { self.piece };
        while self.sending.len() < enough && self.may_go_on() {
            let Some(unit) = self.next_unit() else { break };
            self.sending.push(&unit);
        }
        let mut count = self.sending.len().min(random.within(1, self.piece));
        if first && self.whole_first_line {
            count = self.sending.len();
        }
        self.sent += count as u64;
        self.link.send(self.sending.take(count))
    }

    /// Whether its name has been accepted, if it waits for that before it speaks.
    fn may_go_on(&self) -> bool {
        match &self.talk {
            Talk::Chat { joined: None, free, .. } => self.sent + (self.sending.len() as u64) < *free,
            _ => true,
        }
    }

    /// Whether it has heard the replies to all that it sent.
    fn is_content(&self) -> bool {
        match &self.talk {
            Talk::Replies { expected, .. } => expected.front().is_none_or(|reply| reply.ends > self.sent),
            Talk::Chat { .. }
            | Talk::Partner { .. }
            | Talk::Asker { .. }
            | Talk::List { .. }
            | Talk::Watcher { .. }
            | Talk::Noise => true,
        }
    }

    /// Another connection's name was the same: it tries one that nobody has.
    pub fn note_error(&mut self, error: &str, serial: u64) {
        self.taken_at_error = self.taken;
        if let Talk::Chat { joined: None, effects, .. } = &mut self.talk
            && error.starts_with("somebody is called")
        {
            let unit = format!("again{serial}\n").into_bytes();
            let sent = self.sent;
            effects
                .iter_mut()
                .filter(|(ends, _)| *ends > sent)
                .for_each(|(ends, _)| *ends += unit.len() as u64);
            let at = effects.iter().take_while(|(ends, _)| *ends <= sent).count();
            effects.insert(at, (sent + unit.len() as u64, Effect::Nothing));
            self.sending.push(&unit);
        }
    }

    pub fn note_decision(&mut self, kind: Kind) {
        assert_eq!(self.rule, FramingRule::Auto, "{}: there was nothing to decide", self.who);
        if self.decided.replace(kind) == Some(Kind::Raw) {
            // It was taken for raw in the middle of a line, and the LF has come.
            return assert!(kind == Kind::Line && !self.raw, "{}: decided twice", self.who);
        }
        assert!(self.taken > 0 || self.link.fin, "{}: {kind:?} after nothing", self.who);
        let wrong = (kind == Kind::Raw) != self.raw;
        if wrong && !matches!(self.talk, Talk::Noise) && !self.foreign {
            let excused = if self.raw { self.link.fin } else { !self.whole_first_line };
            assert!(
                excused,
                "{}: taken for {kind:?} after {} bytes, {} of {:?}",
                self.who, self.taken, self.sent, self.script
            );
            self.ambiguous = true;
        }
    }

    pub fn note_joined(&mut self, name: &str, ordinal: usize) {
        if let Talk::Chat { joined, .. } = &mut self.talk {
            assert!(joined.is_none(), "{}: joined twice", self.who);
            *joined = Some((name.to_owned(), ordinal));
        }
    }

    pub fn note_stop(&mut self) {
        self.sent_at_stop = self.sent;
    }

    pub fn is_on_packets(&self) -> bool {
        self.binding.transport == Transport::UNIXSEQ
    }

    /// A packet, as the line it is here.
    pub fn line_of(&self, packet: &[u8]) -> Vec<u8> {
        assert!(!packet.contains(&b'\n'), "{}: {}", self.who, packet.escape_ascii());
        let end: &[u8] = if packet == THANKS.trim_end().as_bytes() { b"\r\n" } else { b"\n" };
        [packet, end].concat()
    }

    /// Whether its replies go out one by one, with pauses between.
    pub fn is_paced(&self) -> bool {
        let is_one_by_one = self.is_known_raw() || self.decided == Some(Kind::C);
        is_one_by_one && !matches!(self.service, Service::Status | Service::Watch)
    }

    /// Whether it is parted with by a reset: a chat client that is raw, or has not shown that it is none.
    pub fn may_be_window(&self) -> bool {
        let is_line = self.decided == Some(Kind::Line) || self.rule == FramingRule::Line;
        let listens = self.service == Service::Talk && !self.is_known_raw();
        !is_line && self.is_chatting() && !listens
    }

    /// Whether it may have to wait because it has said so much.
    pub fn may_be_held(&self, settings: &Settings) -> bool {
        // Others of its source may have left it nothing of a burst in the room.
        let is_in_chat = matches!(self.service, Service::Chat);
        // What comes in pieces may be many messages until its kind is known.
        let is_unclear = matches!(self.talk, Talk::Noise) || self.ambiguous || !self.whole_first_line;
        settings.of(self.service).messages_per_second > 0 && (self.units > BURST || is_unclear || is_in_chat)
    }

    pub fn is_observer(&self) -> bool {
        self.is_observer
    }

    pub fn is_in_the_room(&self) -> bool {
        matches!(self.talk, Talk::Chat { joined: Some(_), .. })
    }

    // ---- what it hears

    /// The reactor wrote once: with a raw client that calls recv() in time, one recv().
    pub fn note_written(
        &mut self,
        now: Timestamp,
        bytes: &[u8],
        whole: bool,
        gap: Option<Duration>,
        tally: &mut Tally,
    ) {
        let is_paced =
            self.raw && (self.decided.is_some() || self.rule == FramingRule::Raw || self.recvs == 0);
        if !is_paced || self.ambiguous || self.foreign || !matches!(self.talk, Talk::Replies { .. }) {
            return;
        }
        if !whole
            || self.link.outbound_room < 4096
            || matches!(self.service.facts().conduct, Conduct::Greeting | Conduct::Plain(_) | Conduct::Stats)
        {
            self.recvs = usize::MAX / 2; // its buffer is too small for whole messages
            return;
        }
        if self.recvs >= usize::MAX / 2 || bytes.starts_with(b"Error: ") && self.recvs.is_multiple_of(2) {
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        if self.recvs.is_multiple_of(2) {
            assert_eq!(text, ACKNOWLEDGEMENT, "{}: recv {}", self.who, self.recvs);
            self.acknowledged = now;
        } else {
            assert!(!text.contains(ACKNOWLEDGEMENT), "{}: one recv had two messages: {text:?}", self.who);
            if let Some(gap) = gap {
                let waited = now.since(self.acknowledged);
                assert!(waited >= gap, "{}: the result came after {waited:?}, not {gap:?}", self.who);
            }
        }
        self.recvs += 1;
        tally.count("raw recv verified");
    }

    pub fn receive(&mut self, max: usize) {
        let end_read = self.link.end_read;
        let bytes = self.link.receive(max);
        if bytes.is_empty() {
            return;
        }
        // What ends a message, or stands before it, is none.
        let is_text = matches!(self.decided, None | Some(Kind::Line | Kind::Raw | Kind::Packet));
        if !self.raw && is_text {
            let forbidden =
                |byte: &u8| *byte < b' ' && !matches!(byte, b'\n' | b'\t' | b'\r') || *byte == 0x7f;
            assert!(!bytes.iter().any(forbidden), "{}: heard a control character", self.who);
        }
        if self.ambiguous {
            return;
        }
        match &mut self.talk {
            Talk::Noise => {}
            Talk::Chat { heard, .. }
            | Talk::Partner { heard, .. }
            | Talk::Asker { heard, .. }
            | Talk::List { heard }
            | Talk::Watcher { heard } => heard.extend_from_slice(bytes),
            Talk::Replies { expected, at, answered, tail, .. } => {
                let mut rest = bytes;
                // Most of it is as expected, reply by reply.
                while tail.is_empty()
                    && let Some(reply) = expected.front()
                    && let Some(after) = rest.strip_prefix(&reply.text[*at..])
                {
                    reply.check_time(self.taken, end_read, &self.who);
                    expected.pop_front();
                    (*at, *answered, rest) = (0, *answered + 1, after);
                }
                for &byte in rest {
                    match expected.front().filter(|_| tail.is_empty()) {
                        Some(reply) if reply.text[*at] == b'#' && byte.is_ascii_digit() => {}
                        Some(reply) if reply.text[*at] == b'#' && byte == b' ' => *at += 2,
                        Some(reply) if reply.text[*at] == byte => {
                            *at += 1;
                            if *at == reply.text.len() {
                                reply.check_time(self.taken, end_read, &self.who);
                                expected.pop_front();
                                (*at, *answered) = (0, *answered + 1);
                            }
                        }
                        // One error may begin as another does.
                        Some(reply) => {
                            let begun = &reply.text[..*at];
                            if let Some(error) = begun.windows(7).position(|window| window == b"Error: ") {
                                tail.extend(&begun[error..]);
                                *at = error;
                            }
                            tail.push(byte);
                        }
                        _ => tail.push(byte),
                    }
                }
            }
        }
    }

    // ---- whether that was right

    fn last_words(&self, reason: CloseReason, seen: &[Settings]) -> Vec<String> {
        let services = || seen.iter().flat_map(|settings| &settings.services);
        // Each once: most settings have few different ones.
        let all = |text: &dyn Fn(u64) -> String, mut spans: Vec<u64>| {
            spans.sort_unstable();
            spans.dedup();
            spans.into_iter().map(text).collect()
        };
        let one = |text: &str| vec![text.to_owned()];
        match reason {
            CloseReason::Stopping if self.is_chatting() => one("Server is shutting down."),
            CloseReason::Served
            | CloseReason::PeerClosed
            | CloseReason::PeerReset
            | CloseReason::PartnerLeft
            | CloseReason::Stopping => one(""),
            CloseReason::PeerQuit if self.service == Service::Talk => one(""),
            CloseReason::PeerQuit => one("{quit}"),
            CloseReason::PeerIdle => all(
                &|span| format!("Error: idle for {span} s"),
                services().map(|service| service.idle_timeout.as_secs()).collect(),
            ),
            CloseReason::PeerSilent => all(
                &|span| format!("Error: no message for {span} s"),
                services()
                    .filter_map(|service| service.first_message_timeout)
                    .map(|span| span.as_secs())
                    .collect(),
            ),
            CloseReason::PeerUnfinished => all(
                &|span| format!("Error: message not finished after {span} s"),
                services().map(|service| service.message_timeout.as_secs()).collect(),
            ),
            CloseReason::PeerNameless => all(
                &|span| format!("Error: no name for {span} s"),
                seen.iter().map(|settings| settings.chat_name_timeout.as_secs()).collect(),
            ),
            CloseReason::PeerTooLong => all(
                &|bytes| format!("Error: message longer than {bytes} bytes"),
                services().map(|service| service.message_bytes_max as u64).collect(),
            ),
            CloseReason::PeerTooSlow | CloseReason::PeerHeldMost => one("Error: too slow"),
            CloseReason::PeerNotReading => all(
                &|span| format!("Error: nothing read for {span} s"),
                seen.iter().map(|settings| settings.send_timeout.as_secs()).collect(),
            ),
            CloseReason::PeerForeign(_) | CloseReason::PeerUnreadable => one(""),
            CloseReason::PeerReplaced => one("Error: you have come back through another connection"),
            CloseReason::PeerDenied => {
                one("Error: control is for root and the daemon's own user, on the Unix socket")
            }
            CloseReason::TooMany => one(REFUSAL),
            CloseReason::NotAllowed => {
                let RemoteAddress::Process { uid, .. } = self.origin else { panic!("{}: refused", self.who) };
                vec![format!("Error: user {uid} may not use this socket")]
            }
            CloseReason::AddressNotAllowed => {
                let RemoteAddress::Address(address) = self.origin else { panic!("{}: refused", self.who) };
                vec![format!("Error: {} may not connect", address.ip().to_canonical())]
            }
            CloseReason::PutOut => vec![
                "Error: you have been put out of the room".to_owned(),
                "Error: whoever runs this server has closed your connection".to_owned(),
            ],
            CloseReason::Withdrawn => {
                vec![format!("Error: {} is no longer offered here", self.binding.service)]
            }
        }
    }

    /// Closed for want of a first message: somebody waited for one, and it had sent none.
    fn judge_silence(&self, seen: &[Settings]) {
        let is_set = seen.iter().any(|settings| settings.of(self.service).first_message_timeout.is_some());
        let waits = !matches!(self.service, Service::Chat | Service::Greeting);
        assert!(is_set && waits, "{}: nobody waited for its first message", self.who);
        let answered = match &self.talk {
            Talk::Replies { answered, .. } => *answered,
            _ => 0,
        };
        assert_eq!(answered, 0, "{}: it had sent a message", self.who);
    }

    fn is_chatting(&self) -> bool {
        matches!(self.service, Service::Chat | Service::Talk)
    }

    fn is_known_raw(&self) -> bool {
        self.decided == Some(Kind::Raw) || self.rule == FramingRule::Raw
    }

    /// Held against what the contract says, now that it is over. Gives back what the room's log must say of it.
    pub fn judge(
        &mut self,
        seen: &[Settings],
        stop: Option<bool>,
        over: bool,
        tally: &mut Tally,
    ) -> Option<Record> {
        self.receive(usize::MAX);
        let reason = self.closed.expect("closed without a reason");
        // Only who announces a length that is none.
        assert!(reason != CloseReason::PeerTooLong || matches!(self.talk, Talk::Noise), "{}", self.who);
        if reason == CloseReason::PeerNotReading && !self.is_on_packets() {
            let least = seen.iter().map(|settings| settings.send_timeout).min().expect("there are settings");
            assert!(self.patience.longest >= least, "{}: it took something in time", self.who);
        }
        if reason == CloseReason::PeerSilent {
            self.judge_silence(seen);
        }
        if self.ambiguous {
            tally.count("ambiguous");
            return None;
        }
        let complete = !self.link.failed && !self.link.abandoned && !self.words_lost && !over;
        let is_bare = self.is_known_raw()
            && !matches!(self.service, Service::Status | Service::Watch)
            && !reason.is_refusal();
        let lf = if is_bare { "" } else { "\n" };
        let mut words = self.last_words(reason, seen);
        if !self.opened {
            assert!(reason.is_refusal(), "{}: never let in, {reason:?}", self.who);
        }
        let prompt = self.reading == Reading::Promptly;
        let known = self.decided.is_some() || self.rule != FramingRule::Auto;
        match &mut self.talk {
            Talk::Noise => None,
            Talk::Watcher { heard } => {
                let heard = String::from_utf8_lossy(heard);
                let help = help_through(&self.binding, self.origin);
                let heard = heard.strip_prefix(&help).unwrap_or(&heard); // through the mux
                // It may have left in the middle of that.
                let heard = if help.starts_with(heard) { "" } else { heard };
                let whole = heard.rfind('\n').map_or("", |end| &heard[..end]);
                for line in whole.lines() {
                    let begins =
                        ["+", "Watching: ", "… ", "Error: "].iter().any(|word| line.starts_with(word));
                    // What members whisper here.
                    assert!(!line.contains("psst") && !line.contains("(to you): "), "{}: {line}", self.who);
                    if !line.starts_with('{') {
                        assert!(begins || self.service != Service::Watch, "{}: heard {line:?}", self.who);
                        continue;
                    }
                    let event: Event<'_> = serde_json::from_str(line)
                        .unwrap_or_else(|error| panic!("{}: {reason:?}: {error}: {line}", self.who));
                    assert_ne!(event.service, Some("watch"), "{}: saw a watcher: {line}", self.who);
                    if event.service == Some("talk") && matches!(event.event, "message" | "reply") {
                        let text = event.text.as_deref().unwrap_or_default();
                        // Who was not let in is told why, perhaps in pieces.
                        let is_refusal = [
                            REFUSAL,
                            "Error: user 1 may not use this socket",
                            "Error: user 2 may not use this socket",
                        ]
                        .iter()
                        .any(|words| words.contains(text));
                        assert!(text.starts_with("(private, ") || is_refusal, "{}: {line}", self.who);
                        tally.count("private events verified");
                    }
                    tally.count("events verified");
                    if matches!(event.event, "missed" | "hint") {
                        tally.count_case("events", &event.event);
                    }
                }
                None
            }
            Talk::Asker { heard, asked, is_known } => {
                let heard = String::from_utf8_lossy(heard);
                let help = help_through(&self.binding, self.origin);
                let heard = heard.strip_prefix(&help).unwrap_or(&heard); // through the mux
                let mut reports = 0;
                let whole = heard.rfind('\n').map_or("", |end| &heard[..end]);
                for line in whole.lines().filter(|line| line.starts_with('{')) {
                    let report: serde_json::Value = serde_json::from_str(line)
                        .unwrap_or_else(|error| panic!("{}: {reason:?}: {error}: {line}", self.who));
                    let connections = report["connections"].as_array().expect("a list");
                    let itself = self.origin.to_string();
                    assert!(connections.iter().any(|one| one["peer"] == itself), "{}", self.who);
                    reports += 1;
                }
                tally.add("reports verified", reports as u64);
                assert!(*is_known || reports == 0, "{}: was told what is not for it", self.who);
                assert!(reports <= *asked, "{}: {reports} reports for {asked} questions", self.who);
                if complete
                    && *is_known
                    && self.opened
                    && reason == CloseReason::PeerClosed
                    && !self.link.abandoned
                {
                    assert_eq!(reports, *asked, "{}: {heard:?}", self.who);
                }
                None
            }
            Talk::List { heard } => {
                let heard = String::from_utf8_lossy(heard);
                let help = help_through(&self.binding, self.origin);
                if help.starts_with(&*heard) {
                    return None; // through the mux, and no further
                }
                let heard = heard.strip_prefix(&help).unwrap_or(&heard);
                let (mut hosts, mut lists): (Vec<Cow<'_, str>>, u64) = (Vec::new(), 0);
                let whole = heard.rfind('\n').map_or(0, |lf| lf + 1);
                let mut last = "";
                for line in heard[..whole].lines() {
                    assert_eq!(last, "", "{}: {line:?} follows its last words", self.who);
                    if line.starts_with("Error: ") {
                        last = line;
                        continue;
                    }
                    let told: Listed<'_> = serde_json::from_str(line).expect(line);
                    if let Some(host) = told.host {
                        let follows = hosts.last().is_none_or(|before| *before < host);
                        let has_age = told.age.is_some_and(|age| age.is_f64());
                        assert!(follows && has_age, "{}: {line:?} after {hosts:?}", self.who);
                        hosts.push(host);
                    } else {
                        assert_eq!(told.machines, Some(hosts.len() as u64), "{}: {line}", self.who);
                        hosts.clear();
                        lists += 1;
                    }
                }
                if complete {
                    assert!(words.iter().any(|words| words == last), "{}: {last:?}, not {words:?}", self.who);
                    let cut = reason != CloseReason::PeerClosed;
                    assert!(cut || hosts.is_empty(), "{}: a list was cut after {hosts:?}", self.who);
                }
                tally.add("lists verified", lists);
                None
            }
            Talk::Partner { serial, heard } => {
                let heard = String::from_utf8_lossy(heard);
                let help = help_through(&self.binding, self.origin);
                let heard = heard.strip_prefix(&help).unwrap_or(&heard); // through the mux
                // Where lines end is no matter: the partner may have been taken for a raw client, each burst a message.
                let mut heard = heard.to_owned();
                let last = heard.rfind('|').unwrap_or(0);
                heard.replace_range(..last, &heard[..last].replace(['\n', ' '], ""));
                let mut messages: Vec<&str> = heard.split('|').map(str::trim).collect();
                let tail = messages.pop().unwrap_or_default();
                let mut partner = None;
                for (index, message) in messages.iter().enumerate() {
                    let said = message.strip_prefix('t').and_then(|said| said.split_once('~'));
                    let (whose, at) = said.and_then(|(said, _)| said.split_once('.')).unwrap_or_else(|| {
                        panic!("{}: heard {message:?} of {heard:?}", self.who);
                    });
                    assert_eq!(
                        at,
                        index.to_string(),
                        "{}: lost, doubled or out of order: {heard:?}",
                        self.who
                    );
                    assert_ne!(whose, serial.to_string(), "{}: heard itself", self.who);
                    assert_eq!(*partner.get_or_insert(whose), whose, "{}: heard two", self.who);
                }
                tally.add("said between two", messages.len() as u64);
                if complete {
                    // The partner may be in the middle of a message.
                    let is_last = |text: &str| {
                        let text = text.replace('\n', "").to_lowercase();
                        text.starts_with('t') || "bye".starts_with(&text)
                    };
                    let fits = |words: &String| {
                        tail.strip_suffix(words.trim()).is_some_and(|before| is_last(before.trim()))
                    };
                    assert!(
                        words.iter().any(fits),
                        "{}: {reason:?}: last words {tail:?}, not {words:?}",
                        self.who
                    );
                }
                None
            }
            Talk::Replies { expected, at, answered, tail, .. } => {
                words.iter_mut().filter(|words| !words.is_empty()).for_each(|words| words.push_str(lf));
                let open = *answered == 0 && *at >= ACKNOWLEDGEMENT.len() && *at <= ACKNOWLEDGEMENT.len() + 1;
                assert!(
                    !complete || *at == 0 || (open && self.rule == FramingRule::Auto),
                    "{}: {reason:?} in the middle of a reply, after {at} bytes of {:?}; then {:?}",
                    self.who,
                    expected.front().map(|reply| String::from_utf8_lossy(&reply.text).into_owned()),
                    String::from_utf8_lossy(tail)
                );
                // What was acknowledged before the kind was known is ended by LF before the last words.
                if *at == ACKNOWLEDGEMENT.len() && self.raw && tail.first() == Some(&b'\n') {
                    tail.remove(0);
                }
                let fits = |words: &String| {
                    if complete { words.as_bytes() == tail } else { words.as_bytes().starts_with(tail) }
                };
                assert!(
                    words.iter().any(fits),
                    "{}: {reason:?}: last words {:?}, not {words:?}; {answered} answered, next {:?}",
                    self.who,
                    String::from_utf8_lossy(tail),
                    expected.front().map(|reply| String::from_utf8_lossy(&reply.text).into_owned()),
                );
                let due = match reason {
                    // Bursts that go on all the time put off the decision, and with it the first reply.
                    CloseReason::PeerIdle | CloseReason::PeerSilent | CloseReason::PeerUnfinished
                        if !known =>
                    {
                        0
                    }
                    CloseReason::PeerClosed => self.sent + 1, // the end counts as an LF
                    CloseReason::PeerForeign(_) | CloseReason::Served => self.sent,
                    CloseReason::PeerIdle | CloseReason::PeerSilent | CloseReason::PeerUnfinished => {
                        self.taken_at_error
                    }
                    // What may be an unfinished line is no request yet.
                    CloseReason::Stopping if stop == Some(true) && prompt && known => self.sent_at_stop,
                    _ => 0,
                };
                let missing = expected.front().filter(|reply| reply.ends <= due && self.opened);
                if let (true, Some(reply)) = (complete, missing) {
                    panic!(
                        "{}: {reason:?}, and no answer after {answered}: {:?} for the request that ends at byte {} of {due}",
                        self.who,
                        String::from_utf8_lossy(&reply.text),
                        reply.ends
                    );
                }
                tally.add("requests verified", *answered as u64);
                if complete && reason == CloseReason::PeerClosed {
                    tally.add("requests verified to the end of file", *answered as u64);
                }
                if complete && reason == CloseReason::Stopping && stop == Some(true) && prompt {
                    tally.add("answered after stop", *answered as u64);
                }
                None
            }
            Talk::Chat { heard, joined, effects, .. } => {
                let greeted_raw =
                    self.raw && (self.rule == FramingRule::Raw || self.binding.service == Service::Mux);
                let greeting = format!("{GREETING}{}", if greeted_raw { "" } else { "\n" }).into_bytes();
                let Some((name, ordinal)) = joined.take() else {
                    let whole = String::from_utf8_lossy(heard).into_owned();
                    if complete {
                        words
                            .iter_mut()
                            .filter(|words| !words.is_empty())
                            .for_each(|words| words.push_str(lf));
                        let fits = |words: &String| whole.ends_with(words.as_str());
                        assert!(words.iter().any(fits), "{}: {reason:?}: heard {whole:?}", self.who);
                        if reason == CloseReason::TooMany {
                            assert_eq!(whole, format!("{REFUSAL}\n"), "{}", self.who);
                        }
                    }
                    return None;
                };
                let done = |ends: u64| ends <= self.sent;
                let mut said = Vec::new();
                let mut answers = Vec::new();
                for (ends, effect) in effects.drain(..).filter(|(ends, _)| done(*ends)) {
                    let _ = ends;
                    match effect {
                        Effect::Nothing => {}
                        Effect::Said(text) => said.push(format!("{name}: {text}")),
                        Effect::Acted(text) => said.push(format!("* {name} {text}")),
                        Effect::Answered(starts) => answers.push(starts),
                    }
                }
                let heard_out = reason == CloseReason::PeerQuit
                    || (reason == CloseReason::PeerClosed && !self.link.failed && !self.link.abandoned);
                Some(Record {
                    who: format!("{} ({reason:?})", self.who),
                    name,
                    ordinal,
                    raw: self.raw,
                    greeting,
                    heard: std::mem::take(heard),
                    last_words: words,
                    complete,
                    heard_out,
                    said,
                    answers,
                })
            }
        }
    }
}
