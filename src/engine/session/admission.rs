//! How a connection is admitted or refused, and how it enters a service.

use std::rc::Rc;

use super::Session;
use super::dialogue::{Dialogue, Heard, Phase, Sending, State, Talk};
use super::intake::Intake;
use super::unreported::Unreported;
use crate::engine::EngineState;
use crate::engine::allow;
use crate::engine::codec::{Encoding, detect};
use crate::engine::message::{
    Binding, CloseReason, ConnectionId, EventKind, FramingMode, RemoteAddress, Timestamp, Transport,
};
use crate::engine::outbox::Outbox;
use crate::engine::ready_list::Membership;
use crate::engine::service::facts::Conduct;
use crate::engine::service::status::Progress;
use crate::engine::service::{Service, greeting};
use crate::engine::timer_queue::Timer;
use crate::engine::transport::Unit;
use crate::engine::words::{GREETING, TOO_MANY};

impl Session {
    /// A connection was accepted: admits it and sends its service's greeting, or refuses it.
    pub(in crate::engine) fn open(
        shared: &mut EngineState,
        now: Timestamp,
        peer: ConnectionId,
        binding: &Rc<Binding>,
        remote: RemoteAddress,
    ) -> Session {
        let mut dialogue = Dialogue {
            held: 0,
            membership: Membership::default(),
            unreported: Unreported::default(),
            peer,
            binding: Rc::clone(binding),
            remote,
            opened: now,
            active: now,
            state: State::Outside,
            phase: Phase::Serving,
            kind: match binding.transport {
                Transport { unit: Unit::Message { .. }, .. } => Some(FramingMode::Packet),
                Transport { many_writers: true, .. } => Some(FramingMode::Line),
                Transport { is_web: true, .. } => Some(FramingMode::Http),
                _ => detect::kind_of(shared.settings.of(binding.service).framing),
            },
            outbox: Outbox::default(),
            heard: Heard::default(),
            sending: Sending::default(),
        };
        dialogue.open(shared, now);
        Session { timer: Timer::default(), intake: Intake::default(), dialogue }
    }
}

impl Dialogue {
    fn open(&mut self, shared: &mut EngineState, now: Timestamp) {
        let service = self.binding.service;
        if self.transport().is_standing() {
            self.open_standing(shared, now);
        } else if let Some(who) = self.refused_user(shared) {
            self.refuse(shared, now, service, who.reason(), &allow::refusal(who));
        } else if shared.connection_counts.admit(&shared.settings, service, self.remote) {
            self.enter_roster(shared, now);
            self.note(shared, EventKind::Opened);
            self.enter(shared, now, service);
        } else {
            self.refuse(shared, now, service, CloseReason::TooMany, TOO_MANY);
        }
    }

    /// Puts the session into a service.
    pub(super) fn enter(&mut self, shared: &mut EngineState, now: Timestamp, service: Service) {
        shared.counters.of_mut(service).connections += 1;
        self.state = match service.facts().conduct {
            Conduct::Plain(_) => State::Plain(service),
            Conduct::Multiply => State::Multiply,
            Conduct::Greeting => State::Greeting,
            Conduct::Chat => State::Chat(Err(now)),
            // A client that chose this service on the mux has sent a message already.
            Conduct::Talk if self.transport().is_encrypted && self.binding.service == service => {
                State::Talk(Talk::Coming)
            }
            Conduct::Talk => State::Talk(Talk::Here(shared.talk.join(self.peer))),
            Conduct::Stats => State::Stats(None),
            // Choosing the service was the request.
            Conduct::Status if self.binding.service != service => State::Status(Some(Progress::Begun)),
            Conduct::Status => State::Status(None),
            Conduct::Watch => State::Watch(None),
            Conduct::Mux => State::Mux,
            Conduct::Page => State::Page(None),
        };
        self.active = now;
        shared.paces.remove(self.peer); // the new service allows a new burst
        if let (State::Chat(_), Some(pace)) = (&self.state, shared.lately.of(now, self.remote.into())) {
            shared.paces.set(self.peer, pace); // unless it left that service just now
        }
        match self.state {
            State::Greeting => {
                match self.encoding() {
                    Encoding::Lines | Encoding::Telnet => self.outbox.push(greeting::WORDS.as_bytes()),
                    Encoding::Raw => self.outbox.push_joined(greeting::WORDS.as_bytes()),
                    Encoding::C
                    | Encoding::Prefixed(_)
                    | Encoding::Packets
                    | Encoding::WebSocket
                    | Encoding::Http => self.say(greeting::WORDS.trim_end()),
                }
                self.finish(shared, now, CloseReason::Served, None);
            }
            State::Chat(_) if self.transport().many_writers => self.join_as_endpoint(shared),
            State::Chat(_) => self.say(GREETING),
            State::Talk(_) => self.meet(shared),
            State::Multiply
            | State::Advised
            | State::Joining
            | State::Plain(_)
            | State::Stats(_)
            | State::Status(_)
            | State::Watch(_)
            | State::Mux
            | State::Page(_)
            | State::Guarded(_)
            | State::Outside
            | State::Control
            | State::Ordered => {}
        }
    }

    /// The user or address, if it may not use the endpoint.
    fn refused_user(&self, shared: &EngineState) -> Option<allow::Refused> {
        self.binding.allowed.as_ref()?.refuses(self.remote, shared.settings.owner)
    }

    pub(super) fn refuse(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        service: Service,
        reason: CloseReason,
        words: &str,
    ) {
        self.end_lines_with_lf();
        shared.counters.of_mut(service).refused += 1;
        self.finish(shared, now, reason, Some(words));
    }
}
