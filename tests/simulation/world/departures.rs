//! The end of a peer's connection, and of the whole run: the daemon stops, or all peers leave.

use std::time::Duration;

use ipcd::engine::limits::{SAMPLES_MAX, Settings};
use ipcd::engine::message::Input;
use ipcd::engine::service::Service;

use super::World;
use crate::peer::{Actor, MACHINES};
use crate::room::Reference;

/// One chunk of the room's log, which is kept for the next message.
const LOG_CHUNK: usize = 16 * 1024;

impl World {
    pub(super) fn end(&mut self, mut actor: Actor) {
        let over = self.stop.is_some_and(|(by, _)| self.now >= by);
        let fair = self.stop.map(|(_, fair)| fair);
        let record = actor.judge(&self.seen, fair, over, &mut self.totals);
        if self.observer == Some(actor.peer) {
            self.observer = None;
            let record = record.expect("the observer was in the room");
            let excused = self.stop.is_some() || self.actors.count() == 0;
            assert!(excused, "the observer was closed: {}", record.who);
            self.observed = Some(record.heard);
        } else {
            self.records.extend(record);
        }
        self.totals.count("peers");
    }

    pub(super) fn stop(&mut self) {
        let fair = self.random.percent(70);
        let grace = if fair {
            Duration::from_secs(20)
        } else {
            Duration::from_millis(self.random.below(3000) as u64)
        };
        let by = self.now + grace;
        self.stop = Some((by, fair));
        self.tell(Input::Stop { by });
        self.totals.count("stopped");
        for index in 0..self.actors.places() {
            let Some(actor) = self.actors.at_mut(index) else { continue };
            actor.note_stop();
            actor.link.readable = true;
            let peer = actor.peer;
            self.push(peer);
        }
        while !self.engine.is_done() {
            assert!(self.now <= by + Duration::from_secs(1), "not done by the end of the grace");
            let max = if fair { 2000 } else { 100_000 };
            self.act_all(true);
            self.now = self.now + Duration::from_micros(self.random.below(max) as u64);
            self.turn();
        }
        self.check_empty();
    }

    /// All peers leave, the observer last.
    pub(super) fn empty(&mut self) {
        // No rate limit holds back a message any more.
        self.settings.services.iter_mut().for_each(|service| service.messages_per_second = 0);
        self.seen.push(self.settings.clone());
        self.tell(Input::Reconfigure(Box::new(self.settings.clone())));
        for index in 0..self.actors.places() {
            let Some(actor) = self.actors.at_mut(index) else { continue };
            let peer = actor.peer;
            if Some(peer) != self.observer && actor.leave(&mut self.random) {
                self.push(peer);
            }
        }
        let mut turns = 0;
        while !self.engine.is_empty() {
            turns += 1;
            assert!(turns < 5000, "{} never leave", self.engine.len());
            self.act_all(true);
            self.now = self.now + Duration::from_micros(self.random.below(1_000_000) as u64);
            self.turn();
            if self.engine.len() == 1
                && let Some(peer) = self.observer
                && let Some(actor) = self.actors.get_mut(peer)
                && !actor.link.fin
            {
                actor.link.half_close();
                self.push(peer);
            }
        }
        self.rest();
        self.check_empty();
        assert_eq!(self.engine.poll_deadline(), None, "nobody is there, and somebody is to be woken");
        assert!(!self.engine.has_work());
        self.totals.count("emptied");
    }

    pub(super) fn check_empty(&mut self) {
        self.check();
        assert_eq!((self.engine.len(), self.engine.members()), (0, 0));
        assert_eq!(self.actors.count(), 0, "somebody was never closed");
        let left = self.engine.queued_bytes();
        let history = |settings: &Settings| match settings.chat_history {
            0 => 0,
            _ => settings.of(Service::Chat).backlog_bytes_max,
        };
        let history_max = self.seen.iter().map(history).max().unwrap_or(0);
        let machines_max = MACHINES * (SAMPLES_MAX * 100 + 200);
        assert!(left <= LOG_CHUNK + history_max + machines_max, "nobody is there, and {left} bytes are kept");
    }

    pub(super) fn check_room(&mut self) {
        let Some(heard) = self.observed.take() else { return };
        let reference = Reference::new(&heard, "observer", self.stop.is_some());
        let history_max = self.seen.iter().map(|settings| settings.chat_history).max().unwrap_or(0);
        for record in std::mem::take(&mut self.records) {
            reference.check(&record, history_max, &mut self.totals);
        }
    }
}
