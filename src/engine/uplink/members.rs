//! The members of the room on all machines; each name belongs to one. Decides nothing.

use std::collections::{BTreeMap, HashMap};

use super::super::looks::Look;
use super::super::name::{Key, Name};
use super::batch::digest;
use super::ids::InstanceId;

/// A member.
#[derive(Clone, Debug)]
struct Member {
    name: Name,
    /// Its number in the order of joining.
    joined: u64,
}

/// The members of one instance by name, and the sum of the digests of their names.
#[derive(Debug, Default)]
struct Row {
    members: HashMap<Box<str>, Member>,
    digest: u64,
}

/// All members.
#[derive(Debug, Default)]
pub struct Members {
    rows: BTreeMap<InstanceId, Row>,
    keys: HashMap<Key, (InstanceId, Box<str>)>,
    looks: HashMap<Look, (InstanceId, Box<str>)>,
    joins: u64,
}

impl Members {
    /// The number of members.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether an instance has a member with exactly this name.
    pub fn has(&self, instance: InstanceId, name: &str) -> bool {
        self.rows.get(&instance).is_some_and(|row| row.members.contains_key(name))
    }

    /// The owner of that name, or of one that it can be mistaken for.
    pub fn holder(&self, name: &Name) -> Option<(InstanceId, &str)> {
        let looks = || name.looks.each().iter().find_map(|look| self.looks.get(look));
        self.keys.get(&name.key).or_else(looks).map(|(instance, shown)| (*instance, &**shown))
    }

    /// The owner of exactly that name.
    pub fn find(&self, key: &Key) -> Option<(InstanceId, &str)> {
        self.keys.get(key).map(|(instance, shown)| (*instance, &**shown))
    }

    /// All members in the order of joining.
    pub fn all(&self) -> impl Iterator<Item = (InstanceId, &str)> {
        let of = |(id, row): (&InstanceId, _)| (*id, row);
        let mut all: Vec<(u64, InstanceId, &str)> = Vec::with_capacity(self.len());
        for (id, row) in self.rows.iter().map(of) {
            let row: &Row = row;
            all.extend(row.members.iter().map(|(shown, member)| (member.joined, id, &**shown)));
        }
        all.sort_unstable();
        all.into_iter().map(|(_, id, shown)| (id, shown))
    }

    /// The members of one instance in the order of joining.
    pub fn of(&self, instance: InstanceId) -> Vec<Box<str>> {
        let Some(row) = self.rows.get(&instance) else { return Vec::new() };
        let mut members: Vec<(u64, &str)> =
            row.members.iter().map(|(shown, member)| (member.joined, &**shown)).collect();
        members.sort_unstable();
        members.into_iter().map(|(_, shown)| shown.into()).collect()
    }

    /// The number of an instance's members, and the sum of their digests.
    pub fn sum(&self, instance: InstanceId) -> (u64, u64) {
        self.rows.get(&instance).map_or((0, 0), |row| (row.members.len() as u64, row.digest))
    }

    /// Adds a member, whose name must be free.
    pub fn insert(&mut self, instance: InstanceId, name: Name) {
        let shown = name.shown.clone();
        self.keys.insert(name.key.clone(), (instance, shown.clone()));
        for look in name.looks.each() {
            self.looks.insert(*look, (instance, shown.clone()));
        }
        self.joins += 1;
        let row = self.rows.entry(instance).or_default();
        row.digest ^= digest(&shown);
        row.members.insert(shown, Member { name, joined: self.joins });
    }

    /// Removes a member. Returns whether there was one.
    pub fn remove(&mut self, instance: InstanceId, name: &str) -> bool {
        let Some(row) = self.rows.get_mut(&instance) else { return false };
        let Some(member) = row.members.remove(name) else { return false };
        row.digest ^= digest(name);
        if row.members.is_empty() {
            self.rows.remove(&instance);
        }
        self.keys.remove(&member.name.key);
        for look in member.name.looks.each() {
            self.looks.remove(look);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn name_belongs_to_one_member_and_is_free_when_it_leaves() {
        let (one, two) = (InstanceId([1; 16]), InstanceId([2; 16]));
        let mut members = Members::default();
        for (instance, shown) in [(two, "Alice"), (one, "bob"), (one, "ann")] {
            assert_eq!(members.holder(&name(shown)), None);
            members.insert(instance, name(shown));
        }
        assert_eq!(members.all().collect::<Vec<_>>(), [(two, "Alice"), (one, "bob"), (one, "ann")]);
        assert_eq!(members.of(one), ["bob".into(), "ann".into()]);
        assert_eq!(members.holder(&name("AIice")), Some((two, "Alice")), "it looks like that");
        assert_eq!(members.find(&Key::new("ALICE")), Some((two, "Alice")));
        assert_eq!(members.find(&Key::new("AIice")), None, "but it is not typed like that");
        assert!(members.has(two, "Alice") && !members.has(one, "Alice") && !members.has(two, "alice"));
        assert!(
            !members.remove(one, "Alice") && members.remove(two, "Alice") && !members.remove(two, "Alice")
        );
        assert_eq!((members.holder(&name("AIice")), members.len()), (None, 2));
        assert_eq!(members.sum(two), (0, 0));
        assert_eq!(members.sum(one), (2, digest("ann") ^ digest("bob")));
    }
}
