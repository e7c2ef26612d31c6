//! What must be true at the end, when everything works again.

use std::collections::{BTreeMap, BTreeSet};

use ipcd::engine::uplink::InstanceId;

use super::Log;
use super::daemon::{Daemon, Heard};
use super::world::World;

pub fn check(world: &mut World, log: Log) {
    for at in 0..world.daemons.len() {
        if world.daemons[at].is_alive {
            finished(&world.daemons[at]);
        }
        heard_once(&world.daemons[at]);
    }
    let daemons = &world.daemons;
    let living: Vec<&Daemon> = daemons.iter().filter(|daemon| daemon.is_alive).collect();
    let Some(first) = living.first() else { return };
    for other in &living[1..] {
        assert_eq!(
            members(first),
            members(other),
            "daemons {} and {} know the same members\n{}\n\n{}",
            first.number,
            other.number,
            first.log.join("\n"),
            other.log.join("\n")
        );
    }
    let here: BTreeSet<String> = living.iter().flat_map(|daemon| daemon.members.keys().cloned()).collect();
    let there: BTreeSet<String> = members(first).into_iter().map(|(name, _)| name).collect();
    assert_eq!(here, there, "the room has the members that are there");
    match log {
        Log::Kept => {
            for daemon in daemons {
                same(first, daemon);
                assert_eq!((daemon.missed, daemon.lost), (0, 0), "nothing was missed by {}", daemon.number);
            }
        }
        Log::Trimmed => {
            for daemon in daemons {
                in_order(first, daemon);
            }
            for daemon in living.iter().filter(|daemon| daemon.number < 2) {
                missing_is_counted(daemon, daemons);
            }
        }
        Log::Lost => {}
    }
    let totals = &mut world.totals;
    for daemon in &world.daemons {
        totals.add("uplink: heard", daemon.heard.len() as u64);
        totals.add("uplink: own ids after the first", daemon.ids.len() as u64 - 1);
        totals.add("uplink: refused", daemon.refused.len() as u64);
        totals.add("uplink: missed", daemon.missed);
        totals.add("uplink: history lost", daemon.lost);
        totals.add("uplink: whispers heard", daemon.whispered);
        let delivered =
            daemon.whispers.values().filter(|end| **end == Some(ipcd::engine::uplink::Outcome::Delivered));
        totals.add("uplink: whispers delivered", delivered.count() as u64);
        totals.add("uplink: instances gone", daemon.gone_at.len() as u64);
    }
}

/// Everything that was begun has ended.
fn finished(daemon: &Daemon) {
    let report = daemon.uplink.report();
    assert!(daemon.is_up, "daemon {} is not up: {report:?}\n{}", daemon.number, daemon.log.join("\n"));
    assert!(
        daemon.open.is_empty(),
        "daemon {} waits for {:?}: {report:?}",
        daemon.number,
        daemon.open.first()
    );
    let waiting = daemon.whispers.iter().find(|(_, outcome)| outcome.is_none());
    assert!(waiting.is_none(), "{waiting:?} has not ended");
    assert_eq!((report.unacknowledged, report.queued, report.queued_bytes), (0, 0, 0), "{report:?}");
    for (name, is_in) in &daemon.members {
        assert!(is_in, "daemon {}: {name} is neither in the room nor refused", daemon.number);
    }
    let numbers: Vec<u64> = daemon.own.iter().map(|what| number(what).unwrap().1).collect();
    assert!(
        numbers.is_sorted_by(|one, other| one < other),
        "daemon {} hears its own in another order",
        daemon.number
    );
}

/// The daemon and the number in a text, which is sent only once.
fn number(what: &str) -> Option<(usize, u64)> {
    let word = what.split(' ').find(|word| word.as_bytes()[0].is_ascii_digit() && word.contains('.'))?;
    let (daemon, number) = word.split_once('.')?;
    Some((daemon.parse().ok()?, number.parse().ok()?))
}

fn members(daemon: &Daemon) -> BTreeSet<(String, InstanceId)> {
    daemon.uplink.members().map(|(id, name)| (name.to_owned(), id)).collect()
}

/// Nothing was heard twice, and each author's texts are in order.
fn heard_once(daemon: &Daemon) {
    let mut last: BTreeMap<usize, u64> = BTreeMap::new();
    for heard in &daemon.heard {
        let Some((author, number)) = number(&heard.what) else { continue };
        if let Some(before) = last.insert(author, number) {
            assert!(
                before < number,
                "daemon {} hears {author}.{number} after {author}.{before}",
                daemon.number
            );
        }
    }
}

fn place(heard: &Heard) -> (&str, InstanceId, u64) {
    (&heard.what, heard.instance, heard.sequence)
}

/// Both have heard exactly the same, as far as the first has read.
fn same(first: &Daemon, other: &Daemon) {
    assert!(
        !other.is_alive || first.heard.len() == other.heard.len(),
        "{} and {} entries",
        first.heard.len(),
        other.heard.len()
    );
    for (at, (one, another)) in first.heard.iter().zip(&other.heard).enumerate() {
        assert_eq!(place(one), place(another), "entry {at} of daemons {} and {}", first.number, other.number);
    }
}

/// What both have heard is in the same order.
fn in_order(first: &Daemon, other: &Daemon) {
    let places: BTreeMap<&str, usize> =
        first.heard.iter().enumerate().map(|(at, heard)| (heard.what.as_str(), at)).collect();
    let said = other.heard.iter().filter(|heard| number(&heard.what).is_some());
    let common: Vec<usize> = said.filter_map(|heard| places.get(heard.what.as_str()).copied()).collect();
    assert!(
        common.is_sorted(),
        "daemons {} and {} hear another order\n{}\n\n{}",
        first.number,
        other.number,
        first.log.join("\n"),
        other.log.join("\n")
    );
}

/// What others have heard and this daemon has not was counted as missed.
fn missing_is_counted(daemon: &Daemon, all: &[Daemon]) {
    let own: BTreeSet<&str> = daemon.heard.iter().map(|heard| heard.what.as_str()).collect();
    // If an instance is gone, nobody may know how much it had sent. And what was sent before the first look at the log is not
    // missed.
    let is_one = |heard: &&Heard| {
        let is_later = daemon.first_up.is_some_and(|at| heard.at > at);
        let is_one = |(author, _): (usize, u64)| all[author].is_alive && all[author].ids.len() == 1;
        is_later && number(&heard.what).is_some_and(is_one)
    };
    let said = all.iter().flat_map(|other| &other.heard).filter(is_one);
    let missing: BTreeSet<&str> =
        said.map(|heard| heard.what.as_str()).filter(|what| !own.contains(what)).collect();
    assert!(
        missing.len() as u64 <= daemon.missed,
        "daemon {} misses {}, and was told of {}: {missing:?}\n{}",
        daemon.number,
        missing.len(),
        daemon.missed,
        daemon.log.join("\n")
    );
}
