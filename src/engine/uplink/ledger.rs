//! The state that follows from the log: which batches count, which members are in the room, which instances are gone. It depends
//! only on the log, so it is the same everywhere. Knows batches and the log's clock, and no connection.
//!
//! The rule for readers: a batch counts if its number is higher than that of all earlier batches of its instance, and if the
//! instance was not declared gone before. So nothing counts twice, however often it was published.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::message::Timestamp;
use super::super::name::Name;
use super::super::text::{clean, is_plain};
use super::batch::{AGAIN, Head, Item, items, names};
use super::bounds::{GONE_KEPT, INSTANCES_MAX, MEMBERS_MAX, SILENCE_IN_LOG};
use super::describe::{self, Within};
use super::event::{Direction, Entry, EntryPosition, LogEvent};
use super::events::Events;
use super::ids::InstanceId;
use super::members::Members;
use super::reason::Reason;

/// More entries than an instance ever has, so that a number in the log, which others may write, cannot overflow.
const ENTRIES_MAX: u64 = 1 << 32;

/// What is known about one instance.
#[derive(Debug, Default)]
pub struct Instance {
    /// The number of its last batch.
    pub number: u64,
    /// The number of its entries in the log.
    pub entries: u64,
    /// When its last batch was stored, by the log's clock, in nanoseconds.
    pub stored: u64,
    /// Whether we know all of its members.
    pub is_sure: bool,
    /// An incomplete list of its members.
    list: Option<Vec<Box<str>>>,
    /// When it was declared gone, by the log's clock.
    pub gone: Option<u64>,
    /// Whether it was reported as gone, perhaps because of a log that was lost.
    is_reported: bool,
    /// Its last sign of life, by our clock.
    pub heard: Timestamp,
    /// Messages were trimmed since its last batch: the next one may be among them.
    pub(super) is_behind_gap: bool,
}

/// The position of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPosition {
    /// Its sequence number in the stream.
    pub sequence: u64,
    /// Its time by the log's clock.
    pub time: u64,
}

/// What a batch means for this instance.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Whether it is not a batch, or not readable.
    pub is_foreign: bool,
    /// The number of the batch, if it is ours.
    pub own: Option<u64>,
    /// Whether an instance asks for the list of our members.
    pub is_asked: bool,
    /// Our members, if this instance was declared gone.
    pub gone: Option<Vec<Box<str>>>,
}

/// The state.
#[derive(Debug)]
pub struct Ledger {
    /// This instance.
    pub own: InstanceId,
    pub instances: BTreeMap<InstanceId, Instance>,
    pub members: Members,
    /// The latest time of a message, by the log's clock.
    pub time: u64,
    /// Entries that were removed before we read them.
    pub missed: u64,
    /// Set until the end of the log is reached for the first time: what was removed before that is not missed.
    pub is_past: bool,
    /// Messages were trimmed before we read them.
    pub(super) has_gap: bool,
}

impl Ledger {
    pub fn new(own: InstanceId) -> Ledger {
        Ledger {
            own,
            instances: BTreeMap::new(),
            members: Members::default(),
            time: 0,
            missed: 0,
            is_past: true,
            has_gap: false,
        }
    }

    /// Living instances in the log, including this one.
    pub fn living(&self) -> usize {
        let others = self.instances.iter().filter(|(id, row)| **id != self.own && row.gone.is_none());
        1 + others.count()
    }

    /// An id under which this daemon can continue.
    pub fn free_successor(&self) -> InstanceId {
        let mut own = self.own.successor();
        while self.instances.contains_key(&own) {
            own = own.successor();
        }
        own
    }

    /// Prepares for another log, which is read from its beginning: numbers continue to count, but an instance that is gone must be
    /// declared gone there again.
    pub fn begin_another_log(&mut self, now: Timestamp) {
        for (id, row) in &mut self.instances {
            row.is_sure = *id == self.own;
            row.list = None;
            (row.gone, row.stored, row.heard) = (None, 0, now);
        }
        self.is_past = true;
    }

    /// Applies a message of the log.
    pub fn apply(&mut self, bytes: &[u8], at: BatchPosition, now: Timestamp, events: &mut Events) -> Applied {
        let mut applied = Applied::default();
        self.time = self.time.max(at.time);
        let Some((head, rest)) = Head::read(bytes).filter(|(head, _)| self.admit(head, at, now, events))
        else {
            applied.is_foreign = Head::read(bytes).is_none();
            return applied;
        };
        let is_own = head.instance == self.own;
        let row = self.instances.get_mut(&head.instance).expect("it was admitted");
        let has_missed = head.after > row.number;
        let missed = head.entries.saturating_sub(row.entries).min(ENTRIES_MAX);
        let mut missed = if has_missed { missed } else { 0 };
        // It was published before, perhaps in the gap; then it counts there for the others, and not here.
        let is_passed_over = std::mem::take(&mut row.is_behind_gap) && rest.starts_with(&AGAIN);
        if is_passed_over {
            missed += items(rest).filter(|item| matches!(item, Item::Entry(_))).count() as u64;
        }
        if has_missed || is_passed_over {
            (row.is_sure, row.list) = (is_own, None);
        }
        if missed > 0 {
            self.missed = self.missed.saturating_add(missed);
            events.missed(missed);
        }
        (row.number, row.heard) = (head.number, now);
        applied.own = is_own.then_some(head.number);
        let mut place =
            EntryPosition { instance: head.instance, is_own, sequence: at.sequence, index: 0, time: at.time };
        let (mut count, mut speaker) = (0, None);
        for item in items(rest) {
            if events.is_watched
                && let Some(description) = describe::item(Within::Message(at.sequence, head.instance), item)
            {
                events.seen(Direction::Down, || ("", description));
            }
            match item {
                Item::Entry(entry) => {
                    if !is_passed_over {
                        self.enter(place, entry, &mut speaker, events);
                    }
                    count += 1;
                }
                Item::Hello { count, digest } => self.hello(head.instance, (count, digest)),
                Item::MemberList { is_first, is_last, names } => {
                    self.take_list(place, (is_first, is_last), names, events)
                }
                Item::Ask(instance) => applied.is_asked |= instance == self.own,
                Item::Gone { instance, entries } => {
                    if let Some(members) = self.mark_gone((instance, entries), place, events) {
                        applied.gone = (instance == self.own).then_some(members).or(applied.gone);
                    }
                }
                Item::Again => {}
            }
            place.index += 1;
        }
        if let Some(row) = self.instances.get_mut(&head.instance) {
            row.entries = head.entries + count;
        }
        applied
    }

    /// Whether the batch counts. Adds a new instance to the table.
    fn admit(&mut self, head: &Head, at: BatchPosition, now: Timestamp, events: &mut Events) -> bool {
        if let Some(row) = self.instances.get_mut(&head.instance) {
            if row.gone.is_none() {
                row.stored = row.stored.max(at.time);
            }
            return row.gone.is_none() && head.number > row.number;
        }
        let kept = GONE_KEPT.as_nanos() as u64;
        self.instances.retain(|_, row| row.gone.is_none_or(|gone| gone.saturating_add(kept) >= at.time));
        if self.instances.len() >= INSTANCES_MAX {
            return false;
        }
        let entries = if self.is_past { head.entries } else { 0 };
        let is_sure = head.number == 1 || head.instance == self.own;
        let is_behind_gap = self.has_gap && head.instance != self.own;
        let row =
            Instance { entries, stored: at.time, is_sure, heard: now, is_behind_gap, ..Instance::default() };
        self.instances.insert(head.instance, row);
        if head.instance != self.own {
            events.log(LogEvent::InstanceCame(head.instance));
        }
        true
    }

    /// Applies an entry of members. `speaker`: the name that was last found to be allowed to speak.
    fn enter<'a>(
        &mut self,
        place: EntryPosition,
        entry: Entry<'a>,
        speaker: &mut Option<&'a str>,
        events: &mut Events,
    ) {
        let from = place.instance;
        let last = speaker.take();
        if let Entry::Said { name, .. } | Entry::Acted { name, .. } = entry
            && (last == Some(name) || self.may_speak(from, name))
        {
            *speaker = Some(name);
        }
        let refusal = match entry {
            Entry::Joined(name) => match Name::new(name) {
                Ok(read) if *read.shown == *name => match self.members.holder(&read) {
                    // A refused attempt was stored after all, and then repeated.
                    Some((holder, shown)) if holder == from && shown == name => return,
                    Some(_) if place.is_own => return events.name_taken(name),
                    Some(_) => return,
                    None if self.members.len() >= MEMBERS_MAX => Reason::RoomFull,
                    None => {
                        self.members.insert(from, read);
                        return events.entry(place, entry);
                    }
                },
                _ => Reason::NoName,
            },
            Entry::Left(name) if self.members.remove(from, name) => return events.entry(place, entry),
            Entry::Said { name, text } if speaker.is_some() => {
                return with_clean(text, |text| events.entry(place, Entry::Said { name, text }));
            }
            Entry::Acted { name, text } if speaker.is_some() => {
                return with_clean(text, |text| events.entry(place, Entry::Acted { name, text }));
            }
            Entry::Announced(line) => {
                return with_clean(line, |line| events.entry(place, Entry::Announced(line)));
            }
            Entry::Left(_) | Entry::Said { .. } | Entry::Acted { .. } => Reason::NotInTheRoom,
        };
        if place.is_own && is_clean(entry) {
            events.refused(entry, refusal);
        }
    }

    /// Whether that can be the name of a member. Only the author's instance knows whether it is one: we may have missed its
    /// joining.
    fn may_speak(&self, from: InstanceId, name: &str) -> bool {
        self.members.has(from, name) || Name::new(name).is_ok_and(|read| *read.shown == *name)
    }

    /// Compares what an instance says about its members with what we know.
    fn hello(&mut self, from: InstanceId, sum: (u64, u64)) {
        let is_same = self.members.sum(from) == sum;
        if let Some(row) = self.instances.get_mut(&from) {
            row.is_sure = is_same || from == self.own;
        }
    }

    /// Takes a part of the list of an instance's members. The list is right: an instance sends it only after it has read all its
    /// own batches.
    fn take_list(&mut self, place: EntryPosition, ends: (bool, bool), part: &[u8], events: &mut Events) {
        let from = place.instance;
        let Some(row) = self.instances.get_mut(&from) else { return };
        if ends.0 {
            row.list = Some(Vec::new());
        }
        let Some(list) = &mut row.list else { return };
        list.extend(names(part).take(MEMBERS_MAX.saturating_sub(list.len())).map(Box::from));
        if !ends.1 {
            return;
        }
        let list = row.list.take().unwrap_or_default();
        row.is_sure = true;
        let listed: HashSet<&str> = list.iter().map(|name| &**name).collect();
        for name in self.members.of(from) {
            if !listed.contains(&*name) {
                self.members.remove(from, &name);
                events.entry(place, Entry::Left(&name));
            }
        }
        for name in &list {
            if !self.members.has(from, name) {
                self.add_listed(place, name, events);
            }
        }
    }

    /// Adds a member that we learn from a list. If we know another owner of its name, it is removed: the instances that knew this
    /// member have refused it.
    fn add_listed(&mut self, place: EntryPosition, name: &str, events: &mut Events) {
        let Ok(read) = Name::new(name) else { return };
        if *read.shown != *name || self.members.len() >= MEMBERS_MAX {
            return;
        }
        while let Some((instance, shown)) = self.members.holder(&read) {
            let shown = shown.to_owned();
            self.members.remove(instance, &shown);
            let place = EntryPosition { instance, is_own: instance == self.own, ..place };
            events.entry(place, Entry::Left(&shown));
            if place.is_own {
                events.name_taken(&shown);
            }
        }
        self.members.insert(place.instance, read);
        events.entry(place, Entry::Joined(name));
    }

    /// Adds this instance before its first batch is sent: others may read that batch, and later declare this instance gone, although
    /// we read neither.
    pub fn add_own(&mut self) {
        if self.instances.len() < INSTANCES_MAX {
            let row = Instance { stored: self.time, is_sure: true, ..Instance::default() };
            self.instances.entry(self.own).or_insert(row);
        }
    }

    /// Adds an unknown instance that is declared gone, so that we skip its later batches, as all others do.
    fn add_gone(&mut self, instance: InstanceId, entries: u64) {
        if self.instances.len() < INSTANCES_MAX {
            let entries = if self.is_past { entries } else { 0 };
            let row = Instance { entries, is_sure: true, ..Instance::default() };
            self.instances.entry(instance).or_insert(row);
        }
    }

    /// Handles that an instance is declared gone. This counts if the instance itself declares it, under its own id or its next one,
    /// or if it was silent long enough by the log's clock.
    fn mark_gone(
        &mut self,
        (instance, entries): (InstanceId, u64),
        place: EntryPosition,
        events: &mut Events,
    ) -> Option<Vec<Box<str>>> {
        self.add_gone(instance, entries);
        let row = self.instances.get_mut(&instance).filter(|row| row.gone.is_none())?;
        let silence = Duration::from_nanos(place.time.saturating_sub(row.stored));
        let is_itself = [instance, instance.successor()].contains(&place.instance);
        if !is_itself && silence < SILENCE_IN_LOG {
            return None;
        }
        row.gone = Some(place.time);
        let missed = entries.saturating_sub(row.entries).min(ENTRIES_MAX);
        row.list = None;
        let is_own = instance == self.own;
        if missed > 0 && !is_own {
            self.missed = self.missed.saturating_add(missed);
            events.missed(missed);
        }
        if !std::mem::replace(&mut row.is_reported, true) {
            events.gone(instance, is_own);
        }
        let members = self.members.of(instance);
        for name in &members {
            self.members.remove(instance, name);
            events.entry(EntryPosition { instance, is_own, ..place }, Entry::Left(name));
        }
        Some(members)
    }
}

/// Whether we can have written it: our own texts have no control characters.
fn is_clean(entry: Entry<'_>) -> bool {
    let is_clean = |text: &str| is_plain(text.as_bytes()) || clean(text.as_bytes()) == text;
    match entry {
        Entry::Joined(text) | Entry::Left(text) | Entry::Announced(text) => is_clean(text),
        Entry::Said { name, text } | Entry::Acted { name, text } => is_clean(name) && is_clean(text),
    }
}

/// Removes control characters from a text, because others may have written it into the log.
fn with_clean(text: &str, tell: impl FnOnce(&str)) {
    if is_plain(text.as_bytes()) { tell(text) } else { tell(&clean(text.as_bytes())) }
}

/// The state that is kept over a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedLedger {
    /// This instance.
    pub own: InstanceId,
    time: u64,
    missed: u64,
    is_past: bool,
    #[serde(default)]
    has_gap: bool,
    instances: Vec<SavedInstance>,
    /// Members in the order of joining, each with the index of its instance.
    members: Vec<(u32, String)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedInstance {
    id: InstanceId,
    number: u64,
    entries: u64,
    stored: u64,
    is_sure: bool,
    gone: Option<u64>,
    #[serde(default)]
    is_behind_gap: bool,
}

impl Ledger {
    pub fn save(&self) -> SavedLedger {
        let saved = |(id, row): (&InstanceId, &Instance)| SavedInstance {
            id: *id,
            number: row.number,
            entries: row.entries,
            stored: row.stored,
            // An incomplete list is not kept.
            is_sure: row.is_sure && row.list.is_none(),
            gone: row.gone,
            is_behind_gap: row.is_behind_gap,
        };
        let places: BTreeMap<InstanceId, u32> = self.instances.keys().copied().zip(0..).collect();
        let member = |(id, name): (InstanceId, &str)| Some((*places.get(&id)?, name.to_owned()));
        SavedLedger {
            own: self.own,
            time: self.time,
            missed: self.missed,
            is_past: self.is_past,
            has_gap: self.has_gap,
            instances: self.instances.iter().map(saved).collect(),
            members: self.members.all().filter_map(member).collect(),
        }
    }

    /// Restores the state of another process, without impossible parts.
    pub fn restore(saved: SavedLedger, now: Timestamp) -> Ledger {
        let mut ledger = Ledger::new(saved.own);
        (ledger.time, ledger.missed) = (saved.time, saved.missed);
        (ledger.is_past, ledger.has_gap) = (saved.is_past, saved.has_gap);
        for (place, name) in saved.members.into_iter().take(MEMBERS_MAX) {
            let instance = saved.instances.get(place as usize).map(|row| row.id);
            let read = Name::new(&name).ok().filter(|read| ledger.members.holder(read).is_none());
            if let (Some(instance), Some(read)) = (instance, read) {
                ledger.members.insert(instance, read);
            }
        }
        for row in saved.instances.into_iter().take(INSTANCES_MAX) {
            let SavedInstance { id, number, entries, stored, is_sure, gone, is_behind_gap } = row;
            let row = Instance {
                number,
                entries,
                stored,
                is_sure,
                list: None,
                gone,
                is_reported: gone.is_some(),
                heard: now,
                is_behind_gap,
            };
            ledger.instances.insert(id, row);
        }
        ledger
    }
}

#[cfg(test)]
mod tests;
