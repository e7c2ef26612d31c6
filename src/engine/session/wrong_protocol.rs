//! Detects another protocol in a first message: the client gets an error, and nothing is executed.

use super::dialogue::{Dialogue, Heard};
use crate::engine::EngineState;
use crate::engine::message::{FramingMode, Timestamp};
use crate::engine::wrong_protocol::{self, Guess, WrongProtocol};

impl Dialogue {
    /// Checks what came before the first message is complete. Returns whether it was rejected.
    pub(super) fn reject_wrong_protocol(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        bytes: &[u8],
    ) -> bool {
        if self.heard != Heard::Message
            && let Guess::Is(protocol) = wrong_protocol::look(bytes)
            && !self.is_spoken(protocol)
        {
            self.reject(shared, now, protocol);
            return true;
        }
        false
    }

    /// Checks a whole first message, or what waits until one can be taken. Returns whether it was rejected. If a raw client's bytes
    /// begin like a request line, it does not wait for the rest.
    pub(super) fn reject_first(&mut self, shared: &mut EngineState, now: Timestamp, message: &[u8]) -> bool {
        if self.heard == Heard::Message {
            return false;
        }
        let protocol = match wrong_protocol::look(message) {
            Guess::Is(protocol) => protocol,
            Guess::Likely(protocol) if self.kind == Some(FramingMode::Raw) => protocol,
            Guess::No | Guess::Perhaps | Guess::Likely(_) => return false,
        };
        if self.is_spoken(protocol) {
            return false;
        }
        self.reject(shared, now, protocol);
        true
    }

    /// Checks a first message that has become too long before its end. Returns whether it was rejected.
    pub(super) fn reject_long(&mut self, shared: &mut EngineState, now: Timestamp, bytes: &[u8]) -> bool {
        if self.heard != Heard::Message
            && let Guess::Likely(protocol) = wrong_protocol::look(bytes)
            && !self.is_spoken(protocol)
        {
            self.reject(shared, now, protocol);
            return true;
        }
        false
    }
}

impl Dialogue {
    /// Whether that protocol is the one here.
    fn is_spoken(&self, protocol: WrongProtocol) -> bool {
        protocol == WrongProtocol::Http && self.kind == Some(FramingMode::Http)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use crate::engine::Engine;
    use crate::engine::limits::{GUESS, Settings};
    use crate::engine::message::{
        Binding, CloseReason, ConnectionId, EventKind, Input, Output, RemoteAddress, Timestamp, Transport,
    };
    use crate::engine::service::Service;
    use crate::engine::words::{bad_request, not_spoken_here};

    const PEER: ConnectionId = ConnectionId { index: 0, generation: 1 };

    /// A client, and the time.
    struct Visit {
        engine: Engine,
        now: Timestamp,
        heard: Vec<u8>,
    }

    impl Visit {
        fn to(service: Service) -> Visit {
            let mut engine = Engine::new(Settings::default());
            let binding =
                Binding { endpoint: "tcp://x".into(), service, transport: Transport::TCP, allowed: None };
            let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
            let now = Timestamp::at(0);
            engine.handle(now, Input::Opened { peer: PEER, binding: &Rc::new(binding), remote });
            let mut visit = Visit { engine, now, heard: Vec::new() };
            visit.settle();
            visit
        }

        fn say(&mut self, bytes: &[u8]) {
            self.engine.handle(self.now, Input::Bytes { peer: PEER, bytes, more: false });
            self.settle();
        }

        fn wait(&mut self, span: Duration) {
            let until = self.now + span;
            while let Some(deadline) = self.engine.poll_deadline().filter(|deadline| *deadline <= until) {
                self.now = deadline.max(self.now);
                self.engine.handle(self.now, Input::Tick);
                self.settle();
            }
            self.now = until;
        }

        fn settle(&mut self) {
            while let Some(output) = self.engine.poll_output() {
                if let Output::Flush(PEER) = output {
                    let bytes = self.engine.outgoing(PEER).slices().concat();
                    self.engine.handle(self.now, Input::Sent { peer: PEER, bytes: bytes.len() });
                    self.heard.extend(bytes);
                }
            }
        }

        /// What it received after the greeting, and how many of its messages were taken.
        fn outcome(mut self, service: Service) -> (String, u64) {
            self.engine.handle(self.now, Input::Lost { peer: PEER });
            let messages = self.engine.counters().of(service).messages;
            let events = std::iter::from_fn(|| self.engine.poll_event()).collect::<Vec<_>>();
            let joined = events.iter().any(|event| matches!(event.what, EventKind::Joined(_)));
            assert!(!joined, "nothing of another protocol is a name");
            let heard = String::from_utf8(self.heard).unwrap();
            let closed = events
                .iter()
                .any(|event| matches!(event.what, EventKind::Closed(CloseReason::PeerWrongProtocol(_))));
            assert!(closed, "{service}: {heard:?}");
            (heard.split_once("press enter!\n").map_or(heard.as_str(), |(_, rest)| rest).to_owned(), messages)
        }
    }

    const SERVICES: [Service; 6] =
        [Service::Multiply, Service::Chat, Service::Hello, Service::Talk, Service::Stats, Service::Mux];

    #[test]
    fn request_in_pieces_gets_one_answer_and_none_of_it_is_executed() {
        for service in SERVICES {
            let answer = bad_request(&not_spoken_here(service.name(), "HTTP"));
            for request in
                ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "brew /pot HTTP/1.0\n", "Options * HTTP/1.1\r\n"]
            {
                // A rare method counts as any other word until its space comes.
                let first = if request.starts_with("GET") { 2 } else { request.find(' ').unwrap() + 1 };
                for pause in [Duration::ZERO, Duration::from_millis(30), Duration::from_millis(900)] {
                    for cut in first..request.len() {
                        let mut visit = Visit::to(service);
                        visit.say(&request.as_bytes()[..cut]);
                        visit.wait(pause);
                        visit.say(&request.as_bytes()[cut..]);
                        visit.wait(Duration::from_secs(5));
                        assert_eq!(
                            visit.outcome(service),
                            (answer.clone(), 0),
                            "{service} {request} {cut} {pause:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn request_prefix_is_no_message_however_late_it_ends() {
        for service in SERVICES {
            let answer = bad_request(&not_spoken_here(service.name(), "HTTP"));
            for begun in ["get /", "GET /index.html HT", "POST http://x"] {
                let mut visit = Visit::to(service);
                visit.say(begun.as_bytes());
                visit.wait(GUESS - Duration::from_millis(1));
                assert!(!visit.heard.ends_with(b"not HTTP\n"), "it may go on");
                visit.wait(Duration::from_millis(1));
                assert_eq!(visit.outcome(service), (answer.clone(), 0), "{service} {begun}");
            }
            let mut visit = Visit::to(service);
            visit.say(format!("GET /{} HTTP", "x".repeat(5000)).as_bytes());
            assert_eq!(visit.outcome(service), (answer, 0), "{service}");
        }
    }

    #[test]
    fn raw_name_that_is_an_http_method_joins_after_a_second() {
        let mut visit = Visit::to(Service::Chat);
        visit.say(b"HEAD");
        visit.wait(GUESS - Duration::from_millis(1));
        assert_eq!(visit.engine.members(), 0);
        visit.wait(Duration::from_millis(1));
        assert_eq!(visit.engine.members(), 1);
    }

    #[test]
    fn calculation_is_no_http_request() {
        let mut visit = Visit::to(Service::Multiply);
        visit.say(b"6 / 2");
        visit.wait(GUESS);
        assert_eq!(visit.heard, b"Data received3.0");
    }
}
