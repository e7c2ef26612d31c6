//! Which instances are alive: our own signs of life, and the silence of others. Uses two clocks: ours, and the log's in the ledger.

use std::collections::BTreeMap;

use super::super::message::Timestamp;
use super::batch::{Item, push_name, write};
use super::bounds::{
    ALIVE_INTERVAL, ANSWER_TIMEOUT, BATCH_BYTES_MAX, HELLO_INTERVAL, LIST_BYTES_MAX, NOTICE_INTERVAL,
    PRESENCE_INTERVAL, SILENCE, SPREAD,
};
use super::ids::InstanceId;
use super::ledger::Ledger;
use super::random::Random;

/// The state.
#[derive(Debug)]
pub struct Presence {
    alive_at: Timestamp,
    hello_at: Timestamp,
    scan_at: Timestamp,
    /// Set if an instance does not know our members.
    is_list_due: bool,
    list_at: Timestamp,
    /// Since when we can receive signs of life.
    since: Timestamp,
    /// Until when our members wait if those of other instances are unknown.
    doubt_until: Timestamp,
    /// Whether they wait.
    is_waiting: bool,
    /// What our next batch says about other instances, and when each may be mentioned again.
    notices: Vec<u8>,
    again: BTreeMap<InstanceId, Timestamp>,
}

impl Presence {
    pub fn new(now: Timestamp) -> Presence {
        Presence {
            alive_at: now,
            hello_at: now,
            scan_at: now,
            is_list_due: false,
            list_at: now,
            since: now,
            doubt_until: now,
            is_waiting: false,
            notices: Vec::new(),
            again: BTreeMap::new(),
        }
    }

    /// Notes that a connection is ready: before, no sign of life could arrive.
    pub fn connected(&mut self, now: Timestamp) {
        (self.alive_at, self.hello_at, self.since) = (now, now, now);
        self.doubt_until = now + ANSWER_TIMEOUT;
        self.notices.clear();
        self.again.clear();
    }

    /// Notes that an instance asks for our members, or cannot know them.
    pub fn request_list(&mut self) {
        self.is_list_due = true;
    }

    /// Starts again under another id, under which nothing was published.
    pub fn start_over(&mut self, now: Timestamp) {
        self.hello_at = now;
        self.is_list_due = false;
        self.notices.clear();
    }

    /// Declares our own old id gone, because after so long an absence others may have done so.
    pub fn declare_gone(&mut self, instance: InstanceId, entries: u64) {
        write(&mut self.notices, Item::Gone { instance, entries });
    }

    /// Whether our members may join and speak: those of all other instances are known, or finding out takes too long.
    pub fn is_sure(&mut self, ledger: &Ledger, now: Timestamp) -> bool {
        let is_sure =
            now >= self.doubt_until || ledger.instances.values().all(|row| row.is_sure || row.gone.is_some());
        self.is_waiting = !is_sure;
        is_sure
    }

    /// Whether a sign of life outside of the log is due.
    pub fn is_alive_due(&mut self, now: Timestamp) -> bool {
        let is_due = now >= self.alive_at;
        if is_due {
            self.alive_at = now + ALIVE_INTERVAL;
        }
        is_due
    }

    /// Finds silent instances, and those whose members are unknown.
    pub fn scan(&mut self, ledger: &Ledger, random: &mut Random, now: Timestamp) {
        if now < self.scan_at {
            return;
        }
        self.scan_at = now + PRESENCE_INTERVAL;
        self.again.retain(|id, at| *at > now && ledger.instances.contains_key(id));
        for (id, row) in &ledger.instances {
            let is_other = *id != ledger.own && row.gone.is_none();
            let is_silent = now >= row.heard.max(self.since) + SILENCE;
            if !is_other || row.is_sure && !is_silent || self.again.contains_key(id) {
                continue;
            }
            self.again.insert(*id, now + NOTICE_INTERVAL + random.part_of(SPREAD));
            if self.notices.len() < BATCH_BYTES_MAX / 4 {
                let gone = Item::Gone { instance: *id, entries: row.entries };
                write(&mut self.notices, if is_silent { gone } else { Item::Ask(*id) });
            }
        }
    }

    /// Our own items for the next batch. All our earlier batches have come back, so the sum is right.
    pub fn control(&mut self, ledger: &Ledger, now: Timestamp) -> Vec<u8> {
        let mut control = Vec::new();
        if now >= self.hello_at {
            self.hello_at = now + HELLO_INTERVAL;
            let (count, digest) = ledger.members.sum(ledger.own);
            write(&mut control, Item::Hello { count, digest });
        }
        control.append(&mut self.notices);
        control
    }

    /// The list of our members in parts, if it is due.
    pub fn list(&mut self, ledger: &Ledger, now: Timestamp) -> Vec<Vec<u8>> {
        if !self.is_list_due || now < self.list_at {
            return Vec::new();
        }
        self.is_list_due = false;
        self.list_at = now + ANSWER_TIMEOUT;
        let mut parts = vec![Vec::new()];
        for name in ledger.members.of(ledger.own) {
            if parts.last().is_some_and(|part| part.len() + name.len() > LIST_BYTES_MAX) {
                parts.push(Vec::new());
            }
            push_name(parts.last_mut().expect("there is one"), &name);
        }
        let last = parts.len() - 1;
        let item = |(at, names): (usize, Vec<u8>)| {
            let mut bytes = Vec::with_capacity(names.len() + 4);
            write(&mut bytes, Item::MemberList { is_first: at == 0, is_last: at == last, names: &names });
            bytes
        };
        parts.into_iter().enumerate().map(item).collect()
    }

    /// When something is due while a connection is ready. Other instances are checked only when the log was read, and a batch
    /// begins only when there is no other one.
    pub fn deadline(&self, is_caught_up: bool, may_begin: bool) -> Timestamp {
        let scan = is_caught_up.then_some(self.scan_at);
        let hello = may_begin.then_some(self.hello_at);
        let list = (may_begin && self.is_list_due).then_some(self.list_at);
        let doubt = (may_begin && self.is_waiting).then_some(self.doubt_until);
        [scan, hello, list, doubt].into_iter().flatten().fold(self.alive_at, Timestamp::min)
    }
}

#[cfg(test)]
mod tests;
