//! An overlong message gets an error, and the connection continues, unless the message never ends.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{is_served, limited};
use crate::harness::late::in_time;
use crate::harness::{CHAT, Client, GREETING, MULTIPLY, Stream, show};

const TOO_LONG: &str = "Error: message longer than 4096 bytes";

#[test]
fn overlong_chat_message_is_refused_and_the_member_stays() {
    // This pause ends a raw client's message.
    let daemon = limited("raw_gap = \"500ms\"");
    let mut alice = Client::member(&daemon, "alice");
    let mut line = Client::member(&daemon, "line");
    let join = |name: &str| {
        let mut raw = daemon.tcp(CHAT);
        raw.hear("Greetings from the cave! Now type your name and press enter!\n");
        raw.say(name);
        raw.hear(format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit."));
        raw
    };
    let (mut raw, mut name) = (join("raw"), "raw".to_owned());
    alice.hear("line has joined the chat!\nraw has joined the chat!\n");
    line.hear("raw has joined the chat!\n");
    line.say(format!("before\n{}\nbehind\n", "x".repeat(100_000)));
    alice.hear("line: before\nline: behind\n");
    line.hear(format!("line: before\n{TOO_LONG}\nline: behind\n"));
    raw.hear("line: beforeline: behind");
    // A pause ends a raw client's message, whatever its pieces. Then the error is sent, and the session continues.
    for number in 0.. {
        let begun = Instant::now();
        for piece in [4097, 50_000, 1] {
            raw.say("x".repeat(piece));
            std::thread::sleep(Duration::from_millis(2)); // the test is about the pause
        }
        if begun.elapsed() < Duration::from_millis(450) {
            break;
        }
        // On a busy machine this test itself made such a pause, so these may have been several messages.
        assert!(number < 20, "the machine is busy for long");
        drop(raw);
        alice.hear_line_with(&format!("{name} has left the chat.")); // after what may have come as a message
        name = format!("raw{number}");
        raw = join(&name);
        alice.hear(format!("{name} has joined the chat!\n"));
    }
    raw.hear(TOO_LONG);
    raw.say("behind");
    raw.hear(format!("{name}: behind"));
    alice.hear(format!("{name}: behind\n"));
    daemon.stop();
}

#[test]
fn half_close_within_the_rest_still_gets_all_answers() {
    let daemon = limited("idle_timeout = \"10s\"");
    for (said, heard) in [
        (&b"5 10\n"[..], "Data received\n50.0\n"),
        (b"5 10\0", "Data received\x0050.0\0"),
        (b"\0\0\0\x045 10", "\0\0\0\rData received\0\0\0\x0450.0"),
        (b"\xff\xf15 10\r\n", "Data received\r\n50.0\r\n"),
    ] {
        let mut client = daemon.tcp(MULTIPLY);
        client.say(said);
        client.hear(heard);
        // The daemon finds both at the same time, however long this test took for them.
        daemon.freeze();
        client.say([&b"\0\0\x20\0"[..], &[b'x'; 5000]].concat());
        client.half_close();
        daemon.thaw();
        let rest = String::from_utf8_lossy(&client.hear_rest()).into_owned();
        // For a client that ends its messages with NUL, these were two empty ones, a blank one, and one that the end of the stream
        // ended.
        assert!(rest.contains(TOO_LONG) && rest.matches("Error").count() == 1, "{heard:?}: {rest:?}");
    }
    // The end of the stream ends a raw client's message too, and that of an unknown client.
    for first in [None, Some("5 10")] {
        let mut client = daemon.tcp(MULTIPLY);
        if let Some(first) = first {
            client.say(first);
            client.hear("Data received50.0");
        }
        daemon.freeze();
        client.say([b'x'; 5000]);
        client.half_close();
        daemon.thaw();
        let end = if first.is_some() { "" } else { "\n" };
        client.hear(format!("{TOO_LONG}{end}"));
        client.hear_end();
    }
    daemon.stop();
}

/// Sends pieces with a pause between them until the connection is closed. Returns what the client heard until then, how long that took, and
/// the longest pause.
fn overlong_without_end(mut client: Client, piece: usize, pause: Duration) -> (Vec<u8>, Duration, Duration) {
    let (start, words) = (Instant::now(), vec![b'x'; piece]);
    client.say([b'x'; 5000]);
    std::thread::scope(|scope| {
        let Stream::Tcp(stream) = &client.stream else { unreachable!() };
        let mut mouth = stream.try_clone().unwrap();
        let sends = scope.spawn(move || {
            let (mut sent, mut longest) = (start, Duration::ZERO);
            while start.elapsed() < Duration::from_secs(20) && mouth.write_all(&words).is_ok() {
                longest = longest.max(std::mem::replace(&mut sent, Instant::now()).elapsed());
                std::thread::sleep(pause); // the test is about the rate
            }
            longest
        });
        let heard = client.hear_rest();
        let told = start.elapsed();
        (heard, told, sends.join().unwrap())
    })
}

#[test]
fn endless_overlong_message_is_closed_at_the_deadline() {
    // A pause of this length ends a raw client's message.
    const GAP: Duration = Duration::from_millis(900);
    let daemon = limited("message_timeout = \"1s\"\nraw_gap = \"900ms\"");
    for (first, heard, end) in [
        ("5 10\n", "Data received\n50.0\n", "\n"),
        ("5 10\0", "Data received\x0050.0\0", "\0"),
        ("5 10", "Data received50.0", ""),
    ] {
        for (piece, pause) in [(100, Duration::from_millis(10)), (1 << 20, Duration::ZERO)] {
            let (told, after) = in_time(|| {
                let mut client = daemon.tcp(MULTIPLY);
                client.say(first);
                client.hear(heard);
                let (told, after, longest) = overlong_without_end(client, piece, pause);
                // On a busy machine the client itself makes such pauses.
                (longest < GAP / 2).then_some((told, after))
            });
            let expected = format!("{TOO_LONG}{end}Error: message not finished after 1 s{end}");
            assert_eq!(show(&told), show(expected.as_bytes()));
            assert!(
                after >= Duration::from_millis(990) && after < Duration::from_secs(10),
                "{first:?} {after:?}"
            );
        }
    }
    is_served(&mut daemon.tcp(MULTIPLY));
    daemon.stop();
}

#[test]
fn invalid_length_ends_the_connection_with_an_error() {
    let daemon = limited("idle_timeout = \"10s\"");
    let mut client = daemon.tcp(MULTIPLY);
    client.say(b"\0\0\0\x045 10");
    client.hear("\0\0\0\rData received\0\0\0\x0450.0");
    // A message of known length is skipped.
    client.say([&b"\0\x01\0\0"[..], &[b'x'; 65_536], b"\0\0\0\x033 4"].concat());
    client.hear(format!("\0\0\0%{TOO_LONG}\0\0\0\rData received\0\0\0\x0412.0"));
    client.say(b"\x80\0\0\0");
    client.hear(format!("\0\0\0%{TOO_LONG}"));
    client.hear_end();
    daemon.tcp(GREETING).hear("Message received. Thank you for connecting\r\n");
    daemon.stop();
}
