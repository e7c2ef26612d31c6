//! Messages of the log that were trimmed before we read them, and what they may have been. Knows the ledger, and no stream.

use std::time::Duration;

use super::batch::{AGAIN, Head, Item, items};
use super::bounds::SILENCE_IN_LOG;
use super::ledger::Ledger;
use super::publish::given_up::GivenUp;

impl Ledger {
    /// Notes that messages were trimmed before we read them. Our batch `given_up` may be one of them; it no longer counts.
    pub fn gap(&mut self, given_up: Option<GivenUp>) {
        self.has_gap = true;
        for (id, row) in &mut self.instances {
            row.is_behind_gap = *id != self.own; // our own batch in it was given up
        }
        if let (Some(given_up), Some(row)) = (given_up, self.instances.get_mut(&self.own)) {
            (row.number, row.entries) = (given_up.number, given_up.entries);
        }
    }

    /// How long we were silent, by the log's clock, at a message.
    pub fn silence(&self, time: u64) -> Duration {
        let own = self.instances.get(&self.own).filter(|row| row.gone.is_none());
        own.map_or(Duration::ZERO, |row| Duration::from_nanos(time.saturating_sub(row.stored)))
    }

    /// Whether the meaning of a message depends on messages before it that may have been trimmed.
    pub fn is_affected_by_gap(&self, bytes: &[u8], time: u64) -> bool {
        let is_of_us = |item: Item<'_>| matches!(item, Item::Gone { instance, .. } if instance == self.own);
        self.silence(time) >= SILENCE_IN_LOG
            || Head::read(bytes)
                .is_some_and(|(_, rest)| rest.starts_with(&AGAIN) || items(rest).any(is_of_us))
    }
}
