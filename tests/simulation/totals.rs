//! The totals of all runs, which show that the simulation reaches the intended states.

use std::collections::BTreeMap;
use std::fmt::Debug;

use ipcd::engine::message::CloseReason;
use ipcd::engine::wrong_protocol::WrongProtocol;

#[derive(Default)]
pub struct Totals {
    /// Counts by name. Each counting statement is identified by its name's address in memory, because some count several times a
    /// step.
    counts: Vec<(&'static str, u64)>,
    composed: BTreeMap<String, u64>,
}

impl Totals {
    pub fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    pub fn add(&mut self, what: &'static str, count: u64) {
        match self.counts.iter_mut().find(|(other, _)| std::ptr::eq(*other, what)) {
            Some((_, total)) => *total += count,
            None => self.counts.push((what, count)),
        }
    }

    /// Counts one of several cases.
    pub fn count_case(&mut self, what: &str, case: &dyn Debug) {
        *self.composed.entry(format!("{what}: {case:?}")).or_default() += 1;
    }

    pub fn merge(&mut self, other: Totals) {
        for (what, count) in other.all() {
            *self.composed.entry(what).or_default() += count;
        }
    }

    /// How many times it happened.
    pub fn of(&self, what: &str) -> u64 {
        self.all().get(what).copied().unwrap_or(0)
    }

    /// Sorted by name.
    fn all(&self) -> BTreeMap<String, u64> {
        let mut all = self.composed.clone();
        for (what, count) in &self.counts {
            *all.entry((*what).to_owned()).or_default() += count;
        }
        all
    }

    /// Asserts that every reason, both kinds, and the difficulties have occurred.
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
            CloseReason::PeerTooSlow,
            CloseReason::PeerNotReading,
            CloseReason::PeerWrongProtocol(WrongProtocol::Http),
            CloseReason::PeerWrongProtocol(WrongProtocol::Tls),
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
            "delivered",
            "not read from",
            "held back",
            "read from again",
            "held to a pace",
            "written to once more, and it took something",
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
            "private events verified",
            "events: \"hint\"",
            "told that a message was too long",
        ];
        let all = self.all();
        for what in reasons.chain(others.iter().map(|what| (*what).to_owned())) {
            assert!(all.contains_key(&what), "never reached: {what}");
        }
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.all().iter().try_for_each(|(what, count)| writeln!(f, "{count:>12}  {what}"))
    }
}
