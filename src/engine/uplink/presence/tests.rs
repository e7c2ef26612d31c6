use super::super::super::name::Name;
use super::super::batch::{digest, items, names};
use super::super::events::Events;
use super::super::ledger::BatchPosition;
use super::*;

const OWN: InstanceId = InstanceId([1; 16]);
const OTHER: InstanceId = InstanceId([2; 16]);

fn at(seconds: u64) -> Timestamp {
    Timestamp::at(seconds * 1_000_000)
}

/// A log in which another instance has said something at the beginning.
fn ledger(number: u64) -> Ledger {
    let mut ledger = Ledger::new(OWN);
    let head = super::super::batch::Head { instance: OTHER, number, after: number - 1, entries: 0 };
    ledger.apply(&head.write(), BatchPosition { sequence: 1, time: 1 }, at(0), &mut Events::default());
    ledger
}

#[test]
fn silent_instance_is_declared_gone_and_an_unknown_one_is_asked() {
    let (mut presence, mut random) = (Presence::new(at(0)), Random::new(1));
    let known = ledger(1);
    presence.scan(&known, &mut random, at(32));
    presence.control(&known, at(32));
    presence.scan(&known, &mut random, at(33));
    let control = presence.control(&known, at(33));
    let gone = Item::Gone { instance: OTHER, entries: 0 };
    assert_eq!(items(&control).collect::<Vec<_>>(), [gone]);
    presence.scan(&known, &mut random, at(40));
    assert!(presence.control(&known, at(40)).is_empty(), "not again so soon");
    presence.scan(&known, &mut random, at(52));
    assert!(items(&presence.control(&known, at(52))).any(|item| item == gone));
    // On a new connection no sign of life has arrived yet.
    presence.connected(at(60));
    presence.scan(&known, &mut random, at(61));
    assert!(!items(&presence.control(&known, at(61))).any(|item| item == gone));
    // It has said something before that we have not read: whom it has is not known.
    let unsure = ledger(5);
    let mut presence = Presence::new(at(0));
    presence.scan(&unsure, &mut random, at(1));
    assert!(items(&presence.control(&unsure, at(1))).any(|item| item == Item::Ask(OTHER)));
}

#[test]
fn members_wait_for_those_of_others_for_five_seconds_at_most() {
    let mut presence = Presence::new(at(0));
    presence.connected(at(10));
    assert!(presence.is_sure(&ledger(1), at(10)) && !presence.is_sure(&ledger(5), at(10)));
    assert_eq!(presence.deadline(false, true), at(10), "signs of life are due");
    assert!(presence.is_sure(&ledger(5), at(15)));
}

#[test]
fn list_of_many_members_comes_in_parts_and_not_too_often() {
    let (mut presence, mut ledger) = (Presence::new(at(0)), Ledger::new(OWN));
    let all: Vec<String> = (0..3000).map(|number| format!("somebody{number}")).collect();
    for name in &all {
        ledger.members.insert(OWN, Name::new(name).unwrap());
    }
    assert!(presence.list(&ledger, at(1)).is_empty(), "nobody asked");
    presence.request_list();
    let parts = presence.list(&ledger, at(1));
    assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= LIST_BYTES_MAX + 8));
    let mut told = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let Some(Item::MemberList { is_first, is_last, names: list }) = items(part).next() else {
            panic!("no list")
        };
        assert_eq!((is_first, is_last), (number == 0, number + 1 == parts.len()));
        told.extend(names(list).map(str::to_owned));
    }
    assert_eq!(told, all);
    presence.request_list();
    assert!(presence.list(&ledger, at(5)).is_empty());
    assert!(!presence.list(&ledger, at(6)).is_empty());
    let hello = presence.control(&ledger, at(6));
    let sum = all.iter().fold(0, |sum, name| sum ^ digest(name));
    assert_eq!(items(&hello).next(), Some(Item::Hello { count: 3000, digest: sum }));
    assert!(presence.control(&ledger, at(15)).is_empty() && !presence.control(&ledger, at(16)).is_empty());
}
