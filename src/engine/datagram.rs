//! Datagrams: each is one message, and each message of its answer is one. There is no connection, and nothing is kept.

use std::rc::Rc;

use super::codec::lines::without_cr;
use super::counters::ErrorKind;
use super::diagnosis::Place;
use super::foreign;
use super::message::{Door, Dropped, Happening, Note, Origin};
use super::service::watch::Sight;
use super::service::{Service, greeting, hello, multiply};
use super::text::{is_empty, quote};
use super::{Engine, allow, diagnosis, number, words};

/// How ipcd's own answers begin: what begins so was not sent by a client, and two daemons would answer each other for ever.
const OWN_WORDS: [&[u8]; 4] = [b"Data received", b"Error: ", b"Hello from server", b"Message received."];

/// One datagram, with all that is known of it.
pub(super) struct Datagram<'a> {
    pub(super) door: &'a Rc<Door>,
    pub(super) origin: Origin,
    pub(super) bytes: &'a [u8],
    pub(super) truncated: bool,
    pub(super) answerable: bool,
}

impl Engine {
    /// Answers a datagram; the replies are for [`poll_reply`](Self::poll_reply).
    pub(super) fn handle_datagram(&mut self, datagram: &Datagram<'_>) {
        let Datagram { door, origin, bytes, truncated, answerable } = *datagram;
        let service = door.service;
        self.world.counters.of_mut(service).bytes_in += bytes.len() as u64;
        self.replies_to_datagram.clear(); // who asked for the last ones does not want them any more
        let note = |what| Note { peer: None, door: Rc::clone(door), origin, what };
        // As on a connection, before a word is looked at.
        let refused =
            door.allowed.as_ref().and_then(|allowed| allowed.refuses(origin, self.world.settings.owner));
        if let Some(who) = refused {
            self.world.counters.of_mut(service).refused += 1;
            let is_own = OWN_WORDS.iter().any(|words| bytes.starts_with(words));
            self.replies_to_datagram.extend((answerable && !is_own).then(|| allow::refusal(who)));
            return self.world.note(note(Happening::Refused));
        }
        if OWN_WORDS.iter().any(|words| bytes.starts_with(words)) {
            self.world.counters.of_mut(service).dropped += 1;
            return self.world.note(note(Happening::Dropped(Dropped::OwnWords)));
        }
        let message = without_cr(bytes.strip_suffix(b"\n").unwrap_or(bytes));
        if is_empty(message) && !truncated {
            return;
        }
        self.world.counters.of_mut(service).messages += 1;
        let is_watched = self.world.tower.is_manned();
        if self.world.settings.report_messages || is_watched {
            self.world.note(note(Happening::Said(quote(message))));
        }
        let (replies, error) = self.answer_datagram(service, message, truncated);
        if service == Service::Greeting {
            self.world.note(note(Happening::Remarked(quote(message.trim_ascii()))));
        }
        if let (Some(kind), Some(text)) = (error, replies.last()) {
            self.world.counters.of_mut(service).count_error(kind);
            let text = text.strip_prefix("Error: ").unwrap_or(text);
            self.world.note(note(Happening::Erred(text.to_owned())));
        }
        if is_watched {
            self.show_answer(datagram, message, &replies);
        }
        if answerable {
            self.replies_to_datagram.extend(replies);
        } else {
            self.world.counters.of_mut(service).dropped += 1;
            self.world.note(note(Happening::Dropped(Dropped::NoAddress)));
        }
    }

    /// Lets watchers see the answer, and what was wrong with the question.
    fn show_answer(&mut self, datagram: &Datagram<'_>, message: &[u8], replies: &[String]) {
        let Datagram { door, origin, answerable, .. } = *datagram;
        for reply in replies.iter().filter(|_| answerable) {
            self.world.show_datagram(door, origin, Sight::Replied(quote(reply.as_bytes())));
        }
        let is_wrong = door.service == Service::Multiply && multiply::evaluate(message).is_err();
        let place = Place { here: &door.endpoint, endpoints: &self.world.settings.endpoints };
        let hint = is_wrong.then(|| diagnosis::of_request(message, place));
        if let Some(hint) = hint.flatten() {
            self.world.show_datagram(door, origin, Sight::Mistaken(hint));
        }
    }

    /// The messages of the answer; the last one is an error, if a kind of it is given.
    fn answer_datagram(
        &self,
        service: Service,
        message: &[u8],
        truncated: bool,
    ) -> (Vec<String>, Option<ErrorKind>) {
        let wrong = |kind, text: String| (vec![format!("Error: {text}")], Some(kind));
        let max = self.world.settings.of(service).message_bytes_max;
        if truncated || message.len() > max {
            return wrong(ErrorKind::TooLong, format!("message longer than {max} bytes"));
        }
        if service == Service::Greeting {
            return (vec![greeting::WORDS.trim_end().to_owned()], None);
        }
        if let Some(foreign) = foreign::of_message(message) {
            return wrong(ErrorKind::Foreign, words::not_spoken_here(service.name(), foreign.name()));
        }
        match service {
            Service::Hello => (vec![hello::WORDS.to_owned()], None),
            Service::Multiply => {
                let (result, error) = match multiply::evaluate(message) {
                    Ok(value) => {
                        let mut text = Vec::new();
                        number::write(value, &mut text);
                        (String::from_utf8_lossy(&text).into_owned(), None)
                    }
                    Err(complaint) => (format!("Error: {complaint}"), Some(complaint.kind())),
                };
                (vec![multiply::ACKNOWLEDGEMENT.to_owned(), result], error)
            }
            // No other one fits: see `Service::fits`.
            _ => (Vec::new(), None),
        }
    }

    /// The next message of the answer to the last datagram; each is one datagram to its sender. What became of it is told
    /// with [`Input::Replied`](super::message::Input::Replied).
    pub fn poll_reply(&mut self) -> Option<String> {
        self.replies_to_datagram.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::Settings;
    use super::super::message::{Input, Medium, Moment};
    use super::*;

    fn answer(engine: &mut Engine, service: Service, bytes: &[u8], truncated: bool) -> Vec<String> {
        let door =
            Rc::new(Door { endpoint: "udp://x".into(), service, medium: Medium::Datagrams, allowed: None });
        let origin = Origin::Process { uid: 1, gid: 1, pid: 1 };
        engine.handle(
            Moment::at(0),
            Input::Datagram { door: &door, origin, bytes, truncated, answerable: true },
        );
        std::iter::from_fn(|| engine.poll_reply()).collect()
    }

    #[test]
    fn each_service_that_fits_answers_in_as_many_datagrams_as_it_has_messages() {
        let mut engine = Engine::new(Settings::default());
        let long = [b'x'; 4097];
        for (service, bytes, replies) in [
            (Service::Multiply, &b"5 10"[..], &["Data received", "50.0"][..]),
            (Service::Multiply, b"5 10\r\n", &["Data received", "50.0"]),
            (Service::Multiply, b"5\n10", &["Data received", "50.0"]),
            (Service::Multiply, b"5 x", &["Data received", "Error: not a number: 'x'"]),
            (Service::Multiply, b"", &[]),
            (Service::Multiply, b" \n", &[]),
            (Service::Multiply, &long, &["Error: message longer than 4096 bytes"]),
            (Service::Multiply, b"GET / HTTP/1.1\r\n\r\n", &["Error: this port speaks multiply, not HTTP"]),
            (Service::Multiply, b"\x16\x03\x01\x02", &["Error: this port speaks multiply, not TLS"]),
            (Service::Hello, b"Hello from client", &["Hello from server"]),
            (Service::Greeting, b"Hi", &["Message received. Thank you for connecting"]),
        ] {
            assert_eq!(answer(&mut engine, service, bytes, false), replies, "{}", bytes.escape_ascii());
        }
        assert_eq!(
            answer(&mut engine, Service::Hello, b"Hello", true),
            ["Error: message longer than 4096 bytes"]
        );
    }

    #[test]
    fn what_ipcd_says_itself_is_never_answered() {
        let mut engine = Engine::new(Settings::default());
        for service in Service::ALL.into_iter().filter(|service| service.fits(Medium::Datagrams)) {
            for request in [&b"5 10"[..], b"5 x", b"hi", &[b'x'; 5000], b"GET / HTTP/1.1"] {
                for reply in answer(&mut engine, service, request, false) {
                    // A result alone is a request that lacks a number: it gets an error, and that gets nothing.
                    let again = answer(&mut engine, Service::Multiply, reply.as_bytes(), false);
                    assert!(
                        again
                            .iter()
                            .all(|reply| answer(&mut engine, service, reply.as_bytes(), false).is_empty()),
                        "{again:?}"
                    );
                }
            }
        }
        assert!(engine.counters().of(Service::Multiply).dropped > 0);
    }
}
