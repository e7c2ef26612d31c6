//! Claims about the kinds of clients: how their messages are encoded and decoded, what the first bytes show, and that no
//! client waits for ever.

use std::time::Duration;

use ipcd::engine::codec::{self, Encoding};
use ipcd::engine::limits::Settings;
use ipcd::engine::message::{CloseReason, EventKind, FramingMode, Prefix, Transport};
use ipcd::engine::service::Service;
use ipcd::engine::service::facts::First;

use super::services::{choose, is_report};
use super::stage::Stage;

const KINDS: [FramingMode; 8] = [
    FramingMode::Line,
    FramingMode::Raw,
    FramingMode::C,
    FramingMode::Telnet,
    FramingMode::Prefixed(Prefix::Big2),
    FramingMode::Prefixed(Prefix::Big4),
    FramingMode::Prefixed(Prefix::Little4),
    FramingMode::Prefixed(Prefix::Seven),
];

/// Byte 1 chooses the kind, the rest are messages with NULs between them. Characters that a kind cannot carry are left out.
pub fn encoded_messages_decode_to_the_same(bytes: &[u8]) {
    let [kind, rest @ ..] = bytes else { return };
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let encoding = Encoding::of(Some(kind), Service::Chat);
    for message in rest.split(|byte| *byte == 0) {
        let message: Vec<u8> = match kind {
            FramingMode::Prefixed(_) => message.to_vec(),
            _ => message.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect(),
        };
        let mut written = Vec::new();
        encoding.encode(&message, &mut written);
        let mut read = Vec::new();
        // If each message is sent on its own, each ends with an LF that is not sent.
        let sends: Vec<&[u8]> = match encoding.is_one_by_one() {
            true => {
                written.split_inclusive(|byte| *byte == b'\n').map(|send| &send[..send.len() - 1]).collect()
            }
            false => vec![&written],
        };
        for mut send in sends {
            assert!(!encoding.is_paced() || send.len() <= 1024, "{kind:?}: a piece of {}", send.len());
            if kind == FramingMode::Raw {
                read.extend_from_slice(send);
                continue;
            }
            while !send.is_empty() {
                let found = codec::find(kind, send, 0).unwrap_or_else(|| panic!("{kind:?}: {message:?}"));
                read.extend_from_slice(&send[found.start..found.end]);
                send = &send[found.taken..];
            }
        }
        assert_eq!(read, message, "{kind:?}");
    }
}

/// Byte 1 chooses the kind, the next two are a message's length, and the rest are cuts in it, two bytes each. The message stands
/// between two others: whatever its length and its pieces, all three are answered once.
pub fn message_of_any_length_gets_one_reply_between_two_others(bytes: &[u8]) {
    let [kind, high, low, cuts @ ..] = bytes else { return };
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let long = "x".repeat(usize::from(u16::from_be_bytes([*high, *low])) % 20_000);
    let settings = Settings::default();
    let (max, pause) = (settings.of(Service::Multiply).message_bytes_max, Duration::from_secs(2));
    let written = |texts: &[&str]| {
        let mut wire = Vec::new();
        for text in texts {
            match kind {
                FramingMode::Raw => wire.extend_from_slice(text.as_bytes()),
                FramingMode::C => wire.extend([text.as_bytes(), b"\0"].concat()),
                _ => Encoding::of(Some(kind), Service::Multiply).encode(text.as_bytes(), &mut wire),
            }
        }
        wire
    };
    let mut stage = Stage::new(settings);
    let client = stage.connect(Service::Multiply, Transport::TCP);
    if kind == FramingMode::Telnet {
        stage.send(client, b"\xff\xf1"); // IAC NOP
    }
    stage.send(client, &written(&["5 10"]));
    stage.pass(pause);
    // A pause ends an overlong message of a raw client; the end of its burst ends that of any other kind.
    let is_alone = kind == FramingMode::Raw;
    let wire = if is_alone { written(&[&long]) } else { written(&[&long, "3 4"]) };
    let mut places: Vec<usize> =
        cuts.chunks_exact(2).map(|cut| usize::from(cut[0]) << 8 | usize::from(cut[1])).collect();
    places.retain(|place| *place < wire.len() && (!is_alone || long.len() > max && *place > max));
    places.extend([0, wire.len()]);
    places.sort_unstable();
    for pair in places.windows(2) {
        stage.send(client, &wire[pair[0]..pair[1]]);
        stage.pass(if is_alone { Duration::from_millis(1) } else { Duration::from_millis(30) });
    }
    stage.pass(pause);
    if is_alone {
        stage.send(client, &written(&["3 4"]));
        stage.pass(pause);
    }
    const TAKEN: &str = "Data received";
    let error = match long.len() {
        0 => vec![],
        length if length > max => vec!["Error: message longer than 4096 bytes"],
        _ => vec![TAKEN, "Error: expected two numbers, for example: 5 10"],
    };
    let replies = [&[TAKEN, "50.0"][..], &error, &[TAKEN, "12.0"]].concat();
    let (heard, expected) = (&stage.ends[client].heard, written(&replies));
    assert!(*heard == expected, "{kind:?} {}: {}", long.len(), heard.escape_ascii());
    assert!(stage.ends[client].is_open);
}

/// Bursts, each after two bytes: its length, and the pause after it, in units of 5 ms, up to 1.3 s.
fn bursts(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], Duration)> {
    std::iter::from_fn(move || {
        let [length, pause, rest @ ..] = bytes else { return None };
        let (burst, behind) = rest.split_at(usize::from(length % 32).min(rest.len()));
        bytes = behind;
        Some((burst, Duration::from_millis(5 * u64::from(*pause))))
    })
}

/// Byte 1 chooses the service, then bursts follow. After each one the engine has a deadline, whatever the client does. Only a
/// member of the chat may be silent for as long as it likes.
pub fn every_prefix_has_a_deadline(bytes: &[u8]) {
    let [service, rest @ ..] = bytes else { return };
    let waits = |service: Service| service.facts().first != First::Nothing;
    let service = choose(*service, Transport::TCP, |service| waits(service) && !is_report(service));
    let mut stage = Stage::new(Settings::default());
    let client = stage.connect(service, Transport::TCP);
    for (burst, pause) in bursts(rest) {
        stage.send(client, burst);
        for _ in 0..2 {
            let is_served = stage.ends[client].is_open && stage.engine.members() == 0;
            assert!(!is_served || stage.engine.poll_deadline().is_some(), "{service}: {burst:?} {pause:?}");
            stage.pass(pause);
        }
    }
    // The deadlines are short: a client that is not a member stays no longer than the longest timeout.
    stage.pass(Duration::from_secs(700));
    assert!(!stage.ends[client].is_open || stage.engine.members() > 0, "{service}");
}

/// Bursts for multiply. The engine decides the kind once, except for a raw client that ends a line later. From then on, all
/// output for the client has the form of its kind.
pub fn known_kind_never_gets_another_kinds_form(bytes: &[u8]) {
    let mut stage = Stage::new(Settings::default());
    let client = stage.connect(Service::Multiply, Transport::TCP);
    for (burst, pause) in bursts(bytes) {
        stage.send(client, burst);
        stage.pass(pause);
    }
    stage.pass(Duration::from_secs(6));
    let mut kinds = Vec::new();
    for event in &stage.events {
        match event {
            EventKind::Decided(kind) => kinds.push(*kind),
            EventKind::Closed(CloseReason::PeerWrongProtocol(_)) => return, // the error has the form of that protocol
            _ => {}
        }
    }
    let is_once = matches!(kinds[..], [] | [_] | [FramingMode::Raw, FramingMode::Line]);
    assert!(is_once, "{kinds:?}");
    let heard = &stage.ends[client].heard[..];
    let shown = || heard.escape_ascii().to_string();
    // Without the answers to Telnet commands, which a line client may send too: IAC, the answer, and one more byte.
    let text = || {
        let (mut text, mut rest) = (Vec::new(), heard);
        while let Some(byte) = rest.first() {
            let taken = if *byte == 0xff { 3 } else { 1 };
            text.extend((taken == 1).then_some(*byte));
            rest = &rest[taken.min(rest.len())..];
        }
        text
    };
    match kinds[..] {
        [FramingMode::Line] => {
            assert!(!text().contains(&0) && (text().is_empty() || text().ends_with(b"\n")), "{}", shown());
        }
        [FramingMode::Raw] => assert!(!heard.contains(&b'\n') && !heard.contains(&0), "{}", shown()),
        [FramingMode::C] => {
            assert!(!heard.contains(&b'\n') && (heard.is_empty() || heard.ends_with(b"\0")), "{}", shown());
        }
        [kind @ FramingMode::Prefixed(_)] => {
            let mut rest = heard;
            while !rest.is_empty() {
                let found = codec::find(kind, rest, 0).unwrap_or_else(|| panic!("{kind:?}: {}", shown()));
                let text = &rest[found.start..found.end];
                assert!(!text.is_empty() && text.iter().all(|byte| *byte >= b' '), "{kind:?}: {}", shown());
                rest = &rest[found.taken..];
            }
        }
        [FramingMode::Telnet] => {
            let bare = text().windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r');
            assert!(!bare && !text().starts_with(b"\n"), "{}", shown());
        }
        _ => {}
    }
}
