//! What happened in all runs, so that one can see that the simulation reaches the states it is there for.

use std::collections::BTreeMap;

use ipcd::engine::message::{CloseReason, Foreign};

#[derive(Default)]
pub struct Tally(pub BTreeMap<String, u64>);

impl Tally {
    pub fn count(&mut self, what: &str) {
        self.add(what, 1);
    }

    pub fn add(&mut self, what: &str, count: u64) {
        match self.0.get_mut(what) {
            Some(total) => *total += count,
            None => {
                self.0.insert(what.to_owned(), count);
            }
        }
    }

    pub fn merge(&mut self, other: Tally) {
        other.0.iter().for_each(|(what, count)| self.add(what, *count));
    }

    /// Every reason, both kinds, and the troubles must have been met.
    pub fn assert_everything_was_reached(&self) {
        let reasons = [
            CloseReason::Served,
            CloseReason::PeerClosed,
            CloseReason::PeerReset,
            CloseReason::PeerQuit,
            CloseReason::PeerIdle,
            CloseReason::PeerSilent,
            CloseReason::PeerUnfinished,
            CloseReason::PeerNameless,
            CloseReason::PeerTooLong,
            CloseReason::PeerTooSlow,
            CloseReason::PeerForeign(Foreign::Http),
            CloseReason::PeerForeign(Foreign::Tls),
            CloseReason::TooMany,
            CloseReason::NotAllowed,
            CloseReason::Withdrawn,
            CloseReason::Stopping,
        ];
        let reasons = reasons.iter().map(|reason| format!("closed: {reason:?}"));
        let others = [
            "decided: Line",
            "decided: Raw",
            "blocked",
            "not read from",
            "listened to again",
            "refused at the door",
            "refused on the mux",
            "reconfigured",
            "stopped",
            "emptied",
            "reset by the engine",
            "members verified to their end",
            "raw recv verified",
            "requests verified to the end of file",
            "answered after stop",
            "reports verified",
            "lists verified",
            "events verified",
            "events: \"hint\"",
        ];
        for what in reasons.chain(others.iter().map(|what| (*what).to_owned())) {
            assert!(self.0.contains_key(&what), "never reached: {what}");
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(what, count)| writeln!(f, "{count:>12}  {what}"))
    }
}
