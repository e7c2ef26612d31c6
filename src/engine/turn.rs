//! A turn of the engine: what is due, and what follows from a change to a session.

use super::Engine;
use super::engine_state::EngineState;
use super::message::{ConnectionId, Output, Timestamp};
use super::session::Session;

/// Deadlines handled in one turn, so that a thousand at once do not delay others for long.
const ALARMS_PER_TURN: usize = 256;

impl Engine {
    pub(super) fn handle_tick(&mut self, now: Timestamp) {
        self.outputs.begin_turn();
        self.shared.effort.renew();
        self.go_on_with_effort(now); // before anything else takes of it, so that these always go on
        for _ in 0..ALARMS_PER_TURN {
            let Some(peer) = self.timers.pop(now) else { break };
            self.with(now, peer, |session, shared| {
                session.timer.mark_fired();
                session.handle_time(shared, now);
            });
            self.compact_timers();
        }
        if self.outputs.is_room_heard() {
            self.settle_room(now);
        }
        for _ in 0..self.waiting.len() {
            if let Some(peer) = self.waiting.pop(|peer| self.sessions.membership(peer)) {
                self.with(now, peer, |session, shared| session.resume(shared, now));
            }
        }
        self.shared.rates.tick(now, &self.shared.counters);
        self.go_on_reporting(now);
        self.show_events(now);
        if self.shared.stop.is_some() {
            self.go_on_stopping(now);
        }
    }

    /// Goes on with the sessions that have given way, in their order, as far as the turn's effort goes. The others keep their places.
    fn go_on_with_effort(&mut self, now: Timestamp) {
        for _ in 0..self.giving_way.len() {
            if self.shared.effort.is_over() {
                return;
            }
            if let Some(peer) = self.giving_way.pop(|peer| self.sessions.membership(peer)) {
                self.with(now, peer, |session, shared| session.take_its_turn(shared, now));
            }
        }
    }

    /// Changes a session, if it still exists, and handles the consequences.
    pub(super) fn with(
        &mut self,
        now: Timestamp,
        peer: ConnectionId,
        act: impl FnOnce(&mut Session, &mut EngineState),
    ) {
        self.act_on(now, peer, act);
        self.relieve_when_full(now);
    }

    /// The same without the check of the memory for all queues.
    pub(super) fn act_on(
        &mut self,
        now: Timestamp,
        peer: ConnectionId,
        act: impl FnOnce(&mut Session, &mut EngineState),
    ) {
        let Some(session) = self.sessions.get_mut(peer) else { return };
        act(session, &mut self.shared);
        self.settle(now, peer);
    }

    /// Handles the consequences of a change to a session: output, a new deadline, its end.
    pub(super) fn settle(&mut self, now: Timestamp, peer: ConnectionId) {
        let Some(session) = self.sessions.at_mut(peer.index as usize) else { return };
        match session.step(&mut self.shared, now) {
            Some(last @ (Output::Close(_) | Output::Reset(_))) => return self.remove(peer, last),
            Some(output) => self.outputs.push(output),
            None => {}
        }
        session.account(&mut self.shared);
        session.tell_hearing(&mut self.shared.room);
        let is_flushable = session.is_flushable();
        if is_flushable {
            self.outputs.push_reply(session);
        }
        if session.take_retry() {
            self.outputs.push(Output::Retry(peer));
        }
        if let Some(reading) = session.change_reading(&self.shared, now) {
            self.outputs.push(Output::Reading(peer, reading));
        }
        if session.is_waiting_for_room(&self.shared) {
            self.waiting.push(peer, session.membership());
        }
        if session.gives_way(&self.shared) {
            self.giving_way.push(peer, session.membership());
        }
        if session.can_report() {
            self.reporting.push(peer, session.membership());
        }
        if session.is_to_be_shown_more(&self.shared) {
            self.shared.event_ring.mark_pending();
        }
        // When such a session is flushed, in this turn, it gets a new deadline or is blocked.
        if !is_flushable {
            let deadline = session.deadline(&self.shared);
            self.timers.arm(peer, &mut session.timer, deadline);
        }
    }

    /// Takes the room's messages for a member whose messages are not lines, and arranges that a pause before them ends.
    #[cold]
    pub(super) fn hear_room(&mut self, peer: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(peer) {
            session.hear_room(&mut self.shared);
            session.account(&mut self.shared);
            session.tell_hearing(&mut self.shared.room);
            let deadline = session.deadline(&self.shared);
            self.timers.arm(peer, &mut session.timer, deadline);
        }
    }

    pub(super) fn compact_timers(&mut self) {
        let sessions = &self.sessions;
        self.timers.compact(|peer, at| sessions.get(peer).is_some_and(|session| session.timer.is_for(at)));
    }

    pub(super) fn mark_ready(&mut self, peer: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(peer) {
            self.outputs.push_reply(session);
        }
    }

    pub(super) fn remove(&mut self, peer: ConnectionId, last: Output) {
        let Some(mut session) = self.sessions.remove(peer) else { return };
        session.depart(&mut self.shared);
        session.discharge(&mut self.shared);
        self.timers.disarm(&mut session.timer);
        self.compact_timers();
        let sessions = &self.sessions;
        for list in [&mut self.giving_way, &mut self.reporting] {
            list.drop_closed(sessions.len(), |peer| sessions.get(peer).is_some());
        }
        self.outputs.push(last);
    }
}
