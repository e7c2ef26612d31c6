//! A client's mistakes as watchers see them: what causes each hint, and that no correct client causes one. The test sets the time.

use std::time::Duration;

use ipcd::engine::diagnosis::Mistake;
use ipcd::engine::message::Input;
use ipcd::engine::service::Service::{self, Chat, Greeting, Hello, Multiply, Mux, Stats, Talk};
use serde_json::Value;

use super::stage::Stage;

/// A client's action.
#[derive(Clone, Copy, Debug)]
enum Does {
    Says(&'static [u8]),
    /// This many milliseconds pass.
    Waits(u64),
    /// It shuts down its sending side, and continues to read.
    HalfCloses,
    /// Its kernel answers with a reset.
    IsGone,
}

use Does::{HalfCloses, IsGone, Says, Waits};

/// The mistakes that a watcher sees, in order.
fn hints(service: Service, script: &[Does]) -> Vec<String> {
    let mut stage = Stage::new();
    let watcher = stage.connect(Service::Watch);
    stage.send(watcher, b"json\n");
    // A partner for talk and a member of the room, both connected first.
    let partner = stage.connect(if service == Talk { Talk } else { Chat });
    stage.send(partner, b"bob\n");
    let client = stage.connect(service);
    for does in script {
        if !stage.open[client.index as usize] {
            break;
        }
        match *does {
            Says(bytes) => stage.send(client, bytes),
            Waits(millis) => stage.pass(Duration::from_millis(millis)),
            HalfCloses => stage.half_close(client),
            IsGone => {
                stage.engine.handle(stage.now, Input::Lost { peer: client });
                stage.settle();
            }
        }
    }
    stage.settle();
    let seen = String::from_utf8(stage.heard.swap_remove(watcher.index as usize)).unwrap();
    let events = seen.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let hints = events.filter(|event| event["event"] == "hint");
    hints.map(|event| event["mistake"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn check(service: Service, script: &[Does], expected: &[&str]) {
    assert_eq!(hints(service, script), expected, "{service} {script:?}");
}

/// Correct programs and people, each of which leaves in its own way.
const RIGHT: &[(Service, &[Does])] = &[
    (Multiply, &[Says(b"5 10\n"), Waits(1), HalfCloses]),
    (Multiply, &[Says(b"5 10\r\n"), Waits(1), HalfCloses]),
    (Multiply, &[Says(b"5 10\n"), HalfCloses, Waits(3000)]), // echo 5 10 | nc -N
    (Multiply, &[Says(b"5 10"), HalfCloses, Waits(3000)]), // printf '5 10' | nc -N, and so do ncat, socat, Node, Go
    (Multiply, &[Says(b"5 10"), Waits(10), HalfCloses, Waits(3000)]),
    (Multiply, &[Says(b"5 10"), Waits(30), HalfCloses]),
    (Multiply, &[Says(b"5 10"), Waits(30), Says(b"3 4"), Waits(30), Says(b"6 7"), Waits(30), HalfCloses]),
    (Multiply, &[Says(b"5 10"), Waits(30), Says(b"3 4"), HalfCloses, Waits(3000)]),
    (Multiply, &[Says(b"5 10\n3 4\n6 7\n"), Waits(1), Says(b"8 9\n"), Waits(1), HalfCloses]),
    // Rust's write!, Java's writeBytes, Haskell without a buffer.
    (Multiply, &[Says(b"5"), Says(b" "), Waits(1), Says(b"1"), Says(b"0"), Waits(30), HalfCloses]),
    (Multiply, &[Says(b"5"), Says(b" 10\n"), Waits(1), Says(b"3"), Says(b" 4\n"), Waits(1), HalfCloses]),
    // A byte order mark, digits and spaces of other scripts, and words for leaving.
    (Multiply, &[Says(b"\xef\xbb\xbf"), Waits(30), Says(b"5 10\n"), Waits(1), HalfCloses]),
    (Multiply, &[Says("５\u{3000}１０\n".as_bytes()), Says("٥\u{a0}١٠\n".as_bytes()), Waits(1), HalfCloses]),
    (Multiply, &[Says(b"5*10\n"), Says(b"2**3\n"), Says(b"quit\n"), Waits(1), HalfCloses]),
    // A person types, in whole lines or character by character.
    (Multiply, &[Waits(3000), Says(b"5 10\n"), Waits(20_000), Says(b"3 4\n"), Waits(9000), HalfCloses]),
    (
        Multiply,
        &[
            Waits(900),
            Says(b"5"),
            Waits(90),
            Says(b" "),
            Waits(90),
            Says(b"7"),
            Waits(90),
            Says(b"\n"),
            Waits(9),
        ],
    ),
    (Multiply, &[Waits(900), Says(b"5 7"), Waits(900), Says(b"\n"), Waits(9), HalfCloses]), // Ctrl-D, and Return
    // A program that sends a request every other second, and one that sends many at once and leaves.
    (Multiply, &[Says(b"5 10\n"), Waits(2000), Says(b"5 10\n"), Waits(4000), Says(b"5 10\n"), HalfCloses]),
    // A mistake for which there is no hint gets only its error.
    (Multiply, &[Says(b"5 x"), Waits(2000), HalfCloses]),
    (Multiply, &[Says(b"5 {x\n"), Waits(30), HalfCloses]),
    (Multiply, &[Says(b"5\x07 10\n"), Says(b"\x1b[A\n"), Waits(30), HalfCloses]),
    // Blank lines, and a request that begins with white space.
    (Multiply, &[Says(b"\n5 10\n"), Says(b"\n12345 6789\n"), Says(b"\n"), Waits(1), HalfCloses]),
    (Multiply, &[Says(b"\n"), Waits(100), Says(b"12345 6789\n"), Waits(1), HalfCloses]),
    (Multiply, &[Says(b"\t5 10\n"), Says(b"\t123 4567\n"), Waits(1), HalfCloses]),
    (Mux, &[Says(b"multiply\n5 10\n"), Waits(30), HalfCloses]),
    (Mux, &[Says(b"5 10"), Waits(30), HalfCloses, Waits(3000)]),
    (Chat, &[Says(b"alice"), Waits(900), Says(b"hi"), Waits(60_000), Says(b"{quit}")]),
    (Chat, &[Says(b"alice\n"), Waits(9), Says("Grüße ½ 😀\n".as_bytes()), Waits(60_000), HalfCloses]),
    (Chat, &[Says("Zoë\n".as_bytes()), Says(b"5 10\n"), Waits(9), HalfCloses]),
    (Hello, &[Says(b"H"), Waits(5), Says(b"ello"), Waits(2000), HalfCloses]),
    (Hello, &[Says(b"Hello from client\n"), Waits(9), HalfCloses]),
    (Greeting, &[Waits(9), HalfCloses]),
    (Chat, &[Says(b"O'Neill\n"), Says(b"C:\\new b'x' {a} %d\\n\n"), Says(b"1 2 3\n"), Waits(9), HalfCloses]),
    (Chat, &[Says(b"/key 0123456789abcdef alice\\n\n"), Waits(9), HalfCloses]),
    (Talk, &[Waits(9000), Says(b"hi"), Waits(9000), Says(b"bye")]),
    (Stats, &[Says(b"{\"host\":\"pc7\",\"cpu_percent\":12.5}\n"), Waits(9), HalfCloses]),
];

#[test]
fn correct_clients_get_no_hint() {
    for (service, script) in RIGHT {
        check(*service, script, &[]);
    }
}

#[test]
fn joined_sends_get_a_hint_and_split_requests_do_not() {
    check(Multiply, &[Says(b"12"), Waits(200), Says(b"34"), Waits(2000)], &["joined_sends"]);
    check(Multiply, &[Says(b"5 1"), Says(b"0"), Says(b"3 4"), Waits(2000)], &["joined_sends"]);
    check(Multiply, &[Says(b"5 *"), Waits(2000), HalfCloses], &["unfinished"]);
    // An incomplete request at the end of input gets its error, or a hint of its own.
    check(Multiply, &[Says(b"b'5 10'"), Waits(2000)], &["printed_bytes"]);
    check(Multiply, &[Says(b"4"), Says(b"         5 10"), Waits(2000)], &["length_prefix"]);
    check(Multiply, &[Says(b"5"), Waits(9000)], &["one_number"]);
}

#[test]
fn each_non_line_form_is_named_once() {
    let twice = |message: &'static [u8]| [Says(message), Waits(30), Says(message), Waits(30), HalfCloses];
    for (message, mistake) in [
        (&b"5 10\0"[..], "c_string"),
        (b"5 10\0\0\0\0\0\0\0\0", "c_string"),
        (b"5 10\n\0\0\0", "c_string"),
        (b"5 10\0\xa5\xa5\xa5\xa5\xa5", "c_string"),
        (b"\n12345 6789", "length_prefix"),
        (b"\t123 45678", "length_prefix"),
        (b"\0\x045 10", "length_prefix"),
        (b"\0\0\0\x045 10", "length_prefix"),
        (b"\x04\0\0\x005 10", "length_prefix"),
        (b"\x045 10", "length_prefix"),
        (b"\xff\xfb\x1f\xff\xfb 5 10\r\n", "telnet"),
    ] {
        check(Multiply, &twice(message), &[mistake]);
    }
    let ctrl_c = [Says(b"5 10\r\n"), Waits(30), Says(b"\xff\xf4\xff\xfd\x06"), Waits(30), Says(b"5 10\r\n")];
    check(Multiply, &ctrl_c, &["telnet"]);
    check(Chat, &[Says(b"\0\x05alice"), Waits(30), Says(b"\0\x02hi"), Waits(30)], &["length_prefix"]);
    check(Hello, &[Says(b"Hello\0"), Waits(30)], &["c_string"]);
}

#[test]
fn binary_data_is_named_by_language_and_text_by_encoding() {
    for (bytes, mistake) in [
        (&b"5\0 \x001\x000\0"[..], "encoding"),
        (b"\xfe\xff\x005\0 \x001\x000", "encoding"),
        (b"\xac\xed\0\x05t\0\x045 10", "serialized"),
        (b"\x80\x04\x95\n\0\0\0\0\0\0\0K\x05K\n\x86\x94.", "serialized"),
        (b"\x01\0\0\0\x04\0\0\x005 10", "serialized"),
        (b"\x83h\x02a\x05a\n", "serialized"),
        (b"\x83k\0\x045 10", "serialized"),
        (b"\x07\x0c\0\x045 10", "serialized"),
        (b"\x1b\xff\x81\x03\x01\x01\x01P\x01\xff\x82\0", "serialized"),
    ] {
        check(Multiply, &[Says(bytes), Waits(30), HalfCloses, IsGone], &[mistake]);
        check(Chat, &[Says(bytes), Waits(30), HalfCloses], &[mistake]);
    }
    check(Chat, &[Says(b"Jos\xe9\n"), Waits(30), Says(b"Jos\xe9\n"), Waits(30)], &["encoding"]);
    check(Chat, &[Says(b"alice\n"), Waits(30), Says(b"Gr\xfc\xdfe\n"), Says(b"\xfcber\n")], &["encoding"]);
}

#[test]
fn source_text_in_place_of_its_meaning_is_named() {
    for (message, mistake) in [
        (&b"5 10\\n"[..], "literal_newline"),
        (b"5 10\\r\\n", "literal_newline"),
        (b"{a} {b}", "placeholder"),
        (b"{} {}", "placeholder"),
        (b"%d %d", "placeholder"),
        (b"$a $b", "placeholder"),
        (b"a={} b={}", "placeholder"),
        (b"5x10", "punctuation"),
        (b"b'5 10'", "printed_bytes"),
        (b"b'5 10\\n'", "printed_bytes"),
        (b"1 2 3", "more_numbers"),
        (b"4 5 10", "more_numbers"),
        (b"5 10 3 4", "more_numbers"),
    ] {
        let line: &'static [u8] = [message, b"\n"].concat().leak();
        check(Multiply, &[Says(line), Waits(30), HalfCloses], &[mistake]);
        check(Multiply, &[Says(message), Waits(1500), HalfCloses], &[mistake]);
        check(Mux, &[Says(b"multiply\n"), Says(line), Waits(30), HalfCloses], &[mistake]);
    }
    for (message, mistake) in [(&b"alice\\n"[..], "literal_newline"), (b"b'alice'", "printed_bytes")] {
        check(Chat, &[Says(message), Waits(1500), HalfCloses], &[mistake]);
    }
    check(Stats, &[Says(b"5 10\n"), Waits(30), HalfCloses], &["wrong_port"]);
}

#[test]
fn numbers_as_bytes_are_named_once() {
    for bytes in [
        &b"\0\0\0\x05\0\0\0\n"[..], // 5 and 10, one byte of which is LF
        b"\x05\0\0\0\n\0\0\0",
        b"\0\0\0\x05\0\0\0\x07",
        b"\x05\0\0\0\x07\0\0\0",
        b"\0\0\x002\0\0\0d",
        b"2\0\0\0d\0\0\0",
        b"\x05\x07",
        b"\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x07",
        b"@\x14\0\0\0\0\0\0@$\0\0\0\0\0\0",
        b"\0\0\0\0\0\0\x14@\0\0\0\0\0\0$@",
        b"\0\0\xa0@\0\0 A",
    ] {
        check(Multiply, &[Says(bytes), Waits(1500), Says(bytes), Waits(1500), HalfCloses], &["binary"]);
    }
}

#[test]
fn separate_newline_segment_gets_a_hint_only_for_programs() {
    // Guile, CLISP, Chicken, Crystal: from the first message on, or later; at once, or after an acknowledgement 40 ms later.
    for late in [0, 40] {
        check(
            Multiply,
            &[Says(b"5 10"), Waits(late.min(10)), Says(b"\n"), Waits(1), HalfCloses],
            &["newline_apart"],
        );
        check(
            Multiply,
            &[Says(b"5 10\n"), Waits(1), Says(b"3 4"), Waits(late), Says(b"\r\n"), Says(b"3 4"), Says(b"\n")],
            &["newline_apart"],
        );
    }
    check(Chat, &[Says(b"alice"), Says(b"\n"), Waits(1), Says(b"hi"), Says(b"\n")], &["newline_apart"]);
}

#[test]
fn program_awaiting_more_gets_a_hint_and_a_person_does_not() {
    check(Multiply, &[Says(b"5 10\n"), Waits(30_000)], &["second_recv"]);
    check(Multiply, &[Says(b"5 10\n3 4\n"), Waits(30_000), Says(b"6 7\n"), Waits(30_000)], &["second_recv"]);
    check(Multiply, &[Says(b"5 10"), Waits(30_000)], &[]);
    check(Multiply, &[Says(b"5 10\0"), Waits(30_000)], &["c_string"]);
    check(Chat, &[Says(b"alice\nhi\n"), Waits(30_000)], &[]);
}

#[test]
fn leaving_between_replies_gets_a_hint_and_half_closing_does_not() {
    // The kernel answers the result with a reset if the client has gone.
    check(Multiply, &[Says(b"5 10"), Waits(10), HalfCloses, IsGone], &["read_once"]);
    check(
        Multiply,
        &[Says(b"5 10"), Waits(30), Says(b"3 4"), Waits(10), HalfCloses, Waits(50), IsGone],
        &["read_once"],
    );
    check(Multiply, &[Says(b"5 10"), Waits(10), HalfCloses, Waits(3000)], &[]);
    check(Multiply, &[Says(b"5 10\n"), Waits(10), IsGone], &["unread"]);
    check(Hello, &[Says(b"hi\n"), IsGone], &["unread"]);
    // Messages of others in the room are not replies.
    check(Chat, &[Says(b"alice\nhi\n"), IsGone], &[]);
    check(Talk, &[Says(b"hi\n"), IsGone], &[]);
}

#[test]
fn named_mistake_is_not_followed_by_a_vaguer_hint() {
    check(Multiply, &[Says(b"5,10\n"), Waits(30), IsGone], &["comma"]);
    check(Multiply, &[Says(b"5,10"), Waits(1500), IsGone], &["comma"]);
    // The error has named this mistake.
    check(Multiply, &[Says(b"5 x\n"), Waits(30), IsGone], &[]);
    // A later request was right, so the earlier mistake is over.
    check(Multiply, &[Says(b"5,10\n"), Waits(30), Says(b"5 10\n"), Waits(10), IsGone], &["comma", "unread"]);
}

#[test]
fn silent_client_gets_a_flush_hint() {
    check(Multiply, &[Waits(9000), HalfCloses], &["silent", "silent"]);
    check(Chat, &[Waits(9000), Says(b"alice\n"), Waits(9), HalfCloses], &["silent"]);
    check(Talk, &[Waits(9000), HalfCloses], &[]);
}

#[test]
fn student_page_and_manual_explain_each_mistake() {
    let (page, manual) =
        (include_str!("../../../docs/clients.md"), include_str!("../../../man/ipcd-protocol.7"));
    for mistake in Mistake::ALL {
        let name = mistake.name();
        assert!(page.contains(&format!("\n| `{name}` | ")), "docs/clients.md: {name}");
        assert!(manual.contains(&format!("\n.It Li {name}\n")), "ipcd-protocol(7): {name}");
    }
}
