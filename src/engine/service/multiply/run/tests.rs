use super::super::{evaluate, is_complete};
use super::*;
use crate::engine::codec::{lines, websocket};
use crate::engine::number;

/// A client's frame.
fn masked(text: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let payload = text.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [WHOLE_TEXT, MASKED | text.len() as u8].into_iter().chain(MASK).chain(payload).collect()
}

fn marked(texts: &[String], marks: Marks) -> Vec<u8> {
    let marked = texts.iter().map(|text| match marks {
        Marks::Lines => [text.as_bytes(), b"\n"].concat(),
        Marks::Frames => masked(text.as_bytes()),
    });
    marked.collect::<Vec<_>>().concat()
}

/// The replies as each message gets them when it is answered alone.
fn replies(texts: &[String], marks: Marks) -> Vec<u8> {
    let mut out = Vec::new();
    for text in texts {
        let mut result = Vec::new();
        number::write(evaluate(text.as_bytes()).expect("a request"), &mut result);
        for reply in [DATA_RECEIVED.as_bytes(), &result] {
            match marks {
                Marks::Lines => lines::encode(reply, &mut out),
                Marks::Frames => websocket::encode(reply, &mut out),
            }
        }
    }
    out
}

/// Numbers of every length, and those beside a change of the length.
fn numbers() -> Vec<u64> {
    let tens = (0..DIGITS as u32).map(|power| 10_u64.pow(power));
    let mut numbers: Vec<u64> = tens.flat_map(|ten| [ten - 1, ten, ten + 1, ten * 7, ten * 10 - 1]).collect();
    let mut random = 12_345_u64;
    numbers.extend((0..60).map(|step| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % 10_u64.pow(1 + step % 8)
    }));
    numbers
}

#[test]
fn run_gives_every_request_the_reply_of_a_single_one() {
    let numbers = numbers();
    let pairs = numbers.iter().flat_map(|left| numbers.iter().map(move |right| (left, right)));
    let exact = pairs.filter(|(left, right)| *left * *right < EXACT);
    let texts: Vec<String> = exact.map(|(left, right)| format!("{left} {right}")).collect();
    for marks in [Marks::Lines, Marks::Frames] {
        for texts in texts.chunks(100).chain(texts.chunks(1).take(300)) {
            let bytes = marked(texts, marks);
            let mut out = b"before".to_vec();
            let run = answer(&bytes, marks, usize::MAX, &mut out);
            assert_eq!(run, Run { taken: bytes.len(), requests: texts.len() });
            assert_eq!(out[6..].escape_ascii().to_string(), replies(texts, marks).escape_ascii().to_string());
        }
    }
}

#[test]
fn run_ends_before_everything_that_is_not_plain() {
    let others = [
        "",
        " ",
        "5",
        "5 ",
        " 5 10",
        "5  10",
        "5 10 ",
        "+5 10",
        "-5 10",
        "5 -10",
        "5.0 10",
        "5\t10",
        "5_0 10",
        "5 * 10",
        "123456789 1",
        "1 123456789",
        "99999999 99999999",
        "94906266 94906267",
        "5 10\0",
        "\x005 10",
        "5 1O",
        "/ 10",
        "5 :",
        "٥ ١٠",
        "five 10",
        "5 10\n6 7",
        "5\n10",
        "1e3 2",
    ];
    for other in others {
        for marks in [Marks::Lines, Marks::Frames] {
            let plain = ["3 4".to_owned(), "12 12".to_owned()];
            let mut bytes = marked(&plain, marks);
            let expected = Run { taken: bytes.len(), requests: 2 };
            bytes.extend(marked(&[other.to_owned(), "1 1".to_owned()], marks));
            let mut out = Vec::new();
            let run = answer(&bytes, marks, usize::MAX, &mut out);
            // Two lines in one text are one frame, and two lines.
            let is_two_lines = marks == Marks::Lines && other == "5 10\n6 7";
            if !is_two_lines {
                assert_eq!(run, expected, "{marks:?} {other:?}");
                assert_eq!(out, replies(&plain, marks), "{marks:?} {other:?}");
            }
        }
    }
}

#[test]
fn run_takes_no_part_of_a_request() {
    for marks in [Marks::Lines, Marks::Frames] {
        let texts = ["5 10".to_owned(), "12345678 87654321".to_owned(), "7 8".to_owned()];
        let bytes = marked(&texts, marks);
        for cut in 0..bytes.len() {
            let mut out = Vec::new();
            let run = answer(&bytes[..cut], marks, usize::MAX, &mut out);
            let whole = (0..=texts.len()).rev().find(|count| marked(&texts[..*count], marks).len() <= cut);
            let whole = whole.expect("no request at least");
            assert_eq!(
                run,
                Run { taken: marked(&texts[..whole], marks).len(), requests: whole },
                "{marks:?} {cut}"
            );
            assert_eq!(out, replies(&texts[..whole], marks), "{marks:?} {cut}");
        }
    }
}

#[test]
fn run_ends_once_the_queue_has_no_room() {
    let texts = vec!["5 10".to_owned(); 100];
    for marks in [Marks::Lines, Marks::Frames] {
        let (bytes, reply) = (marked(&texts, marks), replies(&texts[..1], marks).len());
        for (room, requests) in
            [(0, 0), (1, 1), (reply, 1), (reply + 1, 2), (40 * reply, 40), (99 * reply + 1, 100)]
        {
            let mut out = Vec::new();
            let run = answer(&bytes, marks, room, &mut out);
            assert_eq!((run.requests, out.len()), (requests, requests * reply), "{marks:?} {room}");
            assert_eq!(run.taken * 100, requests * bytes.len(), "{marks:?} {room}");
        }
    }
}

#[test]
fn frames_that_are_not_whole_masked_texts_are_no_part_of_a_run() {
    let plain = masked(b"5 10");
    for (at, byte) in [(0, 0x01), (0, 0x80), (0, 0x82), (0, 0x88), (0, 0x89), (0, 0xc1), (1, 0x04), (1, 0xff)]
    {
        let mut frame = plain.clone();
        frame[at] = byte;
        frame.extend_from_slice(&plain);
        assert_eq!(
            answer(&frame, Marks::Frames, usize::MAX, &mut Vec::new()),
            Run::default(),
            "{at}: {byte:#x}"
        );
    }
    let cr = masked(b"5 10\r");
    assert_eq!(answer(&cr, Marks::Frames, usize::MAX, &mut Vec::new()).requests, 1, "as a line's");
    assert!(is_complete(b"5 10\r"));
}
