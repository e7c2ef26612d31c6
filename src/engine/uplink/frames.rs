//! Handles the frames that servers send.

use super::super::message::Timestamp;
use super::super::text::{clean, is_host};
use super::bounds::SILENCE_IN_LOG;
use super::connections::{ALIVE, ANSWERS, STATS, WHISPERS};
use super::describe;
use super::event::{Direction, LogEvent, Outcome, Ticket};
use super::ids::{InstanceId, LinkId, WhisperId};
use super::ledger::BatchPosition;
use super::link::Phase;
use super::machine::{Farewell, Gap, Uplink};
use super::publish::given_up::trimmed;
use super::read::{Got, News};
use super::reason::Reason;
use super::subjects::{About, last_instance};
use super::whispers::{self, Heard};
use super::wire::decode::{Frame, Message};
use super::wire::encode;

impl Uplink {
    /// Handles bytes from a server.
    pub fn received(&mut self, id: LinkId, bytes: &[u8], now: Timestamp) {
        let Some(link) = self.link(id) else { return };
        link.heard(now);
        let mut decoder = std::mem::take(&mut link.decoder);
        decoder.push(bytes);
        loop {
            let outcome = match decoder.next() {
                Ok(None) => break,
                Ok(Some(frame)) => self.frame(id, frame, now),
                Err(error) => Err(Reason::Protocol(error)),
            };
            let is_overfull = self.link(id).is_some_and(|link| link.is_overfull());
            if let Err(reason) = outcome.and(if is_overfull { Err(Reason::NotReading) } else { Ok(()) }) {
                self.end(id, reason, now);
            }
            let phase = self.link(id).map(|link| link.phase);
            if !matches!(phase, Some(Phase::Waiting | Phase::Introduced | Phase::Ready)) {
                break;
            }
        }
        if let Some(link) = self.link(id) {
            link.decoder = decoder;
        }
        if let Some(link) = self.links.iter_mut().find(|link| self.active == Some(link.id)) {
            self.reader.check_hole(&self.subjects, link.out(), now);
        }
        self.settle(now);
    }

    fn frame(&mut self, id: LinkId, frame: Frame<'_>, now: Timestamp) -> Result<(), Reason> {
        let Some(at) = self.links.iter().position(|link| link.id == id) else { return Ok(()) };
        let link = &mut self.links[at];
        match frame {
            Frame::Ok => {}
            Frame::Ping => encode::pong(link.out()),
            Frame::Pong => {
                if link.ponged(now) {
                    self.ready(id, now);
                }
            }
            Frame::Info(json) => {
                let was_lame = link.info.is_lame_duck;
                link.greeted(json, &self.settings.credentials, &self.settings.client, now)?;
                self.servers.discover(&link.server, &link.info.connect_urls);
                if link.info.is_lame_duck && !was_lame {
                    let server = link.server.to_string();
                    self.events.log(LogEvent::LameDuck { server });
                    self.servers.hurry(now);
                }
            }
            Frame::Error(text) => {
                let text = String::from_utf8_lossy(text).into_owned();
                match link.error(&text) {
                    Some(reason) => return Err(reason),
                    None => self.forbidden(id, &text, now),
                }
            }
            Frame::Message(message) => self.message(id, &message, false, now),
            Frame::Overlong(message) => self.message(id, &message, true, now),
        }
        Ok(())
    }

    /// Handles a missing permission. The error names a subject, but not the request.
    fn forbidden(&mut self, id: LinkId, text: &str, now: Timestamp) {
        let reason = Reason::NoPermission(text.to_owned());
        if text.contains(&format!("\"{}\"", self.subjects.room)) {
            self.publisher.refuse(&reason, now, &mut self.events);
            self.health.room = Some(reason);
        } else if self.active == Some(id) && (text.contains("\"$JS.") || text.contains("\"_INBOX.")) {
            self.health.room = Some(reason);
            self.reader.pause(now);
        }
    }

    fn message(&mut self, id: LinkId, message: &Message<'_>, is_overlong: bool, now: Timestamp) {
        match message.subscription {
            ANSWERS => {
                if let Some((about, number)) = self.subjects.read_answer(message.subject) {
                    self.answered(id, (about, number), message, is_overlong, now);
                } else {
                    // A message of the log has its own subject.
                    self.delivered(id, None, message, is_overlong, now);
                }
            }
            ALIVE => {
                let row = last_instance(message.subject).and_then(|id| self.ledger.instances.get_mut(&id));
                if let Some(row) = row {
                    row.heard = now;
                }
            }
            WHISPERS => self.whispered(message.payload),
            STATS => self.shared(message.payload),
            _ => {}
        }
    }

    fn answered(
        &mut self,
        id: LinkId,
        (about, number): (About, u64),
        message: &Message<'_>,
        is_overlong: bool,
        now: Timestamp,
    ) {
        match about {
            About::Batch => {
                let answer = (message.status(), message.payload);
                if let Some(reason) = self.publisher.answered(number, answer, now, &mut self.events) {
                    self.health.room = Some(reason);
                }
            }
            About::Whisper if message.status() == 503 => {
                self.whispers.end(WhisperId(number), Outcome::NoInstance, &mut self.events);
            }
            About::Whisper | About::Nothing => {}
            About::Log => self.delivered(id, Some(number), message, is_overlong, now),
            About::Info | About::Create | About::Consumer => {
                let Some(at) = self.links.iter().position(|link| link.id == id && self.active == Some(id))
                else {
                    return;
                };
                let settings = (&self.subjects, &self.settings.stream);
                let out = self.links[at].out();
                match self.reader.answered((about, number), message, settings, out, now) {
                    Ok(news) => {
                        if self.reader.take_gap() {
                            self.gap(now);
                        }
                        let is_over = news == News::OtherLog && self.reader.is_rewound();
                        self.news(news, now);
                        if is_over {
                            self.reader.start(id, &self.subjects, self.links[at].out(), now);
                        }
                    }
                    Err(reason) => {
                        self.health.room = Some(reason);
                        self.reader.pause(now);
                    }
                }
            }
        }
    }

    fn news(&mut self, news: News, now: Timestamp) {
        let stream = self.subjects.stream.clone();
        match news {
            News::Nothing => {}
            News::Created => self.events.log(LogEvent::StreamCreated { stream }),
            News::Differs(what) => self.events.log(LogEvent::StreamDiffers { stream, what }),
            News::OtherLog => {
                self.events.history_lost();
                self.ledger.begin_another_log(now);
                self.publisher.log_lost(now);
                self.presence.request_list();
            }
        }
    }

    /// Handles a message from the consumer.
    fn delivered(
        &mut self,
        id: LinkId,
        generation: Option<u64>,
        message: &Message<'_>,
        is_overlong: bool,
        now: Timestamp,
    ) {
        let active = self.links.iter().position(|link| link.id == id && self.active == Some(id));
        let Some(at) = active else { return };
        let out = self.links[at].out();
        let before = (self.reader.position, self.reader.time);
        match self.reader.delivered(generation, message, &self.subjects, out, now) {
            Ok(Got::Nothing) => {}
            Ok(Got::OtherLog) => {
                self.reader.rewind();
                self.news(News::OtherLog, now);
                self.reader.start(id, &self.subjects, self.links[at].out(), now);
            }
            Ok(Got::Message { at: place, is_behind_hole: true })
                if self.ledger.is_affected_by_gap(message.payload, place.time) =>
            {
                self.reader.put_back(before);
                self.reader.start(id, &self.subjects, self.links[at].out(), now);
            }
            Ok(Got::Message { at, .. }) => {
                self.read(if is_overlong { &[] } else { message.payload }, at, now)
            }
            Err(()) => self.reader.start(id, &self.subjects, self.links[at].out(), now),
        }
    }

    /// Handles a message of the log.
    fn read(&mut self, payload: &[u8], at: BatchPosition, now: Timestamp) {
        if let Some(gap) = self.gap.as_mut().filter(|gap| **gap == Gap::Unread) {
            let is_long = self.ledger.silence(at.time) >= SILENCE_IN_LOG;
            *gap = if is_long { Gap::Long } else { Gap::Short };
        }
        let missed = self.ledger.missed;
        let applied = self.ledger.apply(payload, at, now, &mut self.events);
        self.missed += self.ledger.missed - missed;
        if applied.is_foreign && !std::mem::replace(&mut self.has_reported_foreign, true) {
            self.events.log(LogEvent::Foreign { sequence: at.sequence });
        }
        if let Some(number) = applied.own {
            self.publisher.heard(number, now);
            self.health.prove();
        }
        if applied.is_asked {
            self.presence.request_list();
        }
        self.publisher.read_up_to(at.sequence, now, &mut self.events);
        if let Some(members) = applied.gone {
            self.declared_gone(&members, now);
        }
    }

    /// Handles that messages were trimmed before we read them. One may have been a batch of ours, or have declared us gone.
    fn gap(&mut self, now: Timestamp) {
        let given_up = self.publisher.give_up(now, &mut self.events);
        if let Some(given_up) = given_up.filter(|given_up| given_up.lines > 0) {
            self.missed += given_up.lines;
            self.events.missed(given_up.lines);
        }
        self.ledger.gap(given_up);
        if self.gap != Some(Gap::Long) && self.ledger.instances.contains_key(&self.ledger.own) {
            self.gap = Some(Gap::Unread);
        }
    }

    /// Handles that the log declares us gone. Unless we have done so ourselves, we continue under another id.
    fn declared_gone(&mut self, members: &[Box<str>], now: Timestamp) {
        if self.farewell != Farewell::Not && self.publisher.is_empty() {
            self.farewell = Farewell::Said;
            return;
        }
        if self.publisher.is_in_doubt() {
            self.publisher.refuse(&trimmed(), now, &mut self.events);
        }
        let own = self.ledger.free_successor();
        self.continue_as(own, members, now);
    }

    /// Handles that a part of the log was removed before we read it, after so long a silence that this part may have declared us
    /// gone: we continue under another id, and declare the old one gone.
    pub(super) fn assume_gone(&mut self, now: Timestamp) {
        let old = self.ledger.own;
        let Some(row) = self.ledger.instances.get(&old) else { return };
        if row.gone.is_some() || self.farewell != Farewell::Not {
            return;
        }
        let entries = row.entries;
        // Other instances may have read the current batch, under the old id.
        self.publisher.refuse(&trimmed(), now, &mut self.events);
        let members = self.ledger.members.of(old);
        let own = self.ledger.free_successor();
        self.continue_as(own, &members, now);
        self.presence.declare_gone(old, entries);
    }

    fn continue_as(&mut self, own: InstanceId, members: &[Box<str>], now: Timestamp) {
        self.ledger.own = own;
        self.events.log(LogEvent::Renamed { instance: own });
        self.publisher.start_over(members);
        self.presence.start_over(now);
        self.lists.clear();
        let subject = self.subjects.to(own);
        if let Some(link) = self.active.and_then(|id| self.link(id)) {
            encode::unsubscribe(link.out(), WHISPERS);
            encode::subscribe(link.out(), &subject, WHISPERS);
        }
    }

    fn whispered(&mut self, payload: &[u8]) {
        match whispers::read(payload) {
            Some(Heard::Answer { id, outcome }) => self.whispers.end(id, outcome, &mut self.events),
            Some(Heard::Whisper { id, instance, from, to, text }) => {
                let ticket = Ticket { instance, id };
                let members = &self.ledger.members;
                if members.has(instance, from) && members.has(self.ledger.own, to) {
                    let description = || (from, describe::whisper(from, to, text.len()));
                    self.events.seen(Direction::Down, description);
                    self.events.whisper(ticket, from, to, &clean(text.as_bytes()));
                } else {
                    self.answer(ticket, false);
                }
            }
            None => {}
        }
    }

    fn shared(&mut self, payload: &[u8]) {
        let Some((instance, rest)) = payload.split_at_checked(16) else { return };
        let text = std::str::from_utf8(rest.get(1..).unwrap_or_default()).ok();
        let length = usize::from(rest.first().copied().unwrap_or_default());
        let Some((host, report)) = text.and_then(|text| text.split_at_checked(length)) else { return };
        let is_other = instance != self.source.0;
        if is_other && is_host(host) {
            self.events.stats(host, report);
        }
    }
}
