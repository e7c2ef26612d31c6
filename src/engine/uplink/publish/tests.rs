use super::super::bounds::REFUSAL_PAUSE;
use super::super::event::Event;
use super::given_up::{GivenUp, trimmed};
use super::*;

const OWN: InstanceId = InstanceId([1; 16]);

fn at(millis: u64) -> Timestamp {
    Timestamp::at(millis * 1000)
}

/// A batch with one line, sent at the beginning.
fn sent() -> (Publisher, Events) {
    let (mut publisher, mut events) = (Publisher::new(), Events::default());
    publisher.propose(Entry::Said { name: "ann", text: "hello" }).unwrap();
    let chunk = publisher.next_chunk(|_| true, &mut events);
    publisher.begin(Vec::new(), chunk, at(0));
    assert!(!send(&mut publisher, 0).is_empty());
    (publisher, events)
}

fn send(publisher: &mut Publisher, millis: u64) -> String {
    let mut out = Vec::new();
    let reply = |number| format!("r.{number}");
    publisher.send(OWN, ("s", reply), (&mut out, &mut Events::default()), at(millis));
    String::from_utf8_lossy(&out).into_owned()
}

fn answer(publisher: &mut Publisher, events: &mut Events, json: &str, millis: u64) -> Option<Reason> {
    publisher.answered(1, (0, json.as_bytes()), at(millis), events)
}

fn refused(events: &mut Events) -> Vec<String> {
    let mut refused = Vec::new();
    while let Some(event) = events.next() {
        if let Event::Refused { reason, .. } = event {
            refused.push(reason.to_string());
        }
    }
    refused
}

#[test]
fn batch_is_published_again_with_its_id_until_it_is_acknowledged() {
    let (mut publisher, mut events) = sent();
    assert_eq!(send(&mut publisher, 1999), "");
    let again = send(&mut publisher, 2000);
    assert!(
        again.contains(&format!("Nats-Msg-Id: {OWN}.1\r\n")) && again.contains("\n\x00\x00"),
        "{again:?}"
    );
    // None of these is an acknowledgement, and none a failure; the pause between two attempts doubles.
    let passing = [
        (r#"{"stream":"S", "seq":0,"duplicate": true}"#, Some(Reason::NoQuorum)),
        (r#"{"error":{"code":409,"err_code":10158,"description":"in process"}}"#, None),
        (r#"{"error":{"code":503,"err_code":10008,"description":"unavailable"}}"#, Some(Reason::NoQuorum)),
        ("no JSON", Some(Reason::NoQuorum)),
    ];
    let mut now = 2000;
    for ((json, reason), pause) in passing.into_iter().zip([100, 200, 400, 800]) {
        assert_eq!(answer(&mut publisher, &mut events, json, now), reason, "{json}");
        assert_eq!(send(&mut publisher, now + pause - 1), "", "{json}");
        now += pause;
        assert_ne!(send(&mut publisher, now), "", "{json}");
    }
    assert_eq!(answer(&mut publisher, &mut events, r#"{"seq":7,"duplicate": true}"#, now), None);
    assert_eq!(send(&mut publisher, now + 5000), "", "it is stored");
    publisher.heard(1, at(now));
    assert!(publisher.is_empty() && refused(&mut events).is_empty());
    assert_eq!(publisher.published, 1);
}

#[test]
fn acknowledgement_is_requested_only_if_a_batch_does_not_come_back_soon() {
    let (mut publisher, mut events) = sent();
    let next = |publisher: &mut Publisher, number: u64, millis: u64| {
        publisher.propose(Entry::Said { name: "ann", text: "hello" }).unwrap();
        let chunk = publisher.next_chunk(|_| true, &mut Events::default());
        publisher.begin(Vec::new(), chunk, at(millis));
        let said = send(publisher, millis);
        assert!(said.starts_with("HPUB s ") && said.contains(&format!("{OWN}.{number}\r\n")), "{said:?}");
        said.contains(&format!(" r.{number} "))
    };
    publisher.heard(1, at(99));
    assert!(!next(&mut publisher, 2, 200), "the last one came back quickly");
    assert_eq!(publisher.deadline(), Some(at(300)));
    assert_eq!(send(&mut publisher, 299), "");
    assert!(send(&mut publisher, 300).contains(" r.2 "), "the same again, with a request");
    assert_eq!((send(&mut publisher, 2299), publisher.deadline()), (String::new(), Some(at(2300))));
    publisher.heard(2, at(301));
    assert!(next(&mut publisher, 3, 400), "the last one was slow");
    publisher.heard(3, at(401));
    publisher.reconnected(at(402));
    assert!(next(&mut publisher, 4, 403), "none has come back on this connection");
    publisher.heard(4, at(404));
    assert!(!next(&mut publisher, 5, 405));
    publisher.refuse(&trimmed(), at(406), &mut events);
    assert!(next(&mut publisher, 6, 2000), "the last one was refused");
}

#[test]
fn line_refused_for_good_is_reported_and_joins_are_proposed_again() {
    let (mut publisher, mut events) = (Publisher::new(), Events::default());
    publisher.propose(Entry::Said { name: "ann", text: "hello" }).unwrap();
    publisher.propose(Entry::Joined("bob")).unwrap();
    let chunk = publisher.next_chunk(|_| true, &mut events);
    publisher.begin(Vec::new(), chunk, at(0));
    send(&mut publisher, 0);
    let full = r#"{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}"#;
    assert_eq!(answer(&mut publisher, &mut events, full, 5), None);
    assert_eq!(refused(&mut events), ["the server does not store it: maximum messages exceeded"]);
    assert_eq!((publisher.refused, publisher.waiting().2), (1, 1));
    assert_eq!(publisher.held_until(), Some(at(5) + REFUSAL_PAUSE));
    let again = publisher.next_chunk(|_| true, &mut events);
    assert_eq!(items(&again.bytes).collect::<Vec<_>>(), [Item::Entry(Entry::Joined("bob"))]);
}

#[test]
fn stored_batch_before_the_reading_position_is_given_up() {
    let (mut publisher, mut events) = sent();
    answer(&mut publisher, &mut events, r#"{"seq":7}"#, 1);
    publisher.read_up_to(6, at(2), &mut events);
    assert!(publisher.is_busy(), "it is still to come");
    publisher.read_up_to(7, at(3), &mut events);
    assert!(!publisher.is_busy());
    assert_eq!(refused(&mut events), [trimmed().to_string()]);
    // One that has no place that we know, and may be among those that were trimmed.
    let (mut publisher, mut events) = sent();
    assert_eq!(publisher.give_up(at(1), &mut events), Some(GivenUp { number: 1, entries: 1, lines: 1 }));
    assert_eq!(refused(&mut events), [trimmed().to_string()]);
    assert_eq!(publisher.give_up(at(1), &mut events), None, "nothing is under way");
    let saved = publisher.save();
    assert_eq!((saved.number, saved.after, saved.entries), (1, 1, 1), "the others may have it");
}

#[test]
fn batch_of_the_process_before_is_sent_as_one_that_may_be_stored() {
    let (publisher, mut events) = sent();
    let mut publisher = Publisher::restore(publisher.save(), at(10));
    assert_eq!(publisher.waiting().1, 1);
    let again = send(&mut publisher, 10);
    assert!(again.contains(&format!("{OWN}.1")), "{again}");
    assert!(publisher.give_up(at(11), &mut events).is_some(), "it was sent before");
}

#[test]
fn who_is_not_there_is_refused_and_who_joins_speaks_in_the_next_batch() {
    let (mut publisher, mut events) = (Publisher::new(), Events::default());
    for entry in [
        Entry::Said { name: "eve", text: "one" },
        Entry::Said { name: "ann", text: "two" },
        Entry::Joined("bob"),
        Entry::Said { name: "bob", text: "three" },
        Entry::Left("ann"),
    ] {
        publisher.propose(entry).unwrap();
    }
    let now = publisher.next_chunk(|name| name == "ann", &mut events);
    let said = Item::Entry(Entry::Said { name: "ann", text: "two" });
    assert_eq!(items(&now.bytes).collect::<Vec<_>>(), [said, Item::Entry(Entry::Joined("bob"))]);
    assert_eq!(refused(&mut events), [Reason::NotInTheRoom.to_string()]);
    publisher.begin(Vec::new(), now, at(0));
    publisher.heard(1, at(0));
    let later = publisher.next_chunk(|_| true, &mut events);
    let said = Item::Entry(Entry::Said { name: "bob", text: "three" });
    assert_eq!(items(&later.bytes).collect::<Vec<_>>(), [said, Item::Entry(Entry::Left("ann"))]);
    publisher.begin(Vec::new(), later, at(1));
    publisher.heard(2, at(1));
    assert_eq!((publisher.waiting(), publisher.save().entries), ((0, 0, 0), 4));
}

#[test]
fn queue_is_bounded_in_bytes_and_takes_who_comes_and_goes() {
    let mut publisher = Publisher::new();
    let text = "x".repeat(10_000);
    let mut lines = 0;
    while publisher.propose(Entry::Said { name: "ann", text: &text }).is_ok() {
        lines += 1;
        assert_eq!(publisher.is_full(), publisher.waiting().0 >= QUEUE_BYTES_MAX);
    }
    let (bytes, _, waiting) = publisher.waiting();
    assert!(bytes < 2 * QUEUE_BYTES_MAX + 11_000 && waiting == lines, "{bytes}");
    assert_eq!(publisher.propose(Entry::Announced("lunch")), Err(Refusal::Full));
    assert!(publisher.propose(Entry::Left("ann")).is_ok() && publisher.propose(Entry::Joined("bob")).is_ok());
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    assert_eq!(publisher.propose(Entry::Announced(&long)), Err(Refusal::TooLong(TEXT_BYTES_MAX)));
    // No batch is longer than a server takes.
    let mut events = Events::default();
    while !publisher.chunks.is_empty() {
        assert!(publisher.next_chunk(|_| true, &mut events).bytes.len() <= BATCH_BYTES_MAX);
    }
    let mut publisher = Publisher::new();
    publisher.set_limit(2000);
    (0..10).for_each(|_| publisher.propose(Entry::Said { name: "ann", text: "0123456789" }).unwrap());
    assert!(publisher.chunks.iter().all(|chunk| chunk.bytes.len() <= 1024));
}
