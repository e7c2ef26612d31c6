//! Members that may not speak in the room for a while. A mute belongs to a name. While no member has that name, it belongs to the
//! address or user that had it, so that another name does not lift it.

use super::client::Client;
use super::message::Timestamp;
use super::name::Key;

/// The most mutes at once; for more, use `close` or a list.
pub const MUTES_MAX: usize = 64;

#[derive(Debug)]
struct Mute {
    key: Key,
    client: Client,
    /// `None`: until it is lifted.
    until: Option<Timestamp>,
}

/// All mutes.
#[derive(Debug, Default)]
pub struct Mutes(Vec<Mute>);

impl Mutes {
    /// Whether there are none, which is the usual case.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Mutes a name, or changes the end of its mute; `false`: too many are muted already.
    pub fn add(&mut self, now: Timestamp, key: Key, client: Client, until: Option<Timestamp>) -> bool {
        self.0.retain(|mute| mute.key != key && mute.until.is_none_or(|until| until > now));
        if self.0.len() >= MUTES_MAX {
            return false;
        }
        self.0.push(Mute { key, client, until });
        true
    }

    /// Lifts a mute; returns whether there was one.
    pub fn lift(&mut self, key: &Key) -> bool {
        let before = self.0.len();
        self.0.retain(|mute| mute.key != *key);
        self.0.len() < before
    }

    /// Until when a member may not speak, if it is muted. `is_here` says whether a name is in the room.
    pub fn of(
        &self,
        now: Timestamp,
        key: &Key,
        client: Client,
        is_here: impl Fn(&Key) -> bool,
    ) -> Option<Option<Timestamp>> {
        let is_now = |mute: &&Mute| mute.until.is_none_or(|until| until > now);
        let is_on = |mute: &&Mute| mute.key == *key || mute.client == client && !is_here(&mute.key);
        self.0.iter().filter(is_now).find(is_on).map(|mute| mute.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mute_stays_on_a_name_and_follows_its_former_holder() {
        let (ann, bob, eve) = (Key::new("ann"), Key::new("bob"), Key::new("eve"));
        let [one, other] = [Client::User(1), Client::User(2)];
        let mut mutes = Mutes::default();
        let (begin, later, end) = (Timestamp::at(0), Timestamp::at(99), Timestamp::at(100));
        assert!(mutes.add(begin, ann.clone(), one, Some(end)));
        let present = |_: &Key| true;
        assert_eq!(mutes.of(later, &ann, one, present), Some(Some(end)));
        assert_eq!(mutes.of(end, &ann, one, present), None, "it is over");
        // A client that takes the name is muted too; others at that address are not, as long as the name is in the room.
        assert_eq!(mutes.of(later, &ann, other, present), Some(Some(end)));
        assert_eq!(mutes.of(later, &bob, one, present), None);
        assert_eq!(
            mutes.of(later, &eve, one, |_| false),
            Some(Some(end)),
            "it has come back under another name"
        );
        assert_eq!(mutes.of(later, &eve, other, |_| false), None);
        assert!(mutes.lift(&ann) && !mutes.lift(&ann) && mutes.is_empty());
    }

    #[test]
    fn mutes_are_bounded_until_some_expire() {
        let mut mutes = Mutes::default();
        for number in 0..MUTES_MAX {
            let until = (number > 0).then(|| Timestamp::at(10));
            assert!(mutes.add(Timestamp::at(0), Key::new(&format!("m{number}")), Client::Unknown, until));
        }
        assert!(!mutes.add(Timestamp::at(9), Key::new("more"), Client::Unknown, None));
        assert!(mutes.add(Timestamp::at(9), Key::new("m5"), Client::Unknown, None), "it has one");
        assert!(mutes.add(Timestamp::at(10), Key::new("more"), Client::Unknown, None));
        assert_eq!(mutes.0.len(), 3);
    }
}
