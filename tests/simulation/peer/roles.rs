//! The roles: for each service, a peer's messages and its expected input.

use std::rc::Rc;

use ipcd::engine::limits::{FramingRule, Settings};
use ipcd::engine::message::{Binding, RemoteAddress};
use ipcd::engine::service::Service;
use ipcd::engine::service::facts::Conduct;

use super::Actor;
use super::behaviour::{Ending, Reading};
use super::expect::{Chat, Conversation, Effect, Lines, Lists, Partner, Replies, Reports, Watcher, message};
use super::script::{End, Messages, More, Requests};
use super::words::{ACKNOWLEDGEMENT, THANKS, help};
use crate::random::Random;
use crate::room::GREETING;
use crate::settings::OVERLONG;

/// Machines that report.
pub const MACHINES: usize = 30;

/// A message and its reply, which is empty if there is none.
type Exchange = (String, Vec<u8>);

impl Actor {
    /// Any peer.
    pub fn any(
        random: &mut Random,
        binding: &Rc<Binding>,
        remote: RemoteAddress,
        settings: &Settings,
        serial: u64,
    ) -> Actor {
        let mut actor = Actor::new(random, binding, remote, settings, serial);
        if random.percent(8) {
            actor.speak_otherwise(random);
            return actor;
        }
        let mut exchanges = Vec::new();
        let service = match binding.service {
            Service::Mux => actor.choose(random, settings, &mut exchanges),
            service => service,
        };
        match service.facts().conduct {
            Conduct::Multiply | Conduct::Mux => actor.multiply(random, exchanges),
            Conduct::Greeting => actor.be_greeted(exchanges),
            Conduct::Chat => actor.chat(random, exchanges),
            Conduct::Plain(answer) => {
                let message = "Hello from client";
                let reply = format!("{}{}", answer(message.as_bytes()).words, actor.framing.end());
                exchanges.push((message.into(), reply.into()));
                actor.say_and_expect(exchanges);
            }
            Conduct::Talk => actor.talk(random, exchanges),
            Conduct::Status => actor.ask(random, exchanges),
            Conduct::Stats if !actor.framing.raw && random.percent(40) => {
                actor.ask_for_lists(random, exchanges)
            }
            Conduct::Stats => actor.report(random, exchanges),
            Conduct::Watch => actor.watch(random, exchanges),
            Conduct::Page => unreachable!("its peers are in web.rs"),
        }
        actor
    }

    /// A peer that connects first, receives everything in the room and sends nothing.
    pub fn observer(
        random: &mut Random,
        binding: &Rc<Binding>,
        remote: RemoteAddress,
        settings: &Settings,
    ) -> Actor {
        let mut actor = Actor::new(random, binding, remote, settings, 0);
        actor.framing.raw = false;
        actor.is_observer = true;
        actor.link.outbound_room = usize::MAX;
        let manner = &mut actor.manner;
        (manner.reading, manner.ending, manner.piece) = (Reading::Promptly, Ending::Stays, 5000);
        actor.script.push("chat\nobserver\n");
        actor.conversation = Conversation::Chat(Chat::silent());
        actor
    }

    /// On the mux: it may request help, and may select a service. Returns the service that it will use.
    fn choose(&self, random: &mut Random, settings: &Settings, exchanges: &mut Vec<Exchange>) -> Service {
        let transport = self.who.binding.transport;
        if random.percent(20) && !self.framing.raw {
            exchanges.push(("help".into(), help(self.who.remote, transport).into()));
        }
        if !random.percent(70) {
            return settings.mux_default;
        }
        let mut service = random.pick(&Service::offered().collect::<Vec<_>>());
        if !service.fits(transport) {
            service = Service::Hello;
        }
        exchanges.push((service.name().into(), Vec::new()));
        service
    }

    /// Sends another protocol, or random bytes.
    fn speak_otherwise(&mut self, random: &mut Random) {
        (self.manner.piece, self.manner.whole_first_line) = (5000, true);
        self.manner.ending = Ending::Stays;
        let service = self.who.binding.service;
        // This many bytes show it.
        let kinds = if service == Service::Talk { 2 } else { 3 }; // its partner's input must be predictable
        let (bytes, what, revealing): (&[u8], _, _) = match random.below(kinds) {
            0 => (b"GET /chat HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP", 20),
            1 => (&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, 10, 77], "TLS", 3),
            _ => {
                let garbage = (0..random.within(1, 3000)).map(|_| random.next() as u8);
                return self.script.push(garbage.collect::<Vec<u8>>());
            }
        };
        self.script.is_foreign = true;
        self.script.push(bytes);
        if service == Service::Talk {
            return; // its partner's messages may come before the refusal
        }
        let mut replies = Replies::default();
        let before = self.unasked();
        if !before.is_empty() {
            replies.expect(0, before);
        }
        if service != Service::Greeting {
            replies.expect(revealing, self.wrong_protocol(what));
        }
        self.conversation = Conversation::Replies(replies);
    }

    /// Its service's first output, before any request.
    fn unasked(&self) -> String {
        match self.who.binding.service.facts().conduct {
            Conduct::Greeting => THANKS.to_owned(),
            Conduct::Chat if self.framing.rule == FramingRule::Raw => GREETING.to_owned(),
            Conduct::Chat => format!("{GREETING}\n"),
            Conduct::Plain(_)
            | Conduct::Multiply
            | Conduct::Talk
            | Conduct::Stats
            | Conduct::Status
            | Conduct::Watch
            | Conduct::Mux
            | Conduct::Page => String::new(),
        }
    }

    fn wrong_protocol(&self, what: &str) -> String {
        let wrong = format!("this port speaks {}, not {what}\n", self.who.binding.service);
        match what {
            "HTTP" if !self.who.binding.transport.has_messages() => format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{wrong}",
                wrong.len()
            ),
            _ => format!("Error: {wrong}"),
        }
    }

    fn be_greeted(&mut self, mut exchanges: Vec<Exchange>) {
        match exchanges.last_mut().filter(|(text, _)| text == "greeting") {
            Some((_, reply)) => *reply = THANKS.into(),
            None => exchanges.push(("Hi".into(), THANKS.into())),
        }
        self.say_and_expect(exchanges);
        if self.who.binding.service == Service::Greeting
            && let Conversation::Replies(replies) = &mut self.conversation
        {
            replies.expect_at_once(); // a silent client is greeted too
        }
    }

    /// Watches the others, and may change its filter.
    fn watch(&mut self, random: &mut Random, exchanges: Vec<Exchange>) {
        let filters = ["all", "json", "service=multiply", "peer=127.0.0.1 json", "peer=uid:1", "nonsense"];
        let said = (0..random.within(0, 4)).map(|_| random.pick(&filters).to_owned()).collect::<Vec<_>>();
        self.say(exchanges.into_iter().map(|(text, _)| text).chain(said));
        self.conversation = Conversation::Watcher(Watcher::default());
    }

    /// Requests reports, which it may not be allowed to have.
    fn ask(&mut self, random: &mut Random, exchanges: Vec<Exchange>) {
        let chosen = exchanges.last().is_some_and(|(text, _)| text == "status");
        let is_known = !chosen || matches!(self.who.remote, RemoteAddress::Process { .. });
        let more = random.within(usize::from(!chosen), 3);
        let questions = (0..more).map(|_| "status".to_owned());
        self.say(exchanges.into_iter().map(|(text, _)| text).chain(questions));
        self.conversation = Conversation::Reports(Reports::new(more + usize::from(chosen), is_known));
    }

    /// Messages that contain their sender, their number, and their end.
    fn talk(&mut self, random: &mut Random, exchanges: Vec<Exchange>) {
        let serial = self.who.serial;
        self.say(exchanges.into_iter().map(|(text, _)| text));
        let is_loud = random.percent(10);
        let left = random.within(0, if is_loud { 2000 } else { 20 });
        let bye = random.percent(30).then(|| random.pick(&["bye", "BYE"]));
        self.script.go_on_with(More::Messages(Messages::new(random, serial, is_loud, bye, left)));
        if is_loud {
            self.manner.piece = 5000;
        }
        self.conversation = Conversation::Partner(Partner::new(serial));
    }

    /// A machine that reports, not always correctly.
    fn report(&mut self, random: &mut Random, mut exchanges: Vec<Exchange>) {
        let machine = random.below(MACHINES);
        for _ in 0..random.within(1, 30) {
            let percent = random.below(101);
            let (text, reply) = match random.below(10) {
                0 => (
                    r#"{"cpu_percent":101}"#.to_owned(),
                    "Error: cpu_percent must be a number from 0 to 100, not 101",
                ),
                1 => ("latest nobody".to_owned(), "Error: no machine is called 'nobody' (latest lists them)"),
                2 => (
                    format!(r#"{{"host":"pc{machine}","x":"{}"}}"#, "x".repeat(random.below(40))),
                    ACKNOWLEDGEMENT,
                ),
                _ => (format!(r#"{{"host":"pc{machine}","cpu_percent":{percent}}}"#), ACKNOWLEDGEMENT),
            };
            exchanges.push((text, format!("{reply}{}", self.framing.end()).into()));
        }
        self.say_and_expect(exchanges);
    }

    fn ask_for_lists(&mut self, random: &mut Random, exchanges: Vec<Exchange>) {
        let asked = random.pick(&[1, 3, 30]);
        let questions = (0..asked).map(|_| "latest".to_owned());
        self.say(exchanges.into_iter().map(|(text, _)| text).chain(questions));
        self.conversation = Conversation::Lists(Lists::default());
    }

    fn multiply(&mut self, random: &mut Random, exchanges: Vec<Exchange>) {
        let floods = random.percent(15) && !self.framing.raw;
        let torrent = floods && random.percent(2);
        let count = match (torrent, floods) {
            (true, _) => 20_000,
            (_, true) => random.within(200, 1500),
            _ => random.within(1, 20),
        };
        if torrent {
            self.manner.reading = random.pick(&[Reading::Promptly, Reading::Hardly]);
        }
        if floods {
            self.manner.piece = 5000;
        }
        let eager = self.framing.raw && random.percent(40);
        self.manner.is_patient = !eager;
        let mut end = End::Whole;
        // Bursts of an eager raw client may together be one message.
        if !eager && random.percent(6) {
            self.script.is_overlong = true;
            end = End::Overlong;
        }
        if !self.framing.raw && !self.script.is_overlong && random.percent(10) {
            match self.manner.ending {
                Ending::HalfCloses => {
                    end = End::WithTheStream;
                    self.manner.whole_first_line &= count + exchanges.len() > 1;
                }
                Ending::Stays => {
                    self.script.is_unfinished = true;
                    end = End::Never;
                }
                _ => {}
            }
        }
        let begins = exchanges.is_empty();
        self.say_and_expect(exchanges);
        self.script.go_on_with(More::Requests(Requests::new(random, begins && eager, end, count)));
    }

    fn chat(&mut self, random: &mut Random, exchanges: Vec<Exchange>) {
        let (serial, raw) = (self.who.serial, self.framing.raw);
        let unique = raw || random.percent(60);
        let name = if unique {
            format!("{}{serial}", if raw { 'r' } else { 'u' })
        } else {
            random.pick(&["ann", "Ann", "ANN", "bob", "Bob", "carol"]).to_owned()
        };
        let mut lines = Lines::new(&mut self.script, self.framing.end());
        for (text, _) in exchanges.iter().filter(|(text, _)| text != "help") {
            lines.say(text, Effect::Nothing);
        }
        let nameless = random.percent(8);
        if !nameless {
            lines.say(&name, Effect::Nothing);
        }
        let free = if unique && !raw { u64::MAX } else { lines.bytes };
        let loud = random.percent(10);
        let count = if nameless { 0 } else { random.within(0, if loud { 200 } else { 25 }) };
        for at in 0..count {
            let (text, effect) = message(random, &format!("s{serial}.{at}"), raw);
            lines.say(&text, effect);
        }
        if !nameless && random.percent(35) {
            lines.say(random.pick(&["{quit}", "/quit"]), Effect::Nothing);
        } else if !raw && random.percent(5) && !nameless {
            let error = Effect::Answered(vec!["Error: message longer than ".to_owned()]);
            lines.say(&"x".repeat(OVERLONG), error);
            lines.say(&format!("s{serial} goes on"), Effect::Said(format!("s{serial} goes on")));
        }
        self.conversation = Conversation::Chat(lines.finish(free));
        if loud {
            (self.manner.piece, self.manner.whole_first_line) = (5000, true);
        }
        // A client that pauses in its first line may be detected as raw, and half of a private message is not private.
        self.manner.whole_first_line |= self.script.units().any(|unit| unit.starts_with(b"/msg"));
    }

    fn say(&mut self, texts: impl Iterator<Item = String>) {
        let end = self.framing.end();
        texts.for_each(|text| self.script.push(format!("{text}{end}")));
    }

    /// Sends these, and expects their replies.
    fn say_and_expect(&mut self, exchanges: Vec<Exchange>) {
        let (end, mut replies) = (self.framing.end(), Replies::default());
        for (text, reply) in exchanges {
            let unit = format!("{text}{end}");
            match reply.is_empty() {
                true => replies.expect_nothing(unit.len()),
                false => replies.expect(unit.len(), reply),
            }
            self.script.push(unit);
        }
        self.conversation = Conversation::Replies(replies);
    }
}
