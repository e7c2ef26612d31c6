//! How many log lines of one kind fit into a second, so that a flood costs little and hides no peer. Knows which peer a line is
//! about, and not its text.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::engine::message::RemoteAddress;
use crate::engine::source::Source;

/// Lines of one kind in a second, about any peers: a class that connects at once takes one for each student.
const LINES_PER_SECOND: usize = 200;

/// Further lines for peers that have had none of that kind in this second: for this many sources, and this many addresses, because
/// all of loopback is one source.
const LINES_FOR_OTHERS: usize = 100;

/// What was used of one kind in the current second.
#[derive(Debug, Default)]
pub(super) struct Budget {
    written: usize,
    suppressed: u64,
    sources: Seen<Source>,
    addresses: Seen<(Source, Option<IpAddr>)>,
}

/// Peers that have had a line, and how many of those lines were further ones.
#[derive(Debug)]
struct Seen<T> {
    had: HashSet<T>,
    on_top: usize,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Seen { had: HashSet::new(), on_top: 0 }
    }
}

impl<T: std::hash::Hash + Eq> Seen<T> {
    fn note(&mut self, who: T) {
        self.had.insert(who);
    }

    /// Whether a peer's first line fits among the further ones.
    fn takes_on_top(&mut self, who: &T) -> bool {
        let takes = self.on_top < LINES_FOR_OTHERS && !self.had.contains(who);
        self.on_top += usize::from(takes);
        takes
    }
}

impl Budget {
    /// Whether one more line is written; if not, it is counted.
    pub(super) fn takes(&mut self, remote: RemoteAddress) -> bool {
        let source = Source::from(remote);
        let address = match remote {
            RemoteAddress::Address(address) if source == Source::Loopback => Some(address.ip()),
            _ => None,
        };
        let takes = self.written < LINES_PER_SECOND
            || self.sources.takes_on_top(&source)
            || self.addresses.takes_on_top(&(source, address));
        if takes {
            self.written += 1;
            self.sources.note(source);
            self.addresses.note((source, address));
        } else {
            self.suppressed += 1;
        }
        takes
    }

    /// The same for a line that is about no peer; one of these fits into a second.
    pub(super) fn takes_one(&mut self) -> bool {
        let takes = self.written == 0;
        self.written += 1;
        self.suppressed += u64::from(!takes);
        takes
    }

    /// Whether lines were suppressed and counted.
    pub(super) fn has_suppressed(&self) -> bool {
        self.suppressed > 0
    }

    /// Begins another second; returns how many lines were suppressed in the last one.
    pub(super) fn renew(&mut self) -> u64 {
        if self.written == 0 {
            return 0;
        }
        let suppressed = self.suppressed;
        *self = Budget::default();
        suppressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> RemoteAddress {
        RemoteAddress::Address(address.parse().unwrap())
    }

    fn user(uid: u32) -> RemoteAddress {
        RemoteAddress::Process { uid, gid: 1, pid: 1 }
    }

    #[test]
    fn flood_leaves_lines_to_new_sources_and_is_counted() {
        let mut budget = Budget::default();
        let written = (0..10_000).filter(|_| budget.takes(at("192.0.2.1:5"))).count();
        assert_eq!(written, LINES_PER_SECOND);
        for other in [at("192.0.2.2:5"), at("[2001:db8::1]:5"), user(7), at("127.0.0.1:5"), at("127.0.0.2:5")]
        {
            assert!(budget.takes(other), "{other}");
            assert!(!budget.takes(other), "{other} has had its line");
        }
        assert!(!budget.takes(at("[2001:db8::2]:5")), "the same network");
        assert!(budget.has_suppressed());
        assert_eq!(budget.renew(), 9_800 + 6);
        assert_eq!(budget.renew(), 0);
        assert!(budget.takes(at("192.0.2.1:5")));
    }

    #[test]
    fn many_addresses_of_one_source_share_a_part_of_the_budget() {
        let mut budget = Budget::default();
        let of_loopback = (0..10_000).filter(|at| {
            budget.takes(RemoteAddress::Address(([127, 1, (at >> 8) as u8, *at as u8], 5).into()))
        });
        assert_eq!(of_loopback.count(), LINES_PER_SECOND + LINES_FOR_OTHERS);
        let others = (0..1000).filter(|uid| budget.takes(user(*uid))).count();
        assert_eq!(others, LINES_FOR_OTHERS, "the room for other sources is still there");
    }

    #[test]
    fn two_hundred_arrivals_in_a_second_get_a_line_each() {
        let mut budget = Budget::default();
        assert!((0..200).all(|at| budget.takes(RemoteAddress::Address(([192, 0, 2, at], 5).into()))));
        assert_eq!(budget.renew(), 0);
        assert!(
            (0..200).all(|_| budget.takes(at("192.0.2.1:5"))),
            "also where one router is before all of them"
        );
    }

    #[test]
    fn trouble_is_logged_once_per_second() {
        let mut budget = Budget::default();
        assert!(budget.takes_one() && !budget.takes_one() && !budget.takes_one());
        assert_eq!(budget.renew(), 2);
    }
}
