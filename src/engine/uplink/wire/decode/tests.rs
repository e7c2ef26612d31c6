use super::*;

/// All frames of the bytes as text, when read in pieces of this size.
fn heard(bytes: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut heard = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(None) => break,
                Ok(Some(frame)) => heard.push(told(frame)),
                Err(error) => {
                    heard.push(error.to_owned());
                    return heard;
                }
            }
        }
    }
    heard
}

fn told(frame: Frame<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match frame {
        Frame::Info(json) => format!("info {}", text(json)),
        Frame::Message(message) | Frame::Overlong(message) => format!(
            "{} {} for {} from {}, {} {}",
            if matches!(frame, Frame::Overlong(_)) { "overlong" } else { "message" },
            text(message.subject),
            message.subscription,
            text(message.reply),
            message.status(),
            text(message.payload),
        ),
        Frame::Error(error) => format!("error {}", text(error)),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[test]
fn every_frame_is_read_whole_and_at_every_cut() {
    let bytes = b"INFO {\"a\":1} \r\nPING\r\nPONG\r\n+OK\r\n-ERR 'Stale Connection'\r\nMSG a.b 1 5\r\nhe\r\no\r\n\
        MSG a 2 r.e 0\r\n\r\nHMSG s 3 16 16\r\nNATS/1.0 503\r\n\r\n\r\nHMSG s 18446744073709551615 \t r 24 26\r\n\
        NATS/1.0 100 Heart\r\n\r\n\r\nhi\r\nping\nmsg x 1 1\n.\r\n";
    let wanted = [
        "info {\"a\":1}",
        "ping",
        "pong",
        "ok",
        "error Stale Connection",
        "message a.b for 1 from , 0 he\r\no",
        "message a for 2 from r.e, 0 ",
        "message s for 3 from , 503 ",
        "message s for 18446744073709551615 from r, 100 hi",
        "ping",
        "message x for 1 from , 0 .",
    ];
    for piece in 1..=bytes.len() {
        assert_eq!(heard(bytes, piece), wanted, "in pieces of {piece}");
    }
}

#[test]
fn bytes_of_another_protocol_are_an_error() {
    for (bytes, error) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "a line of it does not begin with a word of the protocol"),
        (b"\r\n", "a line of it does not begin with a word of the protocol"),
        (b"MSG a 1\r\n", "the line of a message has the wrong fields"),
        (b"MSG a 1 b c 5\r\n", "the line of a message has the wrong fields"),
        (b"MSG a 1 b c d e f 5\r\n", "the line of a message has the wrong fields"),
        (b"MSG a x 5\r\n", "the line of a message has the wrong fields"),
        (b"MSG a 1 -5\r\n", "the line of a message has the wrong fields"),
        (b"MSG a 1 99999999999999999999\r\n", "the line of a message has the wrong fields"),
        (b"HMSG a 1 6 5\r\n", "the line of a message has the wrong fields"),
        (b"HMSG a 1 6\r\n", "the line of a message has the wrong fields"),
        (b"MSG a 1 2\r\nabc\r\n", "a message does not end where its line says"),
        (&[b'x'; LINE_BYTES_MAX], "a line is longer than 64 KiB"),
    ] {
        assert_eq!(heard(bytes, 7).last().map(String::as_str), Some(error), "{}", bytes.escape_ascii());
    }
}

#[test]
fn overlong_message_is_skipped_and_none_of_it_is_kept() {
    let mut bytes = format!("MSG a 1 r {}\r\n", 3 * MESSAGE_BYTES_MAX).into_bytes();
    bytes.resize(bytes.len() + 3 * MESSAGE_BYTES_MAX, b'\n');
    bytes.extend_from_slice(b"\r\nPING\r\n");
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for piece in bytes.chunks(1000) {
        decoder.push(piece);
        while let Some(frame) = decoder.next().unwrap() {
            frames.push(told(frame));
        }
        assert!(decoder.bytes() <= 2 * LINE_BYTES_MAX, "{}", decoder.bytes());
    }
    assert_eq!(frames, ["overlong a for 1 from r, 0 ", "ping"]);
}

#[test]
fn memory_is_bounded_by_one_frame_and_one_read() {
    let read = 64 * 1024;
    let mut bytes = Vec::new();
    for size in [MESSAGE_BYTES_MAX, 5, MESSAGE_BYTES_MAX, 0] {
        bytes.extend_from_slice(format!("MSG a 1 {size}\r\n").as_bytes());
        bytes.resize(bytes.len() + size, b'x');
        bytes.extend_from_slice(b"\r\n");
    }
    let mut decoder = Decoder::default();
    let mut frames = 0;
    for piece in bytes.chunks(read) {
        decoder.push(piece);
        while decoder.next().unwrap().is_some() {
            frames += 1;
        }
        assert!(decoder.bytes() <= 2 * (MESSAGE_BYTES_MAX + 64 + read), "{}", decoder.bytes());
    }
    assert_eq!(frames, 4);
    assert!(decoder.bytes() <= LINE_BYTES_MAX, "nothing is kept at the end: {}", decoder.bytes());
}

#[test]
fn headers_tell_status_description_and_numbers() {
    let header = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 2\r\nNats-Last-Stream: x\r\n\r\n";
    let message = Message { header, ..Message::default() };
    assert_eq!((message.status(), message.description()), (100, &b"Idle Heartbeat"[..]));
    assert_eq!(message.field(b"Nats-Last-Consumer"), Some(2));
    assert_eq!((message.field(b"Nats-Last-Stream"), message.field(b"Nats-Last")), (None, None));
    for (header, status) in
        [(&b""[..], 0), (b"NATS/1.0\r\n\r\n", 0), (b"garbage here\r\n\r\n", 0), (b"NATS/1.0 50", 0)]
    {
        assert_eq!(Message { header, ..Message::default() }.status(), status);
    }
}
