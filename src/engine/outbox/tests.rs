use super::*;

const GAP: Duration = Duration::from_micros(20);

#[test]
fn paced_messages_leave_one_gap_apart() {
    let mut outbox = Outbox::default();
    outbox.say(Encoding::Raw, "Data received");
    outbox.say(Encoding::Raw, "50.0");
    assert_eq!(outbox.ready(Encoding::Raw), b"Data received");
    outbox.sent(Encoding::Raw, 4, Timestamp::at(0), GAP);
    assert_eq!(outbox.ready(Encoding::Raw), b" received");
    outbox.sent(Encoding::Raw, 9, Timestamp::at(5), GAP);
    assert_eq!(outbox.ready(Encoding::Raw), b"");
    assert!(!outbox.resume(Timestamp::at(24)) && outbox.resume(Timestamp::at(25)));
    assert_eq!(outbox.ready(Encoding::Raw), b"50.0");
    outbox.sent(Encoding::Raw, 4, Timestamp::at(25), GAP);
    assert!(outbox.is_empty() && outbox.pause().is_none(), "nothing follows, so nothing waits");
}

#[test]
fn gap_applies_to_a_message_queued_after_the_queue_was_empty() {
    let mut outbox = Outbox::default();
    outbox.say(Encoding::Raw, "50.0");
    outbox.sent(Encoding::Raw, 4, Timestamp::at(0), GAP);
    outbox.say(Encoding::Raw, "Data received");
    assert_eq!((outbox.ready(Encoding::Raw), outbox.pause()), (&b""[..], Some(Timestamp::at(20))));
    // A raw client that requested a list and then selected a service that sends lines.
    assert_eq!(outbox.ready(Encoding::Lines), b"");
    assert!(outbox.resume(Timestamp::at(20)));
    assert_eq!(outbox.ready(Encoding::Raw), b"Data received");
    assert_eq!(outbox.ready(Encoding::Lines), b"Data received\n");
}

#[test]
fn next_message_ends_an_open_message() {
    let mut lines = Outbox::default();
    lines.push_unterminated("Data received");
    assert_eq!(lines.ready(Encoding::Lines), b"Data received");
    lines.sent(Encoding::Lines, 13, Timestamp::at(0), GAP);
    lines.say(Encoding::Lines, "50.0");
    assert_eq!(lines.ready(Encoding::Lines), b"\n50.0\n");

    let mut paced = Outbox::default();
    paced.push_unterminated("Data received");
    paced.sent(Encoding::Lines, 13, Timestamp::at(0), GAP);
    paced.say(Encoding::Raw, "50.0");
    assert_eq!(paced.ready(Encoding::Raw), b"50.0");
    paced.sent(Encoding::Raw, 4, Timestamp::at(20), GAP);
    assert!(paced.is_empty());
}

#[test]
fn oldest_whole_lines_are_dropped_when_unread() {
    let mut outbox = Outbox::default();
    for line in ["one", "two", "three", "four"] {
        outbox.say(Encoding::Lines, line);
    }
    assert_eq!(outbox.drop_oldest(100), 0);
    assert_eq!((outbox.drop_oldest(12), outbox.ready(Encoding::Lines)), (2, &b"three\nfour\n"[..]));
    outbox.sent(Encoding::Lines, 2, Timestamp::at(0), GAP);
    outbox.say(Encoding::Lines, "five");
    assert_eq!((outbox.drop_oldest(9), outbox.ready(Encoding::Lines)), (1, &b"ree\nfive\n"[..]));
    assert_eq!(
        (outbox.drop_oldest(2), outbox.ready(Encoding::Lines)),
        (1, &b"ree\n"[..]),
        "the rest of a line stays"
    );
    assert_eq!(outbox.drop_oldest(0), 0);
    outbox.sent(Encoding::Lines, 4, Timestamp::at(0), GAP);
    outbox.say(Encoding::Lines, "six");
    assert_eq!((outbox.drop_oldest(3), outbox.is_empty()), (1, true));
}

#[test]
fn sent_bytes_are_freed_while_more_is_queued() {
    let mut outbox = Outbox::default();
    outbox.push(&[b'x'; 4096]);
    for _ in 0..1000 {
        outbox.push(&[b'y'; 1000]);
        outbox.sent(Encoding::Lines, 1000, Timestamp::at(0), GAP);
        assert_eq!(outbox.len(), 4096);
        assert!(outbox.bytes.capacity() <= 2 * 5096, "{}", outbox.bytes.capacity());
    }
}

#[test]
fn packets_are_offered_singly_without_a_pause() {
    let mut outbox = Outbox::default();
    outbox.say(Encoding::Packets, "Data received");
    outbox.say(Encoding::Packets, "50.0");
    assert_eq!(outbox.ready(Encoding::Packets), b"Data received");
    outbox.sent(Encoding::Packets, 13, Timestamp::at(0), GAP);
    assert_eq!((outbox.ready(Encoding::Packets), outbox.pause()), (&b"50.0"[..], None));
    outbox.sent(Encoding::Packets, 4, Timestamp::at(0), GAP);
    assert!(outbox.is_empty());
}

#[test]
fn late_reader_gets_all_pending_at_once_then_single_messages_again() {
    for (encoding, joined, single) in [
        (Encoding::Raw, &b"a: hib: hoc: he"[..], &b"d: ha"[..]),
        (Encoding::C, b"a: hi\0b: ho\0c: he\0", b"d: ha\0"),
    ] {
        let mut outbox = Outbox::default();
        outbox.say(encoding, "a: hi");
        outbox.say(encoding, "b: ho");
        outbox.join();
        outbox.say(encoding, "c: he");
        assert_eq!(outbox.ready(encoding), joined);
        outbox.sent(encoding, joined.len(), Timestamp::at(0), GAP);
        outbox.say(encoding, "d: ha");
        assert_eq!(outbox.ready(encoding), single);
    }
}

#[test]
fn long_message_leaves_in_pieces_with_pauses() {
    let mut outbox = Outbox::default();
    let long = "x".repeat(1023) + "é" + &"y".repeat(100);
    outbox.say(Encoding::Raw, &long);
    assert_eq!(outbox.ready(Encoding::Raw), "x".repeat(1023).as_bytes());
    outbox.sent(Encoding::Raw, 1023, Timestamp::at(0), GAP);
    assert!(outbox.ready(Encoding::Raw).is_empty() && outbox.resume(Timestamp::at(20)));
    assert_eq!(outbox.ready(Encoding::Raw), ("é".to_owned() + &"y".repeat(100)).as_bytes());
}

#[test]
fn each_style_ends_an_open_message_in_its_own_way() {
    for (encoding, rest) in [
        (Encoding::Lines, &b"\n50.0\n"[..]),
        (Encoding::Telnet, b"\r\n50.0\r\n"),
        (Encoding::Raw, b"50.0"),
        (Encoding::C, b"\0"),
    ] {
        let mut outbox = Outbox::default();
        outbox.push_unterminated("Data received");
        outbox.sent(Encoding::Lines, 13, Timestamp::at(0), GAP);
        outbox.say(encoding, "50.0");
        assert_eq!(outbox.ready(encoding), rest, "{encoding:?}");
    }
}

#[test]
fn queued_bytes_are_private_until_sent_or_dropped() {
    let private = || {
        let mut outbox = Outbox::default();
        outbox.mark_private();
        outbox.say(Encoding::Lines, "ann whispers: hi");
        outbox.say(Encoding::Lines, "Bob: hi");
        assert!(outbox.is_private());
        outbox
    };
    let mut sent = private();
    sent.sent(Encoding::Lines, 17, Timestamp::at(0), GAP);
    assert!(sent.is_private(), "which of them was sent is not known");
    sent.sent(Encoding::Lines, 8, Timestamp::at(0), GAP);
    let (mut dropped, mut cleared) = (private(), private());
    assert_eq!(dropped.drop_oldest(0), 2);
    cleared.clear();
    for mut outbox in [sent, dropped, cleared] {
        outbox.say(Encoding::Lines, "Error: too slow");
        assert!(!outbox.is_private());
    }
}

/// The names and values that earlier versions write and read.
#[test]
fn queue_is_written_as_earlier_versions_read_it() {
    for written in [
        r#"{"bytes":[],"start":0,"open":false,"partial":false,"joined":false,"pause":null}"#,
        r#"{"bytes":[53],"start":0,"open":true,"partial":true,"joined":true,"pause":null}"#,
        r#"{"bytes":[53,10],"start":1,"open":false,"partial":true,"joined":false,"pause":20}"#,
    ] {
        let outbox: Outbox = serde_json::from_str(written).unwrap();
        assert_eq!(serde_json::to_string(&outbox).unwrap(), written);
    }
}

#[test]
fn cleared_queue_knows_that_something_was_sent() {
    let mut outbox = Outbox::default();
    outbox.say(Encoding::Lines, "one");
    assert!(!outbox.has_sent());
    outbox.sent(Encoding::Lines, 1, Timestamp::at(0), GAP);
    outbox.clear();
    assert!(outbox.has_sent() && outbox.front == Front::Whole);
}
