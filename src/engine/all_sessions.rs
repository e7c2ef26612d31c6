//! Work that concerns all sessions: the stop, new settings, and members that are too slow.

use super::Engine;
use super::engine_state::EngineState;
use super::limits::Settings;
use super::message::{ConnectionId, Dropped, Output, Timestamp};
use super::service::Service;
use super::session::Session;

impl Engine {
    /// Closes members that are too far behind, once every member has been offered what there is.
    pub(super) fn settle_room(&mut self, now: Timestamp) {
        let backlog = self.shared.settings.of(Service::Chat).backlog_bytes_max;
        for peer in self.shared.room.settle(backlog) {
            self.with(now, peer, |session, shared| session.drop_slow(shared, now));
        }
        let skipped = self.shared.room.take_skipped();
        self.shared.counters.of_mut(Service::Chat).count_dropped(Dropped::Unread, skipped);
    }

    pub(super) fn go_on_stopping(&mut self, now: Timestamp) {
        let Some(stop) = &mut self.shared.stop else { return };
        stop.listening = now < stop.listen;
        let (patient, by) = (stop.listening, stop.by);
        let is_settled = |session: &Session, shared: &EngineState| !patient || session.is_settled(shared);
        let all_settled = self.sessions.iter().all(|session| is_settled(session, &self.shared));
        for index in 0..self.sessions.end() {
            let Some(session) = self.sessions.at(index) else { continue };
            let (peer, settled) = (session.peer(), is_settled(session, &self.shared));
            if now >= by {
                self.remove(peer, Output::Close(peer));
            } else if session.is_serving() && settled {
                self.with(now, peer, |session, shared| {
                    session.stop(shared, now);
                    if all_settled {
                        session.stop_talking(shared, now);
                    }
                });
            }
        }
    }

    pub(super) fn reconfigure(&mut self, now: Timestamp, settings: Settings) {
        let before = std::mem::replace(&mut self.shared.settings, settings);
        let counted = self.sessions.iter().filter(|session| session.is_counted());
        let everybody = counted.map(|session| (session.service(), session.remote()));
        self.shared.connection_counts.retake(&self.shared.settings, everybody);
        self.shared.set_history();
        self.shared.machines.keep(self.shared.settings.machines_max);
        let withdrawn: Vec<Service> = Service::offered()
            .filter(|service| before.of(*service).listening && !self.shared.settings.of(*service).listening)
            .collect();
        for peer in self.peers() {
            self.with(now, peer, |session, shared| {
                for service in &withdrawn {
                    session.withdraw(shared, now, *service);
                }
                session.renew_pace(shared);
            });
        }
        self.resume_all(now);
    }

    pub(super) fn peers(&self) -> Vec<ConnectionId> {
        self.sessions.iter().map(Session::peer).collect()
    }

    /// Rechecks all sessions, because their deadlines and what they wait for may have changed.
    pub(super) fn resume_all(&mut self, now: Timestamp) {
        for peer in self.peers() {
            self.with(now, peer, |session, shared| session.resume(shared, now));
        }
    }
}
