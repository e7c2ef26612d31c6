//! The invariants between two inputs, whatever peers do: counts are correct, lists agree with their membership bits, and sessions
//! agree with the tables that refer to them.

pub(super) mod interval;

use super::Engine;
use super::engine_state::EVENTS_MAX;
use super::message::ConnectionId;
use super::ready_list::ReadyList;
use super::session::Session;

/// Outputs that may wait for one peer; callers take them after each input or turn.
const OUTPUTS_MAX: usize = 64;

impl Engine {
    /// Asserts the invariants, in time proportional to the sessions. With debug assertions the engine calls it: after each
    /// input while there are few sessions, and from time to time with many.
    ///
    /// # Panics
    /// If an invariant does not hold. The message says which one, and for which connection.
    pub fn check(&self) {
        let shared = &self.shared;
        self.check_table();
        for session in self.sessions.iter() {
            session.check(shared);
        }
        self.check_counts();
        self.check_tables();
        self.check_lists();
        self.check_timers();
        shared.room.check(self.outputs.ready_members());
        assert!(shared.effects.is_empty(), "effects were not applied: {:?}", shared.effects);
        assert!(shared.events.len() <= EVENTS_MAX, "{} notes wait", shared.events.len());
    }

    fn check_table(&self) {
        let sessions = self.sessions.iter().count();
        assert_eq!(self.sessions.len(), sessions, "the count of sessions, and those in the table");
        let end = self.sessions.end();
        assert!(end == 0 || self.sessions.at(end - 1).is_some(), "the last entry is empty");
        for index in 0..end {
            let peer = self.sessions.at(index).map(Session::peer);
            assert!(peer.is_none_or(|peer| peer.index as usize == index), "{peer:?} is at index {index}");
        }
    }

    /// Sums over all sessions.
    fn check_counts(&self) {
        let shared = &self.shared;
        let counted = self.sessions.iter().filter(|session| session.is_counted());
        shared
            .connection_counts
            .check(&shared.settings, counted.map(|session| (session.service(), session.remote())));
        let held: usize = self.sessions.iter().map(Session::counted_bytes).sum();
        assert_eq!(shared.held, held, "memory that the queues of all hold, and of each");
        let lingering = self.sessions.iter().filter(|session| session.is_refused_and_lingers()).count();
        assert_eq!(shared.refused_lingering, lingering, "refused connections that linger");
    }

    /// The tables besides the session table: each has a session at most once, and none that is closed.
    fn check_tables(&self) {
        let shared = &self.shared;
        let members = self.sessions.iter().filter(|session| session.member_id().is_some()).count();
        assert_eq!(shared.room.len(), members, "members of the room, and sessions that are one");
        let watching = self.sessions.iter().filter(|session| session.is_watching()).count();
        assert_eq!(shared.event_ring.watchers().count(), watching, "watchers, and sessions that watch");
        let seated = self.sessions.iter().filter(|session| session.pair_end().is_some()).count();
        assert_eq!(
            shared.talk.participants(),
            seated,
            "ends of lines that are taken, and sessions that talk"
        );
        let here = |peer: &ConnectionId| self.sessions.get(*peer).is_some();
        assert!(shared.paces.peers().all(here), "a closed connection has a pace");
        assert!(shared.guests.peers().all(here), "a closed connection is asked for a passphrase");
        assert!(shared.certified.peers().all(here), "a closed connection has a certificate");
        assert!(shared.unread.peers().all(here), "a closed connection reads nothing");
        let drained = shared.stop.as_ref().map(|stop| &stop.drained);
        assert!(drained.into_iter().flatten().all(here), "a closed connection is known to be drained");
    }

    fn check_lists(&self) {
        let lists = [self.outputs.replies(), &self.waiting, &self.giving_way, &self.reporting];
        for list in lists {
            self.check_list(list);
        }
        let mut asked: Vec<ConnectionId> = self.outputs.peers().collect();
        asked.sort_unstable();
        let runs = asked.chunk_by(|a, b| a == b).map(|run| (run[0], run.len()));
        let most = runs.max_by_key(|(_, count)| *count);
        assert!(
            most.is_none_or(|(_, count)| count <= OUTPUTS_MAX),
            "so much is asked for one peer: {most:?}"
        );
    }

    fn check_list(&self, list: &ReadyList) {
        let mut seen = Vec::new();
        for peer in list.peers() {
            let Some(session) = self.sessions.get(peer) else { continue };
            assert!(session.is_in(list.list()), "{peer:?} does not know that it is in a list: {list:?}");
            seen.push(peer);
        }
        seen.sort_unstable();
        let twice = seen.windows(2).find(|pair| pair[0] == pair[1]);
        assert!(twice.is_none(), "{twice:?} is in a list twice: {list:?}");
        let members = self.sessions.iter().filter(|session| session.is_in(list.list())).count();
        assert_eq!(seen.len(), members, "the sessions that are marked as in a list, and do: {list:?}");
    }

    fn check_timers(&self) {
        let mut is_woken = vec![false; self.sessions.end()];
        for (at, peer) in self.timers.entries() {
            if self.sessions.get(peer).is_some_and(|session| session.timer.is_for(at)) {
                is_woken[peer.index as usize] = true;
            }
        }
        for session in self.sessions.iter() {
            let (peer, at) = (session.peer(), session.timer.at());
            assert!(at.is_none() || is_woken[peer.index as usize], "nobody wakes {peer:?} at {at:?}");
        }
        if let Some((at, peer)) = self.timers.first() {
            let is_armed = self.sessions.get(peer).is_some_and(|session| session.timer.is_for(at));
            assert!(is_armed, "the first deadline is nobody's: {peer:?} at {at:?}");
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
