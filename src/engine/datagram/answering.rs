//! How the engine answers a datagram.

use std::rc::Rc;

use super::shares::Sender;
use super::{Answer, CLIENT_PORT_MIN, Datagram, is_own, message_of};
use crate::engine::client::Client;
use crate::engine::counters::ErrorKind;
use crate::engine::diagnosis::{self, Context, Hint};
use crate::engine::message::{Dropped, Event, EventKind, RemoteAddress};
use crate::engine::roster::Tally;
use crate::engine::service::facts::{Conduct, First};
use crate::engine::service::watch::TraceEvent;
use crate::engine::service::{Service, greeting, multiply};
use crate::engine::text::{about, is_empty, quote};
use crate::engine::{Engine, number, words, wrong_protocol};

impl Engine {
    /// Answers a datagram; the replies are for [`poll_reply`](Self::poll_reply).
    pub(in crate::engine) fn handle_datagram(&mut self, datagram: &Datagram<'_>) {
        let Datagram { binding, remote, bytes, truncated, .. } = *datagram;
        let service = binding.service;
        self.shared.counters.of_mut(service).bytes_in += bytes.len() as u64;
        self.answer = None; // drops the rest of the last answer
        let event = |what| Event { peer: None, binding: Rc::clone(binding), remote, what };
        // As on a connection, this comes before anything is parsed. But no error is sent, because the address may be forged.
        let allowed = binding.allowed.as_ref();
        if let Some(who) = allowed.and_then(|allowed| allowed.refuses(remote, self.shared.settings.owner)) {
            self.shared.counters.of_mut(service).refused += 1;
            return self.shared.note(event(EventKind::Refused(who.reason())));
        }
        if is_own(bytes) {
            return self.drop_datagram(datagram, Dropped::OwnWords);
        }
        let (message, has_nul) = message_of(bytes);
        if is_empty(message) && !truncated {
            return;
        }
        self.shared.counters.of_mut(service).messages += 1;
        if self.shared.settings.report_messages || self.shared.event_ring.has_subscribers() {
            self.shared.note(event(EventKind::Said(quote(message))));
        }
        if service.facts().first == First::Nothing {
            self.shared.note(event(EventKind::Remarked(quote(message.trim_ascii()))));
        }
        let to = match self.receiver_of(datagram) {
            Ok(address) => quote(address),
            Err(reason) => return self.drop_datagram(datagram, reason),
        };
        let (replies, error) = self.answer_datagram(service, message, truncated);
        if let Some(kind) = error {
            self.shared.counters.of_mut(service).count_error(kind);
        }
        let client = Client::from(remote);
        let good = error.is_none().then_some(self.shared.now);
        let tally = Tally { requests: 1, errors: error.is_some().into(), good };
        self.shared.roster.count(self.shared.now, client, service, tally);
        let words = replies.first().and_then(|reply| reply.strip_prefix(words::ERROR));
        if let Some(words) = words.filter(|_| error.is_some()) {
            self.shared.roster.set_error(self.shared.now, client, service, None, words);
        }
        let hint = error.and_then(|_| self.hint(datagram, message));
        if let Some(hint) = hint.as_ref().filter(|_| self.shared.roster.wants_hint(self.shared.now, client)) {
            self.shared.roster.set_hint(self.shared.now, client, service, None, hint);
            self.shared.note_hint(None, binding, remote, hint);
        }
        let error = words.filter(|_| error.is_some()).map(|words| about(words, message));
        let (binding, replies) = (Rc::clone(binding), replies.into());
        self.answer = Some(Answer { binding, remote, to, replies, current: None, error, has_nul, hint });
    }

    /// The address to which the answer is sent.
    fn receiver_of<'a>(&mut self, datagram: &Datagram<'a>) -> Result<&'a [u8], Dropped> {
        let address = datagram.address.ok_or(Dropped::NoAddress)?;
        if matches!(datagram.remote, RemoteAddress::Address(from) if from.port() < CLIENT_PORT_MIN) {
            return Err(Dropped::LowPort);
        }
        let sender = Sender::of(datagram.remote, address).ok_or(Dropped::NoAddress)?;
        match self.shares.take(self.shared.now, sender, self.shared.settings.answers_per_second) {
            true => Ok(address),
            false => Err(Dropped::TooMany),
        }
    }

    fn drop_datagram(&mut self, datagram: &Datagram<'_>, reason: Dropped) {
        let Datagram { binding, remote, .. } = *datagram;
        self.shared.counters.of_mut(binding.service).count_dropped(reason, 1);
        let (binding, what) = (Rc::clone(binding), EventKind::Dropped(reason));
        self.shared.note(Event { peer: None, binding, remote, what });
    }

    /// The error in a request, if there are watchers.
    fn hint(&self, datagram: &Datagram<'_>, message: &[u8]) -> Option<Hint> {
        let binding = datagram.binding;
        let is_wanted = self.shared.roster.wants_hint(self.shared.now, Client::from(datagram.remote));
        if binding.service != Service::Multiply || !is_wanted && !self.shared.event_ring.has_subscribers() {
            return None;
        }
        let context = Context { here: &binding.endpoint, endpoints: &self.shared.settings.endpoints };
        diagnosis::of_request(message, context)
    }

    /// The messages of the answer. An error is the only one, and comes with its kind.
    fn answer_datagram(
        &self,
        service: Service,
        message: &[u8],
        truncated: bool,
    ) -> (Vec<String>, Option<ErrorKind>) {
        let wrong = |kind, text: String| (vec![format!("Error: {text}")], Some(kind));
        let max = self.shared.settings.of(service).message_bytes_max;
        if truncated || message.len() > max {
            return wrong(ErrorKind::TooLong, words::too_long(max));
        }
        let is_heard = service.facts().first != First::Nothing;
        if let Some(protocol) = wrong_protocol::of_message(message).filter(|_| is_heard) {
            return wrong(ErrorKind::WrongProtocol, words::not_spoken_here(service.name(), protocol.name()));
        }
        match service.facts().conduct {
            Conduct::Greeting => (vec![greeting::WORDS.trim_end().to_owned()], None),
            Conduct::Plain(answer) => (vec![answer(message).words.into_owned()], None),
            Conduct::Multiply => match multiply::evaluate(message) {
                Ok(value) => {
                    let mut text = Vec::new();
                    number::write(value, &mut text);
                    let result = String::from_utf8_lossy(&text).into_owned();
                    (vec![words::DATA_RECEIVED.to_owned(), result], None)
                }
                Err(complaint) => wrong(complaint.kind(), complaint.to_string()),
            },
            // The other services need more than a datagram: see `Service::fits`.
            Conduct::Chat
            | Conduct::Talk
            | Conduct::Stats
            | Conduct::Status
            | Conduct::Watch
            | Conduct::Mux
            | Conduct::Page => (Vec::new(), None),
        }
    }

    /// The next message of the answer to the last datagram; each is one datagram to its sender. Report its outcome with
    /// [`Input::Replied`](crate::engine::message::Input::Replied) before you ask for the next one.
    pub fn poll_reply(&mut self) -> Option<Vec<u8>> {
        let answer = self.answer.as_mut()?;
        answer.current = answer.replies.pop_front();
        let Some(reply) = &answer.current else {
            self.answer = None;
            return None;
        };
        let mut bytes = reply.clone().into_bytes();
        bytes.extend(answer.has_nul.then_some(0));
        Some(bytes)
    }

    /// Handles the outcome of the last reply. Watchers see only what was sent.
    pub(in crate::engine) fn handle_replied(&mut self, outcome: Result<(), Dropped>) {
        let Some(answer) = &mut self.answer else { return };
        let Some(reply) = answer.current.take() else { return };
        let (binding, remote, hint) = (Rc::clone(&answer.binding), answer.remote, answer.hint.take());
        let counters = self.shared.counters.of_mut(binding.service);
        let what = match outcome {
            Ok(()) => {
                counters.bytes_out += (reply.len() + usize::from(answer.has_nul)) as u64;
                let logged = answer.error.take();
                if self.shared.event_ring.has_subscribers() {
                    self.shared.show_datagram(&binding, remote, TraceEvent::Replied(quote(reply.as_bytes())));
                }
                let error = reply.strip_prefix(words::ERROR).filter(|_| logged.is_some());
                if let Some(error) = error.filter(|_| self.shared.event_ring.has_subscribers()) {
                    let trace = TraceEvent::Happened(EventKind::Erred(error.to_owned()));
                    self.shared.show_datagram(&binding, remote, trace);
                }
                if let Some(what) = logged.map(EventKind::Erred) {
                    self.shared.log(Event { peer: None, binding: Rc::clone(&binding), remote, what });
                }
                None
            }
            Err(reason) => {
                // The rest is dropped too: a result without its acknowledgement would be taken for the acknowledgement.
                counters.count_dropped(reason, 1 + answer.replies.len() as u64);
                answer.replies.clear();
                Some(EventKind::Undelivered { to: std::mem::take(&mut answer.to), reason })
            }
        };
        if let Some(what) = what {
            self.shared.note(Event { peer: None, binding: Rc::clone(&binding), remote, what });
        }
        if let Some(hint) = hint {
            self.shared.show_datagram(&binding, remote, TraceEvent::Mistaken(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::limits::Settings;
    use crate::engine::message::{Binding, Input, Timestamp, Transport};

    fn binding(service: Service) -> Rc<Binding> {
        Rc::new(Binding { endpoint: "udp://x".into(), service, transport: Transport::UDP, allowed: None })
    }

    fn from(port: u16) -> RemoteAddress {
        RemoteAddress::Address(([127, 0, 0, 1], port).into())
    }

    fn ask(engine: &mut Engine, service: Service, remote: RemoteAddress, bytes: &[u8]) -> Vec<Vec<u8>> {
        let (binding, truncated, address) = (binding(service), bytes.len() > 60_000, Some(&b""[..]));
        engine.handle(
            Timestamp::at(0),
            Input::Datagram { binding: &binding, remote, bytes, truncated, address },
        );
        std::iter::from_fn(|| {
            let reply = engine.poll_reply();
            engine.handle(Timestamp::at(0), Input::Replied(Ok(())));
            reply
        })
        .collect()
    }

    fn answer(engine: &mut Engine, service: Service, bytes: &[u8]) -> Vec<String> {
        let replies = ask(engine, service, from(5000), bytes).into_iter();
        replies.map(|reply| String::from_utf8(reply).unwrap()).collect()
    }

    #[test]
    fn each_message_gets_its_datagrams_and_an_error_is_one() {
        let mut engine = Engine::new(Settings::default());
        let long = [b'x'; 4097];
        for (service, bytes, replies) in [
            (Service::Multiply, &b"5 10"[..], &["Data received", "50.0"][..]),
            (Service::Multiply, b"5 10\r\n", &["Data received", "50.0"]),
            (Service::Multiply, b"5\n10", &["Data received", "50.0"]),
            (Service::Multiply, b"5 x", &["Error: not a number: 'x'"]),
            (Service::Multiply, b"1 / 0", &["Error: division by zero"]),
            (Service::Multiply, b"", &[]),
            (Service::Multiply, b" \n", &[]),
            (Service::Multiply, b"\0\0", &[]),
            (Service::Multiply, &long, &["Error: message longer than 4096 bytes"]),
            (Service::Multiply, b"GET / HTTP/1.1\r\n\r\n", &["Error: this port speaks multiply, not HTTP"]),
            (Service::Multiply, b"\x16\x03\x01\x02", &["Error: this port speaks multiply, not TLS"]),
            (Service::Hello, b"Hello from client", &["Hello from server"]),
            (Service::Greeting, b"Hi", &["Message received. Thank you for connecting"]),
            (Service::Hello, &[b'x'; 65_000], &["Error: message longer than 4096 bytes"]),
        ] {
            assert_eq!(answer(&mut engine, service, bytes), replies, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn message_that_ends_with_nul_gets_replies_with_nul() {
        let mut engine = Engine::new(Settings::default());
        let padded = [&b"5 10\n"[..], &[0; 5000]].concat();
        for (bytes, replies) in [
            (&b"5 10\0"[..], &["Data received\0", "50.0\0"][..]),
            (&padded, &["Data received\0", "50.0\0"]),
            (b"5 10\r\n\0", &["Data received\0", "50.0\0"]),
            (b"5 x\0", &["Error: not a number: 'x'\0"]),
            (b"5 10\0\n", &["Data received", "50.0"]),
        ] {
            assert_eq!(answer(&mut engine, Service::Multiply, bytes), replies, "{}", bytes.escape_ascii());
        }
        // With NULs it means the same as without them.
        assert_eq!(answer(&mut engine, Service::Multiply, b"Data received\0"), [""; 0]);
    }

    #[test]
    fn datagram_from_a_service_port_gets_no_reply() {
        let mut engine = Engine::new(Settings::default());
        for port in [0, 1, 7, 19, 53, 1023] {
            assert!(ask(&mut engine, Service::Multiply, from(port), b"5 10").is_empty());
        }
        assert_eq!(ask(&mut engine, Service::Multiply, from(1024), b"5 10").len(), 2);
        assert_eq!(engine.counters().of(Service::Multiply).dropped_of(Dropped::LowPort), 6);
    }

    #[test]
    fn unsent_reply_is_not_counted_and_drops_the_rest() {
        let mut engine = Engine::new(Settings::default());
        let (binding, remote) =
            (binding(Service::Multiply), RemoteAddress::Process { uid: 1, gid: 1, pid: 1 });
        let mut ask = |outcomes: &[Result<(), Dropped>], bytes: &[u8]| {
            let address = Some(&b"/tmp/a\x1b"[..]);
            engine.handle(
                Timestamp::at(0),
                Input::Datagram { binding: &binding, remote, bytes, truncated: false, address },
            );
            let mut sent = 0;
            for outcome in outcomes {
                assert!(engine.poll_reply().is_some());
                engine.handle(Timestamp::at(0), Input::Replied(*outcome));
                sent += u32::from(outcome.is_ok());
            }
            assert_eq!(engine.poll_reply(), None);
            let events: Vec<_> = std::iter::from_fn(|| engine.poll_event()).map(|event| event.what).collect();
            (sent, events, engine.counters().of(Service::Multiply).dropped_of(Dropped::NoRoom))
        };
        let lost = |reason| EventKind::Undelivered { to: "/tmp/a\\u{1b}".into(), reason };
        assert_eq!(ask(&[Ok(()), Ok(())], b"5 10"), (2, vec![], 0));
        assert_eq!(ask(&[Err(Dropped::NoRoom)], b"5 10"), (0, vec![lost(Dropped::NoRoom)], 2));
        assert_eq!(ask(&[Ok(()), Err(Dropped::NoRoom)], b"5 10"), (1, vec![lost(Dropped::NoRoom)], 3));
        let told = EventKind::Erred("division by zero (to '1 / 0')".into());
        assert_eq!(ask(&[Ok(())], b"1 / 0"), (1, vec![told], 3));
        assert_eq!(ask(&[Err(Dropped::Gone)], b"1 / 0"), (0, vec![lost(Dropped::Gone)], 3));
    }

    #[test]
    fn ipcds_own_words_are_never_answered() {
        let mut engine = Engine::new(Settings { answers_per_second: 0, ..Settings::default() });
        for service in Service::ALL.into_iter().filter(|service| service.fits(Transport::UDP)) {
            for request in [&b"5 10"[..], b"5 x", b"hi", &[b'x'; 5000], b"GET / HTTP/1.1"] {
                for reply in answer(&mut engine, service, request) {
                    // A result alone is a request that lacks a number: it gets an error, and the error gets nothing.
                    let again = answer(&mut engine, Service::Multiply, reply.as_bytes());
                    assert!(
                        again.iter().all(|reply| answer(&mut engine, service, reply.as_bytes()).is_empty()),
                        "{again:?}"
                    );
                }
            }
        }
        assert!(engine.counters().of(Service::Multiply).dropped_of(Dropped::OwnWords) > 0);
    }
}
