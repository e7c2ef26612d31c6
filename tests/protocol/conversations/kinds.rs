//! Every dialogue with every kind of client: whole, cut at every byte, and with pauses between the pieces. Each kind sends and
//! receives in its own form what the table has as lines.

pub mod client;

use std::time::Duration;

use ipcd::engine::service::Service;

use client::{CLIENTS, Client, messages};

use super::stage::Stage;
use super::table::{CAVE, Dialogue, MEMBERS, table};
use crate::harness::show;

/// Less than `raw_gap`, more than `raw_gap`, and more than any pause that decides.
const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_millis(30);
const SILENCE: Duration = Duration::from_secs(6);

/// All dialogues, and those that this client can hold.
fn held_by(client: Client) -> Vec<(Dialogue, Vec<u8>, Vec<u8>)> {
    let table = table().into_iter().filter_map(|dialogue| {
        let messages = messages(&dialogue);
        let sends = client.can_hold(&dialogue, &messages).then(|| client.says_all(&messages))?;
        let hears = client.hears(&dialogue.hears);
        Some((dialogue, sends, hears))
    });
    let table: Vec<_> = table.collect();
    assert!(table.len() > 80, "{client:?} holds {} dialogues", table.len());
    table
}

fn with_members(service: Service) -> (Stage, ipcd::engine::message::ConnectionId) {
    let mut stage = Stage::new();
    if matches!(service, Service::Chat | Service::Mux) {
        for name in MEMBERS {
            let member = stage.connect(Service::Chat);
            stage.send(member, format!("{name}\n").as_bytes());
        }
    }
    let client = stage.connect(service);
    (stage, client)
}

/// What a client receives that sends this in pieces, with pauses between.
fn heard(service: Service, pieces: &[&[u8]], pause: Duration) -> Vec<u8> {
    let (mut stage, client) = with_members(service);
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        if stage.open[client.index as usize] {
            stage.send(client, piece);
            stage.pass(pause);
        }
    }
    stage.pass(SILENCE);
    if stage.open[client.index as usize] {
        stage.half_close(client);
        stage.pass(SILENCE);
    }
    stage.heard.swap_remove(client.index as usize)
}

#[track_caller]
fn check(client: Client, dialogue: &Dialogue, how: &str, heard: &[u8], hears: &[u8]) {
    assert!(
        heard == hears,
        "{client:?} {} {how}\nsends {}\nhears {}\n  not {}",
        dialogue.service,
        show(&dialogue.sends[..dialogue.sends.len().min(300)]),
        show(&heard[..heard.len().min(400)]),
        show(&hears[..hears.len().min(400)])
    );
}

/// Holds the dialogues with a client that sends everything at once, in one burst or in two.
fn hold_in_bursts(client: Client, pause: Duration) {
    for (dialogue, sends, hears) in held_by(client) {
        let service = dialogue.service;
        check(client, &dialogue, "whole", &heard(service, &[&sends], pause), &hears);
        let step = if sends.len() > 300 { sends.len() / 60 } else { 1 };
        for cut in (1..sends.len()).step_by(step) {
            if client == Client::Padded && sends[cut - 1] == b'\n' {
                continue; // the first piece is a line
            }
            if client == Client::Little4 && sends[0] >= b' ' && cut <= 4 && pause > SHORT {
                continue; // the first piece is a string of one character
            }
            let heard = heard(service, &[&sends[..cut], &sends[cut..]], pause);
            check(client, &dialogue, &format!("cut at {cut} with a pause of {pause:?}"), &heard, &hears);
        }
    }
}

#[test]
fn line_and_telnet_clients_hear_the_same_at_every_cut() {
    for client in [Client::Line, Client::Telnet] {
        hold_in_bursts(client, SHORT);
    }
    hold_in_bursts(Client::Telnet, LONG);
}

#[test]
fn c_client_hears_the_same_at_every_cut() {
    hold_in_bursts(Client::C, SHORT);
    hold_in_bursts(Client::Padded, SHORT);
}

#[test]
fn prefixed_client_hears_the_same_at_every_cut_and_pause() {
    for client in [Client::Big2, Client::Big4, Client::Little4, Client::Seven] {
        for pause in [SHORT, LONG, Duration::from_millis(900)] {
            hold_in_bursts(client, pause);
        }
    }
}

#[test]
fn byte_by_byte_client_hears_the_same_as_one_that_sends_at_once() {
    for client in [Client::Line, Client::Telnet, Client::C, Client::Big2, Client::Seven] {
        for (dialogue, sends, hears) in held_by(client) {
            if sends.len() < 200 {
                let bytes: Vec<&[u8]> = sends.chunks(1).collect();
                check(client, &dialogue, "typed", &heard(dialogue.service, &bytes, LONG), &hears);
            }
        }
    }
}

#[test]
fn raw_client_gets_each_message_in_its_own_send() {
    for (dialogue, _, hears) in held_by(Client::Raw) {
        let messages = messages(&dialogue);
        let first = messages[0];
        // Its first message may come in pieces; every later burst is a message.
        for cut in (0..first.len()).step_by(1 + first.len() / 20) {
            if dialogue.service == Service::Mux && cut > 0 {
                continue; // a service's name may be a message of its own
            }
            let (mut stage, client) = with_members(dialogue.service);
            stage.send(client, &first[..cut]);
            stage.pass(SHORT);
            for piece in std::iter::once(&first[cut..]).chain(messages[1..].iter().copied()) {
                if stage.open[client.index as usize] {
                    stage.send(client, piece);
                    stage.pass(SILENCE);
                }
            }
            stage.half_close(client);
            stage.pass(SILENCE);
            check(
                Client::Raw,
                &dialogue,
                &format!("cut at {cut}"),
                &stage.heard[client.index as usize],
                &hears,
            );
            let mut recvs = stage.sent[client.index as usize].iter();
            let greeting = hears.strip_prefix(CAVE.as_bytes()).map(|_| CAVE.trim_end());
            let lines = std::str::from_utf8(&dialogue.hears).unwrap().lines();
            for line in lines.skip(usize::from(greeting.is_some())).chain(None) {
                if greeting.is_some() && recvs.len() == stage.sent[client.index as usize].len() {
                    assert_eq!(recvs.next().unwrap(), CAVE.as_bytes());
                }
                for piece in line.as_bytes().chunks(1024) {
                    assert_eq!(show(recvs.next().expect("a send for each message")), show(piece));
                }
            }
            assert_eq!(recvs.next(), None);
        }
    }
}

#[test]
fn every_dialogue_prefix_has_a_deadline() {
    for client in CLIENTS {
        for (dialogue, sends, _) in held_by(client) {
            let service = dialogue.service;
            // A member of the room, and a partner in talk, may be silent for as long as they like.
            if service == Service::Chat || sends.len() > 300 {
                continue;
            }
            for end in 1..sends.len() {
                for typed in [false, true] {
                    let (mut stage, peer) = with_members(service);
                    let pieces = sends[..end].chunks(if typed { 1 } else { end });
                    for piece in pieces {
                        if stage.open[peer.index as usize] {
                            stage.send(peer, piece);
                            stage.pass(if typed { LONG } else { SHORT });
                        }
                    }
                    let is_open = stage.open[peer.index as usize];
                    let has_chosen_chat = stage.engine.members() > MEMBERS.len();
                    let deadline = stage.engine.poll_deadline();
                    assert!(
                        !is_open || has_chosen_chat || deadline.is_some(),
                        "{client:?} {service}, after {}",
                        show(&sends[..end])
                    );
                }
            }
        }
    }
}

#[test]
fn late_joiners_and_listeners_hear_the_room_in_their_own_form() {
    for (client, form) in [
        (Client::Line, b"bob: hi\nbob: ho\n".to_vec()),
        (Client::C, b"bob: hi\0bob: ho\0".to_vec()),
        (Client::Big2, b"\0\x07bob: hi\0\x07bob: ho".to_vec()),
        (Client::Seven, b"\x07bob: hi\x07bob: ho".to_vec()),
        (Client::Telnet, b"bob: hi\r\nbob: ho\r\n".to_vec()),
        (Client::Raw, b"bob: hibob: ho".to_vec()),
    ] {
        let (mut stage, peer) = with_members(Service::Chat);
        stage.send(peer, &client.says_all(&[b"alice"]));
        stage.pass(SILENCE);
        let before = stage.heard[peer.index as usize].len();
        let bob = ipcd::engine::message::ConnectionId { index: 0, generation: 1 };
        stage.send(bob, b"hi\nho\n");
        stage.pass(SILENCE);
        let heard = &stage.heard[peer.index as usize][before..];
        assert_eq!(show(heard), show(&form), "{client:?}");
        if matches!(client, Client::Raw | Client::C) {
            let sends = &stage.sent[peer.index as usize];
            assert_eq!(sends[sends.len() - 2..].concat(), form, "a send for each");
        }
    }
}

#[test]
fn raw_member_late_only_for_pauses_gets_all_at_once_without_loss() {
    let (mut stage, peer) = with_members(Service::Chat);
    stage.send(peer, b"alice");
    stage.pass(SILENCE);
    let before = stage.sent[peer.index as usize].len();
    let bob = ipcd::engine::message::ConnectionId { index: 0, generation: 1 };
    let mut said = String::new();
    // 500 messages in 2 s are more than one every 5 ms.
    for number in 0..1000 {
        stage.send(bob, format!("{number}\n").as_bytes());
        said += &format!("bob: {number}");
        stage.pass(Duration::from_millis(2));
    }
    stage.pass(SILENCE);
    let sends = &stage.sent[peer.index as usize][before..];
    assert_eq!(String::from_utf8(sends.concat()).unwrap(), said);
    let single = sends.iter().filter(|send| send.iter().filter(|byte| **byte == b':').count() == 1).count();
    assert!(single > 150 && single < 1000, "{single} messages of 1000 in a send of their own");
}

#[test]
fn reply_names_binary_data() {
    let utf16: Vec<u8> = "5 10".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (sends, error) in [
        (&utf16[..], "Error: this is UTF-16; send UTF-8\n"),
        (b"\xfe\xff\0a", "Error: this is UTF-16; send UTF-8\n"),
        (b"\xac\xed\0\x05t\0\x045 10", "Error: this is a serialized Java object; send text and a newline\n"),
        (b"\x80\x04\x95\n\0\0\0", "Error: this is a Python pickle; send text and a newline\n"),
        (b"\x83h\x02a\x05a\n", "Error: this is an Erlang term; send text and a newline\n"),
        (b"\x83k\0\x045 10", "Error: this is an Erlang term; send text and a newline\n"),
        (b"\x07\x0c\0\x045 10", "Error: this is a Go gob; send text and a newline\n"),
        (
            b"\x1b\xff\x81\x03\x01\x01\x01P\x01\xff\x82\0\x01\x02\x01\x01A\x01\x04\0\x01\x01B\x01\x04\0\0\0\x07\xff\x82\x01\n\x01\x14\0",
            "Error: this is a Go gob; send text and a newline\n",
        ),
    ] {
        for service in [Service::Multiply, Service::Hello, Service::Talk, Service::Stats, Service::Mux] {
            assert_eq!(show(&heard(service, &[sends], SHORT)), show(error.as_bytes()), "{service}");
        }
    }
}

#[test]
fn client_that_sends_eof_is_drained_and_not_read_further() {
    for (first, rest) in [
        (&b"\xff\xf15 10\r\n3 4\r\n\xff\xec"[..], &b"6 7\r\n\xff\xfd\x03"[..]),
        (b"\xff\xf15 10\r\n3 4\xff\xec6 7\r\n", b"\xff\xec"),
    ] {
        for cut in 3..first.len() {
            let mut stage = Stage::new();
            let client = stage.connect(Service::Multiply);
            stage.send(client, &first[..cut]);
            stage.send(client, &first[cut..]);
            // A close at this point would answer later input with a reset, which may destroy the last message.
            assert!(stage.open[client.index as usize], "cut at {cut}");
            stage.send(client, rest);
            assert!(stage.open[client.index as usize], "cut at {cut}");
            let heard = stage.heard[client.index as usize].escape_ascii().to_string();
            assert_eq!(heard, r"Data received\r\n50.0\r\nData received\r\n12.0\r\n", "cut at {cut}");
            stage.half_close(client);
            assert!(!stage.open[client.index as usize], "cut at {cut}");
        }
    }
}

#[test]
fn uncleared_array_is_heard_up_to_its_nul() {
    // Fill patterns of allocators and debuggers, an address, and a byte that is part of a character.
    let fillings: [&[u8]; 4] = [b"\xa5", b"\xcc", b"\x10\xe0\xff\xff\xfd\x7f\0\0", b"\0\0\x01\xc3"];
    for filling in fillings {
        for size in [16, 64, 1024] {
            let array = |text: &str| {
                let mut array = format!("{text}\0").into_bytes();
                array.extend(filling.iter().cycle().take(size - array.len().min(size)));
                array
            };
            let (mut stage, client) = with_members(Service::Multiply);
            for text in ["5 10", "3 4", "abc", "6 7"] {
                stage.send(client, &array(text));
                stage.pass(SHORT);
            }
            stage.pass(SILENCE);
            let heard = stage.heard[client.index as usize].escape_ascii().to_string();
            let error = "Error: expected two numbers, for example: 5 10";
            let replies =
                ["50.0", "12.0", error, "42.0"].map(|reply| format!("Data received\\x00{reply}\\x00"));
            assert_eq!(heard, replies.concat(), "{size} bytes of {}", filling.escape_ascii());

            let (mut stage, client) = with_members(Service::Chat);
            for text in ["alice", "hi", "{quit}"] {
                stage.send(client, &array(text));
                stage.pass(SHORT);
            }
            stage.pass(SILENCE);
            let heard = stage.heard[client.index as usize].escape_ascii().to_string();
            assert!(heard.ends_with("exit.\\x00alice: hi\\x00{quit}\\x00"), "{size}: {heard}");
        }
    }
    // Text after a NUL is another string, also in another encoding, and in the middle of a character.
    let mut stage = Stage::new();
    let client = stage.connect(Service::Chat);
    for burst in [&b"alice\0"[..], b"hi\0Jos\xe9\0ho\0\xc3", b"\xa9t\xc3\xa9\0"] {
        stage.send(client, burst);
        stage.pass(SHORT);
    }
    stage.pass(SILENCE);
    let heard = String::from_utf8(stage.heard[client.index as usize].clone()).unwrap();
    assert!(heard.ends_with("alice: hi\0alice: Jos\u{fffd}\0alice: ho\0alice: été\0"), "{heard:?}");
}

#[test]
fn white_space_length_counts_only_if_exactly_that_much_follows() {
    let answer = |result: &str| [b"\rData received", &[result.len() as u8][..], result.as_bytes()].concat();
    for (text, result) in [
        ("5 1000000", "5000000.0"),
        ("12345 6789", "83810205.0"),
        ("12345 67890", "838102050.0"),
        ("5 * 12345678", "61728390.0"),
        ("5 * 100000000", "500000000.0"),
    ] {
        // BinaryWriter sends the length and the text separately.
        for pause in [Duration::ZERO, SHORT, Duration::from_millis(100)] {
            let heard = heard(Service::Multiply, &[&[text.len() as u8], text.as_bytes()], pause);
            assert_eq!(show(&heard), show(&answer(result)), "{text:?} {pause:?}");
        }
    }
    // Lines, and a client that types: blank lines mean nothing, and the next line is a request.
    for (pieces, hears) in [
        (&[&b"\n12345 6789\n"[..]][..], "Data received\n83810205.0\n"),
        (&[b"\n", b"12345 6789\n"], "Data received\n83810205.0\n"),
        (&[b"\n", b"5 10\n"], "Data received\n50.0\n"),
        (&[b"\n5 1", b"0\n"], "Data received\n50.0\n"),
        (&[b"\t123 4567\n"], "Data received\n561741.0\n"),
    ] {
        for pause in [SHORT, Duration::from_millis(700)] {
            assert_eq!(show(&heard(Service::Multiply, pieces, pause)), show(hears.as_bytes()), "{pieces:?}");
        }
    }
    let typed: Vec<&[u8]> = b"\n12345 6789".chunks(1).collect();
    let heard = heard(Service::Multiply, &typed, Duration::from_millis(100));
    assert!(heard.ends_with(b"83810205.0\n"), "{}", show(&heard));
}
