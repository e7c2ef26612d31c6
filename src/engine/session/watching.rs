//! A session that watches others, and what watchers see of a session, including its mistakes.

use super::Session;
use super::dialogue::{Dialogue, Heard, Phase, State};
use super::watcher::Watcher;
use crate::engine::EngineState;
use crate::engine::client::Client;
use crate::engine::codec::shape::Unreadable;
use crate::engine::counters::ErrorKind;
use crate::engine::diagnosis::{self, Context, Hint, Mistake, form};
use crate::engine::event_ring::RingEntry;
use crate::engine::limits::{NEWLINE_LATE_MAX, PROGRAM, SILENCE, WATCH_BYTES_HIGH};
use crate::engine::message::{CloseReason, FramingMode, Timestamp};
use crate::engine::service::watch::{self, Actor, TraceEvent};
use crate::engine::service::{Service, multiply};
use crate::engine::text::private;

impl Dialogue {
    // ---- watching

    /// Begins to watch, or changes the filter.
    pub(super) fn watch(&mut self, shared: &mut EngineState, now: Timestamp, message: &[u8]) {
        let filter = match watch::read(message) {
            Ok(filter) => filter,
            Err(error) => return self.err_about(shared, ErrorKind::Request, message, error),
        };
        if let Err(full) = shared.event_ring.enter(self.peer, self.remote, shared.settings.watchers_max) {
            return self.err(shared, ErrorKind::Unavailable, full.to_string());
        }
        self.say(&watch::begin(&filter, now));
        self.state =
            State::Watch(Some(Box::new(Watcher { filter, since: now, next: shared.event_ring.end() })));
    }

    /// Whether it can be shown more: there are events, and it keeps up.
    fn is_to_be_shown_more(&self, shared: &EngineState) -> bool {
        match (&self.phase, &self.state) {
            (Phase::Serving, State::Watch(Some(watcher))) => {
                watcher.next < shared.event_ring.end()
                    && !self.is_blocked()
                    && self.outbox.len() < WATCH_BYTES_HIGH
            }
            _ => false,
        }
    }

    /// Shows it at most `budget` events. The events for which it was too slow are counted.
    fn show(&mut self, shared: &EngineState, mut budget: usize) {
        while budget > 0 && self.is_to_be_shown_more(shared) {
            budget -= 1;
            let State::Watch(Some(watcher)) = &mut self.state else { return };
            let missed = shared.event_ring.begin().saturating_sub(watcher.next);
            if missed > 0 {
                watcher.next = shared.event_ring.begin();
                let line = watch::missed(&watcher.filter, missed);
                self.say(&line);
                continue;
            }
            let Some(event) = shared.event_ring.event(watcher.next) else { return };
            watcher.next += 1;
            let last = event.remote.and_then(|remote| shared.roster.name(Client::from(remote)));
            let names = [event.name.as_deref(), last];
            if watcher.filter.wants(event.service, event.remote, &event.trace, names) {
                let actor =
                    Actor { endpoint: &event.binding.endpoint, service: event.service, remote: event.remote };
                let line = watch::write(&watcher.filter, watcher.since, event.at, actor, &event.trace);
                self.say(&line);
            }
        }
    }

    /// Ends its watching.
    pub(super) fn look_away(&mut self, shared: &mut EngineState) {
        if let State::Watch(watcher) = &mut self.state
            && watcher.take().is_some()
        {
            shared.event_ring.leave(self.peer);
        }
    }

    // ---- being watched

    /// The context in which its mistakes are explained.
    pub(super) fn context<'a>(&'a self, shared: &'a EngineState) -> Context<'a> {
        Context { here: &self.binding.endpoint, endpoints: &shared.settings.endpoints }
    }

    /// Whether watchers see its events. They do not see those of watchers, which would cause new events for ever.
    pub(super) fn is_seen(&self, shared: &EngineState) -> bool {
        shared.event_ring.has_subscribers() && self.service() != Service::Watch
    }

    pub(super) fn show_to_watchers(&self, shared: &mut EngineState, trace: impl FnOnce() -> TraceEvent) {
        if self.is_seen(shared) {
            let (binding, at) = (std::rc::Rc::clone(&self.binding), shared.now);
            shared.event_ring.push(RingEntry {
                at,
                binding,
                remote: Some(self.remote),
                service: self.service(),
                name: self.member_id().map(|member_id| shared.room.name(member_id).into()),
                trace: trace(),
            });
        }
    }

    /// Reports a mistake to the roster, the log and the watchers.
    pub(super) fn hint(&self, shared: &mut EngineState, hint: impl FnOnce(&EngineState) -> Option<Hint>) {
        let (client, service) = (self.client(), self.service());
        let is_new = shared.roster.wants_hint(shared.now, client) && service != Service::Watch;
        if !is_new && !self.is_seen(shared) {
            return;
        }
        let Some(hint) = hint(shared) else { return };
        if shared.roster.knows_better(client, self.peer, hint.mistake) {
            if self.is_seen(shared) {
                shared.event_ring.is_news(self.peer, hint.mistake); // marks it as reported, so that no deadline waits for it
            }
            return;
        }
        if is_new {
            shared.roster.set_hint(shared.now, client, service, Some(self.peer), &hint);
            shared.note_hint(Some(self.peer), &self.binding, self.remote, &hint);
        }
        if self.is_seen(shared) && shared.event_ring.is_news(self.peer, hint.mistake) {
            self.show_to_watchers(shared, || TraceEvent::Mistaken(hint));
        }
    }

    /// When its silence at the beginning becomes a hint, while there are watchers.
    pub(super) fn silence_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        let is_silent = self.heard == Heard::Nothing && self.is_seen(shared);
        (is_silent && diagnosis::of_silence(self.service(), false).is_some()).then(|| self.opened + SILENCE)
    }

    pub(super) fn hint_at_silence(&mut self, shared: &mut EngineState) {
        self.heard = Heard::NothingYet;
        let service = self.service();
        self.hint(shared, |_| diagnosis::of_silence(service, false));
    }

    /// Reports a hint after a reset.
    pub(super) fn hint_at_reset(&mut self, shared: &mut EngineState) {
        if self.is_counted() {
            self.report_tally(shared); // this decides whether an earlier mistake is over
        }
        let (service, leaves_early) = (self.service(), shared.event_ring.suspects(self.peer));
        // A client that the daemon disconnects may leave without reading.
        let is_sent_away = match self.phase {
            Phase::Serving | Phase::Withdrawn => false,
            Phase::Draining(reason, _) | Phase::AwaitingReset(reason, _) | Phase::Lingering(reason, _) => {
                matches!(reason, CloseReason::PutOut | CloseReason::Stopping)
            }
        };
        if !is_sent_away && self.outbox.has_sent() && !self.transport().is_standing() {
            self.hint(shared, |_| match leaves_early {
                true => Some(diagnosis::of_leaving_early()),
                false => diagnosis::of_reset(service),
            });
        }
    }

    /// Reports a hint about data that are not text.
    pub(super) fn hint_at_unreadable(&self, shared: &mut EngineState, what: Unreadable) {
        self.hint(shared, |_| Some(form::of_unreadable(what)));
    }

    /// Reports a hint about an unusual end of its messages.
    pub(super) fn hint_at_kind(&self, shared: &mut EngineState, kind: FramingMode, bytes: &[u8]) {
        self.hint(shared, |_| form::of_kind(kind, bytes));
    }

    /// One of its messages, as watchers may see it.
    fn shown(&self, shared: &EngineState, said: &[u8]) -> Vec<u8> {
        match self.is_private(shared, said) {
            true => private(said.len()).into_bytes(),
            false => said.to_vec(),
        }
    }

    /// Reports a hint after its end.
    pub(super) fn hint_at_end(&self, shared: &mut EngineState, reason: CloseReason) {
        let by_itself = matches!(
            reason,
            CloseReason::PeerClosed
                | CloseReason::PeerReset
                | CloseReason::PeerIdle
                | CloseReason::PeerSilent
                | CloseReason::PeerNameless
        );
        if by_itself && self.heard < Heard::Bytes && self.is_counted() {
            let service = self.service();
            self.hint(shared, |_| diagnosis::of_silence(service, true));
        }
    }
}

impl Session {
    /// Whether it can be shown more: there are events, and it keeps up.
    pub(in crate::engine) fn is_to_be_shown_more(&self, shared: &EngineState) -> bool {
        self.dialogue.is_to_be_shown_more(shared)
    }

    /// Shows it at most `budget` events. The events for which it was too slow are counted.
    pub(in crate::engine) fn show(&mut self, shared: &EngineState, budget: usize) {
        self.dialogue.show(shared, budget);
    }

    /// Shows watchers an event of it. Of watchers themselves they see nothing, or each would be shown what it is shown.
    pub(in crate::engine) fn is_seen(&self, shared: &EngineState) -> bool {
        self.dialogue.is_seen(shared)
    }

    pub(in crate::engine) fn show_to_watchers(
        &self,
        shared: &mut EngineState,
        trace: impl FnOnce() -> TraceEvent,
    ) {
        self.dialogue.show_to_watchers(shared, trace);
    }

    /// Notes that it ended its input after the acknowledgement and before the result. It may go on reading, as `nc -N` does, or it
    /// may have left. If it has left, its kernel answers the result with a reset, for which we wait while there are watchers.
    pub(super) fn suspect_leaving(&self, shared: &mut EngineState) {
        let dialogue = &self.dialogue;
        let is_between = match dialogue.kind {
            None => {
                self.intake.guess.is_gap() && dialogue.outbox.has_open_line() && dialogue.outbox.is_empty()
            }
            Some(FramingMode::Raw | FramingMode::C) => !dialogue.outbox.is_empty(),
            Some(_) => false,
        };
        let is_early = self.is_serving() && dialogue.outbox.has_sent() && is_between;
        if is_early && dialogue.is_multiplier(shared) && self.is_seen(shared) {
            shared.event_ring.suspect(dialogue.peer);
        }
    }

    /// Reports a hint about an unfinished message that has timed out.
    pub(super) fn hint_at_fragment(&self, shared: &mut EngineState) {
        let inbox = self.intake.bytes();
        self.dialogue
            .hint(shared, |shared| Some(diagnosis::of_unfinished(&self.dialogue.shown(shared, inbox))));
    }

    /// Reports a hint about a pause after an incomplete request, which is handled all the same.
    pub(super) fn hint_at_pause(&self, shared: &mut EngineState) {
        let asks = self.dialogue.is_multiplier(shared);
        let (inbox, sends) = (self.intake.bytes(), self.intake.guess.sends());
        self.dialogue.hint(shared, |shared| {
            // The better hint comes when the message is handled, without the NULs around it.
            if asks && let Some(binary) = diagnosis::of_binary(inbox) {
                return Some(binary);
            }
            let named = asks.then(|| diagnosis::of_request(inbox, self.dialogue.context(shared))).flatten();
            let shown = self.dialogue.shown(shared, inbox);
            match named {
                Some(hint) if !hint.mistake.is_count() => None,
                _ if sends > 1 => Some(form::of_joined(sends, &shown)),
                None if !asks || multiply::is_begun(inbox) => Some(diagnosis::of_unfinished(&shown)),
                _ => None,
            }
        });
    }

    /// Reports a hint if a line end came separately, but right after its text, as from a program that sends it with a second call.
    pub(super) fn hint_at_late_newline(&self, shared: &mut EngineState, now: Timestamp) {
        const TEXT_BYTES: std::ops::Range<usize> = 2..1024; // a longer one may have been split on its way
        let is_soon = self.intake.begun().is_some_and(|begun| now.since(begun) < NEWLINE_LATE_MAX);
        if is_soon && TEXT_BYTES.contains(&self.intake.len()) && !self.intake.is_skipping() {
            self.dialogue.hint(shared, |_| Some(form::of_late_newline()));
        }
    }

    /// When a hint is due for watchers, while there are any.
    pub(super) fn watched_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        if !shared.event_ring.has_subscribers() {
            return None;
        }
        [self.dialogue.silence_deadline(shared), self.waiting_deadline(shared)].into_iter().flatten().min()
    }

    /// When a fast client has had all its replies, and probably waits for more than will come.
    pub(super) fn waiting_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        let dialogue = &self.dialogue;
        if !dialogue.is_seen(shared) {
            return None;
        }
        let has_asked = dialogue.kind == Some(FramingMode::Line)
            && dialogue.heard == Heard::Message
            && matches!(dialogue.state, State::Multiply)
            && !dialogue.transport().many_writers;
        let is_program = dialogue.active.since(dialogue.opened) < PROGRAM;
        let has_all = self.intake.is_empty() && !self.intake.has_ended() && dialogue.outbox.is_empty();
        let is_waiting = has_asked && is_program && has_all;
        let is_news = || !shared.event_ring.knows(dialogue.peer, Mistake::SecondRecv);
        (is_waiting && is_news()).then(|| dialogue.active + SILENCE)
    }

    pub(super) fn hint_at_waiting(&self, shared: &mut EngineState) {
        self.dialogue.hint(shared, |_| Some(form::of_waiting()));
    }
}
