//! What changes for everybody at once: the settings, and the stop.

use super::Engine;
use super::limits::Settings;
use super::message::{ConnectionId, Dropped, Output, Timestamp};
use super::service::Service;
use super::session::Session;
use super::world::EngineState;

impl Engine {
    /// Everybody in the room has been offered what there is: who is too far behind goes.
    pub(super) fn settle_room(&mut self, now: Timestamp) {
        let backlog = self.world.settings.of(Service::Chat).backlog_bytes_max;
        for peer in self.world.room.settle(backlog) {
            self.with(now, peer, |session, world| session.drop_slow(world, now));
        }
        let skipped = self.world.room.take_skipped();
        self.world.counters.of_mut(Service::Chat).count_dropped(Dropped::Unread, skipped);
    }

    pub(super) fn go_on_stopping(&mut self, now: Timestamp) {
        let Some(stop) = &mut self.world.stop else { return };
        stop.listening = now < stop.listen;
        let (patient, by) = (stop.listening, stop.by);
        let is_settled = |session: &Session, world: &EngineState| !patient || session.is_settled(world);
        let all_settled = self.sessions.iter().flatten().all(|session| is_settled(session, &self.world));
        for index in 0..self.sessions.len() {
            let Some(Some(session)) = self.sessions.get(index) else { continue };
            let (peer, settled) = (session.peer(), is_settled(session, &self.world));
            if now >= by {
                self.remove(peer, Output::Close(peer));
            } else if session.is_serving() && settled {
                self.with(now, peer, |session, world| {
                    session.stop(world, now);
                    if all_settled {
                        session.stop_talking(world, now);
                    }
                });
            }
        }
    }

    pub(super) fn reconfigure(&mut self, now: Timestamp, settings: Settings) {
        let before = std::mem::replace(&mut self.world.settings, settings);
        let counted = self.sessions.iter().flatten().filter(|session| session.is_counted());
        let everybody = counted.map(|session| (session.service(), session.origin()));
        self.world.connection_counts.retake(&self.world.settings, everybody);
        self.world.set_history();
        self.world.machines.keep(self.world.settings.machines_max);
        let withdrawn: Vec<Service> = Service::offered()
            .filter(|service| before.of(*service).listening && !self.world.settings.of(*service).listening)
            .collect();
        for peer in self.peers() {
            self.with(now, peer, |session, world| {
                for service in &withdrawn {
                    session.withdraw(world, now, *service);
                }
                session.renew_pace(world);
            });
        }
        self.resume_all(now);
    }

    pub(super) fn peers(&self) -> Vec<ConnectionId> {
        self.sessions.iter().flatten().map(Session::peer).collect()
    }

    /// Everybody's deadlines may have changed, and what they wait for, so that everybody is looked at.
    pub(super) fn resume_all(&mut self, now: Timestamp) {
        for peer in self.peers() {
            self.with(now, peer, |session, world| session.resume(world, now));
        }
    }
}
