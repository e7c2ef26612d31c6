use super::*;

/// All messages in the bytes.
fn taken(intake: &mut Intake, fresh: &[u8], kind: FramingMode) -> Vec<String> {
    let mut fresh = fresh;
    let mut messages = Vec::new();
    while intake.has_more(fresh) {
        if let Some(message) = intake.next(&mut fresh, kind) {
            messages.push(String::from_utf8_lossy(message).into_owned());
            continue;
        }
        match intake.rest(&mut fresh, kind, 8) {
            Rest::Message(message) => messages.push(String::from_utf8_lossy(message).into_owned()),
            Rest::TooLong(_, end) => {
                messages.push("too long".to_owned());
                intake.skip_rest(Timestamp::at(0), &mut fresh, end, std::time::Duration::ZERO);
            }
            Rest::Unfinished => break,
        }
    }
    intake.keep(fresh);
    messages
}

#[test]
fn messages_are_taken_one_by_one() {
    let mut intake = Intake::default();
    intake.push(Some(FramingMode::Line), false);
    assert_eq!(taken(&mut intake, b"5 10\r\n3 4\n7", FramingMode::Line), ["5 10", "3 4"]);
    assert_eq!(intake.bytes(), b"7");
    intake.push(Some(FramingMode::Line), false);
    assert_eq!(taken(&mut intake, b" 8", FramingMode::Line), [""; 0]);
    intake.push(Some(FramingMode::Line), false);
    assert_eq!(taken(&mut intake, b"\n9\n", FramingMode::Line), ["7 8", "9"]);
    assert!(intake.is_empty() && intake.bytes.capacity() == 0, "an idle connection holds no memory");
}

#[test]
fn raw_message_ends_with_its_burst_even_when_delayed() {
    let mut intake = Intake::default();
    intake.push(Some(FramingMode::Raw), true);
    assert_eq!(taken(&mut intake, b"5", FramingMode::Raw), [""; 0]);
    intake.push(Some(FramingMode::Raw), false);
    intake.keep(b" 10");
    intake.push(Some(FramingMode::Raw), false);
    assert_eq!(taken(&mut intake, b"3 4", FramingMode::Raw), ["5 10", "3 4"]);
}

#[test]
fn end_of_stream_ends_a_continuing_burst() {
    let mut intake = Intake::default();
    intake.push(Some(FramingMode::Line), true);
    assert_eq!(taken(&mut intake, b"5 10", FramingMode::Line), [""; 0]);
    assert!(intake.goes_on());
    intake.end();
    assert!(intake.has_ended() && !intake.goes_on(), "nothing more is there to be waited for");
    assert_eq!(taken(&mut intake, b"", FramingMode::Line), ["5 10"]);
}

#[test]
fn burst_ends_with_the_stream() {
    let mut intake = Intake::default();
    intake.push(Some(FramingMode::Line), true);
    assert!(intake.goes_on() && !intake.has_ended());
    intake.end();
    assert!(intake.is_at_end() && !intake.goes_on(), "a burst that goes on suspends timeouts");
}
