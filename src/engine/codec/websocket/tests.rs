use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const MAX: usize = 300;

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_frame(first & 0x0f, payload, &mut out);
    out[0] = first;
    let head = out.len() - payload.len();
    out[1] |= MASKED;
    unmask(&mut out[head..], MASK, 0);
    out.splice(head..head, MASK);
    out
}

fn text(payload: &str) -> Vec<u8> {
    frame(FIN | TEXT, payload.as_bytes())
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// The result for bytes in these pieces.
fn filtered(pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>, Option<Ending>) {
    let (mut frames, mut messages, mut replies) = (Frames::default(), ThinVec::new(), Vec::new());
    let mut ending = None;
    for piece in pieces {
        if ending.is_none() {
            ending = frames.filter(piece, MAX, &mut messages, &mut replies);
            assert!(frames.is_sound(messages.len()), "{frames:?}");
            let saved = serde_json::to_string(&frames).unwrap();
            frames = serde_json::from_str(&saved).unwrap();
        }
    }
    let (mut rest, mut texts) = (&messages[..], Vec::new());
    while let Some(found) = find(rest) {
        texts.push(String::from_utf8_lossy(&rest[found.start..found.end]).into_owned());
        rest = &rest[found.taken..];
    }
    (texts, replies, ending)
}

/// What a client's frames become, wherever they are cut: its messages, the answers to its pings, and how its frames end.
#[track_caller]
fn case(frames: &[Vec<u8>], texts: &[&str], replies: &[u8], ending: Option<Ending>) {
    let bytes = frames.concat();
    let expected = (texts.iter().map(|text| (*text).to_owned()).collect(), replies.to_vec(), ending);
    assert_eq!(filtered(&[&bytes]), expected, "{}", bytes.escape_ascii());
    for cut in 1..bytes.len() {
        let cut_up = filtered(&[&bytes[..cut], &bytes[cut..]]);
        assert_eq!(cut_up, expected, "{} at {cut}", bytes.escape_ascii());
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(filtered(&single), expected, "{} byte by byte", bytes.escape_ascii());
}

/// The same for a client that breaks this rule.
#[track_caller]
fn broken(frames: &[Vec<u8>], texts: &[&str], rule: &'static str) {
    case(frames, texts, b"", Some(Ending::Broken(rule)));
}

fn ping(payload: &[u8]) -> Vec<u8> {
    frame(FIN | PING, payload)
}

fn pong(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_frame(PONG, payload, &mut out);
    out
}

fn part(first: u8, payload: &str) -> Vec<u8> {
    frame(first, payload.as_bytes())
}

// The rules of RFC 6455, section by section.

#[test]
fn section_5_6_text_and_binary_messages_of_each_length_are_read() {
    let (long, longest) = ("x".repeat(126), "x".repeat(MAX));
    case(&[text("")], &[""], b"", None);
    case(&[text("Hello")], &["Hello"], b"", None);
    case(&[text("5 10"), text("3 4")], &["5 10", "3 4"], b"", None);
    case(&[text(&long[..125])], &[&long[..125]], b"", None);
    case(&[text(&long)], &[&long], b"", None);
    case(&[text(&longest)], &[&longest], b"", None);
    case(&[text("1"), text(&"x".repeat(MAX + 1))], &["1"], b"", Some(Ending::TooLong));
    case(&[frame(FIN | BINARY, b"5 10")], &["5 10"], b"", None);
    case(&[frame(FIN | BINARY, b"\xff")], &["\u{fffd}"], b"", None);
    case(&[text("κόσμε 😀")], &["κόσμε 😀"], b"", None);
}

#[test]
fn section_5_2_reserved_bits_opcodes_masks_and_lengths_are_checked() {
    const RESERVED: &str = "a reserved bit is set, and no extension was agreed on";
    const FEWEST: &str = "a length is written in the fewest bytes";
    broken(&[frame(FIN | 0x40 | TEXT, b"x")], &[], RESERVED);
    broken(&[frame(FIN | 0x20 | TEXT, b"x")], &[], RESERVED);
    broken(&[text("1"), frame(FIN | 0x10 | PING, b"")], &["1"], RESERVED);
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        broken(&[text("1"), frame(FIN | opcode, b"")], &["1"], "unknown opcode");
    }
    let mut unmasked = Vec::new();
    encode(b"hi", &mut unmasked);
    broken(&[unmasked], &[], "a client's frame is masked, and this one is not");
    let head = |length: &[u8]| [&[FIN | TEXT][..], length, &MASK].concat();
    broken(&[head(&[MASKED | 127, 0, 0, 0, 0, 0, 0, 0, 5]), vec![0; 5]], &[], FEWEST);
    broken(&[head(&[MASKED | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff])], &[], FEWEST);
    broken(&[head(&[MASKED | 126, 0, 5]), vec![0; 5]], &[], FEWEST);
    broken(&[head(&[MASKED | 127, 0x80, 0, 0, 0, 0, 0, 0, 0])], &[], "a length is less than 2^63");
    case(&[head(&[MASKED | 127, 0, 0, 1, 0, 0, 0, 0, 0])], &[], b"", Some(Ending::TooLong));
    case(
        &[head(&[MASKED | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
        &[],
        b"",
        Some(Ending::TooLong),
    );
}

#[test]
fn section_5_4_fragments_are_joined_and_control_frames_come_between() {
    let longest = "x".repeat(MAX);
    let between = [pong(b"p"), pong(b"")].concat();
    case(&[part(TEXT, "5 "), part(FIN, "10")], &["5 10"], b"", None);
    case(&[part(BINARY, "5 "), part(FIN, "10")], &["5 10"], b"", None);
    case(&[part(TEXT, ""), part(0, ""), part(FIN, "")], &[""], b"", None);
    case(&[part(TEXT, "a"), ping(b"p"), part(0, "b"), ping(b""), part(FIN, "c")], &["abc"], &between, None);
    case(&[part(TEXT, "a"), part(FIN, "b"), text("c")], &["ab", "c"], b"", None);
    let too_long = [part(TEXT, &longest[..200]), part(FIN, &longest[..101])];
    case(&too_long, &[], b"", Some(Ending::TooLong));
    broken(&[part(FIN, "x")], &[], "a continuation frame has no message to continue");
    broken(&[text("1"), part(0, "x")], &["1"], "a continuation frame has no message to continue");
    let begins = "a message begins before the previous one has ended";
    broken(&[part(TEXT, "a"), text("b")], &[], begins);
    broken(&[part(BINARY, "a"), part(BINARY, "b")], &[], begins);
}

#[test]
fn section_5_5_pings_are_answered_and_control_frames_are_short_and_whole() {
    case(&[ping(b"")], &[], &pong(b""), None);
    case(&[ping(&[0xff; 125])], &[], &pong(&[0xff; 125]), None);
    let three = [pong(b"1"), pong(b"2"), pong(b"3")].concat();
    case(&[ping(b"1"), ping(b"2"), text("1"), ping(b"3")], &["1"], &three, None);
    case(&[frame(FIN | PONG, b"unasked"), text("1")], &["1"], b"", None);
    broken(&[ping(&[0; 126])], &[], "a control frame has at most 125 bytes");
    broken(&[frame(FIN | CLOSE, &[3; 126])], &[], "a control frame has at most 125 bytes");
    broken(&[frame(PING, b"")], &[], "a control frame is in fragments");
    broken(&[frame(CLOSE, b"")], &[], "a control frame is in fragments");
}

#[test]
fn section_7_4_close_codes_are_those_that_may_be_sent() {
    case(&[frame(FIN | CLOSE, b"")], &[], b"", Some(Ending::Closed(1000)));
    case(&[text("1"), close(1000, b"bye"), text("2")], &["1"], b"", Some(Ending::Closed(1000)));
    case(&[part(TEXT, "a"), close(1001, b"")], &[], b"", Some(Ending::Closed(1001)));
    case(&[close(1000, &[b'x'; 123])], &[], b"", Some(Ending::Closed(1000)));
    for code in [1003, 1007, 1011, 3000, 3999, 4000, 4999] {
        case(&[close(code, b"")], &[], b"", Some(Ending::Closed(code)));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        broken(&[close(code, b"")], &[], "a close code that may not be sent");
    }
    broken(&[frame(FIN | CLOSE, b"\x03")], &[], "half a close code");
    case(&[close(1000, b"\xff")], &[], b"", Some(Ending::NotUtf8));
}

#[test]
fn section_8_1_text_is_utf_8_however_it_is_cut_into_frames() {
    for bytes in [&b"\xce"[..], b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xfe", b"a\x80"] {
        case(&[frame(FIN | TEXT, bytes)], &[], b"", Some(Ending::NotUtf8));
        case(&[text("1"), frame(TEXT, bytes), part(FIN, "x")], &["1"], b"", Some(Ending::NotUtf8));
    }
    case(&[frame(TEXT, b"\xce"), frame(FIN, b"\xba")], &["κ"], b"", None);
    case(&[frame(TEXT, b"\xf0\x9f"), ping(b""), frame(FIN, b"\x98\x80")], &["😀"], &pong(b""), None);
}

#[test]
fn message_is_sent_in_one_frame_and_nobody_is_sent_what_is_no_text() {
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let (message, mut out) = (vec![b'x'; length], Vec::new());
        encode(&message, &mut out);
        encode(b"next", &mut out);
        assert_eq!(texts(&out), [&message[..], b"next"]);
        let head = match length {
            ..126 => 2,
            126..0x1_0000 => 4,
            _ => 10,
        };
        assert_eq!(out.len(), head + length + 6);
    }
    let mut out = Vec::new();
    encode(b"a\xff", &mut out);
    encode_close(code::GOING_AWAY, &mut out);
    assert_eq!(out, b"\x81\x04a\xef\xbf\xbd\x88\x02\x03\xe9");
    assert_eq!(texts(&out), ["a\u{fffd}".as_bytes()], "and no code");
}

#[test]
fn damaged_record_is_not_gone_on_with() {
    let whole = Frames { frame_head: [0x81, 0x85, 0, 0, 0, 0].into_iter().collect(), ..Frames::default() };
    let message = Frames { message: Some(TEXT), message_bytes: 2, payload_left: Some(3), ..whole.clone() };
    assert!(message.is_sound(6) && !message.is_sound(5));
    for broken in [
        Frames { payload_left: Some(6), ..message.clone() },
        Frames { payload_left: Some(0), ..message.clone() },
        Frames { message: None, ..message.clone() },
        Frames { frame_head: ThinVec::new(), ..message.clone() },
        Frames { frame_head: vec![0; 20].into(), ..message },
    ] {
        assert!(!broken.is_sound(6), "{broken:?}");
    }
}
