use super::super::batch::{push_name, write};
use super::super::event::Event;
use super::super::publish::given_up::GivenUp;
use super::*;

const OWN: InstanceId = InstanceId([1; 16]);
const ONE: InstanceId = InstanceId([2; 16]);
const OTHER: InstanceId = InstanceId([3; 16]);

struct Log {
    ledger: Ledger,
    sequence: u64,
    seconds: u64,
}

impl Log {
    fn new() -> Log {
        let mut ledger = Ledger::new(OWN);
        ledger.is_past = false;
        Log { ledger, sequence: 0, seconds: 0 }
    }

    /// A batch comes: what it makes happen, as text.
    fn read(
        &mut self,
        (instance, number, after, entries): (InstanceId, u64, u64, u64),
        items: &[Item<'_>],
    ) -> Vec<String> {
        let mut bytes = Head { instance, number, after, entries }.write().to_vec();
        items.iter().for_each(|item| write(&mut bytes, *item));
        self.sequence += 1;
        let at = BatchPosition { sequence: self.sequence, time: self.seconds * 1_000_000_000 };
        let mut events = Events::default();
        self.ledger.apply(&bytes, at, Timestamp::at(self.seconds * 1_000_000), &mut events);
        let mut told = Vec::new();
        while let Some(event) = events.next() {
            match event {
                Event::Entry { entry: Entry::Joined(name), .. } => told.push(format!("+{name}")),
                Event::Entry { entry: Entry::Left(name), .. } => told.push(format!("-{name}")),
                Event::Entry { entry: Entry::Said { name, text }, .. } => {
                    told.push(format!("{name}: {text}"))
                }
                Event::Missed(count) => told.push(format!("missed {count}")),
                Event::Refused { reason, .. } => told.push(format!("refused: {reason}")),
                Event::NameTaken { name } => told.push(format!("{name} is taken")),
                Event::Gone { .. } => told.push("gone".into()),
                _ => {}
            }
        }
        told
    }
}

const fn joined(name: &str) -> Item<'_> {
    Item::Entry(Entry::Joined(name))
}

const fn said<'a>(name: &'a str, text: &'a str) -> Item<'a> {
    Item::Entry(Entry::Said { name, text })
}

#[test]
fn batch_counts_once_and_after_the_end_of_its_author_never() {
    let mut log = Log::new();
    assert_eq!(log.read((ONE, 1, 0, 0), &[joined("ann"), said("ann", "one")]), ["+ann", "ann: one"]);
    assert!(log.read((ONE, 1, 0, 0), &[joined("ann"), said("ann", "one")]).is_empty());
    log.seconds = 29;
    let gone = Item::Gone { instance: ONE, entries: 2 };
    assert!(log.read((OTHER, 1, 0, 0), &[gone]).is_empty(), "it was not silent for long enough");
    log.seconds = 30;
    assert_eq!(log.read((OTHER, 2, 1, 0), &[gone]), ["gone", "-ann"]);
    assert!(log.read((OTHER, 3, 2, 0), &[gone]).is_empty(), "the first one counts");
    assert!(log.read((ONE, 2, 1, 2), &[said("ann", "two")]).is_empty());
    assert_eq!((log.ledger.living(), log.ledger.members.len()), (2, 0));
    // It says so itself at once.
    log.read((OTHER, 4, 3, 0), &[joined("bob")]);
    assert_eq!(log.read((OTHER, 5, 4, 1), &[Item::Gone { instance: OTHER, entries: 1 }]), ["gone", "-bob"]);
    // Or it does so as the one that it continues as.
    log.read((OWN, 1, 0, 0), &[joined("eve")]);
    let old = Item::Gone { instance: OWN, entries: 1 };
    assert_eq!(log.read((OWN.successor(), 1, 0, 0), &[old, joined("eve")]), ["gone", "-eve", "+eve"]);
}

#[test]
fn batch_repeated_after_a_gap_is_counted_but_not_delivered() {
    let mut log = Log::new();
    log.read((ONE, 1, 0, 0), &[joined("ann")]);
    log.ledger.gap(None);
    assert_eq!(
        log.read((ONE, 2, 1, 1), &[Item::Again, said("ann", "two"), said("ann", "three")]),
        ["missed 2"]
    );
    assert_eq!(
        log.read((ONE, 3, 2, 3), &[Item::Again, said("ann", "four")]),
        ["ann: four"],
        "that was before"
    );
    // What is said for the first time is heard, and so is what comes again without a gap.
    log.ledger.gap(None);
    assert_eq!(log.read((ONE, 4, 3, 4), &[said("ann", "five")]), ["ann: five"]);
    assert_eq!(log.read((ONE, 5, 4, 5), &[Item::Again, said("ann", "six")]), ["ann: six"]);
    assert_eq!(log.ledger.missed, 2);
}

#[test]
fn own_batch_that_was_given_up_does_not_count_when_it_comes() {
    let mut log = Log::new();
    assert_eq!(log.read((OWN, 1, 0, 0), &[joined("ann")]), ["+ann"]);
    log.ledger.gap(Some(GivenUp { number: 2, entries: 2, lines: 1 }));
    assert!(log.read((OWN, 2, 1, 1), &[Item::Again, said("ann", "two")]).is_empty());
    assert_eq!(log.read((OWN, 3, 2, 2), &[Item::Again, said("ann", "three")]), ["ann: three"]);
    assert_eq!(log.ledger.missed, 0);
}

#[test]
fn messages_that_depend_on_a_gap_before_them_are_recognised() {
    let mut log = Log::new();
    log.read((OWN, 1, 0, 0), &[joined("ann")]);
    let batch = |items: &[Item<'_>]| {
        let mut bytes = Head { instance: ONE, number: 1, after: 0, entries: 0 }.write().to_vec();
        items.iter().for_each(|item| write(&mut bytes, *item));
        bytes
    };
    let second = 1_000_000_000;
    let (plain, again) = (batch(&[joined("bob")]), batch(&[Item::Again, joined("bob")]));
    assert!(!log.ledger.is_affected_by_gap(&plain, 29 * second) && log.ledger.is_affected_by_gap(&again, 0));
    assert!(log.ledger.is_affected_by_gap(&plain, 30 * second), "we may have been declared gone");
    assert!(log.ledger.is_affected_by_gap(&batch(&[Item::Gone { instance: OWN, entries: 0 }]), 0));
    assert!(!log.ledger.is_affected_by_gap(&batch(&[Item::Gone { instance: OTHER, entries: 0 }]), 0));
    assert!(!log.ledger.is_affected_by_gap(b"no batch", 0));
}

#[test]
fn list_of_members_repairs_what_was_missed() {
    let mut log = Log::new();
    log.read((ONE, 1, 0, 0), &[joined("ann"), joined("bob")]);
    log.read((OTHER, 1, 0, 0), &[joined("eve")]);
    // Bob has left, eve's name is the first one's now, and cat has come, all in messages that were trimmed.
    assert_eq!(log.read((ONE, 5, 4, 7), &[]), ["missed 5"]);
    assert!(!log.ledger.instances[&ONE].is_sure);
    let list = |names: &[&str]| {
        let mut bytes = Vec::new();
        names.iter().for_each(|name| push_name(&mut bytes, name));
        bytes
    };
    let (begin, end) = (list(&["ann", "cat"]), list(&["eve"]));
    assert!(
        log.read((ONE, 6, 5, 7), &[Item::MemberList { is_first: true, is_last: false, names: &begin }])
            .is_empty()
    );
    let told = log.read((ONE, 7, 6, 7), &[Item::MemberList { is_first: false, is_last: true, names: &end }]);
    assert_eq!(told, ["-bob", "+cat", "-eve", "+eve"]);
    assert!(log.ledger.instances[&ONE].is_sure);
    // A part without its beginning says nothing.
    assert!(
        log.read((ONE, 8, 7, 7), &[Item::MemberList { is_first: false, is_last: true, names: &begin }])
            .is_empty()
    );
    let sum = log.ledger.members.sum(ONE);
    assert!(log.read((ONE, 9, 8, 7), &[Item::Hello { count: sum.0, digest: sum.1 ^ 1 }]).is_empty());
    assert!(!log.ledger.instances[&ONE].is_sure, "it has others than we know");
    log.read((ONE, 10, 9, 7), &[Item::Hello { count: sum.0, digest: sum.1 }]);
    assert!(log.ledger.instances[&ONE].is_sure);
}

#[test]
fn impossible_entries_are_refused_only_to_their_author() {
    let mut log = Log::new();
    let own = log.read(
        (OWN, 1, 0, 0),
        &[joined("ann"), joined("a\u{1}"), said("\u{1}", "x"), Item::Entry(Entry::Left("bob"))],
    );
    assert_eq!(
        own,
        ["+ann", "refused: you are not in the room"],
        "what we cannot have written is passed over"
    );
    assert_eq!(log.read((OWN, 2, 1, 4), &[joined("аnn")]).len(), 1);
    assert!(log.read((ONE, 1, 0, 0), &[joined("Ann"), Item::Entry(Entry::Left("ann"))]).is_empty());
    let heard = log.read((ONE, 2, 1, 2), &[said("bob", "\u{1b}[2Jhi")]);
    assert!(heard.len() == 1 && !heard[0].contains('\u{1b}'), "he may have come unheard: {heard:?}");
}

#[test]
fn saved_ledger_knows_the_same_after_a_restart() {
    let mut log = Log::new();
    log.read((OWN, 1, 0, 0), &[joined("ann")]);
    log.read((ONE, 3, 2, 5), &[joined("bob"), said("bob", "hi")]);
    log.ledger.gap(None);
    let saved = serde_json::to_string(&log.ledger.save()).unwrap();
    log.ledger = Ledger::restore(serde_json::from_str(&saved).unwrap(), Timestamp::at(0));
    assert_eq!(log.ledger.members.all().collect::<Vec<_>>(), [(OWN, "ann"), (ONE, "bob")]);
    assert!(log.read((ONE, 3, 2, 5), &[joined("cat")]).is_empty(), "it was read before");
    assert_eq!(log.read((ONE, 4, 3, 7), &[Item::Again, said("bob", "ho")]), ["missed 1"]);
}
