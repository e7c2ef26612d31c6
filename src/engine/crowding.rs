//! Chooses the entry that makes room for a new one in a full table: the oldest entry of the source with the most. So nobody who
//! exceeds the own share can displace others. Knows names, times and sources, whatever they stand for.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::message::Timestamp;
use super::source::Source;

/// Names, by source and age.
#[derive(Debug, Default)]
pub struct Crowding {
    /// `None`: the source is not known; all of these count as one source.
    ages: HashMap<Option<Source>, BTreeSet<(Timestamp, Rc<str>)>>,
    /// Sources by their number of names; the last one has the most and, among equals, the oldest.
    ranking: BTreeSet<(usize, Reverse<Timestamp>, Option<Source>)>,
}

impl Crowding {
    /// Adds a name.
    pub fn insert(&mut self, source: Option<Source>, at: Timestamp, name: Rc<str>) {
        self.change(source, |names| names.insert((at, name)));
    }

    /// Removes a name that was added with that source and time.
    pub fn remove(&mut self, source: Option<Source>, at: Timestamp, name: &Rc<str>) {
        self.change(source, |names| names.remove(&(at, Rc::clone(name))));
    }

    /// The name that makes room for one of this source.
    pub fn choose(&self, source: Option<Source>) -> Option<Rc<str>> {
        let (most, _, holder) = self.ranking.last()?;
        let own = self.ages.get(&source).filter(|names| names.len() + 1 > *most);
        self.oldest(if own.is_some() { &source } else { holder })
    }

    /// The name that makes room for any other.
    pub fn choose_any(&self) -> Option<Rc<str>> {
        self.ranking.last().and_then(|(_, _, holder)| self.oldest(holder))
    }

    fn oldest(&self, source: &Option<Source>) -> Option<Rc<str>> {
        self.ages.get(source)?.first().map(|(_, name)| Rc::clone(name))
    }

    fn change(
        &mut self,
        source: Option<Source>,
        act: impl FnOnce(&mut BTreeSet<(Timestamp, Rc<str>)>) -> bool,
    ) {
        let names = self.ages.entry(source).or_default();
        let rank = |names: &BTreeSet<(Timestamp, Rc<str>)>| {
            names.first().map(|(oldest, _)| (names.len(), Reverse(*oldest), source))
        };
        let before = rank(names);
        act(names);
        let after = rank(names);
        if after.is_none() {
            self.ages.remove(&source);
        }
        if before != after {
            before.map(|before| self.ranking.remove(&before));
            self.ranking.extend(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Table(Crowding, Vec<(Option<Source>, Timestamp, Rc<str>)>);

    impl Table {
        /// Adds a name to a table of at most `max`; returns the one that made room.
        fn add(&mut self, uid: u32, at: u64, max: usize) -> Option<String> {
            let source = Some(Source::User(uid));
            let gone = if self.1.len() >= max { self.0.choose(source) } else { None };
            if let Some(gone) = &gone {
                let index = self.1.iter().position(|(.., name)| name == gone).unwrap();
                let (source, at, name) = self.1.swap_remove(index);
                self.0.remove(source, at, &name);
            }
            let name: Rc<str> = format!("{uid}.{at}").into();
            self.0.insert(source, Timestamp::at(at), Rc::clone(&name));
            self.1.push((source, Timestamp::at(at), name));
            gone.map(|name| name.to_string())
        }

        fn of(&self, uid: u32) -> usize {
            self.1.iter().filter(|(source, ..)| *source == Some(Source::User(uid))).count()
        }
    }

    #[test]
    fn equal_sources_lose_the_oldest_and_a_flood_evicts_its_own() {
        let mut table = Table(Crowding::default(), Vec::new());
        for uid in 0..10 {
            assert_eq!(table.add(uid, u64::from(uid), 10), None);
        }
        assert_eq!(table.add(10, 10, 10).unwrap(), "0.0");
        assert_eq!(table.add(11, 11, 10).unwrap(), "1.1");
        assert_eq!(table.add(11, 12, 10).unwrap(), "11.11", "it has one, as all the others");
        for at in 13..1000 {
            assert_eq!(table.add(11, at, 10).unwrap(), format!("11.{}", at - 1));
        }
        assert_eq!(table.0.choose_any().unwrap().to_string(), "2.2");
    }

    #[test]
    fn large_source_keeps_half_against_a_flood() {
        let mut table = Table(Crowding::default(), Vec::new());
        for at in 0..100 {
            table.add(1, at, 100);
        }
        for at in 100..1000 {
            table.add(2, at, 100);
        }
        assert_eq!((table.of(1), table.of(2)), (50, 50));
        table.add(3, 1000, 100);
        assert_eq!((table.of(1), table.of(2), table.of(3)), (49, 50, 1));
    }

    #[test]
    fn closed_sources_leave_nothing_behind() {
        let mut table = Table(Crowding::default(), Vec::new());
        for uid in 0..1000 {
            table.add(uid, u64::from(uid), 1);
        }
        assert_eq!((table.0.ages.len(), table.0.ranking.len()), (1, 1));
    }
}
