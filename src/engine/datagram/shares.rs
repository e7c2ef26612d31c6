//! Limits the answers to each sender of datagrams, so that a peer that answers everything, or one with forged addresses, cannot
//! make us send for ever. Knows addresses and times, and no message.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::limits::{ANSWER_BURST_SECONDS, DATAGRAM_SENDERS_MAX};
use crate::engine::message::{RemoteAddress, Timestamp};

/// The owner of a share: a network address and port, or a user's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    Network(SocketAddr),
    /// A user, and a digest of its socket's address.
    Local(u32, u64),
}

impl Sender {
    /// The sender of a datagram from this address; `None`: nothing can be sent to it.
    pub fn of(remote: RemoteAddress, address: &[u8]) -> Option<Sender> {
        match remote {
            RemoteAddress::Address(address) => Some(Sender::Network(address)),
            RemoteAddress::Process { .. } | RemoteAddress::Unknown { .. } => {
                // A number that no user has.
                let uid = if let RemoteAddress::Process { uid, .. } = remote { uid } else { u32::MAX };
                // The keys are always the same. Whoever constructs two sockets with the same digest only shares with itself.
                let mut digest = DefaultHasher::new();
                address.hash(&mut digest);
                Some(Sender::Local(uid, digest.finish()))
            }
            RemoteAddress::Input | RemoteAddress::Writers => None,
        }
    }
}

/// The shares in use. Each is stored as the time at which it will be whole again; every answer moves that time by the cost of one
/// answer (a leaky bucket as a meter, the generic cell rate algorithm).
#[derive(Debug, Default)]
pub struct Shares {
    by_sender: BTreeMap<Sender, Timestamp>,
    /// The same by time: if there are too many, those that will be whole first are dropped, because that gives away least.
    by_time: BTreeSet<(Timestamp, Sender)>,
}

impl Shares {
    /// Takes one answer from a sender's share, if one is left. `per_second`: how many come back; 0: no limit.
    pub fn take(&mut self, now: Timestamp, sender: Sender, per_second: u32) -> bool {
        if per_second == 0 {
            return true;
        }
        self.forget_whole(now);
        let one = Duration::from_secs(1) / per_second;
        let before = self.by_sender.get(&sender).copied();
        let whole = before.filter(|whole| *whole > now).unwrap_or(now) + one;
        if whole.since(now) > one * ANSWER_BURST_SECONDS.saturating_mul(per_second) {
            return false;
        }
        match before {
            Some(before) => drop(self.by_time.remove(&(before, sender))),
            None if self.by_sender.len() >= DATAGRAM_SENDERS_MAX => self.forget_first(),
            None => {}
        }
        self.by_sender.insert(sender, whole);
        self.by_time.insert((whole, sender));
        true
    }

    /// Senders that are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        assert_eq!(self.by_sender.len(), self.by_time.len());
        self.by_sender.len()
    }

    /// Drops senders whose share is whole again.
    fn forget_whole(&mut self, now: Timestamp) {
        while self.by_time.first().is_some_and(|(whole, _)| *whole <= now) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, sender)) = self.by_time.pop_first() {
            self.by_sender.remove(&sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(port: u16) -> Sender {
        Sender::Network(([127, 0, 0, 1], port).into())
    }

    #[test]
    fn sender_gets_100_replies_at_once_then_ten_per_second() {
        let mut shares = Shares::default();
        let mut had = [0; 31];
        for millis in 0..30_000 {
            let now = Timestamp::at(millis * 1000);
            had[millis as usize / 1000] += u32::from(shares.take(now, sender(1), 10));
        }
        assert_eq!(had[0], 109);
        assert!(had[1..30].iter().all(|count| *count == 10), "{had:?}");
        assert!(
            (0..99).all(|_| shares.take(Timestamp::at(30_000_000), sender(2), 10)),
            "another has its own"
        );
    }

    #[test]
    fn share_refills_in_ten_seconds_and_is_then_forgotten() {
        let mut shares = Shares::default();
        assert_eq!((0..500).filter(|_| shares.take(Timestamp::at(7), sender(1), 10)).count(), 100);
        assert!(!shares.take(Timestamp::at(100_006), sender(1), 10));
        assert!(shares.take(Timestamp::at(100_007), sender(1), 10));
        let later = Timestamp::at(10_100_007);
        assert!(shares.take(later, sender(2), 10));
        assert_eq!(shares.len(), 1);
        assert_eq!((0..500).filter(|_| shares.take(later, sender(1), 10)).count(), 100);
        assert!((0..1000).all(|_| shares.take(later, sender(1), 0)), "no bound");
    }

    #[test]
    fn heaviest_senders_are_remembered_among_any_number() {
        let mut shares = Shares::default();
        let now = Timestamp::at(0);
        assert_eq!((0..100).filter(|_| shares.take(now, sender(1), 10)).count(), 100);
        for id in 0..3 * DATAGRAM_SENDERS_MAX {
            assert!(shares.take(now, Sender::Local(5, id as u64), 10));
            assert!(shares.len() <= DATAGRAM_SENDERS_MAX);
        }
        assert!(!shares.take(now, sender(1), 10), "a flood in many names is no way to a second share");
    }

    #[test]
    fn users_sockets_are_separate_senders() {
        let process = |uid, pid| RemoteAddress::Process { uid, gid: 1, pid };
        assert_eq!(Sender::of(process(1, 1), b"/a"), Sender::of(process(1, 2), b"/a"));
        assert_ne!(Sender::of(process(1, 1), b"/a"), Sender::of(process(1, 1), b"/b"));
        assert_ne!(Sender::of(process(1, 1), b"/a"), Sender::of(process(2, 1), b"/a"));
    }
}
