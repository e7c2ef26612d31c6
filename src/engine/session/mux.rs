//! A session on the mux, before a service is chosen, and on the control service.

use super::Session;
use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::allow;
use crate::engine::counters::ErrorKind;
use crate::engine::effect::Effect;
use crate::engine::message::{CloseReason, EventKind, Timestamp};
use crate::engine::service::Service;
use crate::engine::service::control::{self, Command, Order};
use crate::engine::service::mux::{self, Choice};
use crate::engine::words::TOO_MANY;

impl Dialogue {
    /// Enters the service that the message selects. Returns whether the message also is the first one to that service.
    pub(super) fn choose(&mut self, shared: &mut EngineState, now: Timestamp, message: &[u8]) -> bool {
        let transport = self.binding.transport;
        let (service, is_first) = match mux::choose(message) {
            Choice::Help => {
                let offered = Service::offered();
                let is_for = |service| self.refusal(shared, service).is_none();
                let offered: Vec<Service> =
                    offered.filter(|service| service.fits_within(transport) && is_for(*service)).collect();
                offered.iter().for_each(|service| self.say(service.name()));
                return false;
            }
            // Over standard input there is no daemon to control.
            Choice::Control
                if !transport.is_alone
                    && !transport.is_web
                    && allow::is_master(self.remote, shared.settings.owner) =>
            {
                self.state = State::Control;
                return false;
            }
            Choice::Control => {
                let error = "control is only for root and the daemon's own user, on a Unix socket".to_owned();
                self.fail(shared, now, CloseReason::PeerDenied, error);
                return false;
            }
            Choice::Named(service) => (service, false),
            Choice::Default => (shared.settings.mux_default, true),
        };
        if !service.fits_within(transport) {
            let error = match transport.is_alone {
                true => format!("{service} is not available over --stdio; try help"),
                false if transport.is_web => format!("{service} is not offered to browsers; try help"),
                false => format!("{service} is not offered here: its answer is longer than a packet"),
            };
            self.err(shared, ErrorKind::Unavailable, error);
            return false;
        }
        if let Some(error) = self.refusal(shared, service) {
            self.err(shared, ErrorKind::Unavailable, error);
            return false;
        }
        if !shared.connection_counts.change(&shared.settings, Service::Mux, service, self.remote) {
            self.refuse(shared, now, service, CloseReason::TooMany, TOO_MANY);
            return false;
        }
        self.note(shared, EventKind::Chose(service));
        self.enter(shared, now, service);
        is_first && self.is_serving() && !self.is_alone(shared)
    }

    /// Why it may not choose this service; `None`: it may.
    pub(super) fn refusal(&self, shared: &EngineState, service: Service) -> Option<String> {
        let name = shared.certified.get(self.peer).map(Box::as_ref);
        mux::refusal(&shared.settings, service, self.remote, name)
    }

    pub(super) fn control(&mut self, shared: &mut EngineState, message: &[u8]) {
        match control::read(message) {
            // The page's token allows only `say`.
            Ok(command) if self.transport().is_web && !matches!(command, Command::Do(Order::Say(_))) => {
                let error = "a client of the page may only use say".to_owned();
                self.err(shared, ErrorKind::Unavailable, error);
            }
            Ok(Command::Token) if shared.settings.site.token.is_empty() => {
                self.err(shared, ErrorKind::Unavailable, "there is no token here".to_owned());
            }
            Ok(Command::Token) => {
                self.outbox.mark_private();
                let token = std::sync::Arc::clone(&shared.settings.site.token);
                self.say(&format!("OK: {token}"));
            }
            Ok(Command::Ask(request)) => {
                self.note(shared, EventKind::Asked(request));
                self.pass_on(shared, Effect::Ask(self.peer, request));
            }
            Ok(Command::Do(order)) => self.pass_on(shared, Effect::Order(self.peer, order)),
            Err(error) => self.err_about(shared, ErrorKind::Command, message, error),
        }
    }

    /// Passes an order on. No other is taken until it is answered.
    fn pass_on(&mut self, shared: &mut EngineState, order: Effect) {
        self.state = State::Ordered;
        shared.effects.push_back(order);
    }
}

impl Session {
    /// Tells the outcome of an order. The next one is taken in another turn, and so never after the last turn, a handover's.
    pub(in crate::engine) fn handle_answer(&mut self, lines: &[String]) {
        if self.is_serving() && matches!(self.dialogue.state, State::Ordered) {
            self.dialogue.state = State::Control;
            lines.iter().for_each(|line| self.dialogue.say(line));
            if self.intake.lacks_room() {
                self.intake.give_way();
            }
        }
    }
}
